"""What the values of one column say by themselves: kind, spelling of numbers and days, sentinel, bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.adoption.words import ATTEMPTS, DATE, DAY, DAYS_SINCE, MONEY, MONTH, NO_YES, NOT_KNOWN, means, plain
from bank_assets.contract.column_rules import Encoded
from bank_assets.contract.columns import ColumnKind, NumberSigns
from bank_assets.contract.senders import Sender
from bank_assets.contract.sent_text import whole_as_sent
from bank_assets.contract.values import NULL_WORDS, decimal_number, whole_number
from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray

MOST_CATEGORIES: Final = 60
ISO_DAY: Final = "YYYY-MM-DD"

# As a sender's mapping states them; the first that reads the values is taken.
_DATE_FORMATS: Final = (
    ISO_DAY, "DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY", "YYYY/MM/DD", "YYYYMMDD",
    "D.M.YYYY", "D/M/YYYY", "M/D/YYYY",
)  # fmt: skip
_YEARS: Final = (1900.0, 2100.0)
_FEW_ROWS: Final = 20  # in fewer rows, values that never repeat may still be categories
_SHARE_READ: Final = 0.99  # share of the known values that must have the kind of the column; the others are faults
_BELOW: Final = (-1, -9, -99, -999, -9999, -99_999, -999_999)
_PLACEHOLDERS: Final = frozenset({*_BELOW, 99, 999, 9999, 99_999, 999_999})
_PLACEHOLDER_DAYS: Final = frozenset({date(1900, 1, 1), date(1970, 1, 1), date(2999, 12, 31), date(9999, 12, 31)})
_PLACEHOLDER_SHARE: Final = 0.005  # rarer large values are outliers
_SAMPLE: Final = 200
_MOST_SPELLINGS: Final = 12  # of yes and no
_POINT_MASS: Final = 0.05  # share of zeros that makes zero a value of its own
_LEADING_ZERO: Final = re.compile(r"[+-]?0[0-9]+")
_TIME: Final = re.compile("[T ][0-9]{2}:")
PLAIN: Final = NumberSigns()
_SIGNS: Final = (
    PLAIN,
    *(NumberSigns(*signs) for signs in ((",", ""), (",", "."), (".", ","), (",", " "), (",", "\u00a0"), (".", "'"))),
)


@dataclass(frozen=True)
class ColumnFacts:
    """The distinct values of one column, with what they have in common.

    Attributes:
        numbers: the value of each distinct text, (k,), NaN where it is no number.
        readings: kind and numbers by the signs that read the column.
        days: likewise, NaT where it is no day.
        date_format: of a date column, as a sender's mapping states it.
    """

    name: str
    encoded: Encoded
    kind: ColumnKind = ColumnKind.STRING
    signs: NumberSigns = PLAIN
    numbers: FloatArray = field(default_factory=lambda: np.empty(0))
    days: DayArray = field(default_factory=lambda: np.empty(0, "datetime64[D]"))
    date_format: str = ""
    readings: Mapping[NumberSigns, tuple[ColumnKind, FloatArray]] = field(default_factory=dict)

    @cached_property
    def counts(self) -> IntArray:
        """Rows of each distinct text, (k,)."""
        return np.bincount(self.encoded.codes, minlength=len(self.encoded.texts))

    @cached_property
    def is_known(self) -> BoolArray:
        """Whether a distinct text is neither empty nor a word for a missing value, (k,)."""
        return np.array([not _says_nothing(text) for text in self.encoded.texts], dtype=bool)

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

    def _frequent(self, mask: Any) -> tuple[str, ...]:
        order = np.argsort(-self.counts, kind="stable")
        return tuple(self.encoded.texts[at] for at in order[mask[order]].tolist())

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Distinct texts that say something, most frequent first."""
        return self._frequent(self.is_known)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Distinct texts that say that nothing is known, among them the empty one."""
        return self._frequent(~self.is_known)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Known texts that differ by more than case and blanks, most frequent first."""
        found: dict[str, str] = {}
        for text in self.known:
            found.setdefault(" ".join(text.split()).casefold(), text)
        return tuple(found.values())

    @cached_property
    def no_yes(self) -> tuple[str, str] | None:
        """The texts that say no and yes, or None if the column says something else."""
        found = {plain(text): text for text in self.known[::-1]} if len(self.known) <= _MOST_SPELLINGS else {}
        pair = next((pair for pair in NO_YES if found and set(found) <= set(pair)), None)
        if pair is None or len(found) < 2 <= self.n_rows:
            return None
        return found.get(pair[0], pair[0]), found.get(pair[1], pair[1])

    def share(self, mask: Any) -> float:
        """Share of the rows whose distinct text is marked."""
        return float(self.counts[mask].sum()) / max(self.n_rows, 1)

    @property
    def missing_share(self) -> float:
        """Share of the rows in which nothing is known."""
        return self.share(~self.is_known)

    # Numbers and days

    @property
    def is_ambiguous(self) -> bool:
        """Whether the fractions may be thousands."""
        return self.kind is ColumnKind.DECIMAL and any(kind is ColumnKind.INTEGER for kind, _ in self.readings.values())

    @property
    def has_zeros(self) -> bool:
        """Whether whole numbers are written with zeros after a decimal sign."""
        numbers = zip(self.encoded.texts, np.isnan(self.numbers).tolist(), strict=True)
        return self.kind is ColumnKind.INTEGER and any(self.signs.decimal in text for text, odd in numbers if not odd)

    @cached_property
    def _of_rows(self) -> FloatArray:
        """The numbers of all rows that have one."""
        of_rows = self.numbers[self.encoded.codes]
        return of_rows[~np.isnan(of_rows)]

    @cached_property
    def sentinel(self) -> float | None:
        """The number that stands for none.

        It is -1 below numbers from 0, 999 far above the others, or a mass at 0. Where values are missing, it is one of
        the former two, or else a number below all others, which is written for them.
        """
        values, counts = np.unique(self._of_rows, return_counts=True) if self.is_number else (np.empty(0), np.empty(0))
        if values.size >= 2 and values[0] in _PLACEHOLDERS and values[1] >= 0:
            return float(values[0])
        is_far = values.size >= 2 and values[-1] in _PLACEHOLDERS and values[-1] > 2 * values[-2]
        if is_far and counts[-1] >= _PLACEHOLDER_SHARE * self.n_rows:
            return float(values[-1])
        if values.size and self.missing:
            return next((float(one) for one in _BELOW if one < values[0]), None)
        is_mass = values.size >= 5 and counts[values == 0].sum() >= _POINT_MASS * self.n_rows
        return 0.0 if is_mass else None

    @property
    def sentinel_share(self) -> float:
        """Share of the rows with the sentinel, or with nothing, for which it stands."""
        return self.share((self.numbers == self.sentinel) | ~self.is_known)

    def quantile(self, share: float) -> float:
        """The smallest number that this share of the numbers does not exceed."""
        return float(np.quantile(self._of_rows, share, method="inverted_cdf"))

    @property
    def sentinel_days(self) -> list[str]:
        """Days that look like "never"."""
        return sorted({str(day) for day in self.days.tolist() if day in _PLACEHOLDER_DAYS})

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Bounds with room around the numbers, the sentinel inside; those of years are years."""
        usual = self._of_rows[self._of_rows != self.sentinel]
        usual = usual if usual.size else self._of_rows
        low, high = float(usual.min()), float(usual.max())
        bounds = _YEARS if _YEARS[0] <= low <= high <= _YEARS[1] else (0.0 - _room(-low), _room(high))
        none = self.sentinel or 0.0
        return min(bounds[0], none), max(bounds[1], none)


def _room(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 … at or above twice the value; 0 for what is not positive."""
    if value <= 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(2 * value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= 2 * value))


