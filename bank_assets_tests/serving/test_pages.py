"""What the pages say, read as a person would: parsed HTML of the real app on a home with a champion."""

import json
import re
from itertools import pairwise

import pytest

from bank_assets.contract import BY_SOURCE, PAYLOAD_COLUMNS
from bank_assets.ledger import chain, decisions, outcomes, promotions
from bank_assets_tests.demo_home import HTMX, fit_demo, make_home, open_pages, soup_of, token_of

ALL_PAGES = ("/", "/predict", "/campaign", "/monitoring", "/model", "/audit")


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path / "bank", fit_demo())


@pytest.fixture
def client(home):
    with open_pages(home) as client:
        yield client


def services(client):
    return client.app.state.services


def form_values(page):
    """What the Predict form would send."""
    form = page.select_one("#predict-form")
    values = {one["name"]: one.get("value", "") for one in form.select("input[name]")}
    for choice in form.select("select"):
        selected = choice.select_one("option[selected]") or choice.select_one("option")
        values[choice["name"]] = selected.get("value", selected.text)
    return values


def decide(client, **changes):
    values = {**form_values(soup_of(client.get("/predict"))), **changes}
    return client.post("/predict", data=values, headers=HTMX)


@pytest.mark.parametrize("path", ALL_PAGES)
def test_every_page_says_source_model_and_economics(client, path):
    response = client.get(path)
    page = soup_of(response)
    assert response.status_code == 200
    assert response.headers["vary"] == "HX-Request"
    assert page.html["lang"] == "en"
    assert page.select_one("nav a[aria-current=page]")["href"] == path
    assert page.select_one("[data-testid=source]").text == "Not real data: simulated"
    facts = page.select_one("footer").get_text(" ", strip=True)
    assert "version 2" in facts
    assert "5.00 EUR a call, 50.00 EUR a subscription, break-even 10.0 %" in facts
    assert "Local mode" in facts


