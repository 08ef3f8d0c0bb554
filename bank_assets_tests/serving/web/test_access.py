"""Who may do what: local mode, keys, scopes, limits, sessions, cross-site requests, headers, logs."""

import asyncio
import dataclasses
import io
import json
import logging

import pytest
from litestar.middleware.csrf import generate_csrf_token
from litestar.testing import TestClient

from bank_assets.ledger import accounts
from bank_assets.ledger.engine import LedgerError, open_ledger
from bank_assets_tests.world.app import open_app
from bank_assets_tests.world.waiting import wait_until
from serving.app import create_app
from serving.decisions.scoring import DecisionMaker
from serving.web import logs
from serving.web.limits import Buckets
from serving.web.log_ins import browser_of

PATH = "/api/v1/predictions"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def guarded_app(tmp_path_factory, bundle_a, bundle_b):
    """An app that requires credentials, with one key per scope and one user per role."""
    keys = {}

    def credentials(ledger):
        keys.update((scope, accounts.create_key(ledger, scope, [scope])) for scope in accounts.SCOPES)
        for role in accounts.ROLES:
            accounts.create_user(ledger, role, PASSWORD, role)

    with open_app(tmp_path_factory.mktemp("bank"), (bundle_a, bundle_b), credentials, is_login_required=True) as client:
        client.keys = keys
        yield client


@pytest.fixture
def guarded(guarded_app):
    """The app for a browser without cookies."""
    guarded_app.cookies.clear()
    return guarded_app


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "change", [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "example.org"}, {"is_login_required": True}]
)
def test_an_open_address_without_credentials_refuses_to_start(serving_settings, registry, change):
    settings = dataclasses.replace(serving_settings, **change)

    async def start():
        async with create_app(settings, registry=registry).lifespan():
            pass

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(start())
    assert caught.group_contains(LedgerError, match="python -m serving user")
    accounts.create_key(open_ledger(settings.platform.ledger_url), "first", ["admin"])
    asyncio.run(start())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_is_local_mode(serving_settings, host):
    assert dataclasses.replace(serving_settings, host=host).is_local_mode


def test_without_credentials_everything_but_health_is_401(guarded, payload):
    read = [guarded.get(path) for path in (PATH, "/metrics", "/api/v1/model", "/schema/openapi.json")]
    for response in (guarded.post(PATH, json=payload), *read):
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["content-type"] == "application/problem+json"
    assert guarded.get("/health/live").status_code == 200
    assert guarded.get("/health/ready").status_code == 200


def test_wrong_credentials_are_401(guarded, payload):
    for header in ("Bearer bank_wrong", "Bearer x", "Basic Zm9vOmJhcg==", "Bearer", ""):
        answer = guarded.post(PATH, json=payload, headers={"authorization": header})
        assert answer.status_code == 401, header


def test_each_route_needs_its_scope(guarded, payload):
    made = guarded.post(PATH, json=payload, headers=bearer(guarded.keys["predict"])).json()
    routes = {
        ("POST", PATH): ("predict", payload),
        ("POST", f"{PATH}/batch"): ("predict", [payload]),
        ("POST", "/api/v1/campaigns/plan"): ("predict", {"contacts": [{**payload, "contact_id": "c"}]}),
        ("POST", "/api/v1/lists"): (
            "predict",
            {"contacts": [{**payload, "contact_id": "c"}], "list_id": "a", "economics": {"value_eur": 900}},
        ),
        ("GET", "/api/v1/lists"): ("predict", None),
        ("GET", PATH): ("audit", None),
        ("GET", f"{PATH}/{made['id']}"): ("audit", None),
        ("POST", f"{PATH}/{made['id']}/replay"): ("audit", None),
        ("GET", "/api/v1/audit/verify"): ("audit", None),
        ("GET", "/api/v1/withdrawals"): ("audit", None),
        ("POST", "/api/v1/outcomes"): ("outcomes", {"prediction_id": made["id"], "y": "yes"}),
        ("POST", "/api/v1/audit/erasures"): ("admin", {"contact_id": "nobody", "reason": "because"}),
        ("POST", "/api/v1/model/rollback"): ("admin", {"version": "2", "reason": "because"}),
    }
    for (method, path), (needed, body) in routes.items():
        for scope, key in guarded.keys.items():
            status = guarded.request(method, path, json=body, headers=bearer(key)).status_code
            assert (status < 300) if scope == needed else (status == 403), (method, path, scope, status)


