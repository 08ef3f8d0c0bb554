"""Who must not be called: objections and contact-frequency rules.

A person objects, and is called under none of their contact ids. An objection to direct marketing is absolute (GDPR
Art. 21(2)-(3)): no setting, budget or profit overrides it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import Column, ColumnRole
from bank_assets.contract.contract import Contract
from bank_assets.contract.values import identifier_key
from bank_assets.core.arrays import TEXT, FloatArray, Rows, texts_of
from bank_assets.core.economics.contact_policy import (
    CONTACTED_TOO_OFTEN,
    NO_CALLING_HOURS,
    ON_ANOTHER_LIST,
    REFUSED_RECENTLY,
    SUBSCRIBED_RECENTLY,
)

CUSTOMER_ID: Final = "customer_id"  # column of rows with the person behind each contact
CONTACT_DATE: Final = "contact_date"  # column of rows with the planned day of each call
SUPPRESSED: Final = "suppressed"
DUPLICATE: Final = "duplicate"
TOO_MANY_CONTACTS: Final = "too_many_contacts"
CONTACTED_TOO_RECENTLY: Final = "contacted_too_recently"
ALLOWED: Final = ""

RULE_TEXTS: Final[Mapping[str, str]] = {
    SUPPRESSED: "objected to direct marketing",
    DUPLICATE: "on the list already",
    TOO_MANY_CONTACTS: "contacted too often in this campaign",
    CONTACTED_TOO_RECENTLY: "contacted too recently",
    SUBSCRIBED_RECENTLY: "subscribed recently",
    REFUSED_RECENTLY: "refused recently",
    ON_ANOTHER_LIST: "on another open list",
    CONTACTED_TOO_OFTEN: "contacted too often over all lists",
    NO_CALLING_HOURS: "planned for a day without calling hours",
}


class SuppressionError(ValueError):
    """A rule or list is unusable."""


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """Who objected to direct marketing, by customer id, or by contact id where nothing else is known of the person.

    Spellings that differ by case, invisible signs or blanks around them name one person.
    """

    customer_ids: frozenset[str] = frozenset()
    _keys: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_keys", frozenset(map(identifier_key, self.customer_ids)))

    @classmethod
    def of(cls, customer_ids: Iterable[object]) -> SuppressionList:
        """Build a list of identifiers; empty ones are dropped."""
        texts = (str(customer_id).strip() for customer_id in customer_ids)
        return cls(frozenset(text for text in texts if text))

    def covers(self, *ids: object) -> bool:
        """True if a person with one of these ids objected; None cannot be looked up."""
        keys = self._keys
        return bool(keys) and any(one is not None and identifier_key(str(one)) in keys for one in ids)

    @property
    def digest(self) -> str:
        """Sha256 of the sorted identifiers: names the list in records without holding it."""
        return hashlib.sha256("\n".join(sorted(self.customer_ids)).encode()).hexdigest()


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


def persons_of(contact_ids: Sequence[Any] | NDArray[Any], rows: Rows) -> Sequence[Any] | NDArray[Any]:
    """The person behind each contact, (n_contacts,): the contact itself where the rows name nobody else."""
    named = rows.get(CUSTOMER_ID)
    if named is not None and getattr(named, "dtype", None) == TEXT:
        return np.where(named == "", texts_of(contact_ids), named)
    return contact_ids if named is None else [one or own for one, own in zip(named, contact_ids, strict=True)]


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
) -> NDArray[Any]:
    """The rule that leaves out each contact, or `ALLOWED`, (n_contacts,), as objects that rows share.

    The first that applies counts: suppressed, duplicate, too many contacts, contacted too recently. A missing value
    (NaN) breaks its rule: a customer who cannot be shown to be allowed is not called.

    Raises:
        SuppressionError: a rule needs a column that the list does not have.
    """
    ids, n_contacts = texts_of(contact_ids), len(contact_ids)
    reasons = np.full(n_contacts, ALLOWED, dtype=object)
    least, most = rules.min_days_since_previous_contact, rules.max_contacts_in_campaign
    if least is not None:
        rule = "min_days_since_previous_contact"
        column, days = _rule_column(rows, contract, ColumnRole.DAYS_SINCE_PREVIOUS, rule, n_contacts)
        reasons[~((days == column.sentinel) | (days >= least))] = CONTACTED_TOO_RECENTLY
    if most is not None:
        _, attempts = _rule_column(rows, contract, ColumnRole.ATTEMPTS, "max_contacts_in_campaign", n_contacts)
        reasons[~(attempts <= most)] = TOO_MANY_CONTACTS
    reasons[_named_before(ids)] = DUPLICATE
    if suppression.customer_ids:
        both = zip(ids, persons_of(ids, rows), strict=True)
        reasons[[row for row, of_row in enumerate(both) if suppression.covers(*of_row)]] = SUPPRESSED
    return reasons


def _named_before(ids: NDArray[Any]) -> list[int]:
    """Rows whose contact an earlier row names; eight bytes a row narrow the search, and then ids are compared."""
    hashes = np.fromiter((hash(one.strip()) for one in ids), np.int64, len(ids))
    ordered = np.sort(hashes)
    suspected = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    seen: set[str] = set()
    repeated = []
    for row in np.flatnonzero(np.isin(hashes, suspected)).tolist() if len(suspected) else []:
        if (contact_id := ids[row].strip()) in seen:
            repeated.append(row)
        seen.add(contact_id)
    return repeated
