"""Access to pages: login, roles, form tokens, headers; and pages when something is missing."""

import json
import shutil
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from bank_assets.ledger import accounts
from bank_assets.ledger.engine import open_ledger, upgrade
from bank_assets.settings import Settings
from bank_assets_tests.serving.campaigns.lists import make_list
from bank_assets_tests.world.demo_home import HTMX, DemoHome, fit_demo, make_home, open_pages, soup_of, token_of
from bank_assets_tests.world.registry import MemoryRegistry
from serving.settings import ServingSettings

PASSWORD = "correct horse battery"
PAGES = ("/", "/predict", "/campaign", "/customers", "/monitoring", "/model", "/audit")


def with_users(folder):
    """A home that needs a log-in, with a user of each role."""
    found = make_home(folder, fit_demo(), is_login_required=True, secret="s" * 64)
    engine = open_ledger(found.settings.platform.ledger_url)
    for name, role in (("anna", "analyst"), ("otto", "auditor"), ("root", "admin")):
        accounts.create_user(engine, name, PASSWORD, role)
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    home = with_users(tmp_path_factory.mktemp("bank"))
    with open_pages(home) as client:
        client.home = home
        yield client


@pytest.fixture
def client(guarded):
    """A browser that has never been here."""
    guarded.cookies.clear()
    return guarded


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A home in which nothing ever ran; what a test puts into it, it takes out again."""
    folder = tmp_path_factory.mktemp("empty")
    platform = Settings(home=folder, ledger_url=f"sqlite:///{folder / 'ledger.db'}")
    engine = open_ledger(platform.ledger_url, migrate=False)
    upgrade(engine)
    engine.dispose()
    with open_pages(DemoHome(ServingSettings(platform=platform, poll_seconds=0.1), MemoryRegistry({}, None))) as client:
        yield client


def log_in(client, name, password=PASSWORD):
    return client.post("/login", data={**token_of(client), "name": name, "password": password}, follow_redirects=False)


@pytest.mark.parametrize("path", PAGES)
def test_without_login_every_page_leads_to_the_login_form(client, path):
    response = client.get(path, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    part = client.get(path, headers=HTMX)
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")


def test_nothing_is_shown_before_the_login(client):
    text = soup_of(client.get("/login")).text
    assert not [word for word in ("version", "EUR", "Known up to", "simulated") if word in text]
    log_in(client, "anna")
    assert "Known up to" in soup_of(client.get("/")).text


def test_a_form_without_its_token_says_what_to_do(client):
    response = client.post("/login", data={"name": "anna", "password": PASSWORD})
    assert response.status_code == 403
    assert "open the page again" in soup_of(response).text


def test_the_login_form_says_why_it_failed(client):
    assert soup_of(client.get("/login")).select_one('form[action="/login"] input[type=password]')
    response = log_in(client, "anna", "wrong")
    page = client.get(response.headers["location"])
    assert page.status_code == 401
    assert "The name or the password is not right" in soup_of(page).select_one("[role=alert]").text


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("anna", ("/", "/predict", "/campaign", "/customers", "/monitoring", "/model"), ("/audit", "/audit/chain")),
        ("otto", ("/", "/monitoring", "/model", "/audit"), ("/predict", "/campaign", "/customers")),
        ("root", PAGES, ()),
    ],
)
def test_each_role_sees_and_opens_its_own_pages(client, name, allowed, refused):
    assert log_in(client, name).status_code == 303
    shown = {link["href"] for link in soup_of(client.get("/")).select("nav a")}
    assert shown == set(allowed) & set(PAGES)
    assert {path: client.get(path).status_code for path in allowed} == dict.fromkeys(allowed, 200)
    for path in refused:
        response = client.get(path)
        assert response.status_code == 403
        assert soup_of(response).select_one("[data-testid=problem] a")["href"] == "/"


def test_only_an_administrator_rolls_back(client):
    log_in(client, "anna")
    assert soup_of(client.get("/model")).select_one('form[action="/model/rollback"]') is None
    sent = {**token_of(client), "version": "1", "reason": "because", "confirm": "yes"}
    assert client.post("/model/rollback", data=sent).status_code == 403
    assert client.home.registry.moves == []


def test_a_decision_of_somebody_else_is_not_shown(client):
    log_in(client, "anna")
    form = soup_of(client.get("/predict")).select_one("#predict-form")
    values = {one["name"]: one["value"] for one in form.select("input")}
    values |= {one["name"]: one.select_one("[selected]").text for one in form.select("select")}
    address = client.post("/predict", data=values, follow_redirects=False).headers["location"].split("#")[0]
    assert client.get(address).status_code == 200
    token = token_of(client)
    client.post("/logout", data=token)
    assert client.get(address, follow_redirects=False).status_code == 303
    log_in(client, "root")
    assert client.get(address).status_code == 200
    client.post("/logout", data=token_of(client))
    engine = client.app.state.services.ledger
    accounts.create_user(engine, "bert", PASSWORD, "analyst")
    log_in(client, "bert")
    assert client.get(address).status_code == 404


def test_a_row_leads_to_its_list_only_whom_the_list_s_page_lets_in(client):
    log_in(client, "root")
    list_id = soup_of(make_list(client)).select_one("[data-testid=list-id]").text
    for name, links in (("root", [f"/campaign/lists/{list_id}"]), ("otto", [])):
        client.post("/logout", data=token_of(client))
        log_in(client, name)
        place = soup_of(client.get(f"/audit/{list_id}.1")).select_one("[aria-labelledby=listed]")
        assert [one["href"] for one in place.select("a")] == links
        assert "example.csv" in place.text


@pytest.mark.parametrize(
    "path", ["/predict", "/predict/what-if", "/campaign/lists", "/model/rollback", "/audit/x/replay", "/logout"]
)
def test_a_form_without_its_token_is_refused(client, path):
    log_in(client, "root")
    response = client.post(path, data={"age": "40"})
    assert response.status_code == 403
    assert soup_of(response).select_one("[data-testid=problem]")


def test_a_browser_with_a_token_of_an_earlier_secret_gets_a_new_one(tmp_path):
    home = with_users(tmp_path / "bank")

    def browse(secret, cookies):
        with open_pages(replace(home, settings=replace(home.settings, secret=secret))) as client:
            client.cookies.update(cookies)
            return log_in(client, "anna", "wrong").status_code, dict(client.cookies)

    status, cookies = browse("s" * 64, {})
    assert (status, browse("t" * 64, cookies)[0]) == (303, 303)  # back to the form for the password, not 403 for it


def test_pages_carry_the_security_headers_and_are_not_stored(client):
    log_in(client, "root")
    headers = client.get("/").headers
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"


def test_static_files_are_public_and_named_by_content(client):
    page = soup_of(client.get("/login"))
    addresses = [one["href"] for one in page.select("link[rel=stylesheet]")] + [
        one["src"] for one in page.select("script")
    ]
    assert len(addresses) == 3
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 200, address
        assert "max-age=31536000" in response.headers["cache-control"]


@pytest.mark.parametrize("path", ["/predict", "/campaign", "/model"])
def test_without_a_model_pages_say_what_to_do(empty, path):
    response = empty.get(path)
    page = soup_of(response)
    assert response.status_code == 503
    assert page.select_one("h1").text == "There is no champion"
    assert page.select_one("[data-testid=problem] code").text == "make run"
    assert page.select_one("[data-testid=problem] a")["href"] == "/"


def test_without_anything_home_monitoring_and_audit_are_designed(empty):
    home = soup_of(empty.get("/"))
    assert "There is no champion" in home.select_one(".notice.bad").text
    assert home.select_one("[data-testid=source]").text == "No data yet"
    monitoring = soup_of(empty.get("/monitoring"))
    assert [one.select_one("h3").text for one in monitoring.select(".empty")] == [
        "No day judged yet",
        "No drift report yet",
        "No performance report yet",
    ]
    assert "No decision on record yet" in soup_of(empty.get("/audit")).text
    assert "no login is needed" in soup_of(empty.get("/login")).text.lower()


ALERT = dict.fromkeys(("kind", "key", "tone", "title", "text", "action"), "x") | {"schema_version": 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("performance.json", "{"),
        ("performance.json", '{"schema_version": 1, "latest": {"rows": 3}}'),
        ("performance.json", '{"schema_version": 99}'),
        ("run_summary.json", "[]"),
        ("run_summary.json", '{"rows_contacts": "many"}'),
        ("drift/2010-01.json", "{}"),
        ("drift/2010-01.json", '{"schema_version": 1, "status": "ok"}'),
        ("performance.json", r'{"schema_version": 1, "message": "\ud800"}'),
        ("alerts.jsonl", '{"schema_version": 1, "key": "k"}'),
        ("alerts.jsonl", json.dumps(ALERT | {"at": "9999-12-31T23:59:59-14:00"})),
        ("alerts.jsonl", '{"schema_version": 1, "key": "k", "kind": "a", "tone": "bad", "title": "t", "at": "soon"}'),
    ],
)
def test_an_unreadable_report_is_named_and_the_pages_work(empty, name, text):
    path = empty.app.state.services.settings.platform.reports / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    monitoring, home = empty.get("/monitoring"), empty.get("/")
    assert (monitoring.status_code, home.status_code) == (200, 200)
    assert f"{name} cannot be read" in soup_of(monitoring).text + soup_of(home).text
    assert ("No pipeline run is on file" in soup_of(home).text) == (name != "run_summary.json")
    path.unlink()
    assert "cannot be read" not in soup_of(empty.get("/monitoring")).select_one("main").text


def test_unreadable_reports_of_one_kind_are_one_notice(empty):
    folder = empty.app.state.services.settings.platform.reports / "drift"
    folder.mkdir(parents=True, exist_ok=True)
    for month in range(1, 10):
        (folder / f"2010-0{month}.json").write_text("{")
    titles = [one.text for one in soup_of(empty.get("/monitoring")).select(".notice .name")]
    (title,) = (one for one in titles if "cannot be read" in one)
    assert "drift/2010-01.json, drift/2010-02.json and 7 more" in title
    shutil.rmtree(folder)


def test_errors_have_page_partial_and_problem_json(empty):
    page = empty.get("/nowhere")
    assert page.status_code == 404
    assert soup_of(page).select_one("[data-testid=problem]").select_one("a")["href"] == "/"
    part = soup_of(empty.get("/nowhere", headers=HTMX))
    assert part.html is None
    assert part.select_one("[data-testid=problem]")
    program = empty.get("/nowhere", headers={"accept": "application/json"})
    assert program.headers["content-type"] == "application/problem+json"


def test_a_ledger_that_fails_is_503_and_home_still_answers(tmp_path, monkeypatch):
    with open_pages(make_home(tmp_path / "bank", fit_demo())) as client:

        def fail(*_args, **_kwargs):
            raise OperationalError("select", {}, Exception("disk"))

        monkeypatch.setattr("serving.home.page.chain.anchor", fail)
        assert "the ledger cannot be read" in soup_of(client.get("/")).text
        monkeypatch.setattr("serving.decisions.records.Records.search", fail)
        response = client.get("/audit")
        assert response.status_code == 503
        assert "disk" not in response.text
        assert response.headers["retry-after"]