def test_the_page_that_takes_dispositions_needs_the_scope_of_the_api(guarded):
    answer = guarded.post("/campaign/lists/l-1/dispositions", headers=bearer(guarded.keys["predict"]))
    assert (answer.status_code, "expected the scope outcomes" in answer.text) == (403, True)


def test_the_key_is_the_actor_on_record(guarded, payload):
    made = guarded.post(PATH, json=payload, headers=bearer(guarded.keys["predict"])).json()
    record = guarded.get(f"{PATH}/{made['id']}", headers=bearer(guarded.keys["audit"])).json()
    assert record["actor"] == "predict"


def test_a_keys_rate_limit_is_kept(guarded, payload):
    engine = guarded.app.state.services.ledger
    key = accounts.create_key(engine, "slow", ["predict"], rate_per_minute=3)
    statuses = [guarded.post(PATH, json=payload, headers=bearer(key)).status_code for _ in range(5)]
    assert statuses == [201, 201, 201, 429, 429]
    refused = guarded.post(PATH, json=payload, headers=bearer(key))
    assert refused.headers["retry-after"] == "1"
    assert guarded.post(PATH, json=payload, headers=bearer(guarded.keys["predict"])).status_code == 201


def test_a_revoked_key_stops_working(guarded, payload, monkeypatch):
    services = guarded.app.state.services
    key = accounts.create_key(services.ledger, "short-lived", ["predict"])
    assert guarded.post(PATH, json=payload, headers=bearer(key)).status_code == 201
    accounts.revoke_key(services.ledger, "short-lived")
    services.access.forget(key)
    assert guarded.post(PATH, json=payload, headers=bearer(key)).status_code == 401


def log_in(client, name, password=PASSWORD):
    csrf = generate_csrf_token(client.app.state.services.settings.secret)
    client.cookies.set(client.app.csrf_config.cookie_name, csrf)
    return client.post("/login", data={"name": name, "password": password, "_csrf_token": csrf}, follow_redirects=False)


def test_a_session_carries_its_roles_scopes_and_ends(guarded, payload):
    response = log_in(guarded, "auditor")
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers.get_list("set-cookie")
    session = next(c for c in cookie if c.startswith("bank_session"))
    assert "HttpOnly" in session
    assert "SameSite=strict" in session
    browser = next(c for c in cookie if c.startswith("bank_browser"))
    assert "HttpOnly" in browser
    assert "Path=/login" in browser
    assert guarded.get(PATH).status_code == 200
    assert guarded.post(PATH, json=payload).status_code == 403
    csrf = guarded.cookies[guarded.app.csrf_config.cookie_name]
    assert guarded.post("/logout", headers={"x-csrftoken": csrf}, follow_redirects=False).status_code == 303
    guarded.cookies.clear()
    assert guarded.get(PATH).status_code == 401


def test_a_wrong_password_goes_back_to_the_form_and_guessing_is_slowed_without_locking_anybody_out(
    guarded, monkeypatch
):
    # The clock is stopped, because on a busy machine tries are so slow that none is refused.
    monkeypatch.setattr(guarded.app.state.services.log_ins, "_failures", Buckets(lambda: 0.0))
    answers = [log_in(guarded, "admin", "wrong horse battery") for _ in range(12)]
    assert {r.headers["location"] for r in answers[:10]} == {"/login?error=credentials"}
    assert {r.status_code for r in answers[10:]} == {429}
    guarded.cookies.set("bank_browser", browser_of("admin", "t" * 64))
    assert log_in(guarded, "admin").status_code == 429
    guarded.cookies.set("bank_browser", browser_of("admin", guarded.app.state.services.settings.secret))
    assert log_in(guarded, "admin").headers["location"] == "/"


def test_a_form_without_its_token_is_refused(guarded):
    response = guarded.post("/login", data={"name": "admin", "password": PASSWORD}, follow_redirects=False)
    assert response.status_code == 403


def test_an_api_key_in_a_cookie_is_no_session(guarded):
    guarded.cookies.set("bank_session", guarded.keys["audit"])
    assert guarded.get(PATH).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
    ],
)
def test_requests_that_another_site_makes_a_browser_send_are_refused(running, payload, headers):
    assert running.post(PATH, json=payload, headers=headers).status_code == 403
    assert running.get("/api/v1/model", headers=headers).status_code == 200


