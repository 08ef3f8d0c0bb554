"""What the platform needs a column for, by its name and values: outcome, identifiers, channel, attempts and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bank_assets.adoption import words
from bank_assets.adoption.column_facts import ColumnFacts
from bank_assets.adoption.words import means
from bank_assets.contract.columns import ColumnKind, ColumnRole
from bank_assets.contract.errors import ContractError
from bank_assets.core.arrays import BoolArray
from bank_assets.core.words import pct

IDENTIFIERS: Final = (ColumnRole.CONTACT_ID, ColumnRole.CUSTOMER_ID)
_MOST_CHANNELS: Final = 12


@dataclass(frozen=True)
class Outcome:
    """The column that says whether a contact subscribed.

    Attributes:
        yes: the text that says yes, in whatever case.
        is_yes: whether the customer of each row subscribed, (n,).
        is_known: whether the outcome of each row is known, (n,).
    """

    name: str
    yes: str
    is_yes: BoolArray
    is_known: BoolArray
    notes: tuple[str, ...]


def find_outcome(facts: Mapping[str, ColumnFacts], file: str, wanted: str = "") -> Outcome:
    """The outcome: the wanted column, or one with two values, by its name or as the last of them.

    Raises:
        ContractError: there is no such column.
    """
    two_valued = {name: one for name, one in facts.items() if len(one.categories) == 2}
    to_do = "name the column that says whether a contact subscribed by --target"
    if wanted and wanted not in two_valued:
        found = "which the file does not have" if wanted not in facts else f"with {len(facts[wanted].known)} values"
        raise ContractError(f"{file}: expected a column of two values, found {wanted!r} {found}; {to_do}.")
    if not two_valued:
        raise ContractError(f"{file}: expected an outcome, a column of two values, found none; {to_do}.")
    named = [name for name in two_valued if means(name, words.TARGET)]
    name = wanted or (named or list(two_valued))[-1]
    one = two_valued[name]
    no, yes = one.no_yes or one.categories  # yes is rarer, if the words are not known
    is_yes = np.array([text.strip().casefold() == yes.strip().casefold() for text in one.encoded.texts])
    notes = [f"The outcome: {yes!r} in {pct(one.share(is_yes))} of the rows means that the customer subscribed."]
    if not one.no_yes:
        notes.append(f"Neither {no!r} nor {yes!r} is a known word for no or yes; the rarer was taken for yes.")
    others = [other for other in two_valued if other != name]
    if not wanted and not named and others:
        notes.append(f"Taken as the last column of two values; others are {', '.join(others)}. See --target.")
    return Outcome(name, yes, is_yes[one.encoded.codes], one.is_known[one.encoded.codes], tuple(notes))


def find_roles(facts: Mapping[str, ColumnFacts], taken: Sequence[str]) -> dict[str, tuple[ColumnRole, str]]:
    """Roles of the columns that are not taken yet, each with its reason."""
    found: dict[str, tuple[ColumnRole, str]] = {}
    for find in (_identifiers, _previous_contact, _this_call):
        free = {name: one for name, one in facts.items() if name not in {*taken, *found}}
        for one, role, reason in find(free):
            found.setdefault(one.name, (role, reason))
    return found


def _identifiers(free: Mapping[str, ColumnFacts]) -> Iterator[tuple[ColumnFacts, ColumnRole, str]]:
    named = [one for one in free.values() if means(one.name, words.IDENTIFIER) and one.known and not one.days.size]
    unique = [one for one in named if one.is_unique]
    # An id that repeats sometimes is one all the same; the number of contacts repeats often.
    own = [one for one in named if means(one.name, words.CONTACT) and not one.missing]
    own = [one for one in own if len(one.encoded.texts) > one.n_rows / 2]
    contact = next((one for one in (*unique, *own) if not means(one.name, words.CUSTOMER)), next(iter(unique), None))
    if contact is not None:
        repeated = contact.n_rows - len(contact.encoded.texts)
        shape = f"{repeated:,} rows repeat a value, and the last row of an id counts" if repeated else "unique"
        yield contact, ColumnRole.CONTACT_ID, f"named like an identifier; {shape}"
    customer = next((one for one in named if one is not contact and means(one.name, words.CUSTOMER)), None)
    if customer is not None:
        yield customer, ColumnRole.CUSTOMER_ID, "named like the number of a customer"


def _previous_contact(free: Mapping[str, ColumnFacts]) -> Iterator[tuple[ColumnFacts, ColumnRole, str]]:
    numbers = [one for one in free.values() if one.kind is ColumnKind.INTEGER and one.sentinel is not None]
    if days := next((one for one in numbers if means(one.name, words.DAYS_SINCE)), None):
        yield days, ColumnRole.DAYS_SINCE_PREVIOUS, f"{days.sentinel:g} means never contacted before"
        for one in free.values():
            if means(one.name, words.PREVIOUS) and one.kind in (ColumnKind.INTEGER, ColumnKind.CATEGORY):
                yield one, ColumnRole.PREVIOUS_CAMPAIGN, "describes an earlier campaign, by its name"


def _this_call(free: Mapping[str, ColumnFacts]) -> Iterator[tuple[ColumnFacts, ColumnRole, str]]:
    counts = [one for one in free.values() if one.kind is ColumnKind.INTEGER and np.nanmin(one.numbers) >= 1]
    if attempts := next((one for one in counts if means(one.name, words.ATTEMPTS)), None):
        yield attempts, ColumnRole.ATTEMPTS, "counts the contacts of this campaign, by its name"
    short = [one for one in free.values() if one.kind is ColumnKind.CATEGORY and 2 <= len(one.known) <= _MOST_CHANNELS]
    if channel := next((one for one in short if means(one.name, words.CHANNEL)), None):
        yield channel, ColumnRole.CHANNEL, "the channel, by its name"
