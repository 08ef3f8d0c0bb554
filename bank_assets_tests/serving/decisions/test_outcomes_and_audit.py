"""Outcomes, audit, OpenAPI, error shapes and documentation of the JSON API."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy.exc import DataError

from bank_assets.contract.errors import ContractError
from bank_assets.core.economics.economics import EconomicsError
from bank_assets.ledger import outcomes
from serving.web import problems

PATH = "/api/v1/predictions"


def test_an_outcome_by_prediction_is_kept_once_and_corrections_are_kept(client, payload):
    made = client.post(PATH, json={**payload, "contact_id": "c-1"}).json()
    report = {"prediction_id": made["id"], "y": "no", "duration": 120}
    first, again = client.post("/api/v1/outcomes", json=report), client.post("/api/v1/outcomes", json=report)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["outcome"] == again.json()["outcome"]
    assert first.json()["outcome"]["contact_id"] == "c-1"
    corrected = client.post("/api/v1/outcomes", json={**report, "y": "yes"}).json()
    assert (corrected["is_new"], corrected["corrects_earlier"]) == (True, True)
    record = client.get(f"{PATH}/{made['id']}").json()
    assert [o["y"] for o in record["outcomes"]] == ["no", "yes"]
    exported = list(outcomes.export(client.app.state.services.ledger))
    assert [(e.contact_id, e.y, e.decision_id) for e in exported] == [("c-1", y, made["id"]) for y in ("no", "yes")]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"y": "yes"}, 422, "prediction_id"),
        ({"y": "yes", "prediction_id": "a", "contact_id": "b"}, 422, "prediction_id"),
        ({"y": "maybe", "contact_id": "b"}, 422, "y"),
        ({"y": "yes", "contact_id": "b", "duration": -1}, 422, "duration"),
        ({"y": "yes", "contact_id": "b", "arrived_at": "soon"}, 422, "arrived_at"),
        ({"y": "yes", "contact_id": "b", "arrived_at": "2999-01-01"}, 422, "arrived_at"),
        ({"contact_id": "b"}, 422, "y"),
        ({"y": "yes", "prediction_id": "unknown"}, 404, None),
    ],
)
def test_outcomes_that_do_not_fit(running, body, status, field):
    response = running.post("/api/v1/outcomes", json=body)
    assert response.status_code == status
    if field is not None:
        assert response.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("moment", ["2010-11-20", "2010-11-20T09:00:00", "2010-11-20T10:00:00+01:00"])
def test_arrival_times_are_kept_in_utc(running, moment):
    body = {"y": "yes", "contact_id": "c", "arrived_at": moment}
    kept = running.post("/api/v1/outcomes", json=body).json()["outcome"]["arrived_at"]
    assert kept in ("2010-11-20T00:00:00.000000Z", "2010-11-20T09:00:00.000000Z")
    assert running.post("/api/v1/outcomes", json=body).status_code == 200


@pytest.mark.parametrize("moment", ["2010-12-31T22:00:00-05:00", "2010-12-31T22:00:00.5-05:00"])
def test_the_day_of_an_outcome_is_the_day_as_written(running, moment):
    body = {"y": "yes", "contact_id": "c", "arrived_at": moment}
    assert running.post("/api/v1/outcomes", json=body).json()["outcome"]["arrived_at"] == "2010-12-31T22:00:00-05:00"
    assert running.post("/api/v1/outcomes", json=body).status_code == 200


def test_verification_finds_tampering_and_takes_an_anchor(client, payload):
    for _ in range(3):
        client.post(PATH, json=payload)
    good = client.get("/api/v1/audit/verify").json()
    assert (good["ok"], good["records"], good["head_seq"]) == (True, 3, 3)
    anchored = {"anchor_seq": 3, "anchor_hash": good["head_hash"]}
    assert client.get("/api/v1/audit/verify", params=anchored).json()["ok"]
    wrong = {"anchor_seq": 3, "anchor_hash": "0" * 64}
    assert "anchored" in client.get("/api/v1/audit/verify", params=wrong).json()["why"]
    assert client.get("/api/v1/audit/verify", params={"anchor_seq": 3}).status_code == 422
    assert client.get("/api/v1/audit/verify", params={"anchor": good["anchor"]}).json()["ok"]
    assert client.get("/api/v1/audit/verify", params={"anchor": "kept"}).status_code == 422
    from bank_assets.ledger.engine import writing

    with writing(client.app.state.services.ledger) as connection:
        connection.exec_driver_sql("DROP TRIGGER decisions_refuses_update")
        connection.exec_driver_sql("UPDATE decisions SET probability = 0.5 WHERE seq = 2")
    bad = client.get("/api/v1/audit/verify").json()
    assert (bad["ok"], bad["first_bad_seq"]) == (False, 2)


def test_an_erasure_needs_exactly_one_subject(running):
    for body in ({"reason": "because"}, {"reason": "because", "contact_id": "a", "prediction_id": "b"}):
        assert running.post("/api/v1/audit/erasures", json=body).status_code == 422


@pytest.mark.parametrize(
    ("kind", "status", "slug", "title"), [(kind, *row) for kinds, *row in problems.STATUS for kind in kinds]
)
def test_the_exception_table(kind, status, slug, title):
    if kind is problems.PayloadError:
        error = kind(problems.FieldError("age", "a number", "text"))
    elif kind is DataError:
        error = kind("INSERT", {"contact_id": "secret"}, ValueError("NUL"))
    elif kind.__name__ == "ValidationException":
        error = kind(detail="bad", extra=[{"key": "limit", "message": "too large", "source": "query"}])
    else:
        error = kind("what was expected, found, to do")
    problem = problems.problem_of(error)
    assert (problem.status, problem.type, problem.title) == (status, f"/problems/{slug}", title)
    assert problem.detail
    assert "secret" not in problem.detail


def test_unknown_errors_and_subclasses_have_their_place():
    assert problems.problem_of(KeyError("secret")).status == 500
    assert "secret" not in problems.problem_of(KeyError("secret")).detail

    class Sub(EconomicsError):
        pass

    assert problems.problem_of(Sub("x")).type == "/problems/economics"
    assert issubclass(EconomicsError, ValueError)
    assert issubclass(ContractError, ValueError)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nope", 404), ("DELETE", PATH, 405), ("GET", "/api/v1/outcomes", 405), ("POST", "/health/live", 405)],
)
def test_the_frameworks_own_errors_have_the_same_shape(running, method, path, status):
    response = running.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(response.json())


def api_routes(client) -> set[tuple[str, str]]:
    document = client.get("/schema/openapi.json").json()
    return {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if path.startswith(("/api", "/health", "/metrics"))
    }


def test_every_json_route_has_a_row_in_the_docs(running):
    text = Path("docs/api.md").read_text()
    rows = {(m, p) for m, p in re.findall(r"^\| `(GET|POST|DELETE)` \| `(/[^`]*)` \|", text, flags=re.MULTILINE)}
    assert rows == api_routes(running)


def test_openapi_shows_the_bounds_of_the_contract(running):
    document = running.get("/schema/openapi.json").json()
    body = document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False
    assert (body["properties"]["age"]["minimum"], body["properties"]["age"]["maximum"]) == (16, 120)
    assert "admin." in json.dumps(body["properties"]["job"])
    assert set(body["required"]) >= {"age", "poutcome"}
    assert "$ref" not in json.dumps(body)


def test_the_api_page_needs_nothing_from_elsewhere(running):
    page = running.get("/docs")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert sources
    for source in sources:
        assert source.startswith("/")
        assert running.get(source).status_code == 200
    assert "SwaggerUIBundle" in running.get("/docs/ui.js").text
    assert "<script>" not in page.text