def test_a_proxy_that_drops_the_port_is_named_with_the_line_to_set(running, payload):
    told = running.post(PATH, json=payload, headers={"origin": "http://bank.example:8080", "host": "127.0.0.1"})
    assert told.status_code == 403
    for part in ("'http://bank.example:8080'", "'127.0.0.1'", "proxy_set_header Host $http_host;"):
        assert part in told.json()["detail"]


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1"}])
def test_own_pages_and_programs_pass(running, payload, headers):
    assert running.post(PATH, json=payload, headers=headers).status_code == 201


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "[::2]"])
def test_local_mode_answers_only_to_local_names(running, host):
    assert running.get("/api/v1/model", headers={"host": host}).status_code == 403
    assert running.get("/api/v1/model", headers={"host": "localhost:8000"}).status_code == 200


def test_every_answer_has_an_id_and_the_security_headers(running, payload):
    posted = [running.post(PATH, json=body) for body in (payload, {})]
    for response in (running.get("/health/live"), running.get("/nowhere"), *posted):
        assert response.headers["x-request-id"]
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "unsafe-inline" not in response.headers["content-security-policy"].split("style-src")[0]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
    given = running.post(PATH, json={}, headers={"x-request-id": "abc-123"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "abc-123"
    assert running.get("/health/live", headers={"x-request-id": "a b\tc"}).headers["x-request-id"] != "a b\tc"


def test_logs_are_json_lines_without_customer_data(serving_settings, registry, published, payload, caplog):
    caplog.set_level(logging.INFO, logger="serving")
    stream, events = io.BytesIO(), io.StringIO()
    handler = logging.StreamHandler(events)
    handler.setFormatter(logs.JsonLines())
    logging.getLogger().addHandler(handler)
    try:
        app = create_app(serving_settings, registry=registry, access_log=stream)
        with TestClient(app, base_url="http://127.0.0.1") as client:
            wait_until(lambda: app.state.services.store.champion is not None)
            secret = {**payload, "contact_id": "SECRET-CONTACT", "balance": 7654321}
            made = client.post(PATH, json=secret).json()
            client.post(PATH, json={**secret, "job": "SECRET-JOB"})
            client.get(PATH, params={"contact_id": "SECRET-CONTACT"})
            client.get(f"{PATH}/{made['id']}")
            client.get("/SECRET-PATH")
    finally:
        logging.getLogger().removeHandler(handler)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {(line["route"], line["status"]) for line in lines} >= {
        (PATH, 201),
        (PATH, 422),
        (PATH, 200),
        (f"{PATH}/{{prediction_id}}", 200),
        ("unrouted", 404),
    }
    text = stream.getvalue().decode() + events.getvalue()
    assert "champion in force" in text
    for leaked in ("SECRET", "7654321"):
        assert leaked not in text
    # The one line of the request that decided names its decision; reading the record later does not.
    named = [line for line in lines if "decision_id" in line]
    assert [(line["decision_id"], line["model_version"]) for line in named] == [(made["id"], made["model"]["version"])]
    assert text.count(made["id"]) == 1


def test_a_crash_is_logged_without_its_text_and_answered_as_500(client, payload, monkeypatch, caplog):
    def crash(*_args):
        raise RuntimeError("SECRET value 7654321")

    monkeypatch.setattr(DecisionMaker, "decide", crash)
    with caplog.at_level(logging.ERROR):
        response = client.post(PATH, json=payload)
    assert (response.status_code, response.json()["type"]) == (500, "/problems/internal")
    line = json.loads(logs.JsonLines().format(caplog.records[-1]))
    assert line["exception"] == "RuntimeError"
    assert line["request_id"] == response.headers["x-request-id"]
    assert "SECRET" not in json.dumps(line)
    assert "SECRET" not in response.text


def test_metrics_count_requests_by_route(client, payload):
    client.post(PATH, json=payload)
    client.get("/wp-admin.php")
    text = client.get("/metrics").text
    assert f'bank_http_requests_total{{method="POST",route="{PATH}",status="201"}} 1.0' in text
    assert 'route="unrouted",status="404"' in text
    assert "wp-admin" not in text
    assert "bank_decisions_recorded 1.0" in text
    assert 'bank_champion_version{digest="' in text
