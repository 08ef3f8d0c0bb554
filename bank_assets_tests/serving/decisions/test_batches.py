"""Uploads: good rows are scored and recorded, bad rows named, limits kept, failures reported."""

import gzip

import pytest

from bank_assets.ledger import chain
from bank_assets_tests.world.app import PAYLOAD, csv_of, refusing_decisions
from serving.decisions import batches

PATH = "/api/v1/predictions/batch"
CSV = {"content-type": "text/csv"}
KEY = {"Idempotency-Key": "a-batch"}


def test_bad_rows_are_named_with_their_line_and_good_rows_are_recorded(client, payload, app):
    rows = [payload, {**payload, "age": 7}, {**payload, "job": "astronaut"}, payload, {**payload, "age": "x"}]
    answer = client.post(PATH, content=csv_of(rows), headers=CSV).json()
    assert [row["line"] for row in answer["predictions"]] == [2, 5]
    assert [(e["line"], e["errors"][0]["field"], e["errors"][0]["found"]) for e in answer["errors"]] == [
        (3, "age", "7"),
        (4, "job", '"astronaut"'),
        (6, "age", '"x"'),
    ]
    assert (answer["rows"], answer["recorded"], answer["rejected"], answer["is_complete"]) == (5, 2, 3, True)
    found = client.get("/api/v1/predictions", params={"batch_id": answer["batch_id"]}).json()["predictions"]
    assert {row["id"] for row in found} == {row["id"] for row in answer["predictions"]}
    assert chain.verify(app.state.services.ledger).n == 2


def test_rows_of_other_lengths_quotes_and_line_breaks(running, payload):
    header = ",".join(payload)
    good = ",".join(str(value) for value in payload.values())
    quoted = ",".join(f'"{value}"' for value in payload.values())
    text = "\ufeff" + "\r\n".join([header, good, good + ",1", "1,2", "", quoted]) + "\r\n"
    answer = running.post(PATH, content=text.encode(), headers=CSV).json()
    assert [row["line"] for row in answer["predictions"]] == [2, 6]
    assert [error["line"] for error in answer["errors"]] == [3, 4]


def test_a_campaign_file_with_day_and_month_is_taken_and_checked(running, payload):
    row = {"contact_id": "c-1", **payload, "day": 17, "month": "nov"}
    rows = [row, {**row, "day": 16}, {**row, "month": "dec"}]
    answer = running.post(PATH, content=csv_of(rows, ";"), headers=CSV).json()
    assert [row["contact_id"] for row in answer["predictions"]] == ["c-1"]
    assert [e["errors"][0]["field"] for e in answer["errors"]] == ["day", "month"]


def test_json_rows_are_named_by_position(running, payload):
    answer = running.post(PATH, json=[payload, 5, {**payload, "duration": 3}, payload]).json()
    assert [row["line"] for row in answer["predictions"]] == [1, 4]
    assert [error["line"] for error in answer["errors"]] == [2, 3]
    assert answer["errors"][1]["errors"][0]["rule"] == "post_contact_columns_are_never_inputs"


def test_a_number_that_no_double_holds_is_one_bad_row(running, payload):
    good = running.post("/api/v1/predictions", json=payload).request.content
    body = b"[" + good + b',{"age":1e999},' + good + b"]"
    answer = running.post(PATH, content=body, headers={"content-type": "application/json"}).json()
    assert (len(answer["predictions"]), answer["rejected"]) == (2, 1)


def test_a_date_for_rows_without_one(running):
    answer = running.post(PATH, params={"contact_date": "2010-11-17"}, json=[PAYLOAD]).json()
    assert answer["predictions"][0]["stale_features"] is False


def test_economics_of_an_upload(running, payload):
    answer = running.post(PATH, params={"cost_eur": 0.01}, json=[payload]).json()
    assert answer["predictions"][0]["decision"] == "call"
    assert running.post(PATH, params={"cost_eur": -1}, json=[payload]).status_code == 422


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "an empty one"),
        ("age,job\n1,2\n", "missing"),
        ("\n\n", "missing"),
        (csv_of([{**PAYLOAD, "salary": 1}]), "extra: 'salary'"),
        (csv_of([PAYLOAD]).replace("job", "age", 1), "missing: 'job'"),
        (csv_of([PAYLOAD]).encode("utf-16"), "UTF-16 text; save the file as CSV UTF-8"),
        (gzip.compress(csv_of([PAYLOAD]).encode()), "a gzip archive"),
        (b"PK\x03\x04workbook", "an Excel workbook"),
        (csv_of([PAYLOAD]).replace("age,", "age\x00,", 1), ""),
    ],
)
def test_a_file_that_does_not_fit_as_a_whole_is_422(running, content, found):
    response = running.post(PATH, content=content, headers=CSV)
    assert response.status_code == 422
    assert found in response.json()["errors"][0]["found"]


def test_an_upload_with_a_post_contact_column_is_refused_by_the_rules_name(running, payload):
    response = running.post(PATH, content=csv_of([{**payload, "duration": 3}]), headers=CSV)
    assert response.status_code == 422
    assert response.json()["errors"][0]["rule"] == "post_contact_columns_are_never_inputs"


@pytest.mark.parametrize("body", [b"{}", b"[", b"", b"5"])
def test_json_that_is_no_array_is_422(running, body):
    assert running.post(PATH, content=body, headers={"content-type": "application/json"}).status_code == 422


def test_another_content_type_is_refused(running):
    response = running.post(PATH, content=b"x", headers={"content-type": "image/png"})
    assert response.status_code == 415
    assert "expected text/csv or application/json, found 'image/png'" in response.json()["detail"]


def test_an_empty_upload_is_a_complete_answer(running, payload):
    assert running.post(PATH, json=[]).json()["rows"] == 0
    header_only = csv_of([payload]).splitlines()[0]
    assert running.post(PATH, content=header_only, headers=CSV).json()["is_complete"] is True


def test_more_rows_than_a_chunk_keep_their_order(client, payload, app):
    rows = [{**payload, "balance": i} for i in range(2 * batches.CHUNK_ROWS + 7)]
    answer = client.post(PATH, content=csv_of(rows), headers=CSV).json()
    assert [row["line"] for row in answer["predictions"]] == list(range(2, len(rows) + 2))
    assert chain.verify(app.state.services.ledger).n == len(rows)


def test_too_many_rows_stop_with_a_reason(client, payload, monkeypatch):
    monkeypatch.setattr("serving.decisions.uploads.MAX_ROWS", 1_500)
    answer = client.post(PATH, json=[payload] * 1_600).json()
    assert (answer["is_complete"], answer["recorded"]) == (False, 1_000)
    assert "at most 1,500 rows" in answer["problem"]["detail"]


def test_a_ledger_that_fails_midway_is_reported_and_what_was_answered_is_on_record(client, payload, app):
    with refusing_decisions(app.state.services.ledger, after_seq=1_000):
        answer = client.post(PATH, json=[payload] * 2_500, headers=KEY).json()
    assert (answer["is_complete"], answer["problem"]["status"]) == (False, 503)
    assert len(answer["predictions"]) == answer["recorded"] == 1_000
    assert chain.verify(app.state.services.ledger).n == 1_000
    again = client.post(PATH, json=[payload] * 2_500, headers=KEY)
    assert (again.json()["is_complete"], "idempotency-replayed" in again.headers) == (True, False), "it was not kept"
