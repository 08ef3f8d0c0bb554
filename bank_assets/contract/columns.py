"""`Column`: the name, type and meaning of one column of a delivery.

Columns hold plain values only, so that a contract can be written as JSON and read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from bank_assets.contract.errors import ContractError

EARLIEST: Final = date(1990, 1, 1)  # an earlier day of a contact or a planned call is a mistake
YES_NO: Final = ("no", "yes")  # values of a boolean in deliveries and payloads
DECIMAL_SIGNS: Final = (".", ",")
THOUSANDS_SIGNS: Final = ("", ".", ",", " ", "\u00a0", "\u202f", "'", "\u2019")
INT32: Final = (-(2**31), 2**31 - 1)  # the whole numbers that tables hold
UNKNOWN: Final = "unknown"  # category of a value that the bank does not know


def is_text_encoding(name: str) -> bool:
    """Whether a codec is known, and delimiters and line ends are single bytes in it."""
    try:
        return bytes(range(128)).decode(name) == "".join(map(chr, range(128)))
    except (LookupError, UnicodeError):
        return False


class KnownWhen(StrEnum):
    """When a column's value is known, which decides where it may be used."""

    IDENTIFIER = "identifier"
    PRE_CONTACT = "pre_contact"
    POST_CONTACT = "post_contact"
    TARGET = "target"


class ColumnKind(StrEnum):
    """The logical type of a column."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATE = "date"
    STRING = "string"


class ColumnRole(StrEnum):
    """What the platform needs a column for. Code looks columns up by role, so a bank may name them freely."""

    TARGET = "target"
    CONTACT_ID = "contact_id"
    CUSTOMER_ID = "customer_id"  # links the contacts of a person; a contract without it has one contact per customer
    CONTACT_DATE = "contact_date"
    CALENDAR = "calendar"  # follows from the contact date: part of a delivery, never of a payload, never an input
    CHANNEL = "channel"
    ATTEMPTS = "attempts"  # number of contacts in this campaign, this one included
    # Days since the last contact of an earlier campaign; the column's sentinel means none.
    DAYS_SINCE_PREVIOUS = "days_since_previous"
    PREVIOUS_CAMPAIGN = "previous_campaign"  # known together with the days since the previous contact, or not at all


@dataclass(frozen=True, slots=True)
class NumberSigns:
    """The signs by which delivered text spells numbers; no thousands sign means that none is allowed."""

    decimal: str = "."
    thousands: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in DECIMAL_SIGNS or self.thousands not in THOUSANDS_SIGNS:
            raise ContractError(
                f"expected the decimal sign . or , and as thousands sign one of {THOUSANDS_SIGNS!r}, "
                f"found {self.decimal!r} and {self.thousands!r}; name the signs that the senders write."
            )
        if self.decimal == self.thousands:
            raise ContractError(
                f"expected different decimal and thousands signs, found {self.decimal!r} for both, so that a number "
                "has two meanings; name another one, or no thousands sign."
            )


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a delivery and of the `contacts` table.

    Attributes:
        source: name in deliveries, API payloads, bundle signatures and reports.
        table: snake_case name with unit, used in every table from `tables` on.
        minimum: smallest allowed number, inclusive; `maximum` is inclusive too.
        categories: allowed values in their canonical order (categories only).
        sentinel: value that stands for "none" and is split off as a point mass in drift statistics.
        default: value that a form offers, and that fills an optional column where it is missing.
        phrase: what is true of a contact with a value, `{}` standing for the value; "" takes label and value.
        words: (value, phrase) of values that read better in words of their own.
        since: version of the contract that introduced the column. A column that is younger than the first version is
            optional: files and payloads of earlier versions lack it and get its default.
        decimal_sign: decimal sign of this column's numbers in delivered text; None for the contract's.
        thousands_sign: thousands sign likewise; "" for none, None for the contract's.
        implies: columns that must hold something where this one does; a number at its sentinel, and the category
            `unknown`, hold nothing.
    """

    source: str
    table: str
    kind: ColumnKind
    known: KnownWhen
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    protected: bool = False
    sentinel: float | None = None
    default: str | float | None = None
    role: ColumnRole | None = None
    label: str = ""
    group: str = ""
    phrase: str = ""
    words: tuple[tuple[str, str], ...] = ()
    since: int = 1
    decimal_sign: str | None = None
    thousands_sign: str | None = None
    implies: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return self.kind in (ColumnKind.INTEGER, ColumnKind.DECIMAL)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Smallest and largest allowed number, None for no limit."""
        low, high = INT32 if self.kind is ColumnKind.INTEGER else (None, None)
        return low if self.minimum is None else self.minimum, high if self.maximum is None else self.maximum

    @property
    def calendar_part(self) -> str:
        """What a calendar column repeats of the contact date: `day`, `month` or `weekday`; "" if it is none."""
        if self.role is not ColumnRole.CALENDAR:
            return ""
        if self.kind is ColumnKind.INTEGER:
            return "day"
        return {12: "month", 5: "weekday", 6: "weekday", 7: "weekday"}.get(len(self.categories), "")

    @property
    def is_optional(self) -> bool:
        """Whether a file or payload may lack the column; its default is used then."""
        return self.since > 1

    @property
    def typical(self) -> str | float:
        """What a form and an example show: the default, or else the first allowed value."""
        found = (self.default, *self.categories[:1], self.sentinel, self.minimum, self.maximum, 0)
        return next(one for one in found if one is not None)

    @property
    def title(self) -> str:
        """The label, or the source name with spaces and a capital letter."""
        return self.label or self.source.replace("_", " ").capitalize()

    def in_words(self, value: object) -> str:
        """A phrase for a contact with this value, without full stop."""
        text = str(value)
        if self.is_number:
            text = f"{float(text):,.0f}" if self.kind is ColumnKind.INTEGER else f"{float(text):,.6g}"
        return dict(self.words).get(text) or (self.phrase.format(text) if self.phrase else f"{self.title}: {text}")

    @property
    def nothing(self) -> object:
        """The value that stands for none: the sentinel, or else the category `unknown`."""
        return UNKNOWN if self.sentinel is None else self.sentinel

    @property
    def is_input(self) -> bool:
        """Whether the value is known before the call."""
        return self.known in (KnownWhen.IDENTIFIER, KnownWhen.PRE_CONTACT)


class Summary(StrEnum):
    """How a column of a day's call list is summarised as one number."""

    SHARE = "share"  # share of the rows whose value is one of `values`, or lies between `low` and `high`
    MEAN = "mean"  # mean of the values, none counting for more than `high`
    LOG_MEAN = "log_mean"  # mean of sign(value) x log(1 + |value|), for amounts with long tails


@dataclass(frozen=True, slots=True)
class ListStatistic:
    """A number about the whole call list of a day.

    The list is known before its first call, so it may be a model input.
    """

    feature: str
    column: str  # delivery name of the column that is summarised
    summary: Summary = Summary.SHARE
    values: tuple[str, ...] = ()  # categories that count in a share; empty for numbers
    low: float | None = None  # smallest number that counts in a share
    high: float | None = None  # largest number that counts in a share, or limit of a mean
