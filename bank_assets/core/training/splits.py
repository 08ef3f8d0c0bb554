"""Time-ordered folds: every test row lies after every training row.

`random_folds` is the exception; only the leak check and the benchmark use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import DayArray

N_REPORTED_FOLDS: Final = 3
"""Folds whose pooled metrics are reported; one warm-up fold before them feeds the first calibrator."""

MINIMUM_SPAN_DAYS: Final = 8
"""Shorter histories cannot be split into four parts of whole days."""


class SplitError(ValueError):
    """The history is too short to be split by time."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold: train on contacts before `test_start`, the as-of day of the fit, and test on [test_start, test_end).

    The first fold, `warm_up`, is not reported: its predictions do not enter the pooled metrics.
    """

    name: str
    test_start: np.datetime64
    test_end: np.datetime64
    is_reported: bool

    def train_mask(self, contact_dates: DayArray, known_on: DayArray) -> NDArray[np.bool_]:
        """Rows whose call and outcome lie before the fold's test rows, (n,)."""
        return np.asarray((contact_dates < self.test_start) & (known_on <= self.test_start))

    def test_mask(self, contact_dates: DayArray) -> NDArray[np.bool_]:
        """Rows of the test span, (n,)."""
        return np.asarray((contact_dates >= self.test_start) & (contact_dates < self.test_end))


def time_folds(contact_dates: DayArray, as_of: np.datetime64) -> tuple[Fold, ...]:
    """Split the span into four equal parts at month starts; test on the last three, warm up on half of the first.

    On the real file the reported folds begin in January 2009. Where months are too long for the span (a few weeks of
    data), the folds start at days.
    """
    first = contact_dates.min().astype("datetime64[D]")
    days = int((as_of - first).astype(np.int64))
    if days < MINIMUM_SPAN_DAYS:
        raise SplitError(
            f"history: expected contacts over at least {MINIMUM_SPAN_DAYS} days before {as_of}, found {days}; "
            "deliver more history before training."
        )
    halves = 2 * (N_REPORTED_FOLDS + 1)
    points = [first + days * k // halves for k in (1, *range(2, halves, 2))]
    if days >= 30 * halves:
        # The next start of a month, or the day itself if it is one
        points = [((point - 1).astype("datetime64[M]") + 1).astype("datetime64[D]") for point in points]
    spans = enumerate(pairwise([*points, as_of]))
    return tuple(Fold(str(k) if k else "warm_up", start, end, k > 0) for k, (start, end) in spans)


def random_folds(n_rows: int, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return a shuffled fold number for each row, (n_rows,), in [0, n_folds): it hides every change in time."""
    return np.random.default_rng(seed).permutation(np.arange(n_rows) % n_folds)
