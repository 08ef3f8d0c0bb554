"""The rules of a delivered row, derived from the columns of a contract.

Spark tasks, campaign files and the web app all judge rows with these functions, so they always agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.column_rules import BoolArray, ColumnRule, DistinctValues, Encoded, Rule
from bank_assets.contract.columns import Column, ColumnKind, ColumnRole
from bank_assets.contract.contract import Contract
from bank_assets.contract.values import SPACE

Day = date  # where a field is called `date`


@dataclass(frozen=True, slots=True)
class RowVerdicts:
    """The verdict of the rules on the rows of one block."""

    is_kept: BoolArray  # rows that break no rule, (n,)
    broken: Mapping[Rule, BoolArray]
    columns: Mapping[str, Encoded]  # the judged text, by delivered name
    values: Mapping[str, DistinctValues]  # its distinct values, judged

    def typed(self, name: str) -> NDArray[Any]:
        """Parsed values of a column by row, (n,); meaningless where the field could not be parsed."""
        return self.values[name].typed[self.columns[name].codes]

    def plain(self, column: Column) -> NDArray[Any]:
        """Values of a column by row as models take them, (n,): numbers as floats, everything else as text."""
        if column.is_number:
            return self.typed(column.source).astype(np.float64)
        return self.columns[column.source].rows

    def is_given(self, name: str) -> BoolArray:
        """Rows whose field is not empty, (n,)."""
        return self.values[name].is_given[self.columns[name].codes]

    def text(self, name: str, row: int) -> str:
        """The field of one row."""
        return self.columns[name].texts[self.columns[name].codes[row]]

    def reasons(self, among: BoolArray | bool = True) -> dict[int, list[tuple[Rule, str]]]:
        """The broken rules of each rejected row, or of some, (n,), with their sentences."""
        found: dict[int, list[tuple[Rule, str]]] = {}
        for rule, is_broken in self.broken.items():
            for row in np.flatnonzero(is_broken & among).tolist():
                stated = self.text(rule.stated, row).strip(SPACE) if rule.stated else ""
                found.setdefault(row, []).append((rule, rule.sentence(self.text(rule.column, row), stated)))
        return found

    def holds(self, column: Column) -> BoolArray:
        """Rows with a readable value in a column other than the one that stands for none, (n,)."""
        found = self.values[column.source]
        return np.asarray(found.is_kept & (found.typed != column.nothing))[self.columns[column.source].codes]

    def contradictions(self, contract: Contract) -> Iterator[tuple[str, BoolArray]]:
        """Codes of columns that must agree, with the rows in which they contradict each other."""
        for one, other in contract.agreements:
            is_readable = self.values[other.source].is_kept[self.columns[other.source].codes]
            yield contradiction(one, other), self.holds(one) & is_readable & ~self.holds(other)


def contradiction(one: Column, other: Column) -> str:
    """Code of a contradiction between two columns that must agree."""
    return f"{other.source}.contradicts_{one.source}"


@dataclass(frozen=True, slots=True)
class Calendar:
    """The columns that repeat day, month or weekday of the contact date; a row that contradicts itself is rejected."""

    date: str
    columns: Mapping[str, Column]  # by `day`, `month` and `weekday`, those that the contract has

    @classmethod
    def of(cls, contract: Contract) -> Calendar | None:
        """The calendar columns of a contract, or None if it has none."""
        columns = {one.calendar_part: one for one in contract.with_role(ColumnRole.CALENDAR)}
        parts: dict[str, Column] = {part: columns[part] for part in ("day", "month", "weekday") if part in columns}
        return cls(contract.contact_date.source, parts) if parts else None

    @property
    def rules(self) -> dict[str, Rule]:
        """The rules that each part must agree with the date."""
        words = {"day": "day", "month": "month of the day", "weekday": "weekday of the day"}
        problem = f"contradicts_{self.date}"
        return {
            part: Rule(column.source, problem, f"the {words[part]} of {self.date}", self.date)
            for part, column in self.columns.items()
        }

    def stated(self, day: Day) -> dict[str, str]:
        """What each column has to say about a day, "" for a weekday on which nobody is called."""
        places = {"month": day.month - 1, "weekday": day.weekday()}
        return {
            column.source: str(day.day) if part == "day" else "".join(column.categories[places[part] :][:1])
            for part, column in self.columns.items()
        }


@dataclass(frozen=True, slots=True)
class RowRules:
    """Every rule for one kind of rows. `required` columns may not be empty even if their own rule allows it."""

    columns: tuple[ColumnRule, ...]
    required: tuple[str, ...] = ()
    calendar: Calendar | None = None

    def judge(self, columns: Mapping[str, Encoded], misfits: Iterable[int] = ()) -> RowVerdicts:
        """Judge the rows of a block; no rule is checked on misfits, lines whose fields cannot be told apart."""
        n_rows = len(next(iter(columns.values())).codes)
        # A file that is older than a column has its default.
        defaults = {one.column.source: one.default for one in self.columns if one.column.is_optional}
        columns = {name: Encoded(np.zeros(n_rows, np.int8), (text,)) for name, text in defaults.items()} | dict(columns)
        values = {one.column.source: one.judge(columns[one.column.source].texts) for one in self.columns}
        is_fit = np.ones(n_rows, dtype=bool)
        is_fit[list(misfits)] = False
        is_kept, broken = is_fit.copy(), {}
        for rule, violations in self._violations(columns, values):
            is_broken = violations & is_fit
            if is_broken.any():
                broken[rule] = is_broken
                is_kept &= ~is_broken
        return RowVerdicts(is_kept, broken, columns, values)

    def _violations(
        self, columns: Mapping[str, Encoded], values: Mapping[str, DistinctValues]
    ) -> Iterator[tuple[Rule, BoolArray]]:
        """The broken rules with the rows that break them, in the order in which a row's reasons are listed."""
        by_name = {one.column.source: one for one in self.columns}
        plain = [one for one in self.columns if one.column.kind is not ColumnKind.DATE]
        dates = [one for one in self.columns if one.column.kind is ColumnKind.DATE]

        def of_column(one: ColumnRule) -> Iterator[tuple[Rule, BoolArray]]:
            found = values[one.column.source]
            is_kept = found.is_kept | ~found.is_given if one.is_optional else found.is_kept
            if not is_kept.all():  # rare; only then do we look at rows
                yield one.rule, ~is_kept[columns[one.column.source].codes]

        for one in plain:
            yield from of_column(one)
        for name in self.required:
            if not values[name].is_given.all():
                expected = by_name[name].rule.expected.removesuffix(", or nothing")
                yield Rule(name, "missing", expected), ~values[name].is_given[columns[name].codes]
        for one in dates:
            yield from of_column(one)
        if self.calendar is not None:
            yield from self._contradictions(self.calendar, columns, values)

    @staticmethod
    def _contradictions(
        of: Calendar, columns: Mapping[str, Encoded], values: Mapping[str, DistinctValues]
    ) -> Iterator[tuple[Rule, BoolArray]]:
        """Rows whose day or month contradicts the date; unreadable values are reasons of their own."""
        date_codes, dates = columns[of.date].codes, values[of.date]
        number, months = dates.typed.astype(np.int64), dates.typed.astype("datetime64[M]")
        of_date = {
            "day": (dates.typed - months).astype(np.int64) + 1,
            "month": months.astype(np.int64) % 12,
            "weekday": (number + 3) % 7,  # day 0, 1970-01-01, was a Thursday
        }
        for part, column in of.columns.items():
            texts, codes = columns[column.source].texts, columns[column.source].codes
            if part == "day":
                stated = np.where(values[column.source].is_read, values[column.source].typed, -1)[codes]
            else:  # compared by position; -1 is an empty field, -2 an unknown name
                places = {name: place for place, name in enumerate(column.categories)} | {"": -1}
                stated = np.array([places.get(text, -2) for text in texts])[codes]
            expected = np.where(dates.is_read, of_date[part], -1)[date_codes]
            yield of.rules[part], (stated != expected) & (stated != -1) & (expected != -1)
