"""As-of states: the as-of features that the pipeline publishes for serving."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, insert, select

from bank_assets.ledger.chain import canonical_json
from bank_assets.ledger.engine import utc_now, writing
from bank_assets.ledger.models import as_of_states


@dataclass(frozen=True, slots=True)
class RecordedState:
    """One published state.

    `as_of` is the last day of data it knows, and the digest covers it and the canonical state.
    """

    as_of: str
    created_at: str
    digest: str
    state: dict[str, Any]


def publish(engine: Engine, as_of: str, state: Mapping[str, Any]) -> RecordedState:
    """Publish a state; publishing the latest one again changes nothing. Raises `ValueError` if it is not JSON."""
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
    return _newest(engine, as_of_states.c.as_of < as_of)


def latest(engine: Engine) -> RecordedState | None:
    """The state published last, or None."""
    return _newest(engine)


def _newest(engine: Engine, *where: ColumnElement[bool]) -> RecordedState | None:
    query = select(as_of_states).where(*where).order_by(as_of_states.c.id.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else RecordedState(row.as_of, row.created_at, row.digest, json.loads(row.state))
