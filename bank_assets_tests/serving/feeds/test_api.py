"""Dispositions and subscriptions by API, signed webhook and page: good rows are kept, bad ones named."""

import base64
import time
from dataclasses import replace

import msgspec
import pytest
from litestar.testing import TestClient

from bank_assets.environment import SettingsError
from bank_assets.ledger import accounts, campaigns, feeds
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.engine import open_ledger
from bank_assets.store.standard_webhooks import signed
from bank_assets_tests.world.demo_home import HTMX, token_of
from serving.app import create_app
from serving.settings import load_serving_settings

BATCH, BOOKS, HOOK = "/api/v1/outcomes/batch", "/api/v1/subscriptions/batch", "/api/v1/webhooks/feedback"
NEW, OLD = ("whsec_" + base64.b64encode(byte * 32).decode() for byte in (b"n", b"o"))
CALL = {"contact_id": "c-1", "disposition": "subscribed", "called_at": "2010-11-22T10:00:00Z"}


@pytest.fixture
def fed(serving_settings, registry):
    settings = replace(serving_settings, webhook_secrets=(NEW, OLD))
    with TestClient(create_app(settings, registry=registry), base_url="http://127.0.0.1") as client:
        yield client


def ledger_of(client):
    return client.app.state.services.ledger


def csv(client, text, path=BATCH, **query):
    return client.post(path, content=text.encode(), headers={"content-type": "text/csv"}, params=query)


def test_rows_as_json_and_as_csv_are_the_same_rows(fed):
    objection = {"contact_id": " c-2 ", "disposition": "objection", "called_at": "2010-11-22", "customer_id": "k-2"}
    answer = fed.post(BATCH, json=[CALL, objection])
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "rows": 2, "new": 2, "known": 0, "refused": 0, "outcomes": 1, "suppressed": 1, "held_out": [], "errors": [],
    }  # fmt: skip
    assert fed.app.state.services.suppressions.current.covers("k-2"), "nobody is called any more when it answers"
    text = "contact_id;disposition;called_at\nc-1;subscribed;2010-11-22T11:00:00+01:00\nc-2;objection;2010-11-22\n"
    assert (csv(fed, text).json()["known"], csv(fed, text).json()["new"]) == (2, 0)


BAD_ROWS = [
    ({**CALL, "disposition": "sold"}, "disposition: expected one of subscribed, refused"),
    ({**CALL, "contact_id": 7}, "contact_id: expected text of at most 200 characters, found 7"),
    ({**CALL, "called_at": None}, "called_at: expected text"),
    ({**CALL, "y": "yes"}, "y: expected only the fields contact_id, disposition, called_at"),
    ({"contact_id": "c-1"}, "disposition: expected text of at most 200 characters, found nothing"),
    ("c-1", "row: expected an object"),
]


def test_each_bad_row_is_named_and_the_good_ones_are_kept(fed):
    answer = fed.post(BATCH, json=[*(row for row, _ in BAD_ROWS), {**CALL, "contact_id": "c-8"}]).json()
    assert (answer["rows"], answer["new"], answer["refused"]) == (7, 1, 6)
    for line, ((_, reason), error) in enumerate(zip(BAD_ROWS, answer["errors"], strict=True), start=1):
        assert error["line"] == line
        assert reason in error["reasons"][0]


def test_a_field_named_twice_is_refused(fed):
    body = msgspec.json.encode([CALL])[:-2] + b',"contact_id":"c-2"}]'
    answer = fed.post(BATCH, content=body, headers={"content-type": "application/json"}).json()
    assert answer["errors"] == [{"line": 1, "reasons": ["contact_id: expected each field once, found it twice"]}]


BAD_BODIES = [
    (b"{}", "application/json", 422, "expected a JSON array of objects"),
    (b"[", "application/json", 422, "expected well-formed JSON"),
    (b"contact_id,y\nc-1,yes\n", "text/csv", 422, "missing: 'disposition', 'called_at'; extra: 'y'"),
    (b"PK\x03\x04", "text/csv", 422, "an Excel workbook"),
    (b"[]", "text/plain", 415, "expected text/csv or application/json"),
]


def test_a_body_that_does_not_fit_as_a_whole_is_refused(fed):
    for content, kind, status, said in BAD_BODIES:
        answer = fed.post(BATCH, content=content, headers={"content-type": kind})
        assert answer.status_code == status
        assert said in answer.json()["detail"]


def test_subscriptions_come_by_customer_and_may_be_taken_back(fed):
    rows = [{"customer_id": "k-1", "on_day": "2010-11-22"}, {"customer_id": "k-1", "on_day": "2010-11-22"}]
    back = {"customer_id": "k-1", "on_day": "2010-11-29", "kind": "cancelled"}
    answer = fed.post(BOOKS, json=[*rows, back, {"customer_id": "", "on_day": "2010-11-22"}]).json()
    assert (answer["new"], answer["known"], answer["refused"]) == (2, 1, 1)
    assert answer["errors"][0]["line"] == 4
    assert csv(fed, "customer_id,on_day\nk-1,2010-11-22\n", BOOKS).json()["known"] == 1


