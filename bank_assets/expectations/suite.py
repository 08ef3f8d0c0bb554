"""What is expected of a month of contacts, compiled from the contract.

An unmet expectation of level ERROR holds the month; a WARNING is a hint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bank_assets.contract.column_rules import ColumnRule
from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import FIELD_COUNT, OPEN_QUOTE
from bank_assets.contract.rows import Calendar, contradiction
from bank_assets.core.words import pct

ERROR: Final = "error"
WARNING: Final = "warning"

# Share of a month's rows that one contact may have; identifiers that a spreadsheet rounded become one.
LARGEST_CONTACT: Final = 0.05

# Share of a delivery's rows that other rows of the same contact in the same delivery may replace.
LARGEST_COLLAPSE: Final = 0.1

# Beyond these a month is unusual, not wrong: the real file's months differ in size by a factor of 1,000.
MINIMUM_CONTACTS: Final = 30
VOLUME: Final = (0.2, 5.0)
UNKNOWN_RISE: Final = 0.25
EMPTY_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation of a month.

    Attributes:
        name: stable name, part of every message.
        severity: `error` or `warning`.
        fact: the value it judges, of `core.drift.month_profile.month_facts`.
        expected: what is expected, in words.
        unit: `%` shows a value as a share, "" as a number.
        low: smallest value that meets it, or None; `high` likewise.
    """

    name: str
    severity: str
    fact: str
    expected: str
    unit: str = ""
    low: float | None = None
    high: float | None = None

    def sentence(self, found: float) -> str:
        """The finding in words."""
        shown = pct(found) if self.unit == "%" else f"{found:,.4g}"
        return f"{self.name}: expected {self.expected}, found {shown}"


def expectations(contract: Contract, reject_rate_limit: float) -> tuple[Expectation, ...]:
    """Every expectation of a month; the limit is the largest share of rows that may stay unusable."""
    limit = pct(reject_rate_limit)
    low, high = VOLUME
    found = [
        Expectation("reject rate", ERROR, "uncorrected_share", f"at most {limit} of the month's rows", "%",
                    high=reject_rate_limit),
        Expectation("contacts_are_told_apart", ERROR, "largest_contact_share",
                    f"at most {pct(LARGEST_CONTACT, 0)} of the rows under one contact_id", "%", high=LARGEST_CONTACT),
        Expectation("a_delivery_names_each_contact_once", ERROR, "collapsed_share",
                    f"at most {pct(LARGEST_COLLAPSE, 0)} of a delivery's rows replaced by others with their contact_id"
                    "; spreadsheets round long identifiers, format the column as text", "%", high=LARGEST_COLLAPSE),
        Expectation("contacts_are_near_others", ERROR, "far_contacts",
                    f"at least {contract.few_contacts} contacts if no other lies within {contract.far_days} days; "
                    "correct their dates, or deliver more", high=0),
        Expectation("rows_are_enough", WARNING, "contacts", f"at least {MINIMUM_CONTACTS} contacts",
                    low=MINIMUM_CONTACTS),
        Expectation("volume_is_usual", WARNING, "volume_ratio",
                    f"{low:g} to {high:g} times the contacts of recent months", low=low, high=high),
        Expectation("values_are_known", WARNING, "new_values", "no category that no earlier month had", high=0),
    ]  # fmt: skip
    for column in contract.columns:
        name = column.source
        if column.is_input:
            expected = f"at most {pct(EMPTY_SHARE, 0)} empty"
            found.append(
                Expectation(f"{name}_is_given", WARNING, f"empty_share.{name}", expected, "%", high=EMPTY_SHARE)
            )
        if "unknown" in column.categories:
            expected = f"at most {pct(UNKNOWN_RISE, 0)} more unknown than in recent months"
            fact = f"unknown_rise.{name}"
            found.append(Expectation(f"{name}_is_known", WARNING, fact, expected, "%", high=UNKNOWN_RISE))
    for one, other in contract.agreements:
        code = contradiction(one, other)
        fact = f"contradiction_share.{code}"
        expected = f"{other.source} to hold something in every row in which {one.source} does"
        found.append(Expectation(code, WARNING, fact, expected, "%", high=0.0))
        few = f"{expected}, or at most {limit} that do not agree"
        found.append(Expectation(f"{code}_rarely", ERROR, fact, few, "%", high=reject_rate_limit))
    for code in rule_codes(contract):
        expected = f"at most {limit} of the rows to break it"
        fact = f"violation_share.{code}"
        found.append(Expectation(code, WARNING, fact, expected, "%", high=reject_rate_limit))
    return tuple(found)


def rule_codes(contract: Contract) -> tuple[str, ...]:
    """Codes of the rules of a contacts row."""
    calendar = Calendar.of(contract)
    rules = (*(ColumnRule(column).rule for column in contract.columns), *(calendar.rules.values() if calendar else ()))
    return (FIELD_COUNT, OPEN_QUOTE, *(rule.code for rule in rules))
