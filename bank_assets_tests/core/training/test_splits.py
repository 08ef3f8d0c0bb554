"""Folds by time: test rows after training rows, all of them, whatever the span."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.training.folds import MINIMUM_SPAN_DAYS, N_REPORTED_FOLDS, SplitError, random_folds, time_folds
from bank_assets_tests.world.contacts import FIRST

DAY = np.timedelta64(1, "D")


@settings(max_examples=60)
@given(st.integers(MINIMUM_SPAN_DAYS, 1_500), st.integers(0, 60))
def test_every_test_row_lies_after_every_training_row(n_days, start):
    dates = FIRST + (start + np.arange(n_days)).astype("timedelta64[D]")
    as_of = dates[-1] + DAY
    folds = time_folds(dates, as_of)
    assert [fold.is_reported for fold in folds] == [False, *[True] * N_REPORTED_FOLDS]
    tested = np.zeros(n_days, int)
    for fold in folds:
        train, test = fold.train_mask(dates, dates + DAY), fold.test_mask(dates)
        assert train.any()
        assert test.any()
        assert dates[train].max() < dates[test].min()
        tested += test
    assert tested.max() == 1
    assert folds[-1].test_end == as_of


def test_an_outcome_that_comes_late_is_not_learned_from():
    dates = FIRST + np.arange(100).astype("timedelta64[D]")
    fold = time_folds(dates, dates[-1] + DAY)[1]
    known = dates + DAY
    known[0] = fold.test_start + DAY
    assert not fold.train_mask(dates, known)[0]
    assert fold.train_mask(dates, known)[1]


def test_long_spans_are_cut_at_month_starts():
    dates = FIRST + np.arange(900).astype("timedelta64[D]")
    for fold in time_folds(dates, dates[-1] + DAY):
        assert str(fold.test_start).endswith("-01")


def test_too_short_a_history_is_refused_with_what_is_needed():
    dates = FIRST + np.arange(MINIMUM_SPAN_DAYS - 1).astype("timedelta64[D]")
    with pytest.raises(SplitError, match="at least 8 days"):
        time_folds(dates, dates[-1] + DAY)


def test_random_folds_are_even_and_seeded():
    folds = random_folds(103, 5, seed=1)
    assert sorted(np.bincount(folds).tolist()) == [20, 20, 21, 21, 21]
    assert (folds == random_folds(103, 5, seed=1)).all()
    assert (folds != random_folds(103, 5, seed=2)).any()
