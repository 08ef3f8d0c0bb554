"""The rules of a delivered row, compiled from the columns of a contract, with one sentence each.

Spark's tasks, the readers of campaign files and the web application all judge text with these functions, so a row is
valid at every door or at none. A rule looks at the distinct values of a column only, and numpy carries its verdict to
the rows: millions of rows cost no more Python than the thousands of values they hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import Column, ColumnKind, ColumnRole
from bank_assets.contract.contract import Contract

BoolArray = NDArray[np.bool_]

SPACE: Final = "".join(map(chr, range(0x21)))
"""Characters that are trimmed around a field."""

_INTEGER_WIDTH: Final = 20
_DAY_WIDTH: Final = 10


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column of text: its distinct values, and which of them each row has.

    Attributes:
        codes: place of the row's value in `texts`, (n,).
        texts: distinct values.
    """

    codes: NDArray[Any]
    texts: Sequence[str]

    @classmethod
    def of(cls, values: Iterable[str]) -> Encoded:
        """Encode the values of a column."""
        places: dict[str, int] = {}
        codes = [places.setdefault(value, len(places)) for value in values]
        return cls(np.array(codes, dtype=np.int32), list(places))


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days that a date column may hold.

    Attributes:
        first: earliest usable day.
        last: latest usable day.
        expected: the rule in words.
        with_time: True if a time of day may follow the day; it is ignored.
    """

    first: date = date.min
    last: date = date.max
    expected: str = "a day YYYY-MM-DD"
    with_time: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to reject a row.

    Attributes:
        code: `<column>.<problem>`, stable and free of values.
        expected: what the contract asks for, in words.
        stated: column of the same row whose text completes `expected`, or "".
    """

    code: str
    expected: str
    stated: str = ""

    @property
    def column(self) -> str:
        """Delivered name of the column that the rule is about."""
        return self.code.partition(".")[0]

    def sentence(self, found: str, stated: str = "") -> str:
        """The reason in words: `age: expected a whole number from 16 to 120 years, found "abc"`."""
        expected = f"{self.expected} {stated}" if self.stated else self.expected
        return f"{self.column}: expected {expected}, found " + (f'"{found}"' if found else "nothing")


@dataclass(frozen=True, slots=True)
class DistinctValues:
    """The distinct values of a column, judged and typed.

    Attributes:
        typed: integers, booleans, days or text; meaningless where `is_read` is false.
        is_read: whether the text could be read as the column's type, in bounds or not.
        is_given: whether the text is not empty.
        is_kept: whether the text satisfies the column's rule; an empty text never does.
    """

    typed: NDArray[Any]
    is_read: BoolArray
    is_given: BoolArray
    is_kept: BoolArray


def integers(texts: Sequence[str]) -> tuple[NDArray[np.int64], BoolArray]:
    """Read whole numbers: decimal digits with an optional sign, blanks around them, at most 20 characters.

    Returns:
        The numbers, and which texts are numbers.
    """
    characters = _characters(texts, _INTEGER_WIDTH)
    length = (characters != 0).sum(axis=1)
    is_negative = characters[:, 0] == ord("-")
    has_sign = is_negative | (characters[:, 0] == ord("+"))
    characters[has_sign, 0] = ord("0")
    digits = characters.astype(np.int64) - ord("0")
    is_digit = (digits >= 0) & (digits <= 9)
    is_digit &= np.arange(_INTEGER_WIDTH + 1) < length[:, None]  # a NUL between digits would pass for their end
    is_number = (is_digit.sum(axis=1) == length) & (length > has_sign) & (length <= _INTEGER_WIDTH)
    total = np.zeros(len(texts), dtype=np.int64)
    for place in range(_INTEGER_WIDTH):
        # No bound of a contract is that large, so a number may stop growing before it overflows.
        total = np.where(place < length, np.minimum(total, 10**17) * 10 + digits[:, place], total)
    return np.where(is_negative, -total, total), is_number


def days(texts: Sequence[str], *, with_time: bool = False) -> tuple[NDArray[np.datetime64], BoolArray]:
    """Read days written exactly YYYY-MM-DD, blanks around them.

    Args:
        texts: the values.
        with_time: also read the day of a time stamp, where `T` or a blank ends the day.

    Returns:
        The days, datetime64[D], and which texts are days.
    """
    if with_time:
        texts = [text[:10] if text[10:11] in ("T", " ") else text for text in (text.strip(SPACE) for text in texts)]
    characters = _characters(texts, _DAY_WIDTH)
    digits = characters[:, [0, 1, 2, 3, 5, 6, 8, 9]].astype(np.int64) - ord("0")
    is_day = (characters[:, [4, 7]] == ord("-")).all(axis=1) & (characters[:, _DAY_WIDTH] == 0)
    is_day &= ((digits >= 0) & (digits <= 9)).all(axis=1)
    digits = np.where(is_day[:, None], digits, 0)
    year, month, day = (
        digits[:, first:last] @ (10 ** np.arange(last - first)[::-1]) for first, last in ((0, 4), (4, 6), (6, 8))
    )
    is_day &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    read = months.astype("datetime64[D]") + (day - 1)
    return read, is_day & (read.astype("datetime64[M]") == months)  # 30 February would be a day of March


