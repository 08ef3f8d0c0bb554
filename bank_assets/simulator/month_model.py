"""One month of the profile, ready to draw from: raked tables, log-odds and calendar."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.simulator import profile as shape
from bank_assets.simulator.profile import Floats, SimulatorProfile

_RAKING_ROUNDS: Final = 40
Codes = NDArray[np.intp]


def weekdays_of(year: int, month: int) -> list[date]:
    """Monday to Friday of a month, in order."""
    days = (date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1))
    return [day for day in days if day.weekday() < calendar.SATURDAY]


def profile_month(profile: SimulatorProfile, month: str) -> int | None:
    """Position of the profile month that any month `YYYY-MM` is simulated from.

    Within the profile's period a month stands for itself, or None if it has no rows, as September 2008. After the
    period it is the same calendar month of the last twelve, before it of the first twelve.
    """
    if month in profile.months:
        return profile.months.index(month)
    if profile.months[0] <= month <= profile.months[-1]:
        return None
    same = [index for index, known in enumerate(profile.months) if known[5:] == month[5:]]
    return same[-1] if month > profile.months[-1] else same[0]


def spread(values: Floats, size: int) -> NDArray[np.intp]:
    """Position in `values` for each weekday of a month of another length."""
    return np.arange(size) * len(values) // size


class AliasTable:
    """Walker's alias method for one distribution per context: two look-ups per draw for any number of categories.

    `probabilities` is (contexts, categories), and each row sums to 1.
    """

    def __init__(self, probabilities: Floats) -> None:
        contexts, self._size = probabilities.shape
        share = probabilities * self._size
        keep = np.ones_like(share)
        alias = np.tile(np.arange(self._size), (contexts, 1))
        for row in range(contexts):
            small = [k for k in range(self._size) if share[row, k] < 1.0]
            large = [k for k in range(self._size) if share[row, k] >= 1.0]
            while small and large:
                lower, upper = small.pop(), large[-1]
                keep[row, lower], alias[row, lower] = share[row, lower], upper
                share[row, upper] -= 1.0 - share[row, lower]
                if share[row, upper] < 1.0:
                    small.append(large.pop())
        self._keep, self._alias = keep.astype(np.float32).ravel(), alias.astype(np.intp).ravel()

    def draw(self, uniform: NDArray[np.float32], context: Codes | int) -> Codes:
        """One category number per row, from (rows,) uniforms in [0, 1) and their (rows,) contexts."""
        scaled = uniform * np.float32(self._size)
        slot = scaled.astype(np.intp)
        # about once in 10^7 draws, float32 rounds uniform times size up to the size
        np.minimum(slot, self._size - 1, out=slot)
        cell = slot + context * self._size
        return np.where(scaled - slot < self._keep[cell], slot, self._alias[cell])


def rake(links: Floats, weights: Floats, target: Floats) -> Floats:
    """Tilt conditional tables (contexts, categories) to a margin (categories,), keeping their odds ratios.

    `weights` (contexts,) and `target` sum to 1, and so do the rows of `links` and of the result; zeros stay zero.
    """
    factor = target.copy()
    table = links
    for _ in range(_RAKING_ROUNDS):
        table = links * factor
        table /= table.sum(axis=1, keepdims=True)
        factor *= np.divide(target, weights @ table, out=np.zeros_like(target), where=target > 0)
    return table


@dataclass(frozen=True)
class MonthModel:
    """One calendar month; `index` is the position of its profile month."""

    profile: SimulatorProfile
    index: int
    year: int
    month: int

    @cached_property
    def epoch(self) -> int:
        """Number of the profile month's epoch."""
        return shape.epoch_of(self.profile.months[self.index])

    @cached_property
    def weekdays(self) -> list[date]:
        """Days on which contacts can lie."""
        return weekdays_of(self.year, self.month)

    @cached_property
    def day_shares(self) -> Floats:
        """(weekdays,) share of the month's contacts."""
        known = self.profile.weekday_shares[self.index]
        shares: Floats = known[spread(known, len(self.weekdays))]
        shares /= shares.sum()
        return shares

    @cached_property
    def day_terms(self) -> Floats:
        """(weekdays,) log-odds of the answer."""
        known = self.profile.weekday_terms[self.index]
        return known[spread(known, len(self.weekdays))]

    @cached_property
    def tables(self) -> dict[str, AliasTable]:
        """Column → alias table over the contexts of its parents."""
        tables: dict[str, AliasTable] = {}
        joint, axes = np.ones(()), list[str]()
        parents = {parent for link in shape.LINKS for parent in link.parents}
        for link in shape.LINKS:
            others = tuple(axis for axis, column in enumerate(axes) if column not in link.parents)
            weights = joint.sum(axis=others)
            target = self.profile.margins[link.column][self.index]
            table = rake(self.profile.links[link.column], weights.ravel(), target / target.sum())
            tables[link.column] = AliasTable(table)
            if link.column in parents:
                here = [shape.SIZES[column] if column in link.parents else 1 for column in axes]
                joint = joint[..., None] * table.reshape(*here, link.size)
                axes.append(link.column)
        # Single years inside each age bin, and bins of earlier contacts by previous outcome.
        tables["age_value"], tables["previous"] = (
            AliasTable(shares) for shares in (self.profile.age_shares, self.profile.previous_shares)
        )
        return tables

    @cached_property
    def terms(self) -> dict[str, NDArray[np.float32]]:
        """Term → (size,) log-odds of this month, with epoch effects and intercept."""
        terms = {name: values.copy() for name, values in self.profile.main_terms.items()}
        for name, values in self.profile.epoch_terms.items():
            terms[name] = terms.get(name, np.zeros(values.shape[1])) + values[self.epoch]
        terms["age"] += self.profile.intercepts[self.index]
        return {name: values.astype(np.float32) for name, values in terms.items()}
