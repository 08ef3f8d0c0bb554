"""What a month of deliveries looks like in numbers, before any row is left out.

The ETL counts and stores profiles with the table; `bank_assets.expectations` judges them. They hold nothing of a
customer: the only texts are categories of the contract.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from bank_assets.contract.columns import UNKNOWN, ColumnRole
from bank_assets.contract.contract import Contract
from bank_assets.contract.rows import contradiction

OTHER: Final = "(other)"
"""Every text of a category column that is not in the contract."""

RECENT_MONTHS: Final = 6
FEWEST_RECENT: Final = 3
"""A month is compared with the median of up to six months before it, if there are at least three."""

FEWEST_REPEATS: Final = 20
"""Fewer rows of one contact may be a series of corrections; more are compared with the month's rows."""


@dataclass(frozen=True, slots=True)
class MonthProfile:
    """Counts of the contacts deliveries of one month.

    Attributes:
        contacts: usable rows, each contact once.
        uncorrected: rows that break a rule and that no later row of the same contact corrects.
        superseded: usable rows that a later one replaced.
        most_rows_of_a_contact: usable rows of the contact that has most.
        collapsed_share: of the usable rows of a delivery, the share that another row of the same contact in the same
            delivery replaced by different content; the largest of all deliveries.
        violations: rows that break each rule, by code.
        contradictions: rows in which columns that must agree do not, by code; no reason to reject a row.
        empty: rows with an empty field, by delivered column name.
        values: rows with each category, by delivered column name.
    """

    month: str
    rows: int = 0
    contacts: int = 0
    uncorrected: int = 0
    superseded: int = 0
    most_rows_of_a_contact: int = 0
    collapsed_share: float = 0.0
    violations: Mapping[str, int] = field(default_factory=dict)
    contradictions: Mapping[str, int] = field(default_factory=dict)
    empty: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, month: str, stored: Mapping[str, Any]) -> MonthProfile:
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**stored, "month": month})

    @property
    def uncorrected_share(self) -> float:
        """Uncorrected rows as a share of the month's contacts and these rows, in [0, 1]."""
        rows = self.contacts + self.uncorrected
        return self.uncorrected / rows if rows else 0.0

    def commonest_fault(self, contract: Contract) -> str:
        """The rule that most rows break, with what to do about empty fields; "" if no rule is broken."""
        if not self.violations:
            return ""
        code, rows = max(self.violations.items(), key=lambda item: item[1])
        column, text = contract.by_source.get(code.rpartition(".")[0]), f"most often {code} ({rows:,} rows"
        if column is None or not self.empty.get(column.source):
            return f"{text})"
        write = f"write {UNKNOWN}" if UNKNOWN in column.categories else "fill it in"
        return f"{text}, {self.empty[column.source]:,} with {column.source} empty: {write}, or map it in the contract)"


def month_facts(profile: MonthProfile, earlier: Sequence[MonthProfile], contract: Contract) -> dict[str, float | None]:
    """The numbers of a month that have a limit; None without a row, or without enough months to compare with.

    `earlier` holds the months before it that have contacts, oldest first.
    """
    recent = earlier[-RECENT_MONTHS:] if len(earlier) >= FEWEST_RECENT else []
    repeats = profile.most_rows_of_a_contact
    usable = profile.contacts + profile.superseded
    facts: dict[str, float | None] = {
        "uncorrected_share": profile.uncorrected_share,
        "largest_contact_share": repeats / usable if repeats >= FEWEST_REPEATS else 0.0,
        "collapsed_share": profile.collapsed_share,
        "contacts": profile.contacts,
        "volume_ratio": profile.contacts / median(one.contacts for one in recent) if recent else None,
        "new_values": float(len(_new_values(profile, earlier, contract))) if recent else None,
    }
    for one, other in contract.agreements:
        code = contradiction(one, other)
        facts[f"contradiction_share.{code}"] = profile.contradictions.get(code, 0) / max(profile.rows, 1)
    for column in contract.columns:
        name = column.source
        if column.is_input:
            facts[f"empty_share.{name}"] = profile.empty.get(name, 0) / max(profile.rows, 1)
        if UNKNOWN in column.categories:
            shares = [share for one in recent if (share := _unknown_share(one, name)) is not None]
            mine = _unknown_share(profile, name)
            facts[f"unknown_rise.{name}"] = mine - median(shares) if shares and mine is not None else None
    return facts if profile.rows else dict.fromkeys(facts)


def _unknown_share(profile: MonthProfile, name: str) -> float | None:
    counts = profile.values.get(name)
    return counts.get(UNKNOWN, 0) / sum(counts.values()) if counts else None


def _new_values(profile: MonthProfile, earlier: Sequence[MonthProfile], contract: Contract) -> list[str]:
    """Categories that no earlier month had; those of the calendar change every month and do not count."""
    known = {item for one in earlier for item in _items(one, contract)}
    return sorted(f"{name}={value}" for name, value in set(_items(profile, contract)) - known)


def _items(profile: MonthProfile, contract: Contract) -> Iterator[tuple[str, str]]:
    for name, counts in profile.values.items():
        column = contract.by_source.get(name)
        if column is not None and column.is_input and column.role is not ColumnRole.CALENDAR:
            yield from ((name, value) for value in counts if value != OTHER)
