"""A POST that is repeated with the same `Idempotency-Key` is answered again and recorded once."""

import json
import threading

from sqlalchemy import update

from bank_assets.ledger import chain, outcomes
from bank_assets.ledger.engine import writing
from bank_assets.ledger.models import idempotency_keys

PATH = "/api/v1/predictions"
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


def n_decisions(client) -> int:
    return chain.anchor(client.app.state.services.ledger).seq


def age(client, created_at: str = "2026-01-01T00:00:00.000000Z", **values) -> None:
    with writing(client.app.state.services.ledger) as connection:
        connection.execute(update(idempotency_keys).values(created_at=created_at, **values))


def test_the_same_request_is_answered_again_and_recorded_once(client, payload):
    first, again = (client.post(PATH, json=payload, headers=KEY) for _ in range(2))
    assert (again.status_code, again.content, again.headers["location"]) == (
        first.status_code,
        first.content,
        first.headers["location"],
    )
    assert (first.status_code, n_decisions(client)) == (201, 1)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert client.post(PATH, json=payload).json()["id"] != first.json()["id"]


def test_the_same_key_with_another_request_is_refused(client, payload):
    client.post(PATH, json=payload, headers=KEY)
    for body, params in (({**payload, "age": 52}, {}), (payload, {"reasons": "false"})):
        refused = client.post(PATH, json=body, headers=KEY, params=params)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert n_decisions(client) == 1


def test_a_key_that_is_none_is_refused(client, payload):
    for key in ("", '""', "k" * 256):
        assert client.post(PATH, json=payload, headers={"Idempotency-Key": key}).status_code == 422, key
    assert n_decisions(client) == 0


def test_what_was_refused_may_be_sent_again_corrected(client, payload):
    assert client.post(PATH, json={**payload, "age": "old"}, headers=KEY).status_code == 422
    assert client.post(PATH, json=payload, headers=KEY).status_code == 201


def test_while_the_first_request_runs_the_second_is_a_conflict_and_later_runs(client, payload):
    assert client.post(PATH, json=payload, headers=KEY).status_code == 201
    age(client, created_at="2999-01-01T00:00:00.000000Z", status=None)
    assert client.post(PATH, json=payload, headers=KEY).status_code == 409
    assert n_decisions(client) == 1
    age(client)  # its process died long ago
    assert client.post(PATH, json=payload, headers=KEY).status_code == 201
    assert n_decisions(client) == 2


def test_requests_at_once_make_one_record(client, payload):
    answers = []

    def send() -> None:
        answers.append(client.post(PATH, json=payload, headers=KEY))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert n_decisions(client) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


def test_keys_are_kept_for_a_day(client, payload):
    first = client.post(PATH, json=payload, headers=KEY)
    age(client)
    assert client.post(PATH, json=payload, headers=KEY).json()["id"] != first.json()["id"]


def test_outcomes_and_batches_are_repeated_too(client, payload):
    report = {"contact_id": "c-1", "y": "yes"}
    first, again = (client.post("/api/v1/outcomes", json=report, headers={"Idempotency-Key": "o"}) for _ in range(2))
    assert (first.status_code, again.status_code, first.content) == (201, 201, again.content)
    assert len(list(outcomes.export(client.app.state.services.ledger))) == 1
    rows = [{**payload, "age": 20 + i} for i in range(60)]
    first, again = (client.post(f"{PATH}/batch", json=rows, headers={"Idempotency-Key": "b"}) for _ in range(2))
    assert (first.status_code, first.content, n_decisions(client)) == (201, again.content, 60)
    assert json.loads(again.content)["recorded"] == 60


def test_what_is_not_recorded_needs_no_key(client, payload):
    plan = {"contacts": [{**payload, "contact_id": "c-1"}]}
    for _ in range(2):
        answer = client.post("/api/v1/campaigns/plan", json=plan, headers=KEY)
        assert (answer.status_code, "idempotency-replayed" in answer.headers) == (200, False)