def _characters(texts: Sequence[str], width: int) -> NDArray[np.uint32]:
    """Code points of the trimmed texts, (n, width + 1), zeros behind them; a longer text fills the last column.

    As a matrix, so that no Python function runs per value and nothing is taken for a number by courtesy.
    """
    trimmed = np.array([text.strip(SPACE) for text in texts], dtype=f"U{width + 1}")
    return trimmed.view(np.uint32).reshape(len(trimmed), width + 1).copy()


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """The rule of the values of one column.

    Attributes:
        column: the column.
        is_optional: whether the field may be empty.
        days: usable days of a date column.
        rule: code and words of the rule.
    """

    column: Column
    is_optional: bool = False
    days: DayRange = DayRange()
    rule: Rule = field(init=False)

    def __post_init__(self) -> None:
        column = self.column
        if column.kind is ColumnKind.INTEGER:
            unit = f" {column.unit}" if column.unit and column.role is not ColumnRole.CALENDAR else ""
            expected, problem = (
                f"a whole number from {column.minimum} to {column.maximum}{unit}",
                "not_an_integer_in_range",
            )
        elif column.categories:
            expected, problem = f"one of {', '.join(column.categories)}", "not_a_known_value"
        elif column.kind is ColumnKind.DATE:
            expected, problem = self.days.expected, "not_a_usable_day"
        else:
            expected, problem = "a value", "missing"
        rule = Rule(f"{column.source}.{problem}", f"{expected}, or nothing" if self.is_optional else expected)
        object.__setattr__(self, "rule", rule)

    def value_of(self, text: str) -> tuple[bool, Any]:
        """Judge and type one value: whether it satisfies the rule, and the value if it could be read."""
        values = self.judge([text])
        is_kept = bool(values.is_kept[0]) or (self.is_optional and text == "")
        return is_kept, values.typed[0].item() if values.is_read[0] and values.typed.dtype != object else text

    def judge(self, texts: Sequence[str]) -> DistinctValues:
        """Judge and type the distinct values of the column."""
        column, is_given = self.column, np.array([text != "" for text in texts], dtype=bool)
        if column.kind is ColumnKind.INTEGER:
            numbers, is_read = integers(texts)
            low = -np.inf if column.minimum is None else column.minimum
            high = np.inf if column.maximum is None else column.maximum
            return DistinctValues(numbers, is_read, is_given, is_read & (numbers >= low) & (numbers <= high))
        if column.kind is ColumnKind.DATE:
            read, is_read = days(texts, with_time=self.days.with_time)
            is_read &= (read >= np.datetime64(self.days.first)) & (read <= np.datetime64(self.days.last))
            return DistinctValues(read, is_read, is_given, is_read)
        if not column.categories:
            return DistinctValues(np.array(texts, dtype=object), is_given, is_given, is_given)
        is_known = np.array([text in column.categories for text in texts], dtype=bool)
        if column.kind is ColumnKind.BOOLEAN:
            return DistinctValues(np.array([text == "yes" for text in texts], dtype=bool), is_known, is_given, is_known)
        return DistinctValues(np.array(texts, dtype=object), is_known, is_given, is_known)


@dataclass(frozen=True, slots=True)
class RowVerdicts:
    """What the rules found in the rows of one block.

    Attributes:
        is_kept: rows that break no rule, (n,).
        broken: the rules that some row breaks, each with its rows (n,), in the order of the rules.
        columns: the text that was judged, by delivered name.
        values: its distinct values, judged.
    """

    is_kept: BoolArray
    broken: Mapping[Rule, BoolArray]
    columns: Mapping[str, Encoded]
    values: Mapping[str, DistinctValues]

    def typed(self, name: str) -> NDArray[Any]:
        """Typed values of a column by row, (n,); meaningless where the field could not be read."""
        return self.values[name].typed[self.columns[name].codes]

    def is_given(self, name: str) -> BoolArray:
        """Rows whose field is not empty, (n,)."""
        return self.values[name].is_given[self.columns[name].codes]

    def text(self, name: str, row: int) -> str:
        """The field of one row."""
        return self.columns[name].texts[self.columns[name].codes[row]]

    def reasons(self) -> dict[int, list[tuple[Rule, str]]]:
        """The broken rules of every row that breaks one, each with its sentence."""
        found: dict[int, list[tuple[Rule, str]]] = {}
        for rule, is_broken in self.broken.items():
            for row in np.flatnonzero(is_broken).tolist():
                stated = self.text(rule.stated, row).strip(SPACE) if rule.stated else ""
                found.setdefault(row, []).append((rule, rule.sentence(self.text(rule.column, row), stated)))
        return found


