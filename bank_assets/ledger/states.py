"""As-of states: the as-of features that the pipeline publishes for serving.

What lives here: publish and read the latest. Called by the scoring stage (publish) and the app's watcher (latest).
What must not: computing them (`core.features.feature_set`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, insert, select

from bank_assets.ledger.chain import canonical_json
from bank_assets.ledger.engine import utc_now, writing
from bank_assets.ledger.models import as_of_states


@dataclass(frozen=True, slots=True)
class RecordedState:
    """One published state.

    Attributes:
        as_of: last day of data it knows, ISO date.
        created_at: when it was published.
        digest: SHA-256 of `as_of` and the canonical state.
        state: what `core.features.feature_set` needs to make as-of features of a later day.
    """

    as_of: str
    created_at: str
    digest: str
    state: dict[str, Any]


def publish(engine: Engine, as_of: str, state: Mapping[str, Any]) -> RecordedState:
    """Publish a state for serving; publishing what is already the latest changes nothing.

    Args:
        engine: an open ledger.
        as_of: last day of data, ISO date.
        state: JSON-able.

    Returns:
        The state in force afterwards.

    Raises:
        ValueError: the state is not JSON (NaN and infinity included).
    """
    body = canonical_json(dict(state))
    digest = hashlib.sha256(f"{as_of}\n{body}".encode()).hexdigest()
    with writing(engine) as connection:
        newest = connection.execute(
            select(as_of_states.c.digest, as_of_states.c.created_at).order_by(as_of_states.c.id.desc()).limit(1)
        ).one_or_none()
        if newest is not None and newest.digest == digest:
            return RecordedState(as_of, newest.created_at, digest, json.loads(body))
        now = utc_now()
        connection.execute(insert(as_of_states).values(as_of=as_of, created_at=now, digest=digest, state=body))
    return RecordedState(as_of, now, digest, json.loads(body))


def before(engine: Engine, as_of: str) -> RecordedState | None:
    """The newest state of a day before `as_of`, which a state of that day replaces, or None."""
    query = select(as_of_states).where(as_of_states.c.as_of < as_of).order_by(as_of_states.c.id.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else RecordedState(row.as_of, row.created_at, row.digest, json.loads(row.state))


def latest(engine: Engine) -> RecordedState | None:
    """The state published last, or None."""
    with engine.connect() as connection:
        row = connection.execute(select(as_of_states).order_by(as_of_states.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else RecordedState(row.as_of, row.created_at, row.digest, json.loads(row.state))
