"""Digests that bind rows of other tables to the event that recorded them.

An event holds the number of its rows of each table and one digest over them. What names a person enters a row's digest
through a salted hash only, which stays in the row when an erasure removes the ids and the salt.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Table

from bank_assets.ledger import campaign_models
from bank_assets.ledger.models import canonical_json

# Every table whose rows belong to events.
BOUND: Final = tuple(t for t in campaign_models.metadata.sorted_tables if "event_seq" in t.c)
_BINDING: Final = frozenset({"salt", "person_hash", "event_seq"})


@cache
def _columns_of(table: Table) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names of all columns, of those that hold facts, and of those that name a person."""
    names, personal = tuple(c.name for c in table.columns), tuple(table.c[key].name for key in person_keys(table))
    return names, tuple(name for name in names if name not in {*personal, *_BINDING}), personal


def person_keys(table: Table) -> tuple[str, ...]:
    """Keys of the columns that name a person."""
    return tuple(c.key for c in table.columns if c.info.get("personal"))


def person_hash(salt: str, ids: Iterable[str | None]) -> str:
    """SHA-256, in hex, that binds ids to a row without revealing them once the random salt is gone."""
    return hashlib.sha256(canonical_json([salt, *ids]).encode("ascii")).hexdigest()


def bound(table: Table, rows: Sequence[Mapping[str, Any]], event_seq: int) -> list[dict[str, Any]]:
    """Rows to insert, by column key, with the number of their event and, if they name a person, salt and hash."""
    keys = person_keys(table)
    if not keys:
        return [{**row, "event_seq": event_seq} for row in rows]
    salts = os.urandom(16 * len(rows)).hex()
    made = []
    for i, row in enumerate(rows):
        salt = salts[32 * i : 32 * i + 32]
        hashed = person_hash(salt, [row.get(key) for key in keys])
        made.append({**row, "event_seq": event_seq, "salt": salt, "person_hash": hashed})
    return made


def row_digest(table: Table, row: Sequence[Any], old_salt: str) -> str:
    """SHA-256, in hex, of a row in the order of its table's columns; `old_salt` is for rows without one.

    NULL is left out, so a column that a later release adds does not change the digests of earlier rows.
    """
    names, facts, personal = _columns_of(table)
    values = dict(zip(names, row, strict=True))
    content = {name: values[name] for name in facts if values[name] is not None}
    if personal:
        salt, stated = values["salt"], values["person_hash"]
        is_erased = salt is None and stated is not None
        found = stated if is_erased else person_hash(salt or old_salt, [values[name] for name in personal])
        content["person_hash"] = found
        if stated not in (None, found):
            content["stated_person_hash"] = stated  # a changed id must not hide behind the hash beside it
    return hashlib.sha256(canonical_json(content).encode("ascii")).hexdigest()


def set_digest(digests: Iterable[str]) -> str:
    """SHA-256, in hex, over the digests of some rows in any order."""
    return hashlib.sha256("".join(sorted(digests)).encode("ascii")).hexdigest()


def statement(digests: Sequence[str]) -> dict[str, Any]:
    """What an event says about its rows of one table."""
    return {"n": len(digests), "digest": set_digest(digests)}
