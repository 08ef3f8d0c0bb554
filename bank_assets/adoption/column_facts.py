"""What the values of one column say by themselves: kind, spelling of numbers and dates, sentinel, bounds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.adoption.words import DATE, DAY, MONEY, MONTH, NO_YES, NOT_KNOWN, means, plain
from bank_assets.contract.columns import ColumnKind, NumberSigns
from bank_assets.contract.rows import Encoded
from bank_assets.contract.values import decimal_number, whole_number
from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray

MOST_CATEGORIES: Final = 60
ISO_DAY: Final = "%Y-%m-%d"
# strptime format → the format in words. A format is taken if it reads every value.
DATE_FORMATS: Final = {
    ISO_DAY: "YYYY-MM-DD", "%d.%m.%Y": "DD.MM.YYYY", "%d/%m/%Y": "DD/MM/YYYY", "%m/%d/%Y": "MM/DD/YYYY",
    "%d-%m-%Y": "DD-MM-YYYY", "%Y/%m/%d": "YYYY/MM/DD", "%Y%m%d": "YYYYMMDD", "%d.%m.%y": "DD.MM.YY",
}  # fmt: skip

_YEARS: Final = (1900.0, 2100.0)
_FEW_ROWS: Final = 20  # in fewer rows, values that never repeat may still be categories
_SHARE_READ: Final = 0.99  # share of the known values that must have the kind of the column; the others are faults
_PLACEHOLDERS: Final = frozenset({-1, -9, -99, -999, -9999, 99, 999, 9999, 99_999, 999_999})
_PLACEHOLDER_DAYS: Final = frozenset({date(1900, 1, 1), date(1970, 1, 1), date(2999, 12, 31), date(9999, 12, 31)})
_PLACEHOLDER_SHARE: Final = 0.005  # rarer large values are outliers
_SAMPLE: Final = 200
_POINT_MASS: Final = 0.05  # share of zeros that makes zero a value of its own
_LEADING_ZERO: Final = re.compile(r"[+-]?0[0-9]+")
_TIME: Final = re.compile(r"[T ][0-9:.+Z-]*$")
_THREE_DIGITS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
_FRACTION: Final = re.compile(r"[+-]?[0-9]+([.,])(?:[0-9]{1,2}|[0-9]{4,})|[+-]?[0-9.,]*[.,][0-9]{3}([.,])[0-9]+")
_PLAIN: Final = NumberSigns()
_SIGNS: Final = (
    _PLAIN,
    *(NumberSigns(*signs) for signs in ((",", ""), (".", ","), (",", "."), (",", " "), (",", "\u00a0"), (".", "'"))),
)


@dataclass(frozen=True)
class ColumnFacts:
    """The distinct values of one column, with what they have in common.

    Attributes:
        numbers: the value of each distinct text, (k,), NaN where it is no number.
        days: likewise, NaT where it is no day.
        date_format: strptime format of a date column.
    """

    name: str
    encoded: Encoded
    kind: ColumnKind
    signs: NumberSigns = _PLAIN
    numbers: FloatArray = field(default_factory=lambda: np.empty(0))
    days: DayArray = field(default_factory=lambda: np.empty(0, "datetime64[D]"))
    date_format: str = ""

    @cached_property
    def counts(self) -> IntArray:
        """Rows of each distinct text, (k,)."""
        return np.bincount(self.encoded.codes, minlength=len(self.encoded.texts))

    @cached_property
    def is_known(self) -> BoolArray:
        """Whether a distinct text is neither empty nor a word for a missing value, (k,)."""
        return np.array([plain(text) not in NOT_KNOWN for text in self.encoded.texts], dtype=bool)

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return len(self.encoded.codes)

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return self.kind in (ColumnKind.INTEGER, ColumnKind.DECIMAL)

    @property
    def is_unique(self) -> bool:
        """Whether no value repeats and none is missing."""
        return len(self.encoded.texts) == self.n_rows and bool(self.is_known.all())

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Distinct texts that are not empty, most frequent first."""
        order = np.argsort(-self.counts, kind="stable")
        return tuple(text for at in order.tolist() if (text := self.encoded.texts[at]))

    @cached_property
    def no_yes(self) -> tuple[str, str] | None:
        """The texts that say no and yes, or None if the column says something else."""
        found = {plain(text): text for text, known in zip(self.encoded.texts, self.is_known, strict=True) if known}
        pair = next((pair for pair in NO_YES if found and set(found) <= set(pair)), None)
        if pair is None or len(found) < 2 <= self.n_rows:
            return None
        return found.get(pair[0], pair[0]), found.get(pair[1], pair[1])

    @property
    def is_ambiguous(self) -> bool:
        """Whether every fraction has three digits, so that the decimal sign may be a thousands sign."""
        fractions = [text.strip() for text in self.encoded.texts if self.signs.decimal in text]
        return self.kind is ColumnKind.DECIMAL and all(map(_THREE_DIGITS.fullmatch, fractions))

    def share(self, mask: Any) -> float:
        """Share of the rows whose distinct text is marked."""
        return float(self.counts[mask].sum()) / max(self.n_rows, 1)

    @cached_property
    def _sorted(self) -> tuple[FloatArray, FloatArray]:
        """Distinct numbers in ascending order with their shares."""
        is_number = ~np.isnan(self.numbers)
        values, codes = np.unique(self.numbers[is_number], return_inverse=True)
        return values, np.bincount(codes, weights=self.counts[is_number], minlength=values.size) / max(self.n_rows, 1)

    @cached_property
    def sentinel(self) -> float | None:
        """The number that looks like "none": -1 below numbers from 0, 999 far above the others, or a mass at 0."""
        values, shares = self._sorted if self.is_number else (np.empty(0), np.empty(0))
        if values.size < 2:
            return None
        if values[0] in _PLACEHOLDERS and values[1] >= 0:
            return float(values[0])
        if values[-1] in _PLACEHOLDERS and values[-1] > 2 * values[-2] and shares[-1] >= _PLACEHOLDER_SHARE:
            return float(values[-1])
        is_mass = values.size >= 5 and shares[values == 0].sum() >= _POINT_MASS
        return 0.0 if is_mass else None

    def quantile(self, share: float) -> float:
        """The smallest number that this share of the numbers does not exceed."""
        values, shares = self._sorted
        return float(values[np.searchsorted(np.cumsum(shares), shares.sum() * share - 1e-9)])

    @property
    def sentinel_days(self) -> list[str]:
        """Days that look like "never"."""
        return sorted({str(day) for day in self.days.tolist() if day in _PLACEHOLDER_DAYS})

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Bounds with room around the numbers, the sentinel inside; those of years are years."""
        values, _ = self._sorted
        usual = values[values != self.sentinel] if values.size > 1 else values
        low, high = (float(usual[0]), float(usual[-1])) if usual.size else (0.0, 0.0)
        bounds = _YEARS if _YEARS[0] <= low <= high <= _YEARS[1] else (0.0 - _room(-low), _room(high))
        none = self.sentinel or 0.0
        return min(bounds[0], none), max(bounds[1], none)


def _room(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 … at or above twice the value; 0 for what is not positive."""
    if value <= 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(2 * value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= 2 * value))


