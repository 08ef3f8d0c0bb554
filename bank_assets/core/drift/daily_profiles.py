"""Exact value counts per contact day, from which any window is cut without reading rows again.

`spark.profile` stores them as a long table with one row per contact day, column and value: `contact_date` (date),
`column` (delivery spelling), `number` (float64, of numeric columns), `category` (string, of the others), `count`
(int64). Both value fields are null for a missing value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import FloatArray, effective_size
from bank_assets.core.drift.profile import (
    CATEGORICAL,
    NUMERIC,
    ColumnProfile,
    Profile,
    ProfileError,
    kind_of,
    profiled_columns,
)

if TYPE_CHECKING:
    import pyarrow as pa

LONG_COLUMNS: Final = ("contact_date", "column", "number", "category", "count")
"""Columns of the long table, in their order."""

MAXIMUM_DAYS: Final = 92
_MISSING_CODE: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class _DailyColumn:
    """Counts of one column sorted by day, with values as codes so that a window is one bincount."""

    kind: str
    values: NDArray[Any]
    days: NDArray[np.datetime64]
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]

    @staticmethod
    def of(kind: str, raw: Any, days: Any, counts: Any) -> _DailyColumn:
        codes, found = pd.factorize(raw, sort=True)  # a missing value has the code -1
        values = np.asarray(found, dtype=np.float64 if kind == NUMERIC else np.str_)
        order = np.argsort(days, kind="stable")
        return _DailyColumn(kind, values, days[order], codes[order].astype(np.int64), counts[order].astype(np.int64))

    def rows_per_day(self) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
        """Days with contacts, and how many there are."""
        days, firsts = np.unique(self.days, return_index=True)
        return days, np.add.reduceat(self.counts, firsts) if len(firsts) else self.counts

    def of_months(self, months: NDArray[np.datetime64]) -> _DailyColumn:
        kept = np.isin(self.days.astype("datetime64[M]"), months)
        return replace(self, days=self.days[kept], codes=self.codes[kept], counts=self.counts[kept])

    def window(self, first: np.datetime64, last: np.datetime64, rows: int) -> ColumnProfile:
        begin, end = np.searchsorted(self.days, first, "left"), np.searchsorted(self.days, last, "right")
        codes, counts = self.codes[begin:end], self.counts[begin:end]
        # float64 sums of integers are exact up to 2^53 contacts
        total = np.bincount(codes - _MISSING_CODE, weights=counts, minlength=self.values.size + 1).astype(np.int64)
        seen = np.flatnonzero(total[1:])
        return ColumnProfile(self.kind, self.values[seen], total[1:][seen], rows - int(total[1:].sum()))


@dataclass(frozen=True, slots=True, eq=False)
class DailyProfiles:
    """Value counts per contact day; cuts any window of days into a `Profile`.

    Attributes:
        days: (n_days,) sorted distinct contact days, datetime64[D].
        rows: (n_days,) int64, contacts per day.
    """

    days: NDArray[np.datetime64]
    rows: NDArray[np.int64]
    contract: Contract
    _columns: Mapping[str, _DailyColumn] = field(repr=False)

    @staticmethod
    def from_rows(days: Any, columns: Mapping[str, Any], contract: Contract) -> DailyProfiles:
        """Count (n,) days and values by delivery name; None and NaN are missing."""
        day_of_row = np.asarray(days, dtype="datetime64[D]")
        distinct, rows = np.unique(day_of_row, return_counts=True)
        ones = np.ones(day_of_row.size, dtype=np.int64)
        built = {}
        for name, raw in columns.items():
            values = pd.Series(raw)
            kind = kind_of(contract, name, NUMERIC if pd.api.types.is_numeric_dtype(values) else CATEGORICAL)
            built[name] = _DailyColumn.of(kind, values, day_of_row, ones)
        return DailyProfiles(distinct, rows.astype(np.int64), contract, built)

    @staticmethod
    def from_table(table: pa.Table, contract: Contract) -> DailyProfiles:
        """Index a long table (see the module), rows in any order.

        Raises:
            ProfileError: it has other columns, or its columns count different contacts on a day.
        """
        absent = [name for name in LONG_COLUMNS if name not in table.column_names]
        if absent:
            raise ProfileError(
                f"profile table: expected columns {list(LONG_COLUMNS)}, {absent} not among {table.column_names}; "
                f"write it with spark.profile."
            )
        built = {}
        coded = table.column("column").combine_chunks().dictionary_encode()
        of_row, names = coded.indices.to_numpy(), coded.dictionary.to_pylist()
        for name in sorted(names):
            part = table.take(np.flatnonzero(of_row == names.index(name)))  # only one column becomes Python objects
            numbers = part.column("number").to_numpy().astype(np.float64)
            kind = kind_of(contract, name, CATEGORICAL if np.isnan(numbers).all() else NUMERIC)
            values = numbers if kind == NUMERIC else part.column("category").to_pandas()
            days = part.column("contact_date").to_numpy().astype("datetime64[D]")
            built[name] = _DailyColumn.of(kind, values, days, part.column("count").to_numpy())
        days, rows = _rows_per_day(built)
        position = {name: index for index, name in enumerate(profiled_columns(contract))}
        ordered = sorted(built, key=lambda name: (position.get(name, len(position)), name))
        return DailyProfiles(days, rows, contract, {name: built[name] for name in ordered})

    @property
    def months(self) -> dict[str, int]:
        """Contacts by calendar month, `{"2008-05": 7957, …}`, in order."""
        months, at = np.unique(self.days.astype("datetime64[M]").astype(str), return_inverse=True)
        counts = np.bincount(at, weights=self.rows).astype(int)
        return dict(zip(months.tolist(), counts.tolist(), strict=True))

    def window(self, first_day: date, last_day: date) -> Profile:
        """Profile of the contacts from first_day to last_day, both inclusive."""
        first, last = np.datetime64(first_day, "D"), np.datetime64(last_day, "D")
        begin, end = int(np.searchsorted(self.days, first, "left")), int(np.searchsorted(self.days, last, "right"))
        if begin >= end:
            return Profile.empty(self.contract)
        rows = int(self.rows[begin:end].sum())
        columns = {name: column.window(first, last, rows) for name, column in self._columns.items()}
        return Profile(columns, rows, self.contract, self.days[begin].astype(date), self.days[end - 1].astype(date))

    def month_or_trailing(self, month: str, minimum_rows: int) -> Profile:
        """The calendar month if it has enough contacts, else the shortest trailing window that ends with it and does.

        16 of the real file's 30 months have fewer than 300 contacts, and would never get a verdict alone: noise would
        be larger than the thresholds. The window is at most `MAXIMUM_DAYS` long, even if it has fewer contacts.
        """
        first = np.datetime64(month, "M")
        last = (first + 1).astype("datetime64[D]") - 1
        earliest = last - (MAXIMUM_DAYS - 1)
        end = int(np.searchsorted(self.days, last, "right"))
        enough = int(np.searchsorted(np.cumsum(self.rows[:end][::-1]), minimum_rows, "left"))
        reached = self.days[end - 1 - enough] if enough < end else earliest
        begin = max(min(reached, first.astype("datetime64[D]")), earliest)
        return self.window(begin.astype(date), last.astype(date))

    def of_months(self, months: Iterable[str]) -> Profile:
        """Profile of several calendar months."""
        wanted = np.asarray(list(months), dtype="datetime64[M]")
        kept = np.isin(self.days.astype("datetime64[M]"), wanted)
        columns = {name: column.of_months(wanted) for name, column in self._columns.items()}
        return DailyProfiles(self.days[kept], self.rows[kept], self.contract, columns).total()

    def decayed(self, as_of: date, half_life_days: float) -> tuple[dict[str, tuple[NDArray[Any], FloatArray]], float]:
        """(values, weights) by column of the contacts before `as_of`, whose weight halves every `half_life_days`.

        A recency-weighted model has learned from these, so drift is measured against them. The second result is the
        effective number of contacts.
        """
        until = np.datetime64(as_of, "D")
        end = int(np.searchsorted(self.days, until, "left"))
        weights = _decay(self.days[:end], until, half_life_days)
        result = {}
        for name, column in self._columns.items():
            last = int(np.searchsorted(column.days, until, "left"))
            weight = column.counts[:last] * _decay(column.days[:last], until, half_life_days)
            codes = column.codes[:last] - _MISSING_CODE
            sums: FloatArray = np.bincount(codes, weights=weight, minlength=column.values.size + 1).astype(np.float64)
            result[name] = (column.values, sums[1:])
        return result, effective_size(weights, self.rows[:end])

    def total(self) -> Profile:
        """Profile of all days."""
        if not self.days.size:
            return Profile.empty(self.contract)
        return self.window(self.days[0].astype(date), self.days[-1].astype(date))


def _decay(days: NDArray[np.datetime64], until: np.datetime64, half_life_days: float) -> FloatArray:
    return np.asarray(0.5 ** ((until - days).astype(np.float64) / half_life_days))


def _rows_per_day(columns: Mapping[str, _DailyColumn]) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
    """Contacts per day, the same by every column that has the day."""
    counted = {name: column.rows_per_day() for name, column in columns.items()}
    empty = np.array([], "datetime64[D]"), np.array([], np.int64)
    days, rows = max(counted.values(), key=lambda one: len(one[0]), default=empty)
    for name, (own_days, own_rows) in counted.items():
        is_shared = np.isin(days, own_days)
        if is_shared.sum() != len(own_days) or (rows[is_shared] != own_rows).any():
            raise ProfileError(
                f"{name}: expected the same contacts per day in every column, found others; "
                f"count missing values too, and do not count a contact twice."
            )
    return days, rows
