"""Input that no ordinary client sends: odd JSON, wrong headers, corrupt files. The answer is never a 5xx."""

import gzip
import json

import pytest

from bank_assets_tests.world.app import PAYLOAD, csv_of
from bank_assets_tests.world.bundles import AS_OF

PATH = "/api/v1/predictions"
BATCH = f"{PATH}/batch"
JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}
BODY = json.dumps({**PAYLOAD, "contact_id": "c-1", "contact_date": AS_OF}).encode()
DEEP = b"[" * 20_000 + b"]" * 20_000
BODIES = [
    PATH,
    "/api/v1/outcomes",
    "/api/v1/campaigns/plan",
    "/api/v1/model/rollback",
    "/api/v1/audit/erasures",
    "/api/v1/withdrawals",
    BATCH,
]


@pytest.fixture
def client(running):
    """One app for all: nothing here changes what it answers."""
    return running


def problem_of(response, status=422):
    """The problem of an answer, which has the one shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail"} <= set(problem)
    return problem


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "an end in the middle"),
        (BODY.replace(b"1200", b"NaN"), "invalid character"),
        (BODY.replace(b"1200", b"1e999"), "a number that no double holds"),
        (BODY.replace(b"1200", b"9" * 400), "9999"),
        (BODY.replace(b"c-1", b"\xff"), "bytes that are not UTF-8"),
        (b"\xef\xbb\xbf" + BODY, "invalid character (byte 0)"),
        (BODY + b"x", "trailing characters"),
        (DEEP, "a deeper nesting"),
        (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, "a deeper nesting"),
        (BODY[:-1] + b',"economics":' + DEEP + b"}", "a deeper nesting"),
        (BODY[:-1] + b',"remark":' + DEEP + b"}", "a deeper nesting"),
        (BODY.replace(f'"{AS_OF}"'.encode(), b"20101117"), "20101117"),
        (BODY.replace(b"c-1", b"c\\u0000"), r"c\x00"),
        (BODY.replace(b"c-1", b"c\\n1"), "c\\n1"),
    ],
)
def test_json_that_cannot_be_meant(client, body, found):
    assert found in problem_of(client.post(PATH, content=body, headers=JSON))["errors"][0]["found"]


@pytest.mark.parametrize("path", BODIES)
def test_deep_nesting_and_other_bytes_are_refused_everywhere(client, path):
    for body in (b"[" + DEEP + b"]", b"[" * 20_000, b"{" + b'"\xff":' + b"1}"):
        assert problem_of(client.post(path, content=body, headers=JSON))["errors"]


@pytest.mark.parametrize("more", [b',"balance":0}', b', "bal\\u0061nce" : 0}', b',"age":41.0}'])
def test_a_field_named_twice_is_refused_at_every_door(client, more):
    twice = BODY[:-1] + more
    batch = b"[" + BODY + b"," + twice + b"]"
    plan = b'{"contacts":[' + twice + b'],"capacity":1}'
    for path, body in ((PATH, twice), (f"{PATH}/batch", batch), ("/api/v1/campaigns/plan", plan)):
        assert '"each field once"' in client.post(path, content=body, headers=JSON).text
    assert client.post(PATH, content=BODY.replace(b"c-1", b"a:b:c"), headers=JSON).status_code == 201


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"content-type": "application/xml"}, "expected application/json, found 'application/xml'"),
        ({"content-type": "application/x-www-form-urlencoded"}, "name the body's format"),
        ({"content-type": "application/json; charset=latin-1"}, "expected the character set UTF-8"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, "send the body unpacked"),
    ],
)
def test_bodies_in_another_format_are_415(client, headers, said):
    body = gzip.compress(BODY) if "content-encoding" in headers else BODY
    assert said in problem_of(client.post(PATH, content=body, headers=headers), 415)["detail"]


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "application/vnd.bank+json", None])
def test_json_by_another_name_is_taken(client, kind):
    assert client.post(PATH, content=BODY, headers={"content-type": kind} if kind else {}).status_code == 201


def test_a_chunked_body_is_accepted_and_a_long_one_refused_with_the_limit(client):
    assert client.post(PATH, content=iter([BODY[:50], BODY[50:]]), headers=JSON).status_code == 201
    long = problem_of(client.post(PATH, content=BODY + b" " * 70_000, headers=JSON), 413)
    assert "at most 65,536 bytes" in long["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field", "expected", "found"),
    [
        ("/api/v1/outcomes", {"y": "maybe", "contact_id": "c"}, "y", "one of no, yes", '"maybe"'),
        ("/api/v1/outcomes", {"contact_id": "c"}, "y", "one of no, yes", "nothing: the field is missing"),
        ("/api/v1/outcomes", {"y": "no", "duration": 1.5}, "duration", "a whole number from 0 to", "1.5"),
        ("/api/v1/outcomes", {"y": "no", "z": 1}, "z", "only the fields y, prediction_id", "an unknown field"),
        ("/api/v1/outcomes", {"y": "no", "contact_id": "\0"}, "contact_id", "control characters", '"\\u0000"'),
        ("/api/v1/model/rollback", {"version": 1, "reason": "why"}, "version", "text of 1 to 20 characters", "1"),
        ("/api/v1/audit/erasures", {"reason": "x"}, "reason", "text of 3 to 1,000 characters", '"x"'),
        ("/api/v1/campaigns/plan", {"contacts": []}, "contacts", "a list of 1 to 100,000 entries", "[]"),
        ("/api/v1/campaigns/plan", {"contacts": [1], "holdout_share": 2}, "holdout_share", "from 0 to 0.5", "2"),
        (
            "/api/v1/campaigns/plan",
            {"contacts": [1], "economics": {"cost_eur": 1e7, "value_eur": 1e-320}},
            "economics.value_eur",
            "a number from 0.01 to",
            "1e-320",
        ),
    ],
)
def test_a_fault_is_named_with_field_expected_and_found(client, path, body, field, expected, found):
    (fault,) = problem_of(client.post(path, json=body))["errors"]
    assert (fault["field"], fault["found"]) == (field, found)
    assert expected in fault["expected"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=abc", "a whole number"),
        ("limit=501", "a whole number from 1 to 500"),
        ("limit=5.0", "a whole number from 1 to 500"),
        ("limit=1e2", "a whole number from 1 to 500"),
        ("decision=maybe", "text matching regex"),
        ("contactid=c-1", "only the parameters contact_id, customer_id, batch_id"),
        ("cursor=garbage", "the `next` of an earlier page"),
        ("contact_id=%00", "text without NUL"),
        ("since=soon", "an ISO date or time"),
        ("contact_id=c-1&contact_id=c-2", "each parameter once"),
    ],
)
def test_a_search_is_exact_about_its_criteria(client, query, expected):
    """If a criterion were ignored, the search would return everything and look like an answer."""
    problem = problem_of(client.get(f"{PATH}?{query}"))
    assert expected in problem["errors"][0]["expected"]
    assert problem["errors"][0]["field"] in problem["detail"]


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "1e1", "-5", "2.000", "5,50", "null", ""])
def test_an_amount_in_an_address_is_read_as_everywhere(client, text):
    (fault,) = problem_of(client.post(f"{BATCH}?cost_eur={text}", content=csv_of([PAYLOAD]), headers=CSV))["errors"]
    assert (fault["field"], fault["expected"]) == ("cost_eur", "a number from 0.01 to 10,000,000")


def test_a_default_date_of_an_upload_has_the_bounds_of_any(client):
    row = {name: value for name, value in PAYLOAD.items() if name != "contact_date"}
    response = client.post(f"{BATCH}?contact_date=1800-01-01", content=csv_of([row]), headers=CSV)
    assert problem_of(response)["errors"][0]["field"] == "contact_date"


@pytest.mark.parametrize("text", ["2.000", "1e3"])
def test_an_amount_in_an_address_is_read_as_in_a_form(client, text):
    response = client.post(f"{BATCH}?value_eur={text}", content=csv_of([PAYLOAD]), headers=CSV)
    assert problem_of(response)["errors"][0]["field"] == "value_eur"


@pytest.mark.parametrize("path", ["/", "/health/ready", "/api/v1/model", "/static/app.css", f"{PATH}/unknown"])
def test_head_is_get_without_the_body(client, path):
    got, head = client.get(path), client.head(path)
    assert head.status_code == got.status_code
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.content == b""


def test_a_wrong_method_is_answered_with_the_right_ones(client):
    response = client.put(PATH)
    assert "Allow header" in problem_of(response, 405)["detail"]
    assert {"GET", "HEAD", "POST"} <= set(response.headers["allow"].replace(" ", "").split(","))


@pytest.mark.parametrize("path", [f"{PATH}/a/b", "/api/v2/predictions", f"{PATH}/{'x' * 3_000}", f"{PATH}/..%2f..%2fx"])
def test_an_unknown_address_is_404_and_repeated_in_short(client, path):
    assert len(problem_of(client.get(path), 404)["instance"]) <= 200


@pytest.mark.parametrize("path", ["/static/%00", "/reports/%00", f"{PATH}/%00"])
def test_an_address_with_nul_is_refused(client, path):
    assert problem_of(client.get(path))["errors"][0]["found"] == "%00"


def lines_of(answer):
    return [row["line"] for row in answer["predictions"]], {e["line"]: e["errors"][0] for e in answer["errors"]}


def test_a_row_that_cannot_be_read_affects_no_other(client):
    good = {**PAYLOAD, "contact_id": "c-1", "contact_date": AS_OF}
    header, row = csv_of([good]).splitlines()
    spoiled = [
        row.replace("c-1", '"c"1').encode(),
        row.replace("c-1", "c" * 200_000).encode(),
        row.replace("c-1", "c\0d").encode(),
        row.replace("1200", "１２００").encode(),
        b"1,2",
    ]
    lines = [header.encode()]
    for one in spoiled:
        lines += [one, row.encode()]
    answer = client.post(BATCH, content=b"\r\n".join(lines), headers=CSV).json()
    scored, faults = lines_of(answer)
    assert scored == [3, 5, 7, 9, 11]
    assert {line: fault["field"] for line, fault in faults.items()} == {
        2: "", 4: "contact_id", 6: "contact_id", 8: "balance", 10: ""
    }  # fmt: skip
    assert (faults[10]["expected"], faults[10]["found"]) == ("15 fields", "2")


def test_a_file_in_latin_1_is_read_as_one(client):
    header, row = csv_of([{**PAYLOAD, "contact_id": "Mül", "contact_date": AS_OF}]).splitlines()
    answer = client.post(BATCH, content=f"{header}\n{row}\n".encode("latin-1"), headers=CSV).json()
    assert [one["contact_id"] for one in answer["predictions"]] == ["Mül"]


def test_a_quote_that_is_never_closed_is_named_where_it_opens(client):
    header, row = csv_of([{**PAYLOAD, "contact_date": AS_OF}]).splitlines()
    text = "\n".join([header, row, f'"{row}', row, row])
    scored, faults = lines_of(client.post(BATCH, content=text, headers=CSV).json())
    assert scored == [2, 4, 5], "it takes no other row with it"
    assert "does not close" in faults[3]["found"]


@pytest.mark.parametrize("balance", ["2.000", "1200.0", "1 200", "1_200"])
def test_a_number_is_what_a_contacts_delivery_takes_for_one(client, balance):
    scored, faults = lines_of(client.post(BATCH, content=csv_of([{**PAYLOAD, "balance": balance}]), headers=CSV).json())
    assert scored == []
    assert faults[2]["found"].startswith(f'"{balance}"')


def test_the_published_file_without_its_answers_is_taken(client):
    """`;`, names in quotes, values as the UCI file has them."""
    text = (
        '"age";"job";"marital";"education";"default";"balance";"housing";"loan";"contact";"day";"month";"campaign";'
        '"pdays";"previous";"poutcome"\r\n58;"management";"married";"tertiary";"no";2143;"yes";"no";"unknown";17;"nov";1;'
        '-1;0;"unknown"\r\n'
    )
    answer = client.post(f"{BATCH}?contact_date={AS_OF}", content=text, headers=CSV).json()
    assert lines_of(answer) == ([2], {})


def test_json_rows_that_cannot_be_read_are_refused_as_a_whole_or_named(client):
    deep = client.post(BATCH, content=b"[" + BODY + b"," + DEEP + b"]", headers=JSON)
    assert "deeper nesting" in problem_of(deep)["errors"][0]["found"]
    answer = client.post(BATCH, content=b"[" + BODY + b"," + BODY.replace(b"c-1", b"\xff") + b"]", headers=JSON).json()
    scored, faults = lines_of(answer)
    assert scored == [1]
    assert "not UTF-8" in faults[2]["found"]
