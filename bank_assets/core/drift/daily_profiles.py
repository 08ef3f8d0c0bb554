"""Exact value counts per contact day, from which any window is cut without reading rows again.

`spark.profile` stores them as a long table with one row per contact day, column and value: `contact_date` (date),
`column` (delivery spelling), `number` (float64, of numeric columns), `category` (string, of the others), `count`
(int64). Both value fields are null for a missing value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import FloatArray
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
    def of(kind: str, values: NDArray[Any], codes: Any, days: Any, counts: Any) -> _DailyColumn:
        order = np.argsort(days, kind="stable")
        return _DailyColumn(kind, values, days[order], codes[order].astype(np.int64), counts[order].astype(np.int64))

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
        """Count (n,) days and values by delivery name. None and NaN are missing, a bool is yes or no."""
        day_of_row = np.asarray(days, dtype="datetime64[D]")
        distinct, rows = np.unique(day_of_row, return_counts=True)
        ones = np.ones(day_of_row.size, dtype=np.int64)
        built = {}
        for name, raw in columns.items():
            kind, values, codes = _encode(contract, name, raw)
            built[name] = _DailyColumn.of(kind, values, codes, day_of_row, ones)
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
        day_of_row = table.column("contact_date").to_numpy().astype("datetime64[D]")
        counts = table.column("count").to_numpy().astype(np.int64)
        numbers = table.column("number").to_numpy().astype(np.float64)
        names = table.column("column").combine_chunks().dictionary_encode()
        categories = table.column("category").combine_chunks().dictionary_encode()
        labels = np.asarray(categories.dictionary.to_pylist(), dtype=np.str_)
        label_codes = categories.indices.fill_null(_MISSING_CODE).to_numpy(zero_copy_only=False)
        name_codes = names.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(name_codes, kind="stable")
        bounds = np.searchsorted(name_codes[order], np.arange(len(names.dictionary) + 1))
        built = {}
        for index, name in enumerate(names.dictionary.to_pylist()):
            at = order[bounds[index] : bounds[index + 1]]
            has_number = bool(np.any(~np.isnan(numbers[at])))
            kind = kind_of(contract, name, NUMERIC if has_number else CATEGORICAL)
            if kind == NUMERIC:
                values, codes = _codes_of_numbers(numbers[at])
            else:
                values, codes = _codes_of_labels(labels, label_codes[at])
            built[name] = _DailyColumn.of(kind, values, codes, day_of_row[at], counts[at])
        days, rows = _rows_per_day(built)
        return DailyProfiles(days, rows, contract, {name: built[name] for name in _in_contract_order(contract, built)})

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

    def month(self, month: str) -> Profile:
        """Profile of one calendar month, `"2008-05"`; empty if it has no contact."""
        first = np.datetime64(month, "M")
        return self.window(first.astype("datetime64[D]").astype(date), _last_day(first))

    def month_or_trailing(self, month: str, minimum_rows: int) -> Profile:
        """The calendar month if it has enough contacts, else the shortest trailing window that ends with it.

        16 of the real file's 30 months have fewer than 300 contacts, and would never get a verdict alone.
        """
        first = np.datetime64(month, "M")
        length = int((_last_day(first) - first.astype("datetime64[D]").astype(date)).days) + 1
        return self.trailing(_last_day(first), minimum_rows, minimum_days=length)

    def of_months(self, months: Iterable[str]) -> Profile:
        """Profile of several calendar months."""
        return Profile.merge((self.month(month) for month in months), self.contract)

    def trailing(self, last_day: date, minimum_rows: int, minimum_days: int = 1, maximum_days: int = 92) -> Profile:
        """The shortest window that ends on a day, inclusive, and has enough contacts, within a range of days.

        Small windows have no verdict of their own, because noise is larger than the thresholds. `maximum_days` holds
        even if there are fewer contacts than wanted.
        """
        last = np.datetime64(last_day, "D")
        end = int(np.searchsorted(self.days, last, "right"))
        back = np.cumsum(self.rows[:end][::-1])
        enough = int(np.searchsorted(back, minimum_rows, "left"))
        reached = self.days[end - 1 - enough] if enough < end else last - np.timedelta64(maximum_days - 1, "D")
        first = min(reached, last - np.timedelta64(minimum_days - 1, "D"))
        first = max(first, last - np.timedelta64(maximum_days - 1, "D"))
        return self.window(first.astype(date), last_day)

    def decayed(self, as_of: date, half_life_days: float) -> tuple[dict[str, tuple[NDArray[Any], FloatArray]], float]:
        """(values, weights) by column of the contacts before `as_of`, whose weight halves every `half_life_days`.

        A recency-weighted model has learned from these, so drift is measured against them. The second result is the
        effective number of contacts, (sum w)^2 / sum w^2.
        """
        until = np.datetime64(as_of, "D")
        end = int(np.searchsorted(self.days, until, "left"))
        weights = _decay(self.days[:end], until, half_life_days)
        squares = float((weights**2 * self.rows[:end]).sum())
        effective = float((weights * self.rows[:end]).sum()) ** 2 / squares if squares else 0.0
        result = {}
        for name, column in self._columns.items():
            last = int(np.searchsorted(column.days, until, "left"))
            weight = column.counts[:last] * _decay(column.days[:last], until, half_life_days)
            codes = column.codes[:last] - _MISSING_CODE
            sums: FloatArray = np.bincount(codes, weights=weight, minlength=column.values.size + 1).astype(np.float64)
            result[name] = (column.values, sums[1:])
        return result, effective

    def total(self) -> Profile:
        """Profile of all days."""
        if not self.days.size:
            return Profile.empty(self.contract)
        return self.window(self.days[0].astype(date), self.days[-1].astype(date))


def _decay(days: NDArray[np.datetime64], until: np.datetime64, half_life_days: float) -> FloatArray:
    return np.asarray(0.5 ** ((until - days).astype(np.float64) / half_life_days))


def _last_day(month: np.datetime64) -> date:
    day: date = ((month + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")).astype(date)
    return day


def _in_contract_order(contract: Contract, names: Iterable[str]) -> list[str]:
    position = {name: index for index, name in enumerate(profiled_columns(contract))}
    return sorted(names, key=lambda name: (position.get(name, len(position)), name))


def _codes_of_numbers(numbers: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    missing = np.isnan(numbers)
    codes = np.full(numbers.size, _MISSING_CODE, dtype=np.int64)
    values, codes[~missing] = np.unique(numbers[~missing], return_inverse=True)
    return values, codes


def _codes_of_labels(labels: NDArray[Any], label_codes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    used = np.unique(label_codes[label_codes >= 0])
    values, position = np.unique(labels[used], return_inverse=True)
    recode = np.full(labels.size + 1, _MISSING_CODE, dtype=np.int64)
    recode[used] = position
    return values, recode[label_codes]


def _encode(contract: Contract, name: str, raw: Any) -> tuple[str, NDArray[Any], NDArray[Any]]:
    """Kind, distinct values and codes of one column of rows."""
    array = np.asarray(raw)
    if array.dtype.kind in "US" and not isinstance(raw, np.ndarray):
        array = np.array(raw, dtype=object)  # numpy spells a missing value of a list "None" or "nan"
    if array.dtype.kind == "b":
        array = np.where(array, "yes", "no")
    if kind_of(contract, name, NUMERIC if array.dtype.kind in "iuf" else CATEGORICAL) == NUMERIC:
        numbers = np.array([np.nan if v is None else v for v in array], float) if array.dtype.kind == "O" else array
        return NUMERIC, *_codes_of_numbers(numbers.astype(np.float64))
    if array.dtype.kind == "O":
        array = np.array([_label(value) for value in array], dtype=np.str_)
    labels, codes = np.unique(array.astype(np.str_), return_inverse=True)
    codes = np.where(labels[codes] == "", _MISSING_CODE, codes) if labels.size else codes
    return CATEGORICAL, *_codes_of_labels(labels, codes)


def _label(value: Any) -> str:
    """Text of a category; "" for a missing one (a category is never empty)."""
    if value is None or value != value:  # NaN differs from itself
        return ""
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _rows_per_day(columns: Mapping[str, _DailyColumn]) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
    """Contacts per day, the same by every column that has the day."""
    best_days = np.empty(0, dtype="datetime64[D]")
    best_rows = np.empty(0, dtype=np.int64)
    per_column = {}
    for name, column in columns.items():
        days, start = np.unique(column.days, return_index=True)
        rows = np.add.reduceat(column.counts, start) if days.size else np.empty(0, dtype=np.int64)
        per_column[name] = (days, rows)
        if days.size > best_days.size:
            best_days, best_rows = days, rows
    for name, (days, rows) in per_column.items():
        at = np.searchsorted(best_days, days)
        if np.any(at >= best_days.size) or np.any(best_days[at] != days) or np.any(best_rows[at] != rows):
            raise ProfileError(
                f"{name}: expected the same contacts per day in every column, found others; "
                f"count missing values too, and do not count a contact twice."
            )
    return best_days, best_rows