def _says_nothing(text: str) -> bool:
    return not text or text.lower() in NULL_WORDS or (text[0].isalpha() and plain(text) in NOT_KNOWN)


def facts_of(columns: Mapping[str, Encoded]) -> dict[str, ColumnFacts]:
    """The facts of the columns of a file. Where several signs read a number, those that read most columns do."""
    raw = {name: _described(ColumnFacts(name, encoded)) for name, encoded in columns.items()}
    of_file = max(_SIGNS, key=lambda signs: sum(signs in one.readings for one in raw.values()))
    found = {}
    for name, one in raw.items():
        signs = next((signs for signs in (of_file, *one.readings) if signs in one.readings), None)
        if signs:
            kind, numbers = one.readings[signs]
            one = replace(one, kind=kind, numbers=numbers, signs=signs)
        found[name] = one
    return found


def _described(raw: ColumnFacts) -> ColumnFacts:
    """The column as yes and no, days, numbers, categories or text, in this order."""
    if not raw.known:
        return raw
    if raw.no_yes and not raw.missing:
        return replace(raw, kind=ColumnKind.BOOLEAN)
    if means(raw.name, (*DAY, *MONTH)) or not any(map(_LEADING_ZERO.fullmatch, raw.known)):
        for date_format in _date_formats(raw):
            days = _parsed(raw, Sender("", date_format=date_format).day)
            if days is not None:
                return replace(raw, kind=ColumnKind.DATE, days=days.astype("datetime64[D]"), date_format=date_format)
        if readings := _readings(raw):
            return replace(raw, readings=readings)
    is_short = len(raw.known) <= MOST_CATEGORIES
    is_category = is_short and (len(raw.known) <= raw.n_rows / 2 or raw.n_rows < _FEW_ROWS)
    return replace(raw, kind=ColumnKind.CATEGORY) if is_category else raw


