"""The history that the contact policy checks a list against."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sqlalchemy import Engine

from bank_assets.core.economics.contact_policy import FOREVER, ContactHistory, ContactPolicy, PersonDays
from bank_assets.ledger.contact_history import ListOnRecord, Since, on_record
from bank_assets.store.campaign_files import campaign_of


class ListInQuestion(NamedTuple):
    """The list that is checked; one that is only planned comes after all that were made."""

    name: str = ""
    id: str = "~"
    instead_of: frozenset[str] = frozenset()  # ids of the lists whose place it takes


NO_LIST: Final = ListInQuestion()


def history_of(
    engine: Engine, policy: ContactPolicy, persons: Collection[str], days: ArrayLike, about: ListInQuestion = NO_LIST
) -> ContactHistory:
    """What is on record about the persons of a list, as far as it matters on its days.

    Lists whose place it takes do not count, nor its later versions, which leave out its customers, nor lists of lower
    priority that nobody has exported, and among equals those that were made later.
    """
    if policy.needs_no_history:
        return ContactHistory()
    own = (policy.priority(campaign_of(about.name)), about.id)

    def counts(other: ListOnRecord) -> bool:
        if other.id in {about.id, *about.instead_of} or about.id in other.versions_before:
            return False
        is_before = (policy.priority(campaign_of(other.name)), other.id) < own
        return other.is_exported or is_before

    first = np.append(np.asarray(days, dtype="datetime64[D]"), FOREVER).min()
    since = Since(*(str(first - window) for window in policy.windows))
    found = on_record(engine, persons, counts, since, {about.id, *about.instead_of})
    kinds = (found.contacts, found.refusals, found.subscriptions, found.lists)
    return ContactHistory(*(PersonDays.of(rows) for rows in kinds))
