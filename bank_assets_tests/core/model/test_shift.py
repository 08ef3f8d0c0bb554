"""The estimate of the day's and the month's shift: recovered from simulated history, sane without one."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.model import shift as shifts
from bank_assets.core.model.shift import (
    MINIMUM_VARIANCE,
    PRIOR_SD,
    PeriodTotals,
    Shift,
    pooled_days,
    single_level_sd,
)

START = np.datetime64("2008-05-05")


def estimate_shift(day, probability, outcome, as_of=None, **options):
    """The estimate from days counted from `START`; by default as of the day after the last."""
    days, outcome = START + np.asarray(day, int), np.asarray(outcome, bool)
    last = np.asarray(day, int).max(initial=0)
    as_of = START + (last + 1 if as_of is None else as_of)
    return shifts.estimate_shift(days, np.asarray(probability, float), outcome, as_of, **options)


def history(day_sd, shared_sd, *, n_days=180, n_contacts=150, seed=0):
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), n_contacts)
    probability = rng.beta(2, 8, len(day))
    shift = rng.normal(0, day_sd, n_days) + np.repeat(rng.normal(0, shared_sd, n_days // 30 + 1), 30)[:n_days]
    log_odds = np.log(probability / (1 - probability)) + shift[day]
    return day, probability, rng.random(len(day)) < 1 / (1 + np.exp(-log_odds))


@pytest.mark.parametrize(("day_sd", "shared_sd"), [(0.0, 0.0), (0.6, 0.0), (0.2, 0.5)])
def test_shift_is_recovered(day_sd, shared_sd):
    estimates = [estimate_shift(*history(day_sd, shared_sd, seed=seed)) for seed in range(6)]
    assert np.mean([e.day_sd for e in estimates]) == pytest.approx(day_sd, abs=0.12)
    assert np.mean([e.shared_sd for e in estimates]) == pytest.approx(shared_sd, abs=0.2)


def test_no_history_leans_on_the_prior():
    shift = estimate_shift([], [], [])
    assert shift.n_days == 0
    assert shift.day_sd == shift.shared_sd == pytest.approx(PRIOR_SD, abs=0.03)


def test_future_and_forgotten_days_do_not_count():
    day, probability, outcome = history(0.5, 0.2, n_days=120)
    spoiled = np.where((day >= 100) | (day < 40), True, outcome)
    clean = estimate_shift(day, probability, outcome, as_of=100, window_days=60)
    assert estimate_shift(day, probability, spoiled, as_of=100, window_days=60) == clean


def test_gap_of_two_months_and_a_day_of_one_contact():
    day, probability, outcome = history(0.3, 0.1)
    with_gap = np.where(day >= 90, day + 60, day)
    day_of_one = int(with_gap.max()) + 1
    # one surprising subscription at p = 0.01 would, alone, look like a shift of a hundred
    shift = estimate_shift(
        np.append(with_gap, day_of_one), np.append(probability, 0.01), np.append(outcome, True), window_days=400
    )
    assert shift.day_sd < 0.5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.floats(0.001, 0.9))
def test_pooling_loses_nothing_and_leaves_no_small_period(sizes, probability):
    day = np.repeat(np.arange(len(sizes)), sizes)
    proba = np.full(len(day), probability)
    outcome = (np.arange(len(day)) % 3 == 0).astype(float)
    totals = pooled_days(day, proba, outcome)
    if probability * (1 - probability) * len(day) < MINIMUM_VARIANCE:
        assert len(totals.day) == 0
        return
    assert totals.variance.min() >= MINIMUM_VARIANCE
    assert totals.expected.sum() == pytest.approx(proba.sum())
    assert totals.observed.sum() == outcome.sum()
    assert (np.diff(totals.day) > 0).all()


def test_single_level_grows_with_what_was_seen():
    def totals(residual):
        n = len(residual)
        return PeriodTotals(np.arange(n), np.full(n, 100.0), np.full(n, 80.0), 100.0 + 80.0 * np.asarray(residual))

    calm, wild = single_level_sd(totals([0.05, -0.05] * 5)), single_level_sd(totals([0.8, -0.8] * 5))
    assert calm < 0.15 < 0.5 < wild


def test_shift_survives_its_json_form():
    shift = Shift(0.25, 0.1, 12)
    assert Shift(**json.loads(json.dumps(asdict(shift)))) == shift
    assert shift.total_sd == pytest.approx(0.2693, abs=1e-4)
