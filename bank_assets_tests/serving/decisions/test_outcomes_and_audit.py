"""Outcomes, campaign plans, audit, OpenAPI, error shapes and documentation of the JSON API."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy.exc import DataError

from bank_assets.contract.errors import ContractError
from bank_assets.core.economics.economics import EconomicsError
from bank_assets.ledger import campaigns, outcomes
from bank_assets_tests.world.bundles import AS_OF
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


def contacts(payload, n):
    return [
        {**payload, "contact_id": f"c-{i:03d}", "balance": 200 * i, "poutcome": "success" if i % 3 == 0 else "failure"}
        for i in range(n)
    ]


def test_a_plan_calls_the_best_within_its_limits(client, payload):
    body = {"contacts": contacts(payload, 40), "contact_date": AS_OF, "capacity": 10, "budget_eur": 40}
    plan = client.post("/api/v1/campaigns/plan", json=body).json()
    assert (plan["called"]["n_calls"], plan["called"]["cost_eur"]) == (8, 40.0)
    profits = [call["expected_profit_eur"] for call in plan["calls"]]
    assert profits == sorted(profits, reverse=True)
    assert plan["binding"] == ["budget"]
    interval = plan["forecast"]["profit_eur"]
    assert interval["low"] < interval["expected"] < interval["high"]
    assert interval["expected"] == pytest.approx(plan["called"]["expected_profit_eur"], abs=1e-3)
    assert plan["model"]["version"] == "1"


def test_a_plan_leaves_out_customers_who_objected(client, payload):
    body = {"contacts": contacts(payload, 10), "contact_date": AS_OF}
    everybody = [call["contact_id"] for call in client.post("/api/v1/campaigns/plan", json=body).json()["calls"]]
    gone = everybody[0]
    campaigns.suppress(client.app.state.services.ledger, [gone], reason="objection", actor="test")
    plan = client.post("/api/v1/campaigns/plan", json=body).json()
    assert gone not in [call["contact_id"] for call in plan["calls"]]
    assert 1 in plan["excluded"].values()


def test_everybody_who_is_not_called_has_a_reason(client, payload):
    people = contacts(payload, 12)
    people[0] |= {"campaign": 4}
    people[1] |= {"pdays": 3, "previous": 1}
    rules = {"max_contacts_in_campaign": 3, "min_days_since_previous_contact": 30}
    body = {"contacts": people, "contact_date": AS_OF, "rules": rules, "suppressed": ["c-002"], "capacity": 5}
    plan = client.post("/api/v1/campaigns/plan", json=body).json()
    reasons = {other["contact_id"]: other["reason"] for other in plan["not_called"]}
    assert reasons["c-000"] == "too_many_contacts"
    assert reasons["c-001"] == "contacted_too_recently"
    assert reasons["c-002"] == "suppressed"
    assert plan["rules"] == rules
    assert sorted([*reasons, *(call["contact_id"] for call in plan["calls"])]) == [p["contact_id"] for p in people]
    assert plan["suppression_sha256"] != client.post(
        "/api/v1/campaigns/plan", json={**body, "suppressed": []}
    ).json()["suppression_sha256"]  # fmt: skip


def test_contacts_may_state_their_own_economics(running, payload):
    people = contacts(payload, 6)
    people[3] |= {"economics": {"cost_eur": 1_000}}
    people[4] |= {"economics": {"value_eur": 5_000}}
    body = {"contacts": people, "contact_date": AS_OF, "economics": {"cost_eur": 2, "value_eur": 60}}
    plan = running.post("/api/v1/campaigns/plan", json=body).json()
    calls = {call["contact_id"]: call for call in plan["calls"]}
    assert {other["contact_id"]: other["reason"] for other in plan["not_called"]}["c-003"] == "not_worth_calling"
    assert (calls["c-004"]["cost_eur"], calls["c-004"]["value_eur"], calls["c-004"]["rank"]) == (2.0, 5_000.0, 1)
    for call in calls.values():
        profit = call["probability"] * call["value_eur"] - call["cost_eur"]
        assert call["expected_profit_eur"] == pytest.approx(profit, abs=1e-6)


def test_a_subscription_may_be_worth_a_share_of_the_balance(running, payload):
    people = contacts(payload, 6)
    by_balance = {"share": 0.1, "minimum_eur": 30, "maximum_eur": 90}
    body = {"contacts": people, "contact_date": AS_OF, "value_by_balance": by_balance, "economics": {"cost_eur": 0.01}}
    plan = running.post("/api/v1/campaigns/plan", json=body).json()
    found = {call["contact_id"]: call["value_eur"] for call in plan["calls"]}
    assert found == {p["contact_id"]: min(max(p["balance"] * 0.1, 30), 90) for p in people}
    assert plan["amounts"]["value"] == {"kind": "balance", "column": "balance", **by_balance}


def test_a_hold_out_is_random_but_the_same_for_the_same_list(running, payload):
    body = {"contacts": contacts(payload, 60), "contact_date": AS_OF, "holdout_share": 0.3, "list_id": "may"}
    first, again = (running.post("/api/v1/campaigns/plan", json=body).json() for _ in range(2))
    other = running.post("/api/v1/campaigns/plan", json={**body, "list_id": "june"}).json()
    assert first == again
    assert first["holdout"]["n_held_out"] > 0
    assert first["calls"] != other["calls"]


def test_a_plan_explores_and_gives_every_contact_its_propensity(running, payload):
    body = {"contacts": contacts(payload, 60), "contact_date": AS_OF, "capacity": 20, "holdout_share": 0.2}
    off = running.post("/api/v1/campaigns/plan", json=body).json()
    assert off["learning"]["reserve"] == {"n_calls": 0, "cost_eur": 0.0}
    plan = running.post("/api/v1/campaigns/plan", json={**body, "learning": {"share": 0.2}}).json()
    assert plan["learning"]["reserve"]["n_calls"] == 4
    everybody = [*plan["calls"], *plan["not_called"]]
    assert sum(one["propensity"] for one in everybody) == pytest.approx(20 * 0.8)
    explored = [one["propensity"] for one in everybody if one["reason"] in ("exploration", "beyond_limits")]
    assert explored == pytest.approx([4 / 44 * 0.8] * len(explored))
    assert plan["learning"]["expected_loss_eur"] > 0
    assert [one["n_calls"] for one in plan["ranking_worth"]] == [15, 20, 30]
    assert all(one["best_first_eur"] > one["random_order_eur"] for one in plan["ranking_worth"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"learning": {"share": 5}}, "learning.share"),
        ({"learning": {"minimum": -1}}, "learning.minimum"),
        ({"learning": {"maximum_eur": -1}}, None),
        ({"contacts": []}, "contacts"),
        ({"contacts": [{}]}, "contacts[0].age"),
        ({"contacts": [5]}, "contacts[0]."),
        ({"contact_date": "9999-12-31"}, "contact_date"),
        ({"contact_date": "1889-12-31"}, "contact_date"),
        ({"capacity": -1}, None),
        ({"budget_eur": -1}, None),
        ({"holdout_share": 0.9}, "holdout_share"),
        ({"economics": {"cost_eur": 0}}, "economics.cost_eur"),
        ({"rules": {"max_contacts_in_campaign": 0}}, "rules.max_contacts_in_campaign"),
        ({"rules": {"weekends": False}}, "rules.weekends"),
        ({"value_by_balance": {"share": 2, "minimum_eur": 1, "maximum_eur": 2}}, "value_by_balance.share"),
        ({"value_by_balance": {"share": 0.1, "minimum_eur": 3, "maximum_eur": 2}}, None),
        ({"suppressed": [""]}, "suppressed[0]"),
    ],
)
def test_plans_that_do_not_fit(running, payload, change, field):
    response = running.post("/api/v1/campaigns/plan", json={"contacts": contacts(payload, 2), **change})
    assert response.status_code == 422
    if field is not None:
        assert response.json()["errors"][0]["field"] == field


def test_a_contact_without_an_id_cannot_be_planned(running, payload):
    response = running.post("/api/v1/campaigns/plan", json={"contacts": [payload]})
    assert response.json()["errors"][0]["field"] == "contacts[0].contact_id"


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