def hook(client, message, secret=NEW, late=0, **changes):
    body = msgspec.json.encode(message)
    headers = signed([secret], "msg_1", int(time.time()) - late, body) | {"content-type": "application/json"} | changes
    return client.post(HOOK, content=body, headers=headers)


def test_a_signed_webhook_is_taken_and_a_replay_adds_nothing(fed):
    message = {"type": "dispositions", "timestamp": "2010-11-22T10:00:01Z", "data": [CALL]}
    assert hook(fed, message).json()["new"] == 1
    assert hook(fed, message, OLD).json() | {"known": 1, "new": 0} == hook(fed, message).json()
    books = {"type": "subscriptions", "data": [{"customer_id": "k-1", "on_day": "2010-11-22"}]}
    assert hook(fed, books).json()["new"] == 1
    assert {one.actor for one in feeds.dispositions_of(ledger_of(fed), contact_id="c-1")} == {"webhook"}


REFUSED = [
    ({"late": 400}, "within 300 s"),
    ({"secret": "whsec_" + base64.b64encode(b"x" * 32).decode()}, "found none"),
    ({"webhook-signature": "v1,AAAA"}, "found none"),
    ({"webhook-id": "msg_2"}, "found none"),
    ({"webhook-timestamp": "9" * 5_000}, "expected the headers"),
]


def test_a_webhook_that_is_late_or_not_signed_is_refused(fed):
    for changes, said in REFUSED:
        answer = hook(fed, {"type": "dispositions", "data": [CALL]}, **changes)
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/signature")
        assert said in answer.json()["detail"]
    assert feeds.dispositions_of(ledger_of(fed)) == []


def test_a_webhook_needs_no_key_where_everything_else_does(serving_settings, registry):
    settings = replace(serving_settings, webhook_secrets=(NEW,), is_login_required=True)
    engine = open_ledger(settings.platform.ledger_url)
    accounts.create_key(engine, "dialer", ["outcomes"])
    engine.dispose()
    with TestClient(create_app(settings, registry=registry), base_url="http://127.0.0.1") as client:
        assert client.post(BATCH, json=[CALL]).status_code == 401
        assert hook(client, {"type": "dispositions", "data": [CALL]}).json()["new"] == 1


def test_without_a_secret_there_are_no_webhooks(client):
    answer = hook(client, {"type": "dispositions", "data": [CALL]})
    assert (answer.status_code, "BANK_WEBHOOK_SECRETS" in answer.json()["detail"]) == (404, True)


def test_secrets_stand_in_a_setting_or_a_file_and_are_checked_at_the_start(tmp_path):
    (tmp_path / "secrets").write_text(f"{NEW}\n{OLD}\n")
    home = {"BANK_HOME": str(tmp_path), "BANK_SECRET": "s" * 32}
    of_file = load_serving_settings({**home, "BANK_WEBHOOK_SECRETS_FILE": str(tmp_path / "secrets")})
    assert of_file.webhook_secrets == (NEW, OLD)
    assert load_serving_settings({**home, "BANK_WEBHOOK_SECRETS": f"{NEW}, {OLD}"}).webhook_secrets == (NEW, OLD)
    with pytest.raises(SettingsError, match="BANK_WEBHOOK_SECRETS: webhook secret: expected whsec_"):
        load_serving_settings({**home, "BANK_WEBHOOK_SECRETS": "whsec_x"})


def test_an_analyst_reports_the_calls_of_a_list_on_its_page(fed):
    facts = {"actor": "local", "name": "may", "model_version": "1", "model_digest": "d", "content_digest": "d"}
    about = {"economics": {}, "request": {"as_of": "2010-11-20"}, "summary": {}}
    made = campaigns.keep_list(ledger_of(fed), CampaignList(**facts, **about))
    text = "contact_id,disposition,called_at\nc-1,refused,2010-11-22\nc-2,refused,2010-11-19\nc-3,sold,2010-11-22\n"
    answer = fed.post(
        f"/campaign/lists/{made.id}/dispositions",
        files={"file": ("calls.csv", text.encode(), "text/csv")},
        data=token_of(fed),
        headers=HTMX,
    )
    assert answer.status_code == 200, answer.text
    assert "3 rows read: 1 new, 0 known already, 2 refused." in answer.text
    assert "line 3: called_at: expected a day from 2010-11-20 on" in answer.text
    assert "line 4: disposition: expected one of" in answer.text
    assert [one.list_id for one in feeds.dispositions_of(ledger_of(fed), contact_id="c-1")] == [made.id]
