"""As-of states: the as-of features that the pipeline publishes for serving."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Engine, insert, select

from bank_assets.ledger.engine import read, utc_now, writing
from bank_assets.ledger.models import as_of_states, canonical_json


@dataclass(frozen=True, slots=True)
class RecordedState:
    """One published state.

    `as_of` is the last day of data it knows, and the digest covers it and the canonical state.
    """

    as_of: str
    created_at: str
    digest: str
    state: dict[str, Any]


_columns: Final = (as_of_states.c[name] for name in RecordedState.__dataclass_fields__)
_NEWEST: Final = select(*_columns).order_by(as_of_states.c.id.desc()).limit(1)


def publish(engine: Engine, as_of: str, state: Mapping[str, Any]) -> RecordedState:
    """Publish a state; publishing the latest one again changes nothing. Raises `ValueError` if it is not JSON."""
    body = canonical_json(dict(state))
    digest = hashlib.sha256(f"{as_of}\n{body}".encode()).hexdigest()
    with writing(engine) as connection:
        newest = connection.execute(_NEWEST).one_or_none()
        if newest is not None and newest.digest == digest:
            return RecordedState(*newest)
        published = RecordedState(as_of, utc_now(), digest, json.loads(body))
        connection.execute(insert(as_of_states).values(asdict(published)))
    return published


def latest(engine: Engine, *, before: str | None = None, until: str | None = None) -> RecordedState | None:
    """The state published last, or None.

    With `before`, of the days before that one, whose state replaces it; with `until`, published up to that time.
    """
    query = _NEWEST if before is None else _NEWEST.where(as_of_states.c.as_of < before)
    found = read(engine, query if until is None else query.where(as_of_states.c.created_at <= until))
    return RecordedState(*found[0]) if found else None
