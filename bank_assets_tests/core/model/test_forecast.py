"""The forecast of a list: coverage with and without drift, small lists, and the score it is judged by."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.model import forecast as forecasts
from bank_assets.core.model.forecast import Interval, interval_score
from bank_assets.core.model.scorer import expit, logit
from bank_assets.core.model.shift import Shift

CALM = Shift(0.0, 0.0, 100)
START = np.datetime64("2010-01-01")


def forecast_list(probability, cost, value, shift, day=None):
    """The forecast of calls of one day, or of days counted from `START`."""
    n = len(probability)
    days = START + (np.zeros(n, int) if day is None else day)
    return forecasts.forecast_list(np.asarray(probability, float), np.full(n, cost), np.zeros(n) + value, shift, days)


def climatology(day, profit, n_calls, horizon_days, as_of):
    days = START + np.asarray(day, int)
    return forecasts.climatology(days, np.asarray(profit, float), n_calls, horizon_days, START + as_of)


def realised(rng, probability, day, shift):
    """A draw from the model in which calibrated probabilities are means over the shifts."""
    stretched = logit(probability) * np.sqrt(1 + 0.346 * shift.total_sd**2)
    daily = rng.normal(0, shift.day_sd, day.max() + 1)[day] + rng.normal(0, shift.shared_sd)
    return rng.random(len(probability)) < expit(stretched + daily)


@pytest.mark.parametrize("n_calls", [25, 3_000])
@pytest.mark.parametrize("shift", [CALM, Shift(0.6, 0.0, 9), Shift(0.3, 0.4, 9)], ids=["calm", "daily", "shared"])
def test_interval_covers_as_often_as_it_says(n_calls, shift):
    rng = np.random.default_rng(4)
    probability, day = rng.beta(2, 6, n_calls), np.arange(n_calls) % 20
    value = rng.choice([30.0, 80.0], n_calls)
    forecast = forecast_list(probability, 5.0, value, shift, day=day)
    draws = np.array([realised(rng, probability, day, shift) for _ in range(600)])
    profit = draws @ value - 5.0 * n_calls
    inside = (forecast.profit_eur.low <= profit) & (profit <= forecast.profit_eur.high)
    assert 0.86 <= inside.mean() <= 0.96
    assert profit.mean() == pytest.approx(forecast.profit_eur.expected, abs=4 * profit.std() / np.sqrt(600))
    counts = draws.sum(axis=1)
    inside = (forecast.subscriptions.low <= counts) & (counts <= forecast.subscriptions.high)
    assert 0.86 <= inside.mean() <= 0.97


def test_interval_without_drift_is_too_narrow_under_drift():
    rng = np.random.default_rng(1)
    probability, day, shift = rng.beta(2, 6, 3_000), np.arange(3_000) % 20, Shift(0.3, 0.4, 9)
    blind = forecast_list(probability, 5.0, 50.0, CALM, day=day).profit_eur
    profit = np.array([realised(rng, probability, day, shift).sum() * 50.0 - 15_000 for _ in range(300)])
    assert ((blind.low <= profit) & (profit <= blind.high)).mean() < 0.5


def test_simulated_and_integrated_bounds_meet():
    probability = np.random.default_rng(2).beta(2, 6, 401)
    shift = Shift(0.4, 0.2, 9)
    short = forecast_list(probability[:400], 5.0, 50.0, shift).profit_eur
    long = forecast_list(probability, 5.0, 50.0, shift).profit_eur
    width = long.high - long.low
    assert short.high - short.low == pytest.approx(width, rel=0.06)
    assert short.low == pytest.approx(long.low, abs=0.06 * width)


@pytest.mark.parametrize("n_calls", [0, 1])
def test_lists_of_none_and_one(n_calls):
    forecast = forecast_list([0.5] * n_calls, 5.0, 50.0, Shift())
    assert (forecast.profit_eur.low, forecast.profit_eur.high) == ((-5.0, 45.0) if n_calls else (0.0, 0.0))
    assert forecast.profit_eur.expected == pytest.approx(20.0 * n_calls)
    assert json.loads(json.dumps(asdict(forecast)))["subscriptions"]["high"] == n_calls


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 1.5), st.floats(0, 1.5))
def test_bounds_are_ordered_possible_and_repeatable(probability, day_sd, shared_sd):
    shift = Shift(day_sd, shared_sd, 3)
    forecast = forecast_list(probability, 5.0, 50.0, shift)
    n_calls = len(probability)
    assert -5.0 * n_calls <= forecast.profit_eur.low <= forecast.profit_eur.high <= 45.0 * n_calls
    assert 0 <= forecast.subscriptions.low <= forecast.subscriptions.high <= n_calls
    assert forecast == forecast_list(probability, 5.0, 50.0, shift)


def test_wider_drift_gives_a_wider_interval():
    probability = np.full(2_000, 0.2)

    def width(shift, day=None):
        interval = forecast_list(probability, 5.0, 50.0, shift, day=day).profit_eur
        return interval.high - interval.low

    assert width(CALM) < width(Shift(0.3, 0.0, 9)) < width(Shift(0.6, 0.0, 9))
    days = np.arange(2_000) % 20
    assert width(Shift(0.6, 0.0, 9), days) < 0.5 * width(Shift(0.6, 0.0, 9))  # days average out …
    assert width(Shift(0.0, 0.6, 9), days) == pytest.approx(width(Shift(0.0, 0.6, 9)), rel=1e-6)  # … blocks do not


def test_a_hundred_thousand_calls_are_forecast():
    probability = np.random.default_rng(0).beta(1, 6, 100_000)
    profit = forecast_list(probability, 5.0, 50.0, Shift(0.4, 0.2, 9)).profit_eur
    assert profit.low < (probability * 50 - 5).sum() < profit.high


def test_climatology_knows_only_the_last_ninety_days():
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(200), 20)
    profit = np.where(rng.random(len(day)) < 0.3, 45.0, -5.0)
    interval = climatology(day, profit, 400, 30, as_of=150)
    spoiled = np.where((day >= 150) | (day < 60), 1e6, profit)
    assert climatology(day, spoiled, 400, 30, as_of=150) == interval
    assert interval.low < interval.expected < interval.high
    assert interval.expected == pytest.approx(400 * profit[(day >= 60) & (day < 150)].mean())


def test_climatology_without_a_call_says_nothing():
    assert climatology([], [], 10, 30, as_of=100) is None
    assert climatology([1], [45.0], 10, 30, as_of=100) is None


def test_interval_score_counts_width_and_misses():
    interval = Interval(10.0, 0.0, 20.0, 0.9)
    assert interval_score(interval, 5.0) == 20.0
    assert interval_score(interval, 21.0) == pytest.approx(20.0 + 20.0)
    assert interval_score(interval, -2.0) == pytest.approx(20.0 + 40.0)


def test_true_quantiles_have_the_best_score():
    draws = np.random.default_rng(0).normal(0, 1, 20_000)

    def score(half):
        return np.mean([interval_score(Interval(0.0, -half, half, 0.9), x) for x in draws])

    assert score(1.645) < min(score(1.3), score(2.1))
