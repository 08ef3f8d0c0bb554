"""Deliveries and contacts that an administrator takes back, as the API and the Monitoring page have them."""

from datetime import UTC, datetime

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.register import manifest_of
from bank_assets_tests.world.customers import delimited, delivered

PATH = "/api/v1/withdrawals"


@pytest.fixture
def warehouse(serving_settings):
    platform = serving_settings.platform
    contacts = platform.landing / "contacts"
    contacts.mkdir(parents=True)
    (contacts / "may.csv").write_text(delimited([delivered(contact_id=f"c-{n}") for n in range(3)]))
    now = datetime(2026, 1, 2, tzinfo=UTC)
    register_deliveries(platform.landing, platform.warehouse, UCI, now=now, settle_seconds=0)
    return platform.warehouse


def test_contacts_and_deliveries_are_taken_back_on_record_and_shown(client, warehouse):
    assert "Taken back" not in client.get("/monitoring").text
    for number in (0, 2):
        made = client.post(PATH, json={"contact_id": f"c-{number}", "reason": "never called"})
        assert (made.status_code, made.json()["by"]) == (201, "local")
    (delivery,) = manifest_of(warehouse, ["2008-05"])
    assert delivery.without == {"c-0", "c-2"}
    assert client.post(PATH, json={"delivery": "contacts/may.csv", "reason": "wrong month"}).status_code == 201
    assert manifest_of(warehouse, ["2008-05"]) == ()
    on_record = client.get(PATH).json()["withdrawals"]
    assert [one["delivery"] or one["contact_id"] for one in on_record] == ["contacts/may.csv", "c-2", "c-0"]
    shown = client.get("/monitoring").text
    assert all(text in shown for text in ("Taken back", "contacts/may.csv", "wrong month", "1 contact"))
    assert "c-0" not in shown


def test_what_never_arrived_or_is_not_named_is_refused(client, warehouse):
    for body, status in (
        ({"contact_id": "c-9", "reason": "never called"}, 404),
        ({"delivery": "contacts/june.csv", "reason": "wrong"}, 404),
        ({"reason": "wrong"}, 422),
        ({"contact_id": "c-0", "delivery": "contacts/may.csv", "reason": "wrong"}, 422),
        ({"contact_id": "c-0"}, 422),
    ):
        assert client.post(PATH, json=body).status_code == status, body
    assert client.get(PATH).json() == {"withdrawals": []}


def test_a_damaged_log_hides_no_other_news_and_takes_nothing_more(client, warehouse):
    path = warehouse / "raw" / "withdrawals.jsonl"
    path.write_bytes(b'{"reason": "sent by mis')
    page, made = client.get("/monitoring"), client.post(PATH, json={"contact_id": "c-0", "reason": "never called"})
    assert (page.status_code, made.status_code, made.json()["type"]) == (200, 503, "/problems/home")
    assert "What was taken back cannot be read" in page.text
    assert "withdrawals.jsonl:1: expected one withdrawal" in made.json()["detail"]
    assert path.read_bytes() == b'{"reason": "sent by mis'
