"""Excess variation: near zero without drift at any size, large with it, against a reference that forgets."""

from datetime import date, timedelta

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.covariate_shift import Reference, excess_variation
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.profile import Profile
from bank_assets_tests.world.contacts import made_frame
from bank_assets_tests.world.profiles import profile_of_rows

START = date(2020, 1, 1)
INFINITE = float("inf")


def daily_of(frame, n_days=50):
    n = len(frame["age"])
    days = np.datetime64(START) + (np.arange(n) * n_days // n).astype("timedelta64[D]")
    return DailyProfiles.from_rows(days, frame, UCI)


def reference_of(frame, half_life=INFINITE):
    return Reference.of(daily_of(frame), START + timedelta(days=50), half_life)


@pytest.mark.parametrize("n_window", [200, 1_000, 20_000])
def test_near_zero_without_drift_whatever_the_size(n_window):
    rng = np.random.default_rng(1)
    reference = reference_of(made_frame(20_000, rng))
    worst = max(max(excess_variation(reference, profile_of_rows(made_frame(n_window, rng))).values()) for _ in range(5))
    assert worst < 0.06


@pytest.mark.parametrize(
    ("column", "value"), [("age", 25.0), ("balance", 0.0), ("pdays", 90.0), ("job", "student"), ("housing", "yes")]
)
def test_a_change_shows_in_its_own_column(column, value):
    rng = np.random.default_rng(2)
    reference = reference_of(made_frame(5_000, rng))
    frame = made_frame(500, rng)
    frame[column] = np.where(np.arange(500) < 400, np.asarray(value, frame[column].dtype), frame[column])
    found = excess_variation(reference, profile_of_rows(frame))
    assert max(found, key=lambda name: found[name]) == column
    assert found[column] > 0.25


def test_a_category_never_seen_counts_as_moved():
    rng = np.random.default_rng(3)
    frame = made_frame(2_000, rng)
    frame["job"] = np.full(2_000, "student", object)
    reference = reference_of(frame)
    assert excess_variation(reference, profile_of_rows(made_frame(500, rng)))["job"] > 0.8


def test_a_reference_that_is_one_value_sees_another():
    rng = np.random.default_rng(4)
    frame = made_frame(2_000, rng)
    frame["pdays"] = np.full(2_000, -1.0)
    window = made_frame(500, rng)
    share = float((window["pdays"] != -1).mean())
    assert excess_variation(reference_of(frame), profile_of_rows(window))["pdays"] == pytest.approx(share, abs=0.03)


def test_the_reference_forgets_as_the_model_does():
    rng = np.random.default_rng(5)
    frame = made_frame(5_000, rng)
    frame["housing"] = np.where(np.arange(5_000) < 4_000, "no", "yes").astype(object)
    window = made_frame(500, rng)
    window["housing"] = np.full(500, "yes", object)
    slow, fast = (
        excess_variation(reference_of(frame, half_life), profile_of_rows(window))["housing"]
        for half_life in (INFINITE, 3.0)
    )
    assert slow > 0.7
    assert fast < 0.2


def test_nothing_before_the_first_day_and_nothing_of_the_day_itself():
    frame = made_frame(500, np.random.default_rng(6))
    assert Reference.of(daily_of(frame), START, 90.0).columns == {}
    one_day = Reference.of(daily_of(frame, 1), START + timedelta(days=1), 90.0)
    assert one_day.effective_rows == pytest.approx(500)


def test_an_empty_window_has_no_excess():
    reference = reference_of(made_frame(500, np.random.default_rng(7)))
    assert excess_variation(reference, Profile.empty(UCI)) == {}


def test_shares_are_shares():
    reference = reference_of(made_frame(3_000, np.random.default_rng(8)), 20.0)
    for column in reference.columns.values():
        assert column.shares.sum() == pytest.approx(1.0)
    assert reference.effective_rows < 3_000
