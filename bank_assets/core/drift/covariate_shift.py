"""How far a window of contacts lies from what the model learned from, beyond sampling noise, column by column.

`core.drift.verdict` compares with the champion's training profile as it is, by effect size, on at least 300 contacts.
The loop asks every day, of windows of 200 contacts, whether the mix has moved away from what weighs in the model. So
this reference carries the model's recency weights, and the distance expected of random draws of these sizes is
subtracted: 0 without drift, whatever the size of the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import FloatArray
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.profile import NUMERIC, Profile, kind_of

BINS: Final = 10
MINIMUM_SHARE_FOR_BINS: Final = 0.02
"""Values besides the point mass stay one bin if they are a smaller share of the reference: quantiles would be noise."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceColumn:
    """Binned shares of one column.

    Attributes:
        values: categories of the reference, sorted; empty for numeric columns.
        edges: inner edges of numeric bins, bin k holds (edge k-1, edge k]; empty for category columns.
        point_mass: number split off into a bin of its own, or None.
        shares: share of each bin, (n_bins,); the last is the point mass, or what the reference has never seen.
    """

    values: NDArray[Any]
    edges: FloatArray
    point_mass: float | None
    shares: FloatArray

    def binned(self, values: NDArray[Any], weights: NDArray[Any]) -> FloatArray:
        """Sums of weights per bin, (n_bins,)."""
        last = len(self.shares) - 1
        if len(self.values):
            position = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
            bins = np.where(self.values[position] == values, position, last)
        else:
            bins = np.searchsorted(self.edges, values, side="left")
            if self.point_mass is not None:
                bins = np.where(values == self.point_mass, last, bins)
        return np.bincount(bins, weights=weights, minlength=last + 1).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a model learned from, as weighted shares by delivery name, and the effective number of contacts."""

    columns: Mapping[str, ReferenceColumn]
    effective_rows: float

    @classmethod
    def of(cls, daily: DailyProfiles, as_of: date, half_life_days: float) -> Reference:
        """The reference of a model fitted on the days before `as_of` with the recency weights of its recipe."""
        counts, effective = daily.decayed(as_of, half_life_days)
        columns: dict[str, ReferenceColumn] = {
            str(name): _reference_column(daily.contract, name, *counts[name])
            for name in daily.contract.payload_columns
            if name in counts and counts[name][1].sum() > 0.0
        }
        return cls(columns, effective)


def _reference_column(contract: Contract, name: str, values: NDArray[Any], weights: FloatArray) -> ReferenceColumn:
    kept, edges = weights > 0.0, np.empty(0, dtype=np.float64)
    if kind_of(contract, name) != NUMERIC:
        empty = ReferenceColumn(values[kept], edges, None, np.zeros(int(kept.sum()) + 1))
    else:
        sentinel = contract.by_source[name].sentinel
        rest = kept if sentinel is None else kept & (values != sentinel)
        if weights[rest].sum() >= MINIMUM_SHARE_FOR_BINS * weights.sum():
            below = np.cumsum(weights[rest])
            wanted = np.searchsorted(below, below[-1] * np.arange(1, BINS) / BINS * (1.0 - 1e-12))
            edges = np.unique(values[rest][wanted])
        bins = len(edges) + 1 + (sentinel is not None)
        empty = ReferenceColumn(values[:0], edges, None if sentinel is None else float(sentinel), np.zeros(bins))
    sums = empty.binned(values, weights)
    return replace(empty, shares=sums / sums.sum())


def excess_variation(reference: Reference, window: Profile) -> dict[str, float]:
    """Total variation of each column between window and reference, less what sampling noise alone would show.

    Noise: both shares of a bin are binomial, so their difference is about normal and its mean size is
    sqrt(2 / pi) x its deviation; half the sum over bins is the total variation expected without any drift.
    The excess is at most 1, and negative where a window is closer than chance; an empty window has none.
    """
    result: dict[str, float] = {}
    for name, column in reference.columns.items():
        counted = window.columns.get(name)
        if counted is None or counted.present == 0:
            continue
        sums = column.binned(counted.values, counted.counts)
        shares = sums / sums.sum()
        spread = column.shares * (1.0 - column.shares) * (1.0 / counted.present + 1.0 / reference.effective_rows)
        noise = 0.5 * math.sqrt(2.0 / math.pi) * float(np.sqrt(spread).sum())
        result[name] = 0.5 * float(np.abs(shares - column.shares).sum()) - noise
    return result