@dataclass(frozen=True, slots=True)
class Calendar:
    """Columns that repeat what the date of the row says; a row that contradicts itself is not believed.

    Attributes:
        date: name of the date column.
        day: name of the column that repeats its day of the month.
        month: name of the column that repeats its month.
        months: names of the twelve months, in order.
    """

    date: str
    day: str
    month: str
    months: tuple[str, ...]

    @property
    def codes(self) -> tuple[str, str]:
        """Codes of the rules that the day and the month have to agree with the date."""
        return f"{self.day}.contradicts_{self.date}", f"{self.month}.contradicts_{self.date}"

    @classmethod
    def of(cls, contract: Contract) -> Calendar | None:
        """The calendar columns of a contract, or None if it has not both."""
        by_kind = {column.kind: column for column in contract.with_role(ColumnRole.CALENDAR)}
        day, month = by_kind.get(ColumnKind.INTEGER), by_kind.get(ColumnKind.CATEGORY)
        if day is None or month is None:
            return None
        return cls(contract.contact_date.source, day.source, month.source, month.categories)


@dataclass(frozen=True, slots=True)
class RowRules:
    """Every rule of one family of rows.

    Attributes:
        columns: the rule of each column.
        required: columns whose own rule accepts an empty field, which this family does not.
        calendar: the columns that have to agree with the date, if there are any.
    """

    columns: tuple[ColumnRule, ...]
    required: tuple[str, ...] = ()
    calendar: Calendar | None = None

    def judge(self, columns: Mapping[str, Encoded], is_misfit: BoolArray | None = None) -> RowVerdicts:
        """Judge the rows of a block.

        Args:
            columns: the text of every column, by delivered name.
            is_misfit: lines whose fields cannot be told apart, (n,); no rule is checked on them.

        Returns:
            The verdict, rows in the order given.
        """
        values = {one.column.source: one.judge(columns[one.column.source].texts) for one in self.columns}
        n_rows = len(columns[self.columns[0].column.source].codes)
        is_fit = np.ones(n_rows, dtype=bool) if is_misfit is None else ~is_misfit
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
        """The rules that some value breaks, with the rows that break them, in the order of a row's reasons."""
        by_name = {one.column.source: one for one in self.columns}
        plain = [one for one in self.columns if one.column.kind is not ColumnKind.DATE]
        dates = [one for one in self.columns if one.column.kind is ColumnKind.DATE]

        def of_column(one: ColumnRule) -> Iterator[tuple[Rule, BoolArray]]:
            found = values[one.column.source]
            is_kept = found.is_kept | ~found.is_given if one.is_optional else found.is_kept
            if not is_kept.all():  # rarely so, and only then are the rows looked at
                yield one.rule, ~is_kept[columns[one.column.source].codes]

        for one in plain:
            yield from of_column(one)
        for name in self.required:
            if not values[name].is_given.all():
                expected = by_name[name].rule.expected.removesuffix(", or nothing")
                yield Rule(f"{name}.missing", expected), ~values[name].is_given[columns[name].codes]
        for one in dates:
            yield from of_column(one)
        if self.calendar is not None:
            yield from self._contradictions(self.calendar, columns, values)

    @staticmethod
    def _contradictions(
        of: Calendar, columns: Mapping[str, Encoded], values: Mapping[str, DistinctValues]
    ) -> Iterator[tuple[Rule, BoolArray]]:
        """A broken date, day or month is a reason of its own already, so it contradicts nothing."""
        date_codes, dates = columns[of.date].codes, values[of.date]
        months = dates.typed.astype("datetime64[M]")
        day_of_month = np.where(dates.is_read, (dates.typed - months).astype(np.int64) + 1, -1)[date_codes]
        day = np.where(values[of.day].is_read, values[of.day].typed, -1)[columns[of.day].codes]
        yield (
            Rule(of.codes[0], f"the day of {of.date}", of.date),
            (day != day_of_month) & (day != -1) & (day_of_month != -1),
        )
        # A month is compared by its place among the names; -1 is an empty field, -2 no name at all.
        names = {name: place for place, name in enumerate(of.months)} | {"": -1}
        stated = np.array([names.get(text, -2) for text in columns[of.month].texts])[columns[of.month].codes]
        month = np.where(dates.is_read, months.astype(np.int64) % 12, -1)[date_codes]
        yield (
            Rule(of.codes[1], f"the month of the day of {of.date}", of.date),
            (stated != month) & (stated != -1) & (month != -1),
        )