def decimal_sign_of(columns: Iterable[Encoded]) -> str:
    """The decimal sign of a file: of most columns that can mean only one; "" if none can."""
    votes: Counter[str] = Counter()
    for column in columns:
        found = {match[1] or match[2] for text in column.texts if (match := _FRACTION.fullmatch(text.strip()))}
        if len(found) == 1 and len(column.texts) > 1:
            votes[found.pop()] += 1
    return votes.most_common(1)[0][0] if votes else ""


def facts_of(name: str, encoded: Encoded, decimal: str) -> ColumnFacts:
    """The facts of one column; `decimal` is the decimal sign of the file, "" if it is not known."""
    raw = ColumnFacts(name, encoded, ColumnKind.STRING)
    known = [text for text, is_known in zip(encoded.texts, raw.is_known, strict=True) if is_known]
    if not known:
        return raw
    if raw.no_yes and raw.is_known.all():
        return replace(raw, kind=ColumnKind.BOOLEAN)
    is_code = any(_LEADING_ZERO.fullmatch(text.strip()) for text in known) and not means(name, (*DAY, *MONTH))
    if not is_code:
        for style in DATE_FORMATS:
            days = _parsed(raw, partial(_day, style=style))
            if days is not None and (style != "%Y%m%d" or means(name, DATE)):
                return replace(raw, kind=ColumnKind.DATE, days=days.astype("datetime64[D]"), date_format=style)
        for kind, signs in _spellings(decimal, is_money=means(name, MONEY)):
            read = whole_number if kind is ColumnKind.INTEGER else decimal_number
            numbers = _parsed(raw, partial(read, signs=signs))
            if numbers is not None:
                return replace(raw, kind=kind, numbers=numbers.astype(np.float64), signs=signs)
    is_category = len(raw.texts) <= MOST_CATEGORIES and (len(raw.texts) <= raw.n_rows / 2 or raw.n_rows < _FEW_ROWS)
    return replace(raw, kind=ColumnKind.CATEGORY) if is_category else raw


def _spellings(decimal: str, *, is_money: bool) -> list[tuple[ColumnKind, NumberSigns]]:
    """Ways to write numbers, those of the file first; money is whole rather than a fraction: 2.000 is 2000."""
    signs = sorted(_SIGNS, key=lambda one: one.decimal != (decimal or one.decimal))
    ways = [(kind, one) for one in signs for kind in (ColumnKind.INTEGER, ColumnKind.DECIMAL)]
    return sorted(ways, key=lambda way: way[0] is ColumnKind.DECIMAL) if is_money and not decimal else ways


def _parsed(raw: ColumnFacts, read: Callable[[str], Any]) -> NDArray[Any] | None:
    """The value of each distinct text, None where it is not known; nothing if too few can be read."""
    known = [text for text, is_known in zip(raw.encoded.texts, raw.is_known, strict=True) if is_known][:_SAMPLE]
    if sum(read(text) is not None for text in known) < len(known) / 2:
        return None  # a few values tell a column of another kind
    found = [read(text) if is_known else None for text, is_known in zip(raw.encoded.texts, raw.is_known, strict=True)]
    is_read = np.array([one is not None for one in found], dtype=bool)
    return np.array(found, dtype=object) if raw.share(is_read) >= _SHARE_READ * raw.share(raw.is_known) else None


def _day(text: str, style: str) -> date | None:
    with suppress(ValueError):
        return datetime.strptime(_TIME.sub("", text.strip()), style).date()  # noqa: DTZ007 - a day has no zone
    return None
