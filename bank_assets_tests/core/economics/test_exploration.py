"""Lists as randomized policies: recorded propensities are true, and exploration never exceeds its reserve."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.call_plan import (
    BEYOND_LIMITS,
    EXPLORATION,
    HELD_OUT,
    NOT_WORTH_CALLING,
    OUT_OF_REACH,
    WORTH_CALLING,
)
from bank_assets.core.economics.economics import ColumnAmount, ConstantAmount, Economics
from bank_assets.core.economics.exploration import EXPLORATION_SCORE, ExplorationError, LearningBudget, Reserve, draw
from bank_assets.core.economics.holdout import holdout_mask
from bank_assets.core.economics.planner import CallLimits, PlanSettings, plan_calls
from bank_assets.core.economics.suppression import FrequencyRules, SuppressionList

SEEDS = 10_000
Z = 5.0  # a row's frequency is further off by chance once in 1.7 million; 24 rows are judged
HOLDOUT = 0.25
IDS = [*(f"c{i:02d}" for i in range(13)), "c00"]  # the last is a duplicate
ROWS = {
    "cost": np.array([3, 5, 5.01, 8, 3, 5, 5, 8, 3, 5, 90, 5, 3, 3.0]),
    "campaign": np.array([1, 1, 1, 1, 1, 9, 1, 1, 1, 1, 1, 1, 1, 1]),
    "customer_id": np.array([f"k{i // 2}" for i in range(14)], dtype=object),  # two contacts each
}
SCORE = np.array([1, 2, 0.1, 1, 9, 1, 3, 1, 0.5, 1, 1, 1, 1, 1])
PROBA = np.array([0.5, 0.4, 0.3, 0.3, 0.15, 0.9, 0.12, 0.2, 0.05, 0.04, 0.3, 0.02, 0.01, 0.5])
SETTINGS = PlanSettings(
    Economics(ColumnAmount("cost"), ConstantAmount(50.0)),
    CallLimits(budget_eur=31.0, capacity=6),
    FrequencyRules(max_contacts_in_campaign=3),
    HOLDOUT,
    suppression=SuppressionList.of(["c07"]),
    learning=LearningBudget(share=0.3, minimum=3, maximum_eur=18.0),
)


def plan_of(rows, list_id="x", settings=SETTINGS):
    return plan_calls(IDS, PROBA, rows, UCI, settings, list_id)


def drawn(plan, list_id):
    """Whom the design of a plan chooses, and whom it calls, under another seed."""
    chosen = plan.propensity / (1.0 - HOLDOUT)
    is_chosen = draw(chosen, ROWS["customer_id"], plan.contact_id, list_id)
    rows = np.flatnonzero(is_chosen)
    is_called = is_chosen.copy()
    is_called[rows] = ~holdout_mask(ROWS["customer_id"][rows], list_id, HOLDOUT)
    return is_chosen, is_called


def agrees(frequency, propensity):
    tolerance = Z * np.sqrt(propensity * (1.0 - propensity) / SEEDS)
    return bool((np.abs(frequency - propensity) <= tolerance).all())


@pytest.mark.parametrize("rows", [ROWS, {**ROWS, EXPLORATION_SCORE: SCORE}], ids=["equal", "by score"])
def test_recorded_propensities_are_the_frequencies_of_ten_thousand_seeds(rows):
    plan = plan_of(rows)
    best = plan_of(rows, settings=replace(SETTINGS, holdout_share=0.0)).reason == WORTH_CALLING
    explored = (plan.propensity > 0) & ~best
    assert explored.sum() >= 6
    for seed in range(10):  # the draws below are the plan's
        again = plan_of(rows, f"list {seed}")
        assert (again.propensity == plan.propensity).all()
        assert (again.is_called == drawn(plan, f"list {seed}")[1]).all()
    chosen, called = (np.array(one) for one in zip(*(drawn(plan, f"list {i}") for i in range(SEEDS)), strict=True))
    assert agrees(called.mean(axis=0), plan.propensity)
    assert (chosen[:, explored].sum(axis=1) == chosen[0, explored].sum()).all()
    assert chosen[:, explored].sum(axis=1).max() <= plan.reserve.calls
    assert (chosen[:, explored] @ plan.cost_eur[explored]).max() <= plan.reserve.cents / 100 <= 18.0
    assert chosen.sum(axis=1).max() <= 6
    assert (chosen @ plan.cost_eur).max() <= 31.0


def test_drawing_first_and_cutting_by_rank_fails_the_same_test():
    share, capacity, wanted = 0.05, 6, PROBA * 50 > 5
    is_drawn = np.random.default_rng(0).uniform(size=(SEEDS, len(PROBA))) < share
    value = np.where(wanted | is_drawn, PROBA, -1.0)
    called = (np.argsort(np.argsort(-value, axis=1), axis=1) < capacity) & (value >= 0)
    recorded = np.where(wanted, 1.0, share)
    assert not agrees(called.mean(axis=0), recorded)
    assert called[:, ~wanted].mean() == 0 < recorded[~wanted].min()


def test_every_row_says_why():
    plan = plan_of(ROWS)
    worth = plan.propensity == 1 - HOLDOUT
    assert set(plan.reason[worth]) <= {WORTH_CALLING, HELD_OUT}
    assert plan.reason[10] == OUT_OF_REACH  # 90 EUR
    assert plan.propensity[10] == 0
    others = (plan.propensity > 0) & ~worth
    assert set(plan.reason[others]) <= {EXPLORATION, HELD_OUT, BEYOND_LIMITS, NOT_WORTH_CALLING}
    assert plan.reason[[5, 7, 13]].tolist() == ["too_many_contacts", "suppressed", "duplicate"]
    assert not plan.propensity[[5, 7, 13]].any()
    assert plan.is_called.tolist() == np.isin(plan.reason, [WORTH_CALLING, EXPLORATION]).tolist()


def test_without_limits_the_reserve_takes_nothing_from_the_best_calls():
    ids, proba = [f"c{i}" for i in range(400)], np.linspace(0.01, 0.2, 400)
    rows, economics = {}, Economics.constant(5.0, 50.0)
    without = plan_calls(ids, proba, rows, UCI, PlanSettings(economics))
    plan = plan_calls(ids, proba, rows, UCI, PlanSettings(economics, learning=LearningBudget(0.05, 8)), "may")
    assert (plan.reason == WORTH_CALLING).tolist() == without.is_called.tolist()
    assert plan.explored.n_calls == 20
    others = ~without.is_called
    assert plan.propensity[others] == pytest.approx(20 / others.sum())
    expected = plan.propensity[others] @ plan.expected_profit_eur[others]
    assert plan.learning_loss_eur == pytest.approx(-expected)
    summary = plan.summary()["learning"]
    assert summary["reserve"]["n_calls"] == summary["explored"]["n_calls"] == 20
    assert summary["n_out_of_reach"] == 0


def test_a_reserve_larger_than_the_others_goes_back_to_the_best_calls():
    settings = PlanSettings(
        Economics.constant(5.0, 50.0), CallLimits(capacity=9), learning=LearningBudget(share=0.5, minimum=4)
    )
    plan = plan_calls([f"c{i}" for i in range(10)], [0.9] * 6 + [0.2, 0.2, 0.01, 0.01], {}, UCI, settings, "x")
    assert plan.is_called.sum() == 9
    few = plan_calls(["a", "b"], [0.9, 0.01], {}, UCI, settings, "x")  # a minimum above the list: all are called
    assert few.is_called.all()
    assert few.propensity.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("budget", "limits", "expected"),
    [
        (LearningBudget(), (None, None), Reserve(0, 0)),
        (LearningBudget(0.2), (None, None), Reserve(2, 6_000)),
        (LearningBudget(0.2), (None, 5), Reserve(1, 6_000)),
        (LearningBudget(0.2), (1_500, None), Reserve(1, 300)),  # the limits allow 5 calls
        (LearningBudget(0.0, 3), (1_500, None), Reserve(3, 900)),
        (LearningBudget(0.2, 20), (None, 4), Reserve(4, 6_000)),
        (LearningBudget(0.2, 0, 4.99), (None, None), Reserve(2, 499)),
        (LearningBudget(0.2, 8, 0), (None, None), Reserve(0, 0)),
        (LearningBudget(1.0), (None, None), Reserve(10, 6_000)),
    ],
)
def test_the_reserve_is_a_share_of_what_the_limits_allow(budget, limits, expected):
    assert budget.reserve(np.array([300] * 5 + [900] * 5), *limits) == expected


@pytest.mark.parametrize(
    ("days", "limits", "minimum"),
    [
        (1, CallLimits(), 8),
        (3, CallLimits(), 24),
        (3, CallLimits(capacity=1_000), 24),  # which keeps nobody off
        (3, CallLimits(capacity=30), 15),  # not all thirty at random
        (3, CallLimits(budget_eur=100.0), 10),
        (3, CallLimits(capacity=9), 8),  # as many as a list of a day
        (3, CallLimits(capacity=0), 8),
    ],
)
def test_a_list_of_several_days_explores_as_much_as_lists_of_a_day_unless_limits_are_tight(days, limits, minimum):
    dates = np.datetime64("2009-03-02") + np.arange(60) % days
    settings = PlanSettings(Economics.constant(5.0, 50.0), limits, learning=LearningBudget(0.02, 8, 500.0))
    assert settings.exploring_each_day({}, dates).learning == LearningBudget(0.02, minimum, 500.0)
    off = replace(settings, learning=LearningBudget())
    assert off.exploring_each_day({}, dates) == off


def test_what_is_reserved_without_limits_is_what_the_explorers_can_need():
    settings = PlanSettings(Economics.constant(5.0, 50.0), learning=LearningBudget(0.02, 8))
    assert plan_calls([f"c{i}" for i in range(40)], [0.9] * 10 + [0.01] * 30, {}, UCI, settings).reserve == (8, 4_000)
    assert plan_calls(["a", "b"], [0.9, 0.01], {}, UCI, settings).reserve == (1, 500)


def test_a_dear_contact_is_out_of_reach_rather_than_the_sample_small():
    cost = np.array([300, 500, 500, 500, 2_000, 90_000])
    probability, needed = LearningBudget(0.5).inclusion(Reserve(3, 2_600), cost)
    assert probability.tolist() == pytest.approx([0.4] * 5 + [0.0])
    assert needed == Reserve(2, 2_500)
    assert LearningBudget(0.5).inclusion(Reserve(3, 200), cost) == (pytest.approx(np.zeros(6)), Reserve(0, 0))
    assert LearningBudget(0.5).inclusion(Reserve(3, 200), cost[:0])[1] == Reserve(0, 0)


def test_probabilities_by_score_are_capped_at_one():
    score = np.array([100.0, 1.0, 1.0, 2.0, 0.0])
    probability, needed = LearningBudget(0.5).inclusion(Reserve(3, 1_500), np.full(5, 500), score)
    assert probability.tolist() == pytest.approx([1.0, 0.5, 0.5, 1.0, 0.0])
    assert needed.calls == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"share": 5}, "5 % is written 0.05"),
        ({"share": -0.1}, "learning share"),
        ({"share": float("nan")}, "learning share"),
        ({"share": True}, "learning share"),
        ({"minimum": -1}, "whole number"),
        ({"minimum": 2.5}, "whole number"),
        ({"maximum_eur": -1.0}, "learning budget"),
        ({"maximum_eur": float("nan")}, "learning budget"),
    ],
)
def test_unusable_learning_budgets_are_refused(settings, words):
    with pytest.raises(ExplorationError, match=words):
        LearningBudget(**settings)


@pytest.mark.parametrize("score", [[1.0, np.nan], [1.0, -1.0], [np.inf, 1.0]])
def test_unusable_scores_are_refused(score):
    settings = PlanSettings(Economics.constant(5.0, 50.0), learning=LearningBudget(0.5))
    with pytest.raises(ExplorationError, match="exploration score"):
        plan_calls(["a", "b"], [0.01, 0.01], {EXPLORATION_SCORE: np.array(score)}, UCI, settings)


def test_a_list_where_everyone_is_suppressed_explores_nobody():
    settings = PlanSettings(
        Economics.constant(5.0, 50.0), suppression=SuppressionList.of(["a", "b"]), learning=LearningBudget(0.5, 8)
    )
    plan = plan_calls(["a", "b"], [0.9, 0.01], {}, UCI, settings)
    assert not plan.is_called.any()
    assert not plan.propensity.any()
    assert plan.reserve == Reserve(0, 0)


@pytest.mark.parametrize(
    ("learning", "propensity"), [(LearningBudget(0.1), 0.1), (LearningBudget(0.1, maximum_eur=0), 0)]
)
def test_a_single_answer_is_drawn_with_the_share_once_for_each_contact(learning, propensity):
    drawn = [learning.answer(f"c{n}", is_worth_calling=False) for n in range(4_000)]
    assert {p for _, p in drawn} == {propensity}
    assert np.mean([is_called for is_called, _ in drawn]) == pytest.approx(propensity, abs=0.02)
    assert drawn[:9] == [learning.answer(f"c{n}", is_worth_calling=False) for n in range(9)]
    assert learning.answer("c0", is_worth_calling=True) == (True, 1.0)


@pytest.mark.parametrize(
    "budget", [LearningBudget(0.3, 2), LearningBudget(1.0), LearningBudget(0.02, 8), LearningBudget(0.5, 0, 12.0)]
)
@pytest.mark.parametrize("n", [1, 7, 49, 1_000])
def test_one_cost_for_all_is_the_common_case_of_any_costs(budget, n):
    costs = np.full(n, 500)
    for reserve in (
        budget.reserve(costs, None, None),
        budget.reserve(costs, 3_999, None),
        Reserve(0, 0),
        Reserve(3, 499),
    ):
        of_all, of_any = budget.inclusion(reserve, costs), budget.inclusion(reserve, costs, np.ones(n))
        assert of_all[0].tolist() == of_any[0].tolist()
        assert of_all[1] == of_any[1]
