"""The rules of a delivered row, derived from the columns of a contract, with one sentence each.

Spark tasks, campaign files and the web app all judge rows with these functions, so they always agree. A rule looks only
at the distinct values of a column and numpy maps its verdict to the rows, so Python's cost grows with distinct values,
not with rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import EARLIEST, Column, ColumnKind, ColumnRole, KnownWhen, NumberSigns
from bank_assets.contract.contract import Contract
from bank_assets.contract.values import (
    IDENTIFIER_LENGTH,
    SPACE,
    days,
    found_words,
    is_identifier,
    meant,
    numbers,
    value_text,
)

BoolArray = NDArray[np.bool_]
Day = date  # where a field is called `date`


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column of text as its distinct values and the code of each row."""

    codes: NDArray[Any]  # place of the row's value in `texts`, (n,)
    texts: Sequence[str]  # distinct values

    @classmethod
    def of(cls, values: Iterable[str]) -> Encoded:
        """Encode the values of a column."""
        places: dict[str, int] = {}
        codes = [places.setdefault(value, len(places)) for value in values]
        return cls(np.array(codes, dtype=np.int32), list(places))

    @property
    def rows(self) -> NDArray[Any]:
        """The text of each row, (n,)."""
        return np.array(self.texts, dtype=object)[self.codes]


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days that a date column may hold, both ends included."""

    first: date = date.min
    last: date = date.max
    expected: str = "a day YYYY-MM-DD"  # the rule in words
    with_time: bool = False  # True if a time of day may follow the day; it is ignored


# The days that a planned call may have: others are mistakes, and would keep a list open for ever.
PLANNED: Final = DayRange(EARLIEST, date(2100, 1, 1), f"a day YYYY-MM-DD from {EARLIEST} to 2100-01-01")


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to reject a row."""

    column: str  # delivered name of the column that the rule checks
    problem: str  # stable and free of values
    expected: str  # what the contract requires, in words
    stated: str = ""  # column whose text in the same row completes `expected`, or ""
    judged: ColumnRule | None = None  # proposes what may have been meant

    @property
    def code(self) -> str:
        """Code of the rule, by which rejected rows are counted."""
        return f"{self.column}.{self.problem}"

    def sentence(self, found: str, stated: str = "") -> str:
        """The reason in words: `age: expected a whole number from 16 to 120 years, found "abc"`."""
        expected = f"{self.expected} {stated}" if self.stated else self.expected
        hint = "" if self.judged is None else meant(found, self.judged.column, self.judged.signs)
        return f"{self.column}: expected {expected}, found {found_words(found, hint)}"


@dataclass(frozen=True, slots=True)
class DistinctValues:
    """The distinct values of a column, parsed and judged."""

    typed: NDArray[Any]  # numbers, booleans, days or text; meaningless where `is_read` is false
    is_read: BoolArray  # whether the text could be read as the column's type, in bounds or not
    is_given: BoolArray  # whether the text is not empty
    is_kept: BoolArray  # whether the text satisfies the column's rule; an empty text never does


@dataclass(frozen=True)
class ColumnRule:
    """The rule for the values of one column; an optional field may be empty, and `days` limits a date column."""

    column: Column
    is_optional: bool = False
    days: DayRange = DayRange()
    signs: NumberSigns = NumberSigns()

    def __post_init__(self) -> None:
        if self.column.role is ColumnRole.CUSTOMER_ID:  # where no person is named, the contact is one
            object.__setattr__(self, "is_optional", True)

    @cached_property
    def rule(self) -> Rule:
        """The rule in words, and its code."""
        column, expected, problem = self.column, "a value", "missing"
        if column.is_number:
            unit = f" {column.unit}" if column.unit and column.role is not ColumnRole.CALENDAR else ""
            is_whole = column.kind is ColumnKind.INTEGER
            bounds = zip(("from", "to"), column.bounds, strict=True)
            limits = "".join(f" {word} {bound}" for word, bound in bounds if bound is not None)
            expected = f"a {'whole ' if is_whole else ''}number{limits}{unit}"
            problem = "not_an_integer_in_range" if is_whole else "not_a_number_in_range"
        elif column.categories:
            expected, problem = f"one of {', '.join(column.categories)}", "not_a_known_value"
        elif column.kind is ColumnKind.DATE:
            expected, problem = self.days.expected, "not_a_usable_day"
        elif column.known is KnownWhen.IDENTIFIER:
            expected = f"a value of at most {IDENTIFIER_LENGTH} visible characters"
        return Rule(column.source, problem, f"{expected}, or nothing" if self.is_optional else expected, judged=self)

    @property
    def default(self) -> str:
        """The column's default as delivered text."""
        return "" if self.column.default is None else value_text(self.column.default, self.signs)

    def value_of(self, text: str) -> tuple[bool, Any]:
        """Whether one value satisfies the rule, and the value, parsed if possible."""
        values = self.judge([text])
        is_kept = bool(values.is_kept[0]) or (self.is_optional and text == "")
        return is_kept, values.typed[0].item() if values.is_read[0] and values.typed.dtype != object else text

    def judge(self, texts: Sequence[str]) -> DistinctValues:
        """Parse and judge the distinct values of the column."""
        column, is_given = self.column, np.array([text != "" for text in texts], dtype=bool)
        if column.is_number:
            typed, is_read = numbers(texts, column, self.signs)
            low, high = column.bounds
            low, high = -np.inf if low is None else low, np.inf if high is None else high
            return DistinctValues(typed, is_read, is_given, is_read & (typed >= low) & (typed <= high))
        if column.kind is ColumnKind.DATE:
            read, is_read = days(texts, with_time=self.days.with_time)
            is_read &= (read >= np.datetime64(self.days.first)) & (read <= np.datetime64(self.days.last))
            return DistinctValues(read, is_read, is_given, is_read)
        if not column.categories:
            is_kept = is_given
            if column.known is KnownWhen.IDENTIFIER:
                is_kept = np.array([is_identifier(text) for text in texts], dtype=bool)
            return DistinctValues(np.array(texts, dtype=object), is_given, is_given, is_kept)
        is_known = np.array([text in column.categories for text in texts], dtype=bool)
        if column.kind is ColumnKind.BOOLEAN:
            return DistinctValues(np.array([text == "yes" for text in texts], dtype=bool), is_known, is_given, is_known)
        return DistinctValues(np.array(texts, dtype=object), is_known, is_given, is_known)


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

    def reasons(self) -> dict[int, list[tuple[Rule, str]]]:
        """The broken rules of each rejected row, with their sentences."""
        found: dict[int, list[tuple[Rule, str]]] = {}
        for rule, is_broken in self.broken.items():
            for row in np.flatnonzero(is_broken).tolist():
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
