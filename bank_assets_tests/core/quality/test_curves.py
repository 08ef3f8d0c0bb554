"""The profit curve with its intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.comparison import SHARES, profit_curve
from bank_assets.core.quality.objective import Cohort

ECONOMICS = Economics.constant(5.0, 50.0)


def scored(n=4_000, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 8, n)
    return probability, rng.random(n) < probability


def curve_of(probability, outcome, day=None, **options):
    """The curve as arrays; each contact has a day of its own unless days are given."""
    days = np.datetime64("2010-01-01") + (np.arange(len(outcome)) if day is None else day)
    curve = profit_curve(Cohort(outcome, days, ECONOMICS, {}, 0), probability, **options)
    return {name: np.asarray(value) for name, value in curve.items()}


def test_ends_of_the_profit_curve():
    probability, outcome = scored()
    curve = curve_of(probability, outcome)
    assert curve["value"][0] == 0.0
    assert curve["value"][-1] == pytest.approx(outcome.sum() * 50.0 - len(outcome) * 5.0)
    best = SHARES[int(curve["value"].argmax())]
    assert best == pytest.approx((probability > 0.1).mean(), abs=0.1)
    assert (curve["low"] <= curve["value"]).all()
    assert (curve["value"] <= curve["high"]).all()
    assert curve["unit"] == "EUR"


def test_profit_interval_covers_the_next_sample():
    inside = []
    for seed in range(40):
        probability, outcome = scored(800, seed)
        curve = curve_of(probability, outcome, n_resamples=150)
        point = SHARES.index(0.3)
        ranked = np.sort(probability)[::-1][: int(0.3 * 800)]
        inside.append(curve["low"][point] <= (ranked * 50 - 5).sum() <= curve["high"][point])
    assert np.mean(inside) > 0.75


def test_whole_days_give_wider_intervals_where_days_stray():
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(40), 100)
    probability = rng.beta(2, 8, 4_000)
    outcome = rng.random(4_000) < np.clip(probability * rng.lognormal(0, 0.6, 40)[day], 0, 1)
    alone, by_day = curve_of(probability, outcome), curve_of(probability, outcome, day)
    assert (by_day["high"] - by_day["low"])[-1] > 1.5 * (alone["high"] - alone["low"])[-1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.3, 0.7]), st.booleans()), min_size=1, max_size=40))
def test_order_of_the_rows_never_leaks_into_a_curve(sample):
    probability = np.array([p for p, _ in sample])
    outcome = np.array([y for _, y in sample])
    order = np.argsort(~outcome, kind="stable")  # subscribers first: a sort by score alone would flatter
    one = curve_of(probability, outcome, n_resamples=0)
    other = curve_of(probability[order], outcome[order], n_resamples=0)
    assert one["value"].tolist() == pytest.approx(other["value"].tolist())


def test_no_contacts_have_defined_answers():
    assert curve_of(np.empty(0), np.empty(0, bool))["value"].tolist() == [0.0] * len(SHARES)
