"""Profit and lift curves with intervals, and thresholds beside each other."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.curves import SHARES, CurveError, lift_curve, profit_curve, threshold_table
from bank_assets.core.economics import Economics

ECONOMICS = Economics(5.0, 50.0)


def scored(n=4_000, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 8, n)
    return probability, rng.random(n) < probability


def test_ends_of_the_profit_curve():
    probability, outcome = scored()
    curve = profit_curve(probability, outcome, ECONOMICS)
    assert curve.value[0] == 0.0
    assert curve.value[-1] == pytest.approx(outcome.sum() * 50.0 - len(outcome) * 5.0)
    best = SHARES[int(curve.value.argmax())]
    assert best == pytest.approx((probability > 0.1).mean(), abs=0.1)
    assert (curve.low <= curve.value).all()
    assert (curve.value <= curve.high).all()
    assert json.loads(json.dumps(curve.to_dict()))["unit"] == "EUR"


def test_profit_interval_covers_the_next_sample():
    inside = []
    for seed in range(40):
        probability, outcome = scored(800, seed)
        curve = profit_curve(probability, outcome, ECONOMICS, n_resamples=150)
        point = SHARES.index(0.3)
        ranked = np.sort(probability)[::-1][: int(0.3 * 800)]
        inside.append(curve.low[point] <= (ranked * 50 - 5).sum() <= curve.high[point])
    assert np.mean(inside) > 0.75


def test_whole_days_give_wider_intervals_where_days_stray():
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(40), 100)
    probability = rng.beta(2, 8, 4_000)
    outcome = rng.random(4_000) < np.clip(probability * rng.lognormal(0, 0.6, 40)[day], 0, 1)
    by_contact = profit_curve(probability, outcome, ECONOMICS)
    by_day = profit_curve(probability, outcome, ECONOMICS, day=day)
    assert (by_day.high - by_day.low)[-1] > 1.5 * (by_contact.high - by_contact.low)[-1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.3, 0.7]), st.booleans()), min_size=1, max_size=40))
def test_order_of_the_rows_never_leaks_into_a_curve(sample):
    probability = np.array([p for p, _ in sample])
    outcome = np.array([y for _, y in sample])
    order = np.argsort(~outcome, kind="stable")  # subscribers first: a sort by score alone would flatter
    for curve in (profit_curve, lift_curve):
        arguments = (ECONOMICS,) if curve is profit_curve else ()
        one = curve(probability, outcome, *arguments, n_resamples=0)
        other = curve(probability[order], outcome[order], *arguments, n_resamples=0)
        assert one.value.tolist() == pytest.approx(other.value.tolist())


def test_equal_scores_have_no_lift():
    outcome = np.arange(100) < 20
    curve = lift_curve(np.full(100, 0.2), outcome)
    assert curve.value.tolist() == pytest.approx([1.0] * len(SHARES))


def test_perfect_scores_have_the_largest_lift():
    outcome = np.arange(100) < 20
    curve = lift_curve(outcome.astype(float), outcome)
    assert curve.value[SHARES.index(0.1)] == pytest.approx(5.0)
    assert curve.value[-1] == pytest.approx(1.0)
    assert (curve.value[1:] <= 5.0 + 1e-9).all()


def test_thresholds_beside_each_other():
    probability, outcome = scored()
    rows = {row.name: row for row in threshold_table(probability, outcome, ECONOMICS)}
    assert list(rows) == ["break_even", "best_f1", "best_profit"]
    assert rows["break_even"].threshold == 0.1
    assert rows["break_even"].n_calls == (probability > 0.1).sum()
    assert rows["best_f1"].f1 == max(row.f1 for row in rows.values())
    assert rows["best_profit"].profit_eur == max(row.profit_eur for row in rows.values())
    for row in rows.values():
        called = probability > row.threshold if row.name == "break_even" else probability >= row.threshold
        assert row.profit_eur == pytest.approx((called & outcome).sum() * 50.0 - called.sum() * 5.0)
        assert row.profit_low_eur < row.profit_eur < row.profit_high_eur


def test_following_f1_costs_profit_where_calls_are_cheap():
    probability, outcome = scored()
    rows = {row.name: row for row in threshold_table(probability, outcome, Economics(1.0, 100.0))}
    assert rows["best_f1"].profit_eur < 0.8 * rows["break_even"].profit_eur


@pytest.mark.parametrize("outcome", [[False] * 4, [True] * 4])
def test_one_class_alone_has_defined_answers(outcome):
    probability = [0.1, 0.2, 0.3, 0.4]
    assert lift_curve(probability, outcome).value.tolist() == pytest.approx([1.0] * len(SHARES))
    rows = {row.name: row for row in threshold_table(probability, outcome, ECONOMICS)}
    assert rows["best_profit"].n_calls == (4 if outcome[0] else 0)


def test_no_contacts_have_defined_answers():
    assert profit_curve([], [], ECONOMICS).value.tolist() == [0.0] * len(SHARES)
    assert lift_curve([], []).value.tolist() == [1.0] * len(SHARES)
    assert [row.n_calls for row in threshold_table([], [], ECONOMICS)] == [0, 0, 0]


@pytest.mark.parametrize("arguments", [([0.5], [True, False]), ([np.nan], [True])])
def test_unusable_input_is_refused(arguments):
    with pytest.raises(CurveError, match="expected"):
        profit_curve(*arguments, ECONOMICS)
    with pytest.raises(CurveError, match="expected"):
        lift_curve([0.5], [True], day=[1, 2])
