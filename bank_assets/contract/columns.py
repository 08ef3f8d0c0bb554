"""`Column`: what one column of a delivery is called, holds and means.

Contracts are made of columns (`contract.contract`); a column holds plain values only, so that a contract can be
written as JSON and read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bank_assets.contract.errors import ContractError

YES_NO: Final = ("no", "yes")
"""Values of a boolean in deliveries and payloads."""


class KnownWhen(StrEnum):
    """When a column's value is known, which decides where it may be used."""

    IDENTIFIER = "identifier"
    PRE_CONTACT = "pre_contact"
    POST_CONTACT = "post_contact"
    TARGET = "target"


class ColumnKind(StrEnum):
    """The logical type of a column."""

    INTEGER = "integer"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATE = "date"
    STRING = "string"


class ColumnRole(StrEnum):
    """What the platform needs a column for; code asks for the role, so a bank may name its columns as it likes."""

    TARGET = "target"
    CONTACT_ID = "contact_id"
    CONTACT_DATE = "contact_date"
    CALENDAR = "calendar"
    """Follows from the contact date: part of a delivery, never of a payload, never an input."""
    CHANNEL = "channel"
    ATTEMPTS = "attempts"
    """Number of contacts in this campaign, this one included."""
    DAYS_SINCE_PREVIOUS = "days_since_previous"
    """Days since the last contact of an earlier campaign; the column's sentinel says that there was none."""
    PREVIOUS_CAMPAIGN = "previous_campaign"
    """Known together with the days since the previous contact, or not at all."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a delivery and of the `contacts` table.

    Attributes:
        source: name in deliveries, API payloads, bundle signatures and reports.
        table: snake_case name with unit, used in every table from `tables` on.
        kind: logical type; booleans are `yes`/`no` in deliveries.
        known: when the value is known.
        description: one sentence for catalog, form help and docs.
        unit: unit of the value, or "" for none.
        minimum: smallest allowed value, inclusive (integers only).
        maximum: largest allowed value, inclusive (integers only).
        categories: allowed values in their canonical order (categories only).
        protected: True if a fairness report must be made by this column.
        sentinel: value that stands for "none" and is split off as a point mass in drift statistics.
        default: value that a form offers, and that fills an optional column where it is missing.
        role: what the platform needs the column for, if anything particular.
        label: short name for people, without unit; "" takes the source name.
        group: heading of the form under which the column stands.
        phrase: what is true of a contact with a value, `{}` standing for the value; "" takes label and value.
        words: (value, phrase) of values that read better in words of their own.
        since: version of the contract that introduced the column. A column that is younger than the first version
            is optional: files and payloads of earlier versions lack it and get its default.
    """

    source: str
    table: str
    kind: ColumnKind
    known: KnownWhen
    description: str
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    categories: tuple[str, ...] = ()
    protected: bool = False
    sentinel: int | None = None
    default: str | int | None = None
    role: ColumnRole | None = None
    label: str = ""
    group: str = ""
    phrase: str = ""
    words: tuple[tuple[str, str], ...] = ()
    since: int = 1

    def __post_init__(self) -> None:
        if self.is_optional and self.default is None:
            raise ContractError(
                f"column {self.source}: expected a default, since files of versions before {self.since} lack the "
                "column, found none; state the value that stands for them."
            )

    @property
    def is_optional(self) -> bool:
        """True if a file or payload may lack the column; its default stands in."""
        return self.since > 1

    @property
    def title(self) -> str:
        """The label, or the source name in plain letters."""
        return self.label or self.source.replace("_", " ").capitalize()

    def in_words(self, value: object) -> str:
        """What is true of a contact with a value, without full stop.

        Args:
            value: the contact's value; numbers are shown as whole numbers.
        """
        text = f"{float(str(value)):,.0f}" if self.kind is ColumnKind.INTEGER else str(value)
        return dict(self.words).get(text) or (self.phrase or f"{self.title}: {{}}").format(text)

    @property
    def is_input(self) -> bool:
        """True if the value is known before the call."""
        return self.known in (KnownWhen.IDENTIFIER, KnownWhen.PRE_CONTACT)


class Summary(StrEnum):
    """How a column of a day's call list becomes one number."""

    SHARE = "share"
    """Share of the rows whose value is one of `values`, or lies between `low` and `high`."""
    MEAN = "mean"
    """Mean of the values, none counting for more than `high`."""
    LOG_MEAN = "log_mean"
    """Mean of sign(value) x log(1 + |value|), for amounts with long tails."""


@dataclass(frozen=True, slots=True)
class ListStatistic:
    """A number about a whole day's call list; the list is known before its first call, so it may be an input.

    Attributes:
        feature: name of the input.
        column: delivery name of the column that is summarised.
        summary: how.
        values: categories that count in a share; empty for numbers.
        low: smallest number that counts in a share.
        high: largest number that counts in a share, or limit of a mean.
    """

    feature: str
    column: str
    summary: Summary = Summary.SHARE
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
