"""Who must not be called: objections and contact-frequency rules.

An objection to direct marketing is absolute (GDPR Art. 21(2)-(3)): no setting, budget or profit overrides it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import Column, ColumnRole
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import FloatArray, Rows

SUPPRESSED: Final = "suppressed"
DUPLICATE: Final = "duplicate"
TOO_MANY_CONTACTS: Final = "too_many_contacts"
CONTACTED_TOO_RECENTLY: Final = "contacted_too_recently"
ALLOWED: Final = ""

RULE_TEXTS: Final[Mapping[str, str]] = {
    SUPPRESSED: "objected to direct marketing",
    DUPLICATE: "appears earlier in the list",
    TOO_MANY_CONTACTS: "contacted too often in this campaign",
    CONTACTED_TOO_RECENTLY: "contacted too recently",
}


class SuppressionError(ValueError):
    """A rule or list is unusable."""


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """Identifiers of contacts that objected to direct marketing."""

    contact_ids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, contact_ids: Iterable[object]) -> SuppressionList:
        """Build a list; identifiers are compared as text without surrounding blanks, empty ones are dropped."""
        texts = (str(contact_id).strip() for contact_id in contact_ids)
        return cls(frozenset(text for text in texts if text))

    @classmethod
    def from_text(cls, text: str) -> SuppressionList:
        """Read a file's text: one identifier per line, an optional header `contact_id`, blank lines ignored.

        Raises:
            SuppressionError: a line has more than one field; a list read half would call people who objected.
        """
        lines = [line.strip().strip('"') for line in text.lstrip("\ufeff").splitlines()]
        for number, line in enumerate(lines, start=1):
            if any(separator in line for separator in (",", ";", "\t")):
                raise SuppressionError(
                    f"suppression list, line {number}: expected one contact_id, found {line[:60]!r}; "
                    "deliver a file with the contact_id column alone."
                )
        return cls.of(line for line in lines if line != "contact_id")

    def covers(self, contact_id: object) -> bool:
        """True if this contact objected; False for None, which cannot be looked up."""
        return contact_id is not None and str(contact_id).strip() in self.contact_ids

    @property
    def digest(self) -> str:
        """Sha256 of the sorted identifiers: names the list in records without holding it."""
        return hashlib.sha256("\n".join(sorted(self.contact_ids)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FrequencyRules:
    """How often and how soon a customer may be called; None is no limit.

    Attributes:
        max_contacts_in_campaign: most contacts in this campaign, this one included.
        min_days_since_previous_contact: fewest days since the last contact of an earlier campaign; a customer
            without one always passes.
    """

    max_contacts_in_campaign: int | None = None
    min_days_since_previous_contact: int | None = None

    def __post_init__(self) -> None:
        _check_limit("max_contacts_in_campaign", self.max_contacts_in_campaign, smallest=1)
        _check_limit("min_days_since_previous_contact", self.min_days_since_previous_contact, smallest=0)


def _check_limit(name: str, limit: object, *, smallest: int) -> None:
    if limit is None:
        return
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < smallest:
        raise SuppressionError(f"{name}: expected a whole number of at least {smallest} or nothing, found {limit!r}.")


def _rule_column(
    rows: Rows, contract: Contract, role: ColumnRole, rule: str, n_contacts: int
) -> tuple[Column, FloatArray]:
    column = contract.role(role)
    if column is None or column.source not in rows:
        name = f"a column with the role {role}" if column is None else f"a column {column.source!r}"
        raise SuppressionError(f"{rule}: expected {name}, found {sorted(rows)}; add it or drop the rule.")
    values = np.asarray(rows[column.source], dtype=np.float64)
    if values.shape != (n_contacts,):
        raise SuppressionError(f"{rule}: expected {n_contacts} values of {column.source!r}, found {values.shape}.")
    return column, values


def excluded_by_rules(
    contact_ids: Sequence[str] | NDArray[Any],
    rows: Rows,
    contract: Contract,
    suppression: SuppressionList,
    rules: FrequencyRules,
) -> NDArray[np.str_]:
    """The rule that leaves out each contact, or `ALLOWED`, (n_contacts,).

    The first that applies counts: suppressed, duplicate, too many contacts, contacted too recently. A missing value
    (NaN) breaks its rule: a customer who cannot be shown to be allowed is not called.

    Raises:
        SuppressionError: a rule needs a column that the list does not have.
    """
    ids = [str(contact_id).strip() for contact_id in contact_ids]
    n_contacts = len(ids)
    reasons = np.full(n_contacts, ALLOWED, dtype="U24")
    least, most = rules.min_days_since_previous_contact, rules.max_contacts_in_campaign
    if least is not None:
        rule = "min_days_since_previous_contact"
        column, days = _rule_column(rows, contract, ColumnRole.DAYS_SINCE_PREVIOUS, rule, n_contacts)
        reasons[~((days == column.sentinel) | (days >= least))] = CONTACTED_TOO_RECENTLY
    if most is not None:
        _, attempts = _rule_column(rows, contract, ColumnRole.ATTEMPTS, "max_contacts_in_campaign", n_contacts)
        reasons[~(attempts <= most)] = TOO_MANY_CONTACTS
    first_row = dict(zip(reversed(ids), range(n_contacts - 1, -1, -1), strict=True))
    if len(first_row) < n_contacts:
        reasons[[row for row, contact_id in enumerate(ids) if first_row[contact_id] != row]] = DUPLICATE
    if suppression.contact_ids:
        reasons[[row for row, contact_id in enumerate(ids) if suppression.covers(contact_id)]] = SUPPRESSED
    return reasons