def _date_formats(raw: ColumnFacts) -> Iterator[str]:
    """The formats that a column may have, with a time of day after it if the most frequent text has one."""
    time = "*" if _TIME.search(raw.known[0]) else ""
    return (one + time for one in _DATE_FORMATS if one != "YYYYMMDD" or means(raw.name, DATE))


def _readings(raw: ColumnFacts) -> dict[NumberSigns, tuple[ColumnKind, FloatArray]]:
    """Kind and numbers by the signs that read a column, as a delivery's would be read."""
    if (whole := _parsed(raw, whole_number)) is not None:  # no signs at all
        return dict.fromkeys(_SIGNS, (ColumnKind.INTEGER, whole.astype(np.float64)))
    # pandas writes .0 in columns with gaps
    read_whole = whole_as_sent if raw.missing or means(raw.name, (*DAYS_SINCE, *ATTEMPTS)) else whole_number
    read_decimal = partial(decimal_number, is_money=means(raw.name, MONEY))
    ways = ((ColumnKind.INTEGER, read_whole), (ColumnKind.DECIMAL, read_decimal))
    found = {}
    for signs in _SIGNS:
        parsed = ((kind, _parsed(raw, partial(read, signs=signs))) for kind, read in ways)
        if best := next(((kind, numbers) for kind, numbers in parsed if numbers is not None), None):
            found[signs] = (best[0], best[1].astype(np.float64))
    return found


def _parsed(raw: ColumnFacts, read: Callable[[str], Any]) -> NDArray[Any] | None:
    """The value of each distinct text, None where it is not known; nothing if too few can be read."""
    if sum(read(text) is not None for text in raw.known[:_SAMPLE]) < min(len(raw.known), _SAMPLE) / 2:
        return None  # a few values tell a column of another kind
    found = [read(text) if is_known else None for text, is_known in zip(raw.encoded.texts, raw.is_known, strict=True)]
    is_read = np.array([one is not None for one in found], dtype=bool)
    return np.array(found, dtype=object) if raw.share(is_read) >= _SHARE_READ * raw.share(raw.is_known) else None
