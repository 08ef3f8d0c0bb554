"""`/api/v1/campaigns/plan`: who is called within which limits, who is not and why, and bodies that do not fit."""

import pytest

from bank_assets.ledger import campaigns
from bank_assets_tests.world.bundles import AS_OF


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
