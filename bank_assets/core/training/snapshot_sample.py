"""Which contacts a training snapshot holds if the history is too long to hold all of them.

A search fits each recipe as of the start of every fold and as of today, and tests it on the days after. The snapshot is
the union of the samples that these fits draw (`core.training.learning_sample`) and of one by which all days count
alike, for tests. So every such fit draws from the snapshot the rows and weights that it would draw from all contacts,
and whatever judges has a sample of known inclusion probabilities.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bank_assets.core.arrays import DayArray, FloatArray
from bank_assets.core.training.folds import N_REPORTED_FOLDS, SplitError, time_folds
from bank_assets.core.training.learning_sample import LARGEST_PERSON, draw
from bank_assets.core.training.recipes import DEFAULT_HALF_LIFE_DAYS, recency_weights

SAMPLES: Final = N_REPORTED_FOLDS + 3  # one for each fold and the warm-up, one as of today, one for tests


def rows_of_snapshot(
    contact_dates: DayArray, known_on: DayArray, numbers: FloatArray, as_of: np.datetime64, limit: int
) -> FloatArray:
    """How many of all contacts each row of the snapshot stands for, (n,); 0 for those that it leaves out.

    Rows are of contacts with known outcomes, in time order; `limit` is that of a fit. Up to `SAMPLES` times the limit
    all are kept.
    """
    n = len(numbers)
    if n <= SAMPLES * limit:
        return np.ones(n)
    try:
        starts = [fold.test_start for fold in time_folds(contact_dates, as_of)]
    except SplitError:
        starts = []
    stands_for = np.full(n, np.inf)
    for start, half_life_days in [*((day, DEFAULT_HALF_LIFE_DAYS) for day in (*starts, as_of)), (as_of, np.inf)]:
        train = np.flatnonzero((contact_dates < start) & (known_on <= start))
        # With the persons after the last one of a fit, whose number is its threshold
        room = limit + LARGEST_PERSON
        rows, inverse = np.arange(len(train)), np.ones(len(train))
        if len(train) > room:
            weights = recency_weights(contact_dates[train], start, half_life_days)
            rows, inverse = draw(weights, numbers[train], room)
        stands_for[train[rows]] = np.minimum(stands_for[train[rows]], inverse)
    stands_for[0] = min(stands_for[0], n / limit)  # the first day is where folds begin
    return np.where(np.isinf(stands_for), 0.0, stands_for)
