"""The OpenAPI document describes the API correctly: its examples, problems and scopes are the real ones."""

import json
import re
from pathlib import Path

import pytest

from bank_assets_tests.world.bundles import AS_OF

DOCS = Path(__file__).resolve().parents[3] / "docs" / "api.md"


@pytest.fixture
def client(running):
    """One app for all: nothing here changes what it answers."""
    return running


@pytest.fixture
def document(client):
    return client.get("/schema/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/"):
                yield method.upper(), path, operation


def test_every_example_of_a_body_is_taken(client, document, payload):
    client.post("/api/v1/predictions", json={**payload, "contact_id": "c-1"})
    tried = set()
    for method, path, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            body = content["examples"]["a_body"]["value"]
            text = body if isinstance(body, str) else json.dumps(body)
            answer = client.request(method, path, content=text, headers={"content-type": media_type})
            # The version of the example is the champion here, nothing was delivered, no list has such an id, and there
            # is no secret of webhooks: no faults of the body.
            others = {"/api/v1/model/rollback": 409, "/api/v1/withdrawals": 404, "/api/v1/webhooks/feedback": 404}
            others["/api/v1/plans"] = 404
            other = 404 if "{list_id}" in path or "{plan_id}" in path else others.get(path)
            assert answer.status_code in (200, 201, other), answer.text
            if path.endswith("batch"):
                found = answer.json()
                assert found.get("recorded", found.get("new", 0) + found.get("known", 0)) == 1
            tried.add((path, media_type))
    assert len(tried) == 21


def test_errors_are_documented_in_their_one_shape(document):
    for method, path, operation in operations(document):
        problems = {s: r for s, r in operation["responses"].items() if int(s) >= 400}
        assert {"401", "403", "422", "429", "503"} <= set(problems), f"{method} {path}"
        assert "400" not in problems
        assert ("415" in problems) == ("requestBody" in operation)
        for answer in problems.values():
            shape = answer["content"]["application/problem+json"]["schema"]
            assert {"type", "title", "status", "detail", "errors"} <= set(shape["properties"])


def test_what_is_answered_is_documented(client, document, payload):
    xml = {"content-type": "application/xml"}
    answers = [
        ("/api/v1/predictions", client.post("/api/v1/predictions", json={**payload, "age": 7})),
        (
            "/api/v1/predictions",
            client.post("/api/v1/predictions", content=b"<x/>", headers=xml),
        ),
        ("/api/v1/outcomes", client.post("/api/v1/outcomes", json={"prediction_id": "nobody", "y": "no"})),
        ("/api/v1/model/rollback", client.post("/api/v1/model/rollback", json={"version": "1", "reason": "again"})),
    ]
    assert [response.status_code for _, response in answers] == [422, 415, 404, 409]
    for path, response in answers:
        assert str(response.status_code) in document["paths"][path]["post"]["responses"]


def test_scopes_are_those_of_the_table(document):
    table = dict(re.findall(r"^\| `(\w+ /api\S+)` \| (\w+) \|", DOCS.read_text().replace("` | `", " "), re.M))
    said = {}
    for method, path, operation in operations(document):
        needed = re.search(r"scope `(\w+)`", operation["description"])
        without = "none" if "Needs no key" in operation["description"] else "any"
        said[f"{method} {path}"] = needed[1] if needed else without
    assert said == table


def test_the_day_of_the_examples_is_one_that_models_know(document):
    example = document["paths"]["/api/v1/predictions"]["post"]["requestBody"]["content"]["application/json"]
    assert example["examples"]["a_body"]["value"]["contact_date"] == AS_OF
