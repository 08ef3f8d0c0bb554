"""What the platform needs a column for, by its name and values: outcome, identifiers, channel, attempts and others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bank_assets.adoption.column_facts import ColumnFacts
from bank_assets.adoption.words import (
    ATTEMPTS,
    CHANNEL,
    CONTACT,
    CUSTOMER,
    DAYS_SINCE,
    IDENTIFIER,
    PREVIOUS,
    TARGET,
    means,
)
from bank_assets.contract.columns import ColumnKind, ColumnRole
from bank_assets.contract.errors import ContractError
from bank_assets.core.arrays import BoolArray
from bank_assets.core.words import pct

_MOST_CHANNELS: Final = 12


@dataclass(frozen=True)
class Outcome:
    """The column that says whether a contact subscribed.

    Attributes:
        no_yes: the texts that say no and yes.
        is_yes: whether the customer of each row subscribed, (n,).
        is_known: whether the outcome of each row is known, (n,).
    """

    name: str
    no_yes: tuple[str, str]
    is_yes: BoolArray
    is_known: BoolArray
    notes: tuple[str, ...]


def find_outcome(facts: Mapping[str, ColumnFacts], file: str, wanted: str = "") -> Outcome:
    """The outcome: the wanted column, or one with two values, by its name or as the last of them.

    Raises:
        ContractError: there is no such column.
    """
    two_valued = {name: one for name, one in facts.items() if int(one.is_known.sum()) == 2}
    to_do = "name the column that says whether a contact subscribed by --target"
    if wanted and wanted not in two_valued:
        found = "which the file does not have" if wanted not in facts else f"with {len(facts[wanted].texts)} values"
        raise ContractError(f"{file}: expected a column of two values, found {wanted!r} {found}; {to_do}.")
    if not two_valued:
        raise ContractError(f"{file}: expected an outcome, a column of two values, found none; {to_do}.")
    named = [name for name in two_valued if means(name, TARGET)]
    name = wanted or (named or list(two_valued))[-1]
    one = two_valued[name]
    known = [text for text in one.texts if text in np.array(one.encoded.texts)[one.is_known]]
    pair = one.no_yes or (known[0], known[1])  # yes is rarer, if the words are not known
    is_yes = np.array([text.strip().casefold() == pair[1].strip().casefold() for text in one.encoded.texts])
    notes = [f"The outcome: {pair[1]!r} in {pct(one.share(is_yes))} of the rows means that the customer subscribed."]
    if not one.no_yes:
        notes.append(f"Neither {pair[0]!r} nor {pair[1]!r} is a known word for no or yes; the rarer was taken for yes.")
    others = [other for other in two_valued if other != name]
    if not wanted and not named and others:
        notes.append(f"Taken as the last column of two values; others are {', '.join(others)}. See --target.")
    return Outcome(name, pair, is_yes[one.encoded.codes], one.is_known[one.encoded.codes], tuple(notes))


def find_roles(facts: Mapping[str, ColumnFacts], taken: Iterable[str]) -> dict[str, tuple[ColumnRole, str]]:
    """Roles of the columns that are not taken yet, each with its reason."""
    free = {name: one for name, one in facts.items() if name not in set(taken)}
    found = _identifiers(free)
    previous = next((one for one in free.values() if means(one.name, DAYS_SINCE) and one.sentinel is not None), None)
    if previous is not None and previous.kind is ColumnKind.INTEGER:
        found[previous.name] = (ColumnRole.DAYS_SINCE_PREVIOUS, f"{previous.sentinel:g} means never contacted before")
        for name, one in free.items():
            if name not in found and means(name, PREVIOUS) and one.kind in (ColumnKind.INTEGER, ColumnKind.CATEGORY):
                found[name] = (ColumnRole.PREVIOUS_CAMPAIGN, "describes an earlier campaign, by its name")
    for name, one in free.items():
        roles = {role for role, _ in found.values()}
        if name in found:
            continue
        if ColumnRole.ATTEMPTS not in roles and means(name, ATTEMPTS) and _counts_from_one(one):
            found[name] = (ColumnRole.ATTEMPTS, "counts the contacts of this campaign, by its name")
        is_short = 2 <= len(one.texts) <= _MOST_CHANNELS and one.kind is ColumnKind.CATEGORY
        if ColumnRole.CHANNEL not in roles and means(name, CHANNEL) and is_short:
            found[name] = (ColumnRole.CHANNEL, "the channel, by its name")
    return found


def _counts_from_one(one: ColumnFacts) -> bool:
    return one.kind is ColumnKind.INTEGER and bool(np.nanmin(one.numbers) >= 1)


def _identifiers(free: Mapping[str, ColumnFacts]) -> dict[str, tuple[ColumnRole, str]]:
    named = [one for one in free.values() if means(one.name, IDENTIFIER) and one.is_known.all() and not one.days.size]
    unique = [one for one in named if one.is_unique]
    # An id that repeats sometimes is one all the same; the number of contacts repeats often.
    own = [one for one in named if means(one.name, CONTACT) and len(one.encoded.texts) > one.n_rows / 2]
    contact = next((one for one in (*unique, *own) if not means(one.name, CUSTOMER)), next(iter(unique), None))
    found = {}
    if contact is not None:
        repeated = contact.n_rows - len(contact.encoded.texts)
        shape = f"{repeated:,} rows repeat a value, and the last row of an id counts" if repeated else "unique"
        found[contact.name] = (ColumnRole.CONTACT_ID, f"named like an identifier; {shape}")
    customer = next((one for one in named if one is not contact and means(one.name, CUSTOMER)), None)
    if customer is not None:
        found[customer.name] = (ColumnRole.CUSTOMER_ID, "named like the number of a customer")
    return found
