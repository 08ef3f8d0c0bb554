"""The profit curve with its intervals."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.curves import SHARES, CurveError, profit_curve

ECONOMICS = Economics.constant(5.0, 50.0)


def scored(n=4_000, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 8, n)
    return probability, rng.random(n) < probability


def test_ends_of_the_profit_curve():
    probability, outcome = scored()
    curve = profit_curve(probability, outcome, ECONOMICS, {})
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
        curve = profit_curve(probability, outcome, ECONOMICS, {}, n_resamples=150)
        point = SHARES.index(0.3)
        ranked = np.sort(probability)[::-1][: int(0.3 * 800)]
        inside.append(curve.low[point] <= (ranked * 50 - 5).sum() <= curve.high[point])
    assert np.mean(inside) > 0.75


def test_whole_days_give_wider_intervals_where_days_stray():
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(40), 100)
    probability = rng.beta(2, 8, 4_000)
    outcome = rng.random(4_000) < np.clip(probability * rng.lognormal(0, 0.6, 40)[day], 0, 1)
    by_contact = profit_curve(probability, outcome, ECONOMICS, {})
    by_day = profit_curve(probability, outcome, ECONOMICS, {}, day=day)
    assert (by_day.high - by_day.low)[-1] > 1.5 * (by_contact.high - by_contact.low)[-1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.3, 0.7]), st.booleans()), min_size=1, max_size=40))
def test_order_of_the_rows_never_leaks_into_a_curve(sample):
    probability = np.array([p for p, _ in sample])
    outcome = np.array([y for _, y in sample])
    order = np.argsort(~outcome, kind="stable")  # subscribers first: a sort by score alone would flatter
    one = profit_curve(probability, outcome, ECONOMICS, {}, n_resamples=0)
    other = profit_curve(probability[order], outcome[order], ECONOMICS, {}, n_resamples=0)
    assert one.value.tolist() == pytest.approx(other.value.tolist())


def test_no_contacts_have_defined_answers():
    assert profit_curve([], [], ECONOMICS, {}).value.tolist() == [0.0] * len(SHARES)


@pytest.mark.parametrize("arguments", [([0.5], [True, False]), ([np.nan], [True])])
def test_unusable_input_is_refused(arguments):
    with pytest.raises(CurveError, match="expected"):
        profit_curve(*arguments, ECONOMICS, {})
    with pytest.raises(CurveError, match="expected"):
        profit_curve([0.5], [True], ECONOMICS, {}, day=[1, 2])
