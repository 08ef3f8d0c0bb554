"""The rule for the values of one column, derived from the column, with its sentence.

A rule looks only at the distinct values of a column and numpy maps its verdict to the rows, so Python's cost grows with
distinct values, not with rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import EARLIEST, Column, ColumnKind, ColumnRole, KnownWhen, NumberSigns
from bank_assets.contract.values import IDENTIFIER_RULE, days, found_words, is_identifier, meant, numbers, value_text

BoolArray = NDArray[np.bool_]


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
            expected = IDENTIFIER_RULE
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
