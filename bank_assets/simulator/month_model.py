"""One month of the profile, ready to draw from: raked tables, log-odds and calendar."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.uci import UCI
from bank_assets.simulator import profile as shape
from bank_assets.simulator.drift import Drift
from bank_assets.simulator.profile import Floats, SimulatorProfile
from bank_assets.simulator.sampling import AliasTable, rake

_WORKING_DAYS: Final = 5
"""Monday to Friday."""


def weekdays_of(year: int, month: int) -> list[date]:
    """Monday to Friday of a month, in order."""
    days = (date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1))
    return [day for day in days if day.weekday() < _WORKING_DAYS]


def month_range(first: str, last: str) -> list[str]:
    """All months `YYYY-MM` from the first to the last, both included."""
    (year, month), months = map(int, first.split("-")), []
    while (key := f"{year:04d}-{month:02d}") <= last:
        months.append(key)
        year, month = year + month // 12, month % 12 + 1
    return months


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


@dataclass(frozen=True)
class MonthModel:
    """One calendar month under some drifts; `index` is the position of its profile month."""

    profile: SimulatorProfile
    index: int
    year: int
    month: int
    drifts: tuple[Drift, ...] = ()

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
            tables[link.column] = AliasTable(self._reweighted(link.column, table))
            if link.column in parents:
                here = [
                    link_size if column in link.parents else 1
                    for column, link_size in ((c, shape.SIZES[c]) for c in axes)
                ]
                joint = joint[..., None] * table.reshape(*here, link.size)
                axes.append(link.column)
        return tables

    @cached_property
    def age_table(self) -> AliasTable:
        """Single years inside each age bin."""
        return AliasTable(self.profile.age_shares)

    @cached_property
    def previous_table(self) -> AliasTable:
        """Bins of earlier contacts by previous outcome."""
        return AliasTable(self.profile.previous_shares)

    def _reweighted(self, column: str, table: Floats) -> Floats:
        for drift in self.drifts:
            if drift.column == column and drift.is_of_category:
                factors = np.array([drift.weights.get(c, 1.0) for c in UCI.by_source[column].categories])
                tilted = table * factors
                total = tilted.sum(axis=1, keepdims=True)
                # a context without any wanted category gets them in proportion to the factors
                table = np.where(total > 0, tilted / np.where(total > 0, total, 1), factors / factors.sum())
        return table

    def numeric_drifts(self, column: str) -> list[Drift]:
        """Drifts that shift or scale a number."""
        return [drift for drift in self.drifts if drift.column == column and not drift.is_of_category]

    @cached_property
    def rate_factor(self) -> float:
        """Product of the rates of drifts of the answer."""
        return float(np.prod([drift.rate for drift in self.drifts if drift.column == "y"]))

    @cached_property
    def terms(self) -> dict[str, NDArray[np.float32]]:
        """Term → (size,) log-odds of this month, with epoch effects and intercept."""
        terms = {name: values.copy() for name, values in self.profile.main_terms.items()}
        for name, values in self.profile.epoch_terms.items():
            terms[name] = terms.get(name, np.zeros(values.shape[1])) + values[self.epoch]
        terms["age"] += self.profile.intercepts[self.index]
        return {name: values.astype(np.float32) for name, values in terms.items()}
