"""Stored scores by contact, from the table `contact_scores`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow.compute as pc

from bank_assets.core.arrays import FloatArray
from bank_assets.core.features.contacts import Contacts
from bank_assets.core.quality.performance import ScoredContacts
from bank_assets.store.lineage import SCORES
from bank_assets.store.warehouse import Warehouse


def scored_months(store: Warehouse) -> list[str]:
    """Months with at least one score."""
    return [month for month, entry in store.manifest(SCORES.name).items() if entry.rows]


def stored_scores(
    store: Warehouse, contact_ids: Iterable[str], column: str = "proba", *, version: str | None = None
) -> FloatArray:
    """A column of the scores by contact, (n,); NaN for contacts without a score (of that model version)."""
    known: dict[str, float] = {}
    if months := scored_months(store):
        scores = store.read(SCORES.name, months, ["contact_id", "model_version", column])
        if version is not None:
            scores = scores.filter(pc.equal(scores["model_version"], version))
        known = dict(zip(scores["contact_id"].to_pylist(), scores[column].to_pylist(), strict=True))
    return np.array([known.get(contact, np.nan) for contact in contact_ids], dtype=np.float64)


def scored_contacts(store: Warehouse, contacts: Contacts, column: str = "proba") -> ScoredContacts:
    """Contacts with a column of their scores and their outcomes."""
    proba = stored_scores(store, contacts.contact_ids, column)
    return ScoredContacts(contacts.contact_dates, proba, contacts.is_subscribed, contacts.known_on, contacts.frame)
