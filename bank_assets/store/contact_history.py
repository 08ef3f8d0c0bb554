"""The history that the contact policy checks a list against."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sqlalchemy import Engine

from bank_assets.core.economics.contact_policy import FOREVER, ContactHistory, ContactPolicy, PersonDays
from bank_assets.ledger.contact_history import PIPELINE, ListOnRecord, Since, on_record
from bank_assets.store.campaign_files import campaign_of


class ListInQuestion(NamedTuple):
    """The list that is checked; one that is only planned comes after all that were made."""

    name: str = ""
    actor: str = ""
    seed: str = ""
    file: str = ""  # sha256
    id: str = "~"
    revises: str = ""  # id of the list that it replaces

    def is_version_of(self, other: ListOnRecord) -> bool:
        """Whether two lists call for one campaign: one replaces the other, from one file, or by the pipeline alike."""
        is_named_alike = campaign_of(self.name) == campaign_of(other.name) and PIPELINE in (self.actor, other.actor)
        is_replaced = self.revises == other.id
        return is_replaced or self.seed == other.seed or self.file == other.file or is_named_alike


NO_LIST: Final = ListInQuestion()


def history_of(
    engine: Engine, policy: ContactPolicy, persons: Collection[str], days: ArrayLike, about: ListInQuestion = NO_LIST
) -> ContactHistory:
    """What is on record about the persons of a list, as far as it matters on its days.

    Other versions of the list do not count, nor do lists of lower priority that nobody has exported, and among equals
    those that were made later.
    """
    if policy.needs_no_history:
        return ContactHistory()
    own = (policy.priority(campaign_of(about.name)), about.id)

    def counts(other: ListOnRecord) -> bool:
        is_before = (policy.priority(campaign_of(other.name)), other.id) < own
        return not about.is_version_of(other) and (other.is_exported or is_before)

    first = np.append(np.asarray(days, dtype="datetime64[D]"), FOREVER).min()
    since = Since(*(str(first - window) for window in policy.windows))
    found = on_record(engine, persons, counts, since)
    kinds = (found.contacts, found.refusals, found.subscriptions, found.lists)
    return ContactHistory(*(PersonDays.of(rows) for rows in kinds))
