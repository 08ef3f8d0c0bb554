"""The call plan: limits, rules, hold-out, order, totals, and the lists that are empty in some way."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.contract.uci import UCI
from bank_assets.core import arrays
from bank_assets.core.arrays import texts_of
from bank_assets.core.economics import call_plan, contact_policy, exploration
from bank_assets.core.economics.call_plan import (
    BEYOND_LIMITS,
    HELD_OUT,
    NOT_WORTH_CALLING,
    OUT_OF_REACH,
    REASON_TEXTS,
    WORTH_CALLING,
    ranked,
)
from bank_assets.core.economics.economics import ColumnAmount, ConstantAmount, Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import CallLimits, PlanError, PlanSettings, plan_calls
from bank_assets.core.economics.suppression import (
    CONTACTED_TOO_RECENTLY,
    DUPLICATE,
    SUPPRESSED,
    TOO_MANY_CONTACTS,
    FrequencyRules,
    SuppressionList,
)

ECONOMICS = Economics.constant(5.0, 50.0)


def plan_of(probability, *, ids=None, rows=None, list_id="", **settings):
    ids = [f"c{i:04d}" for i in range(len(probability))] if ids is None else ids
    under = PlanSettings(**{"economics": ECONOMICS} | settings)
    return plan_calls(ids, probability, rows or {}, UCI, under, list_id)


def test_takes_the_best_first_and_stops_at_break_even():
    plan = plan_of([0.05, 0.4, 0.1, 0.2])
    assert plan.is_called.tolist() == [False, True, False, True]  # 0.1 x 50 = 5 only breaks even
    assert plan.rank.tolist() == [0, 1, 0, 2]
    assert plan.call_order.tolist() == [1, 3]
    assert plan.reason.tolist() == [NOT_WORTH_CALLING, WORTH_CALLING, NOT_WORTH_CALLING, WORTH_CALLING]
    assert plan.called.expected_profit_eur == pytest.approx(0.6 * 50 - 10)
    assert plan.called.conversion_rate == pytest.approx(0.3)
    assert plan.called.cost_per_subscription_eur == pytest.approx(10 / 0.6)
    assert plan.everyone.n_calls == 4
    assert plan.everyone.expected_profit_eur == pytest.approx(0.75 * 50 - 20)
    assert plan.binding == ()


@pytest.mark.parametrize(
    ("limits", "n_called", "binding"),
    [
        (CallLimits(budget_eur=10.0), 2, ("budget",)),
        (CallLimits(budget_eur=14.99), 2, ("budget",)),
        (CallLimits(capacity=1), 1, ("capacity",)),
        (CallLimits(budget_eur=5.0, capacity=1), 1, ("budget", "capacity")),
        (CallLimits(budget_eur=0.0), 0, ("budget",)),
        (CallLimits(capacity=0), 0, ("capacity",)),
        (CallLimits(budget_eur=1_000.0, capacity=1_000), 4, ()),
    ],
)
def test_limits_keep_the_best(limits, n_called, binding):
    plan = plan_of([0.3, 0.5, 0.9, 0.4], limits=limits)
    assert plan.called.n_calls == n_called
    assert plan.call_order.tolist() == [2, 1, 3, 0][:n_called]
    assert plan.binding == binding
    assert plan.excluded.get(BEYOND_LIMITS, 0) == 4 - n_called
    assert plan.called.cost_eur <= (limits.budget_eur if limits.budget_eur is not None else np.inf)


@pytest.mark.parametrize(
    ("limits", "learning", "reasons"),
    [
        (CallLimits(budget_eur=4.0), LearningBudget(0.5, 8), {BEYOND_LIMITS: 3, NOT_WORTH_CALLING: 1}),
        (CallLimits(capacity=0), LearningBudget(0.5, 8), {BEYOND_LIMITS: 3, NOT_WORTH_CALLING: 1}),
        (CallLimits(capacity=1), LearningBudget(), {BEYOND_LIMITS: 2, NOT_WORTH_CALLING: 1}),
        (CallLimits(capacity=1), LearningBudget(minimum=1, maximum_eur=4.0), {OUT_OF_REACH: 3}),
        (CallLimits(capacity=1), LearningBudget(0.1), {BEYOND_LIMITS: 2, NOT_WORTH_CALLING: 1}),  # the share is nobody
        (CallLimits(capacity=2), LearningBudget(0.5), {BEYOND_LIMITS: 1, NOT_WORTH_CALLING: 1}),
    ],
)
def test_whoever_is_worth_a_call_and_kept_off_by_limits_is_counted_whatever_the_reason(limits, learning, reasons):
    plan = plan_of([0.3, 0.5, 0.9, 0.01], limits=limits, learning=learning, list_id="c")
    assert plan.excluded == reasons
    called = set(plan.contact_id[plan.is_called])
    assert plan.n_kept_off == 3 - len(called - {"c0003"})


def test_budget_of_zero_has_defined_figures():
    called = plan_of([0.9, 0.8], limits=CallLimits(budget_eur=0)).called
    assert called.to_dict() == {
        "n_calls": 0,
        "cost_eur": 0.0,
        "expected_subscriptions": 0.0,
        "expected_profit_eur": 0.0,
        "conversion_rate": None,
        "cost_per_subscription_eur": None,
    }


def test_list_without_rows():
    plan = plan_of([], limits=CallLimits(budget_eur=100.0), holdout_share=0.1)
    assert plan.called.n_calls == plan.everyone.n_calls == 0
    assert plan.curve["n_calls"].tolist() == [0]
    assert plan.excluded == {}
    assert plan.is_exact


def test_list_of_one_row():
    plan = plan_of([0.7])
    assert plan.is_called.tolist() == [True]
    assert plan.decile.tolist() == [1]
    assert plan.curve["expected_profit_eur"].tolist() == pytest.approx([0.0, 30.0])


def test_all_suppressed():
    plan = plan_of([0.9, 0.9], suppression=SuppressionList.of(["c0000", " c0001 "]))
    assert plan.called.n_calls == plan.everyone.n_calls == 0
    assert plan.excluded == {SUPPRESSED: 2}


def test_objection_beats_any_profit_and_any_other_reason():
    plan = plan_of(
        [1.0, 0.5],
        economics=Economics.constant(0.01, 10_000.0),
        suppression=SuppressionList.of(["c0000"]),
        rules=FrequencyRules(max_contacts_in_campaign=1),
        rows={"campaign": np.array([9, 1])},
    )
    assert plan.reason.tolist() == [SUPPRESSED, WORTH_CALLING]


def test_rules_and_duplicates_are_named():
    plan = plan_of(
        [0.9] * 6,
        ids=["a", "b", "c", "a", "d", "e"],
        rules=FrequencyRules(max_contacts_in_campaign=3, min_days_since_previous_contact=30),
        rows={"campaign": np.array([3, 4, 1, 1, 1, np.nan]), "pdays": np.array([-1, 90, 29, -1, 30, -1])},
    )
    broken = [TOO_MANY_CONTACTS, CONTACTED_TOO_RECENTLY, DUPLICATE]
    assert plan.reason.tolist() == [WORTH_CALLING, *broken, WORTH_CALLING, TOO_MANY_CONTACTS]
    assert set(plan.excluded) <= set(REASON_TEXTS)


def test_costs_per_contact_are_an_exact_knapsack():
    economics, rows = Economics(ColumnAmount("cost"), ConstantAmount(100.0)), {"cost": np.array([5.0, 5.0, 6.0])}
    plan = plan_of([0.5, 0.5, 0.6], economics=economics, rows=rows, limits=CallLimits(budget_eur=10.0))
    assert plan.is_called.tolist() == [True, True, False]  # 90 EUR; best first would take 54 and stop
    assert plan.is_exact


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_order_of_the_list_does_not_matter(data):
    n = data.draw(st.integers(1, 25))
    grid = st.sampled_from([0.05, 0.2, 0.2, 0.4, 0.4, 0.8])
    probability = np.array(data.draw(st.lists(grid, min_size=n, max_size=n)))
    cost = np.array(data.draw(st.lists(st.sampled_from([3.0, 5.0, 5.01]), min_size=n, max_size=n)))
    limits = CallLimits(data.draw(st.floats(0, 60)), data.draw(st.integers(0, n)))
    shuffled = np.array(data.draw(st.permutations(range(n))))
    ids = np.array([f"c{i}" for i in range(n)])

    economics = Economics(ColumnAmount("cost"))

    def called(order):
        settings = PlanSettings(economics, limits, holdout_share=0.2)
        plan = plan_calls(ids[order], probability[order], {"cost": cost[order]}, UCI, settings, list_id="x")
        assert plan.called.cost_eur <= limits.budget_eur + 1e-9
        assert plan.called.n_calls <= limits.capacity
        return [str(i) for i in plan.contact_id[plan.call_order]]

    assert called(np.arange(n)) == called(shuffled)


def test_holdout_is_a_random_part_of_the_chosen_that_nobody_replaces():
    probability, limits = np.random.default_rng(0).uniform(0, 0.5, 5_000), CallLimits(capacity=2_000)
    whole = plan_of(probability, list_id="autumn", limits=limits)
    plan = plan_of(probability, list_id="autumn", holdout_share=0.1, limits=limits)
    held = plan.reason == HELD_OUT
    assert (held | plan.is_called).tolist() == whole.is_called.tolist()
    assert abs(held.sum() / 2_000 - 0.1) < 0.02
    assert abs(probability[held].mean() - probability[plan.is_called].mean()) < 0.02
    assert plan.propensity.tolist() == np.where(whole.is_called, 0.9, 0.0).tolist()
    assert plan.summary()["holdout"] == {"n_held_out": held.sum(), "n_comparable": held.sum()}
    persons = np.array([f"k{n // 2}" for n in range(5_000)], dtype=object)
    by_person = plan_of(np.full(5_000, 0.5), list_id="autumn", holdout_share=0.1, rows={"customer_id": persons})
    assert (by_person.is_called[::2] == by_person.is_called[1::2]).all()
    again = plan_of(probability, list_id="autumn", holdout_share=0.1, limits=limits)
    other = plan_of(probability, list_id="winter", holdout_share=0.1, limits=limits)
    assert (again.reason == plan.reason).all()
    assert ((other.reason == HELD_OUT) != held).any()


def test_summary_is_json_and_curve_peaks_at_break_even():
    import json

    plan = plan_of(np.linspace(0, 0.6, 400))
    summary = json.loads(json.dumps(plan.summary()))
    profit = np.array(summary["curve"]["expected_profit_eur"])
    assert len(profit) == 101
    assert abs(summary["curve"]["n_calls"][int(profit.argmax())] - plan.called.n_calls) <= 4
    assert (np.diff(profit[: profit.argmax()]) > 0).all()
    assert np.bincount(plan.decile)[1:].tolist() == [40] * 10
    assert plan.expected_profit_eur[plan.decile == 1].min() >= plan.expected_profit_eur[plan.decile == 2].max()


@pytest.mark.parametrize(("capacity", "sizes"), [(None, [1, 2]), (3, [1, 2, 3]), (0, [1, 2]), (99, [1, 2, 4])])
def test_what_ranking_is_worth_stands_where_calling_everyone_pays(capacity, sizes):
    plan = plan_of(
        [0.9, 0.3, 0.6, 0.2, 1.0], limits=CallLimits(capacity=capacity), suppression=SuppressionList.of(["c0004"])
    )
    assert (plan.everyone.n_calls, plan.everyone.expected_profit_eur) == (4, pytest.approx(80.0))
    profit = {1: (40.0, 20.0), 2: (65.0, 40.0), 3: (75.0, 60.0), 4: (80.0, 80.0)}
    found = [(one["n_calls"], one["best_first_eur"], one["random_order_eur"]) for one in plan.ranking_worth]
    assert found == [(size, *map(pytest.approx, profit[size])) for size in sizes]


@pytest.mark.parametrize("budget", [-1, float("nan"), float("inf"), 1e12, "100", True])
def test_unusable_budget_is_refused(budget):
    with pytest.raises(PlanError, match="budget"):
        CallLimits(budget_eur=budget)


@pytest.mark.parametrize("capacity", [-1, 1.5, "3", True])
def test_unusable_capacity_is_refused(capacity):
    with pytest.raises(PlanError, match="capacity"):
        CallLimits(capacity=capacity)


@pytest.mark.parametrize("probability", [[0.5, np.nan], [0.5, 1.1], [-0.1, 0.5], [0.5]])
def test_unusable_probability_is_refused(probability):
    with pytest.raises(PlanError, match="probability"):
        plan_calls(["a", "b"], probability, {}, UCI, PlanSettings(ECONOMICS))


def test_economics_of_another_list_are_refused():
    with pytest.raises(PlanError, match="economics"):
        plan_calls(["a", "b"], [0.1, 0.2], {"cost": np.ones(3)}, UCI, PlanSettings(Economics(ColumnAmount("cost"))))


def test_serving_can_use_the_decision_core_without_the_training_stack():
    code = (
        "import sys; from bank_assets.core.economics import holdout, planner, suppression;"
        "from bank_assets.core.model import explanations, forecast, reasons;"
        "from bank_assets.core.quality import comparison;"
        "print([m for m in ('sklearn', 'pandas', 'scipy', 'lightgbm') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_from_the_models_threshold_on_limits_are_spent_on_subscriptions():
    economics = replace(Economics.constant(20.0, 50.0), calls_from=0.3)  # break-even is 0.4
    ids, probability = ["a", "b", "c", "d"], [0.2, 0.3, 0.35, 0.5]
    plan = plan_of(probability, ids=ids, economics=economics)
    assert plan.is_called.tolist() == [False, True, True, True]
    assert plan.reason[0] == NOT_WORTH_CALLING
    assert plan.called.expected_profit_eur == pytest.approx(1.15 * 50 - 60)
    short = plan_of(probability, ids=ids, economics=economics, limits=CallLimits(capacity=2))
    assert short.is_called.tolist() == [False, False, True, True]
    assert short.reason[1] == BEYOND_LIMITS


def test_a_plan_takes_a_bounded_number_of_bytes_a_contact(monkeypatch):
    for module in (arrays, call_plan, contact_policy, exploration):
        monkeypatch.setattr(module, "SLICE_ROWS", 2_000)
    n, numbers = 50_000, np.random.default_rng(0)
    ids, days = texts_of([f"list-{row:09d}" for row in range(n)]), np.full(n, "2010-11-22", "datetime64[D]")
    proba, under = numbers.beta(1, 8, n).round(4), PlanSettings(ECONOMICS, learning=LearningBudget(0.02, 8))
    tracemalloc.start()
    try:
        plan_calls(ids, proba, {"contact_date": days}, UCI, under, "list")
        assert tracemalloc.get_traced_memory()[1] / n < 125  # 0.7 KB before arrays took the place of text
    finally:
        tracemalloc.stop()


def test_equal_profits_are_ordered_part_by_part(monkeypatch):
    profit, ids = np.array([1.0, 2.0, 1.0, 2.0, 3.0, 1.0]), np.array(["f", "b", "a", "a", "x", "c"])
    for n_rows in (1, 2, 3, 100):
        monkeypatch.setattr(call_plan, "SLICE_ROWS", n_rows)
        assert ids[ranked(profit, texts_of(ids))].tolist() == ["x", "a", "b", "a", "c", "f"]
