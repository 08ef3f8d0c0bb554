"""A customer who objected is never called, by whichever page or route; and how current the list is."""

import csv
import io
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy.exc import OperationalError

from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.ledger import campaigns
from bank_assets.ledger.engine import open_ledger
from bank_assets_tests.world.app import csv_of
from bank_assets_tests.world.contracts import PERSONS
from bank_assets_tests.world.demo_home import HTMX, soup_of, token_of
from serving.customers.suppressions import SHORTEST_LIFE_SECONDS, Suppressions
from serving.decisions.form import default_values
from serving.decisions.scoring import OBJECTED, reason_of
from serving.web.problems import LedgerUnavailableError

PATH = "/api/v1/predictions"
WORTH_IT = {"economics": {"cost_eur": 0.01, "value_eur": 50_000}}
"""Economics that call everybody who may be called."""


@pytest.fixture
def ledger(tmp_path):
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield engine
    engine.dispose()


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def test_an_objection_holds_on_every_page_and_route(client, payload):
    services, token = client.app.state.services, token_of(client)
    customer = {**payload, "contact_id": "c-9", **WORTH_IT}
    before = client.post(PATH, json=customer).json()
    assert (before["decision"], before["reason"]) == ("call", None)

    # The answer to the objection is the moment from which it holds.
    answer = client.post(
        "/campaign/suppressions",
        data={**token, "ids": "c-9\nk-7"},
        files={"file": ("", b"", "application/octet-stream")},
        follow_redirects=False,
    )
    assert answer.status_code == 303, answer.text
    api = client.post(PATH, json=customer).json()
    padded = client.post(PATH, json={**customer, "contact_id": " c-9 "}).json()
    other = client.post(PATH, json={**customer, "contact_id": "c-90"}).json()
    nobody = client.post(PATH, json={name: value for name, value in customer.items() if name != "contact_id"}).json()
    for refused in (api, padded):
        assert (refused["decision"], refused["reason"]) == ("do_not_call", "suppressed")
    assert other["decision"] == nobody["decision"] == "call"
    assert api["probability"] == before["probability"]
    assert [flag["flag"] for flag in api["flags"]] == ["suppressed"]

    rows = client.post(f"{PATH}/batch", json=[customer, {**customer, "contact_id": "c-90"}]).json()["predictions"]
    assert [(row["decision"], row["reason"]) for row in rows] == [("do_not_call", "suppressed"), ("call", None)]
    text = csv_of([{**payload, "contact_id": "c-9"}])
    upload = client.post(f"{PATH}/batch?value_eur=50000", content=text, headers={"content-type": "text/csv"}).json()
    assert [(row["decision"], row["reason"]) for row in upload["predictions"]] == [("do_not_call", "suppressed")]

    plan = client.post("/api/v1/campaigns/plan", json={"contacts": [customer]}).json()
    assert [(one["contact_id"], one["reason"]) for one in plan["not_called"]] == [("c-9", "suppressed")]

    values = default_values(services.store.state.as_of, services.economics, services.payloads.contract)
    values |= {**token, "contact_id": "c-9", "value_eur": "50000"}
    form = client.post("/predict", data=values, headers={"HX-Request": "true"})
    assert form.status_code == 201, form.text
    assert "Do not call" in form.text
    assert "objected to direct marketing" in form.text
    assert "never seen in training" not in form.text
    what_if = client.post("/predict/what-if", data=values, headers={"HX-Request": "true"})
    assert "do not call (objected to direct marketing)" in what_if.text

    # A person objects under every contact, and the record names the person.
    contacts = [{**customer, "contact_id": name, "customer_id": "k-7"} for name in ("c-1", "c-2")]
    single = client.post(PATH, json=contacts[0]).json()
    (second,) = client.post(f"{PATH}/batch", json=contacts[1:]).json()["predictions"]
    plan = client.post("/api/v1/campaigns/plan", json={"contacts": contacts}).json()
    assert {one["reason"] for one in (single, second, *plan["not_called"])} == {"suppressed"}
    assert [one["customer_id"] for one in plan["not_called"]] == ["k-7", "k-7"]
    found = client.get(PATH, params={"customer_id": "k-7"}).json()["predictions"]
    assert [(one["contact_id"], one["customer_id"]) for one in found] == [("c-2", "k-7"), ("c-1", "k-7")]
    assert client.post(f"{PATH}/{second['id']}/replay").json()["status"] == "identical"
    assert "k-7" in client.get(f"/audit/{second['id']}").text
    assert "of k-7" in client.get("/audit", params={"customer_id": "k-7"}).text
    erasure = client.post("/api/v1/audit/erasures", json={"customer_id": "k-7", "reason": "request 7"})
    assert erasure.json() == {"erased": 2, "files": 0}
    assert client.get(f"{PATH}/{second['id']}").json()["customer_id"] is None

    record = client.get(f"{PATH}/{api['id']}").json()
    assert record["customer_id"] == "c-9"
    assert (record["decision"], record["reason"]) == ("do_not_call", "suppressed")
    assert client.post(f"{PATH}/{api['id']}/replay").json()["status"] == "identical"
    found = client.get(PATH, params={"contact_id": "c-9"}).json()["predictions"]
    assert {row["reason"] for row in found[:-1]} == {"suppressed"}
    assert found[-1]["reason"] is None
    assert "objected" in client.get("/audit", params={"contact_id": "c-9"}).text


