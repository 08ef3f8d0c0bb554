"""Calibrators: they bring expected to observed, are modest with little, and never look ahead."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.model.calibration import (
    MAXIMUM_SHIFT,
    fit_affine,
    fit_intercept,
    intercept_as_of,
    recalibrate,
    recalibrated_day_by_day,
)
from bank_assets.core.model.scorer import apply_calibrator, expit, logit

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "D")


def sample(n=4_000, true_shift=0.8, slope=1.0, seed=0):
    rng = np.random.default_rng(seed)
    raw = expit(rng.normal(-1.5, 1.0, n))
    observed = rng.random(n) < expit(slope * logit(raw) + true_shift)
    return raw, observed


def test_intercept_makes_expected_equal_observed():
    raw, observed = sample()
    shift = fit_intercept(raw, observed, np.ones(len(raw)))
    assert shift == pytest.approx(0.8, abs=0.1)
    assert expit(logit(raw) + shift).mean() == pytest.approx(observed.mean(), abs=0.002)


def test_intercept_of_nothing_is_zero_and_of_little_is_small():
    assert fit_intercept(np.empty(0), np.empty(0, bool), np.empty(0)) == 0.0
    assert 0.0 < fit_intercept(np.full(1, 0.05), np.ones(1, bool), np.ones(1)) < 0.4


@settings(max_examples=50)
@given(st.floats(0.0, 1.0), st.integers(1, 500), st.booleans())
def test_intercept_is_bounded_and_points_to_the_truth(proba, n, observed):
    shift = fit_intercept(np.full(n, proba), np.full(n, observed), np.ones(n))
    assert abs(shift) <= MAXIMUM_SHIFT
    assert shift >= 0 if observed else shift <= 0


def test_intercept_forgets_and_sees_only_what_is_known():
    raw = np.full(400, 0.1)
    dates = START + (np.arange(400) // 10).astype("timedelta64[D]")
    observed = np.arange(400) >= 200  # all refuse for 20 days, then all subscribe
    known = dates + DAY
    as_of = START + 20 * DAY
    scored = ScoredContacts(dates, raw, observed, known)
    assert intercept_as_of(scored, as_of) < -0.5
    assert intercept_as_of(scored, START + 40 * DAY) > 1.0
    assert intercept_as_of(ScoredContacts(dates, raw, observed, known + 30 * DAY), as_of) == 0.0


def test_weights_of_the_intercept():
    raw, observed = np.full(200, 0.5), np.arange(200) < 100
    dates = np.full(200, START)
    weights = np.where(observed, 0.0, 2.0)
    scored = ScoredContacts(dates, raw, observed, dates + DAY)
    assert intercept_as_of(scored, START + DAY) == pytest.approx(0.0, abs=1e-9)
    assert intercept_as_of(replace(scored, weights=weights), START + DAY) < -1.0


def test_day_by_day_equals_each_days_intercept_and_ignores_later_outcomes():
    raw, observed = sample(300)
    dates = START + (np.arange(300) // 10).astype("timedelta64[D]")
    known = dates + DAY
    days = np.unique(dates)
    scored = ScoredContacts(dates, raw, observed, known)
    found = recalibrated_day_by_day(scored, days)
    day = days[20]
    shift = intercept_as_of(scored, day)
    np.testing.assert_allclose(found[dates == day], expit(logit(raw[dates == day]) + shift), rtol=1e-12)
    flipped = np.where(dates >= day, ~observed, observed)
    again = recalibrated_day_by_day(replace(scored, is_subscribed=flipped), days)
    np.testing.assert_array_equal(found[dates <= day], again[dates <= day])
    assert (found[dates > day] != again[dates > day]).any()


def test_affine_finds_slope_and_intercept():
    raw, observed = sample(20_000, true_shift=-0.4, slope=0.6)
    step = fit_affine(raw, observed)
    assert step["slope"] == pytest.approx(0.6, abs=0.08)
    assert step["intercept"] == pytest.approx(-0.4, abs=0.15)
    calibrated = apply_calibrator(raw, [step])
    assert calibrated.mean() == pytest.approx(observed.mean(), abs=0.005)


@pytest.mark.parametrize("observed", [np.zeros(50, bool), np.ones(50, bool), np.zeros(0, bool)])
def test_affine_of_one_class_is_the_identity(observed):
    step = fit_affine(np.full(len(observed), 0.3), observed)
    assert (step["slope"], step["intercept"]) == (1.0, 0.0)


@pytest.mark.parametrize("rate", [0.002, 0.6, 0.98])
def test_affine_survives_a_base_rate_far_off(rate):
    rng = np.random.default_rng(3)
    raw = expit(rng.normal(-3.0, 0.3, 5_000))
    observed = rng.random(5_000) < rate
    assert apply_calibrator(raw, [fit_affine(raw, observed)]).mean() == pytest.approx(rate, abs=0.02)


def test_affine_keeps_the_ranking_even_of_a_model_that_ranks_upside_down():
    raw, observed = sample(5_000, slope=-1.0)
    assert fit_affine(raw, observed)["slope"] > 0


def test_a_recalibration_records_the_log_loss_with_the_former_and_the_new_intercept():
    raw, observed = sample(2_000)
    contact_dates = np.repeat(np.arange("2010-01-01", "2010-01-21", dtype="datetime64[D]"), 100)
    known_on, as_of = contact_dates + 1, np.datetime64("2010-01-21")
    scored = ScoredContacts(contact_dates, raw, observed, known_on)
    found = recalibrate(scored, as_of, shift_before=-0.4)
    assert found.shift_after == intercept_as_of(scored, as_of)
    assert found.contacts == 2_000
    assert found.log_loss_after < found.log_loss_before
    again = recalibrate(scored, as_of, shift_before=found.shift_after)
    assert again.log_loss_before == again.log_loss_after == found.log_loss_after
    unmatured = recalibrate(replace(scored, known_on=contact_dates + 40), as_of, shift_before=0.2)
    assert asdict(unmatured) == {
        "contacts": 0,
        "shift_before": 0.2,
        "shift_after": 0.0,
        "log_loss_before": None,
        "log_loss_after": None,
    }