@pytest.mark.parametrize("path", [*ALL_PAGES, "/login", "/nowhere"])
def test_every_page_can_be_used_with_keyboard_and_screen_reader(client, path):
    page = soup_of(client.get(path))
    assert len(page.select("h1")) == 1
    assert page.select_one("a.skip")["href"] == "#main"
    for field in page.select("input:not([type=hidden]), select, textarea"):
        label = page.select_one(f'label[for="{field.get("id")}"]') or field.find_parent("label")
        assert label is not None, field
        for described in field.get("aria-describedby", "").split():
            assert page.select_one(f"#{described}") is not None, described
    for scrolled in page.select(".scroll"):
        assert scrolled["tabindex"] == "0"
        assert scrolled.get("aria-label") or page.select_one(f"#{scrolled['aria-labelledby']}")
    for target in {one["hx-target"] for one in page.select("[hx-target]")}:
        assert page.select_one(target) is not None, target
    ids = [one["id"] for one in page.select("[id]")]
    assert len(ids) == len(set(ids))
    levels = [int(one.name[1]) for one in page.select("h1, h2, h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels


@pytest.mark.parametrize("path", ALL_PAGES)
def test_every_form_works_without_scripts(client, path):
    for form in soup_of(client.get(path)).select("form"):
        assert form["action"].startswith("/")
        assert form["method"] in ("get", "post")
        if form["method"] == "post":
            assert form.select_one("input[name=_csrf_token]")["value"]


@pytest.mark.parametrize(
    ("path", "marker"),
    [("/", "#attention"), ("/campaign?list=delivered:example.csv", "[data-testid=plan]"), ("/audit", ".empty")],
)
def test_the_same_address_gives_page_and_partial(client, path, marker):
    whole, part = soup_of(client.get(path)), soup_of(client.get(path, headers=HTMX))
    assert whole.html is not None
    assert part.html is None
    assert whole.select_one(marker) is not None
    assert part.select_one(marker) is not None
    restored = client.get(path, headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert soup_of(restored).html is not None


def test_the_form_offers_the_contract(client):
    page = soup_of(client.get("/predict"))
    for name in PAYLOAD_COLUMNS:
        column, field = BY_SOURCE[name], page.select_one(f"#f-{name}")
        assert column.description in page.select_one(f"#h-{name}").text
        if column.categories:
            assert [option.text for option in field.select("option")] == list(column.categories)
        else:
            assert (int(field["min"]), int(field["max"])) == (column.minimum, column.maximum)
    assert page.select_one("#f-contact_date")["value"] == "2010-10-18"


def test_a_decision_is_on_record_before_it_is_shown(client):
    response = decide(client, contact_id="c-7")
    page = soup_of(response)
    assert response.status_code == 201
    found = page.select_one("[data-testid=decision]")
    record = decisions.get(services(client).ledger, found["data-decision-id"])
    assert record.contact_id == "c-7"
    assert float(page.select_one("[data-testid=probability]")["data-value"]) == record.probability
    assert page.select_one("[data-testid=verdict]").text == ("Call" if record.decision == "call" else "Do not call")
    assert response.headers["hx-push-url"] == f"/predict/{record.id}"
    assert page.select_one("#predict-form")["hx-swap-oob"] == "true"
    assert page.select_one("input[name=decision_id]")["value"] == record.id


def test_shown_reasons_add_up_to_the_probability(client):
    page = soup_of(decide(client))
    amounts = [one.text for one in page.select(".reasons .amount")]
    points = [float(text.split()[0].replace("−", "-").replace("+", "")) for text in amounts]
    base = float(re.search(r"A typical customer has ([\d.]+) %", page.text)[1])
    shown = float(page.select_one("[data-testid=probability]")["data-value"]) * 100
    assert base + sum(points) == pytest.approx(shown, abs=0.05 * (len(points) + 1))
    assert any("Age 40" in one.text for one in page.select(".reasons .what"))


def test_without_scripts_a_decision_leads_to_its_own_address(client):
    values = form_values(soup_of(client.get("/predict")))
    response = client.post("/predict", data=values, follow_redirects=False)
    assert response.status_code == 303
    page = soup_of(client.get(response.headers["location"]))
    assert page.html is not None
    assert page.select_one("[data-testid=decision]")
    again = form_values(page)
    assert {name: again[name] for name in PAYLOAD_COLUMNS} == {name: values[name] for name in PAYLOAD_COLUMNS}


def test_faults_come_back_in_the_form_and_nothing_is_recorded(client):
    before = chain.anchor(services(client).ledger)
    response = decide(client, age="7", cost_eur="free", job="king")
    page = soup_of(response)
    assert response.status_code == 422
    assert response.headers["hx-retarget"] == "#predict-form"
    faulty = {one["name"]: one for one in page.select("[aria-invalid=true]")}
    assert set(faulty) == {"age", "cost_eur", "job"}
    assert page.select_one("#e-age").text == "Expected a whole number from 16 to 120 years; found 7."
    assert page.select_one("#f-age")["value"] == "7"
    assert "3 fields" in page.select_one("[role=alert]").text
    assert chain.anchor(services(client).ledger) == before


def test_a_what_if_is_no_decision_and_leaves_no_record(client):
    shown = soup_of(decide(client))
    record = decisions.get(services(client).ledger, shown.select_one("[data-testid=decision]")["data-decision-id"])
    before = chain.anchor(services(client).ledger)
    values = {**form_values(shown), "balance": "9000"}
    response = client.post("/predict/what-if", data=values, headers=HTMX)
    page = soup_of(response)
    assert "No decision, not on record" in page.text
    assert "Yearly balance 9000 instead of 450" in page.text
    assert page.select_one("[data-testid=what-if-difference]")
    assert page.select_one("[data-decision-id]") is None
    assert chain.anchor(services(client).ledger) == before
    recorded = decide(client, balance="9000")
    probability = float(soup_of(recorded).select_one("[data-testid=probability]")["data-value"])
    assert f"{probability * 100:.1f} %" in page.select_one("[data-testid=what-if-probability]").text
    assert probability != record.probability


def test_a_what_if_with_faults_says_which(client):
    values = {**form_values(soup_of(client.get("/predict"))), "age": "7"}
    response = client.post("/predict/what-if", data=values, headers=HTMX)
    assert response.status_code == 422
    assert "Age: expected a whole number" in soup_of(response).text


def test_stale_and_unseen_values_are_flagged(client):
    text = soup_of(decide(client, contact_date="2011-06-01", age="118")).text
    assert "Stale: 2011-06-01 lies more than 30 days past the last day the model knows, 2010-10-18" in text
    assert "Age 118 was never seen in training" in text


def test_what_customers_send_is_escaped(client):
    page = soup_of(decide(client, contact_id="<script>alert(1)</script>"))
    assert page.select("script") == []
    found = soup_of(client.get("/audit"))
    assert "<script>alert(1)</script>" in found.select_one("[data-testid=decisions]").text
    assert len(found.select("script")) == 4


def test_monitoring_shows_drift_by_column_and_month(client):
    page = soup_of(client.get("/monitoring"))
    report = services(client).settings.platform.reports / "drift" / "2010-09.json"
    document = json.loads(report.read_text())
    table = page.select_one("[data-testid=drift]")
    months = [one.text for one in table.select("thead th")][1:]
    column = months.index("2010-09")
    for one in document["columns"]:
        row = next(r for r in table.select("tbody tr") if r.select_one("th").text.split(" ")[0] == one["column"])
        cell = row.select("td")[column]
        if one["role"] != "calendar":
            assert {"none": "good", "moderate": "watch", "heavy": "bad"}[one["level"]] in cell["class"]
            assert one["level"] in cell.select_one(".visually-hidden").text
    charts = [json.loads(one["data-chart"]) for one in page.select("figure[data-chart]")]
    assert {one["name"] for one in charts} == {"label-rate", "profit", "observed-expected", "f1", "auc"}
    links = [one["href"] for one in page.select("section[aria-labelledby=reports-title] a")]
    assert links[:2] == ["/reports/retraining/v2.html", "/reports/drift/2010-11.html"]
    assert links[2].endswith("/20101102/contacts.html")


def test_each_chart_stands_as_a_table_too(client):
    for path in ("/monitoring", "/model"):
        for figure in soup_of(client.get(path)).select("figure[data-chart]"):
            chart = json.loads(figure["data-chart"])
            assert len(figure.select("tbody tr")) == len(chart["x"])
            assert figure.select_one("thead th").text == chart["x_label"]


def test_reports_are_open_but_customers_are_not(client):
    reports = services(client).settings.platform.reports
    (reports / "call_lists").mkdir()
    (reports / "call_lists" / "list.csv").write_text("contact_id\nc-1\n")
    (reports / "data_docs" / "out.html").symlink_to(services(client).settings.platform.home / "ledger.db")
    validation = client.get("/reports/data_docs/validations/contacts/20101102/contacts.html")
    assert soup_of(validation).select_one("link[rel=stylesheet]")["href"].startswith("/static/app.css")
    assert soup_of(validation).h1.text == "Validation 20101102"
    assert client.get("/reports/performance.json").json()["schema_version"] == 1
    for path in ("call_lists/list.csv", "data_docs/out.html", "data_docs/../call_lists/list.csv", "nothing.json"):
        assert client.get(f"/reports/{path}").status_code == 404, path


def test_the_model_page_shows_metrics_with_intervals_and_the_history_with_reasons(client):
    page = soup_of(client.get("/model"))
    metrics = services(client).store.champion.decision["metrics"]
    low, value, high = metrics["intervals"]["roc_auc"]
    auc = next(one for one in page.select(".tile") if one.dt.text == "AUC").get_text(" ", strip=True)
    assert f"{value:.3f}" in auc
    assert f"{low:.3f} to {high:.3f}, 90 % interval" in auc
    rows = page.select("[data-testid=history] tbody tr")
    assert [row.select_one(".badge").text for row in rows] == ["promoted", "refused", "promoted"]
    assert "P(profit gain > 0) = 0.61" in rows[1].text
    profits = [float(one["data-value"]) for one in page.select("[data-testid=candidates] td[data-value]")]
    assert profits == sorted(profits, reverse=True)
    assert {json.loads(one["data-chart"])["name"] for one in page.select("figure")} == {"calibration", "profit"}


def test_rollback_needs_confirmation_and_reason_then_swaps_and_is_in_the_history(client, home):
    token = token_of(client)
    asked = {**token, "version": "1", "reason": "slips"}
    refused = client.post("/model/rollback", data=asked)
    assert refused.status_code == 422
    assert "Confirm that the version" in soup_of(refused).select_one("#rollback [role=alert]").text
    short = client.post("/model/rollback", data={**asked, "reason": "x", "confirm": "yes"})
    assert "found 1" in soup_of(short).select_one("#rollback [role=alert]").text
    unknown = client.post("/model/rollback", data={**asked, "version": "77", "confirm": "yes"})
    assert "found 77" in soup_of(unknown).select_one("#rollback [role=alert]").text
    assert home.registry.moves == []
    done = soup_of(client.post("/model/rollback", data={**asked, "confirm": "yes"}))
    assert "Version 1 is in force" in done.text
    newest = promotions.latest(services(client).ledger)
    assert (newest.kind, newest.from_version, newest.to_version, newest.actor) == ("rollback", "2", "1", "local")
    assert newest.reasons == ["slips"]
    assert "slips" in done.select_one("[data-testid=history] tbody tr").text


def test_audit_finds_a_decision_shows_its_lineage_and_replays_it_identically(client):
    decide(client, contact_id="c-1")
    decide(client, contact_id="c-2", balance="77")
    page = soup_of(client.get("/audit", params={"contact_id": "c-1"}))
    (row,) = page.select("[data-testid=decisions] tbody tr")
    address = row.select_one("a")["href"]
    record = soup_of(client.get(address))
    text = record.get_text(" ", strip=True)
    assert "LightGBM" in text
    assert "5f" * 32 in text
    assert "simulated (not real)" in text
    assert record.select_one(f'form[action="{address}/replay"]')
    replayed = client.post(f"{address}/replay", data=token_of(client), headers=HTMX)
    part = soup_of(replayed).select_one("[data-testid=replay]")
    assert part["data-status"] == "identical"
    assert [cells.select("td")[-1].text for cells in part.select("table")[0].select("tbody tr")] == ["yes"] * 3
    whole = soup_of(client.post(f"{address}/replay", data=token_of(client)))
    assert whole.select_one("#replay [data-testid=replay]")["data-status"] == "identical"


def test_audit_by_id_goes_to_the_record(client):
    found = soup_of(decide(client)).select_one("[data-testid=decision]")["data-decision-id"]
    assert client.get("/audit", params={"id": found}, follow_redirects=False).headers["location"] == f"/audit/{found}"
    assert client.get("/audit", params={"id": found}, headers=HTMX).headers["hx-redirect"] == f"/audit/{found}"
    assert client.get("/audit", params={"id": "nobody"}).status_code == 404


def test_searches_page_by_cursor_and_say_when_nothing_fits(client, monkeypatch):
    monkeypatch.setattr("serving.controllers.pages_audit.PAGE_ROWS", 2)
    for _ in range(3):
        decide(client)
    page = soup_of(client.get("/audit", params={"actor": "local"}))
    older = soup_of(client.get(page.select_one("a[rel=next]")["href"]))
    numbers = [row.select_one("th").text for found in (page, older) for row in found.select("tbody tr")]
    assert numbers == ["3", "2", "1"]
    assert older.select_one("a[rel=next]") is None
    assert "Nothing found" in soup_of(client.get("/audit", params={"actor": "nobody"})).text


def test_outcomes_and_erasure_show_on_the_record(client):
    ledger = services(client).ledger
    decision_id = soup_of(decide(client, contact_id="customer-9")).select_one("[data-testid=decision]")[
        "data-decision-id"
    ]
    outcomes.record(ledger, y="yes", actor="crm", decision_id=decision_id, duration=261)
    assert "261" in soup_of(client.get(f"/audit/{decision_id}")).select_one("[aria-labelledby=outcomes]").text
    decisions.erase(ledger, actor="dpo", reason="request 12", contact_id="customer-9")
    record = client.get(f"/audit/{decision_id}")
    assert "request 12" in soup_of(record).select_one("[data-testid=erased]").text
    assert "customer-9" not in record.text
    replay = client.post(f"/audit/{decision_id}/replay", data=token_of(client), headers=HTMX)
    assert soup_of(replay).select_one("[data-testid=replay]")["data-status"] == "erased"
    assert client.get(f"/predict/{decision_id}").status_code == 404


def test_the_chain_is_verified_with_and_without_an_anchor(client):
    decide(client)
    head = chain.anchor(services(client).ledger)
    assert soup_of(client.get("/audit/chain")).select_one("[data-testid=chain]")["data-ok"] == "yes"
    good = client.get("/audit/chain", params={"anchor_seq": head.seq, "anchor_hash": head.hash}, headers=HTMX)
    assert "anchor" in soup_of(good).text
    cut = client.get("/audit/chain", params={"anchor_seq": head.seq + 5, "anchor_hash": head.hash})
    assert soup_of(cut).select_one("[data-testid=chain]")["data-ok"] == "no"
    for faulty in ({"anchor_seq": "1"}, {"anchor_seq": "x", "anchor_hash": "0" * 64}):
        assert client.get("/audit/chain", params=faulty).status_code == 422


def test_home_lists_what_needs_attention(client, home):
    text = soup_of(client.get("/")).select_one("#home").get_text(" ", strip=True)
    assert "Not real data" in text
    assert "Heavy drift in 2010-11" in text
    home.registry.is_down = True
    services(client).watcher.look()
    page = soup_of(client.get("/"))
    assert "The model registry does not answer" in page.text
    assert page.select_one(".strip[role=status]") is not None
    assert client.get("/predict").status_code == 200