@pytest.mark.parametrize("serving_settings", [{"contract": PERSONS}], indirect=True)
def test_a_list_names_persons_from_the_upload_to_the_file_of_calls(client, payload):
    token = token_of(client)
    client.app.state.services.suppressions.add({"k-0"}, reason="objection", actor="ana")
    rows = [{**payload, "contact_id": f"c-{n}", "Kunde": f"k-{n // 2}" if n < 4 else ""} for n in range(5)]
    file = {"file": ("may.csv", csv_of(rows).encode(), "text/csv")}
    uploaded = client.post("/campaign/upload", data=token, files=file, follow_redirects=False)
    chosen = {"list": parse_qs(urlsplit(uploaded.headers["location"]).query)["list"][0], "value_eur": "50000"}
    shown = client.get("/campaign", params=chosen, headers={"HX-Request": "true"}).text
    assert shown.count("of k-1") == 2
    form = soup_of(client.get("/campaign", params=chosen, headers=HTMX)).select_one('form[action="/campaign/lists"]')
    sent = {one["name"]: one["value"] for one in form.select("input")}
    made = client.post("/campaign/lists", data=sent, follow_redirects=False)
    calls = list(csv.DictReader(io.StringIO(client.get(f"{made.headers['location']}/calls.csv").text)))
    assert [(row["contact_id"], row["customer_id"]) for row in calls] == [
        ("c-2", "k-1"),
        ("c-3", "k-1"),
        ("c-4", "c-4"),
    ]
    form = {**token, **{name: str(text) for name, text in rows[3].items()}, "cost_eur": "5", "value_eur": "50"}
    decided = client.post("/predict", data=form, follow_redirects=False)
    assert 'value="k-1"' in client.get(decided.headers["location"]).text
    found = client.get(PATH, params={"customer_id": "k-1"}).json()["predictions"]
    singles = [(one["contact_id"], one["customer_id"]) for one in found if one["list_name"] is None]
    assert singles == [("c-3", "k-1")]
    assert {one["contact_id"] for one in found if one["list_name"] == "may.csv"} == {"c-2", "c-3"}


def test_an_objection_taken_by_another_process_holds_at_uploads_and_plans_at_once(ledger):
    ours, theirs = Suppressions(ledger, 2.0), Suppressions(ledger, 2.0)
    assert ours.read() == theirs.read() == SuppressionList()
    assert theirs.add({"c-9"}, reason="objection", actor="ana") == 1
    assert theirs.current.covers("c-9")
    assert not ours.current.covers("c-9")
    assert ours.read().covers("c-9")
    assert ours.current.covers("c-9")
    campaigns.unsuppress(ledger, "c-9", reason="mistake", actor="ana")
    assert not ours.read().covers("c-9")


def test_an_unchanged_list_is_not_read_again(ledger, monkeypatch):
    suppressions = Suppressions(ledger, 2.0)
    suppressions.add({"c-9"}, reason="objection", actor="ana")
    monkeypatch.setattr(campaigns, "suppressed", lambda _engine: pytest.fail("read again"))
    assert suppressions.read().covers("c-9")


def test_a_list_that_was_never_read_or_cannot_be_read_any_more_decides_nothing(ledger, monkeypatch):
    clock = Clock()
    suppressions = Suppressions(ledger, 2.0, clock=clock)
    with pytest.raises(LedgerUnavailableError, match="nothing was decided"):
        suppressions.current  # noqa: B018
    suppressions.read()

    def broken(_engine):
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(campaigns, "suppressions_edition", broken)
    clock.now = SHORTEST_LIFE_SECONDS
    with pytest.raises(OperationalError):
        suppressions.read()
    assert suppressions.current == SuppressionList()
    clock.now += 1
    with pytest.raises(LedgerUnavailableError, match="cannot be read"):
        suppressions.current  # noqa: B018


def test_the_reason_of_a_decision_follows_from_its_record():
    assert reason_of("call", []) is None
    assert reason_of("do_not_call", []) == "not_worth_calling"
    assert reason_of("do_not_call", [OBJECTED]) == "suppressed"
