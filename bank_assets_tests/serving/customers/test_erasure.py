"""After an erasure an id of the customer is nowhere in a home that was fully used, and all else works as before."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.features.feedback import CALLED
from bank_assets.ledger import campaigns, idempotency, list_rows
from bank_assets.ledger.models import metadata
from bank_assets.store.list_designs import ListDesigns
from bank_assets_tests.serving.campaigns.lists import delivered, make_list
from bank_assets_tests.serving.campaigns.test_uploads import csv_text, upload
from bank_assets_tests.world.demo_home import fit_demo, make_home, open_pages, soup_of

pytestmark = pytest.mark.slow

CONTACT, CUSTOMER, OTHER = "zq-contact-4711", "zq-customer-4711", "zz-other-1"
DAY = "2010-10-18"


@pytest.fixture
def client(tmp_path):
    home = make_home(tmp_path / "bank", fit_demo())
    platform = replace(home.settings.platform, feedback=CALLED, learning=LearningBudget(0.2, 3))
    home.settings = replace(home.settings, platform=platform)
    with open_pages(home) as client:
        client.headers["accept"] = "application/json"
        yield client


def sent(client, path, body, **more):
    """Send a request under a key, whose answer is kept."""
    key = {"Idempotency-Key": f"{path}-{len(str(body))}"}
    response = client.post(path, json=body, headers=key, **more)
    assert response.status_code < 300, response.text
    return response


def used(client):
    """Decide about the person by every way, and report everything about them; returns ids of lists and a prediction."""
    rows = delivered(client)[:40]
    contact = {name: value for name, value in rows[0].items() if name not in ("contact_id", "day", "month")}
    numbers = {name: int(value) for name, value in contact.items() if value.lstrip("-").isdigit()}
    whose = {"contact_id": CONTACT, "customer_id": CUSTOMER}
    payload, economics = {**contact, **numbers}, {"economics": {"value_eur": 10_000}}
    sent(client, "/api/v1/predictions", {**payload, **whose, **economics}, params={"explore": True})
    other = sent(client, "/api/v1/predictions", {**payload, "contact_id": OTHER}).json()["id"]
    sent(client, "/api/v1/predictions/batch", [{**payload, **whose}, {**payload, "contact_id": OTHER}])
    rows[3]["contact_id"] = CONTACT
    upload(client, csv_text(rows), "may.csv")
    ids = [soup_of(make_list(client, capacity="25", holdout_pct="20")).select_one("[data-testid=list-id]").text]
    contacts = [{**payload, **whose, "contact_id": f"{CONTACT}-{n}"} for n in range(8)]
    contacts += [{**payload, "contact_id": f"{OTHER}-{n}"} for n in range(8)]
    body = {"contacts": contacts, "list_id": "may", "holdout_share": 0.2, **economics}
    ids.append(sent(client, "/api/v1/lists", body).json()["id"])
    sent(client, f"/api/v1/lists/{ids[1]}/export", {"group": "calls"})
    sent(client, "/api/v1/outcomes", {"contact_id": CONTACT, "y": "yes"})
    calls = [{**whose, "disposition": "refused", "called_at": DAY}, {"contact_id": OTHER, "disposition": "refused",
              "called_at": DAY}]  # fmt: skip
    sent(client, "/api/v1/outcomes/batch", calls)
    sent(client, "/api/v1/subscriptions/batch", [{"customer_id": CUSTOMER, "on_day": DAY}])
    services = client.app.state.services
    services.call_lists.designs.keep_answers(services.ledger)
    return ids, other


def places_of(client, *ids):
    """Every file and table of the home that holds an id."""
    services, found = client.app.state.services, set()
    home = services.settings.platform.home
    for path in home.rglob("*"):
        if path.is_file() and any(one.encode() in path.read_bytes() for one in ids):
            found.add(path.parent.name if path.suffix in (".csv", ".json") else path.name.removesuffix("-wal"))
    with services.ledger.connect() as connection:
        for table in metadata.sorted_tables:
            if any(one in str(row) for row in connection.execute(select(table)) for one in ids):
                found.add(table.name)
        for row in connection.execute(select(metadata.tables["idempotency_keys"])):
            if row.answer and any(one.encode() in idempotency._text_of(row.answer) for one in ids):
                found.add("answers")
    for made in campaigns.lists(services.ledger):
        if any(one in str(list_rows.columns_of(services.ledger, made.id, ["reason"])) for one in ids):
            found.add("block_rows")
    return found


def test_nothing_names_an_erased_customer_and_all_else_works_as_before(client):
    (ids, other), services = used(client), client.app.state.services
    assert places_of(client, CONTACT, CUSTOMER) >= {
        "ledger.db", "payloads", "outcomes", "dispositions", "subscriptions", "list_rows", "block_rows", "answers",
        "uploads", "call_lists", "list_designs",
    }  # fmt: skip
    before = client.get(f"/campaign/lists/{ids[1]}/calls.csv").text
    erased = client.post("/api/v1/audit/erasures", json={"customer_id": CUSTOMER, "reason": "request 12"}).json()
    assert (erased["erased"] > 10, erased["files"] >= 4) == (True, True)
    assert places_of(client, CONTACT, CUSTOMER) == set()
    after = client.get(f"/campaign/lists/{ids[1]}/calls.csv")
    assert after.text.splitlines() == [line for line in before.splitlines() if CONTACT not in line]
    assert OTHER in after.text
    assert client.get(f"/campaign/lists/{ids[1]}/holdout.csv").status_code == 200
    assert client.get("/api/v1/audit/verify").json()["ok"]
    for row in (other, f"{ids[0]}.1", f"{ids[1]}.{len(before.splitlines())}"):
        assert client.post(f"/api/v1/predictions/{row}/replay").json()["status"] == "identical"
    for page in ("", "/read-out"):
        assert client.get(f"/campaign/lists/{ids[1]}{page}", headers={"accept": "text/html"}).status_code == 200
    assert len(ListDesigns(services.settings.platform.warehouse, CALLED).read()) == 3, "their lists were made"


def test_an_answer_that_named_the_person_is_not_repeated_and_the_request_neither(client):
    body = {"contact_id": CONTACT, "y": "yes"}
    first = sent(client, "/api/v1/outcomes", body)
    client.post("/api/v1/audit/erasures", json={"contact_id": CONTACT, "reason": "request 12"})
    key = {"Idempotency-Key": first.request.headers["idempotency-key"]}
    again = client.post("/api/v1/outcomes", json=body, headers=key)
    assert (again.status_code, "data was erased" in again.json()["detail"]) == (409, True)
