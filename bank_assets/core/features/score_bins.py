"""Evidence of any size: alike contacts of a day with nearly the same score become one row with their count.

Intercepts, calibration and ranking are sums over contacts, so a row that stands for alike contacts gives what they give
alone. Scores of a bin differ by less than its width in the log-odds, and each row has the mean of its day's bin. What a
threshold separates is never in one bin. Days of up to `EXACT_ROWS` contacts stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, records_joined
from bank_assets.core.features.contacts import ScoredContacts

Apart = Callable[[ScoredContacts], Sequence[BoolArray]]

EXACT_ROWS: Final = 10_000
BINS_A_UNIT: Final = 256
"""Bins in one unit of the log-odds: no metric moves by 1e-4, average precision by 5e-4, which a test requires."""
SPARSE_ROWS: Final = 16
"""Bins with fewer contacts stay as they are: the highest scores are few, and average precision hangs on their order."""


def merged(scored: ScoredContacts, apart: Apart = lambda _: ()) -> ScoredContacts:
    """Merge alike contacts of large days: of the same day, outcome, day of knowledge, amounts and bin of the score.

    Rows are in time order and stay so; weighted rows stay as they are. `apart` says of each row on which side of some
    thresholds it is, (n,) each, and no row holds both sides.
    """
    days, size = np.unique(scored.contact_dates, return_counts=True)
    is_large = np.isin(scored.contact_dates, days[size > EXACT_ROWS])
    if scored.weights is not None or scored.counts is not None or not is_large.any():
        return scored
    large, small = scored.rows(is_large), scored.rows(~is_large)
    proba = np.clip(large.proba, 1e-12, 1.0 - 1e-12)
    alike = [
        np.nan_to_num(np.floor((np.log(proba) - np.log1p(-proba)) * BINS_A_UNIT), nan=np.inf),
        *apart(large),
        *(np.unique(column, return_inverse=True)[1] for column in large.frame.values()),
        large.contact_dates.astype(np.int64),
    ]
    outcomes = [large.is_subscribed, large.known_on.astype(np.int64)]
    order = np.lexsort([*outcomes, *alike])
    scores, bins = large.proba[order], np.flatnonzero(_is_first([key[order] for key in alike]))
    size = np.diff(np.append(bins, len(order)))
    lowest, highest = (extreme.reduceat(scores, bins) for extreme in (np.minimum, np.maximum))
    # One score for the whole bin: means of each outcome would rank the subscribers of a bin above its others.
    means = np.repeat(np.clip(np.add.reduceat(scores, bins) / size, lowest, highest), size)
    is_sparse = np.repeat(size < SPARSE_ROWS, size)
    first = np.flatnonzero(is_sparse | _is_first([key[order] for key in (*outcomes, *alike)]))
    counts = np.diff(np.append(first, len(order))).astype(np.float64)
    proba = np.where(is_sparse, scores, means)[first]
    merged_rows = replace(large.rows(order[first]), proba=proba, counts=counts)
    every = joined([small, merged_rows])
    return every.rows(np.argsort(every.contact_dates, kind="stable"))


def _is_first(keys: Sequence[NDArray[Any]]) -> BoolArray:
    """Which rows begin a run of rows with equal keys, each key (n,)."""
    is_first = np.arange(len(keys[0])) == 0
    for key in keys:
        is_first[1:] |= key[1:] != key[:-1]
    return is_first


def joined(parts: Sequence[ScoredContacts]) -> ScoredContacts:
    """Join rows, at least one part, of which some may be merged."""
    if all(one.counts is None for one in parts):
        return records_joined(parts)
    return records_joined(
        [one if one.counts is not None else replace(one, counts=np.ones(len(one.proba))) for one in parts]
    )
