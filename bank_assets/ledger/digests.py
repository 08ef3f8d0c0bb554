"""The canonical form of a decision's record and its digests.

A record is the JSON object of every column of `decisions` except `hash`: keys sorted, no white space, ASCII-escaped,
floats as Python's `repr`, times and nested values as the stored text. `hash = sha256(canonical)` in hex, and
`previous_hash` is one of the columns, so each hash commits to all earlier records. The first record's `previous_hash`
is 64 zeros. Any language with JSON and SHA-256 can check it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _escaped
from math import isfinite
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Double, RowMapping

from bank_assets.ledger.models import canonical_json, decisions

CHAINED: Final = tuple(sorted(column.name for column in decisions.columns if column.name != "hash"))


def json_text(value: str | None) -> str:
    """A text, or None, as canonical JSON."""
    return "null" if value is None else _escaped(value)


# Many records share a value (model, state, versions).
_repeated = lru_cache(maxsize=256)(json_text)


def _json_float(value: float) -> str:
    if not isfinite(value):
        raise ValueError(f"record: expected a finite number, found {value!r}; JSON cannot carry it.")
    return float.__repr__(value)


_UNIQUE: Final = frozenset({"id", "decided_at", "payload_hash", "previous_hash"})


def _writer(column: Column[Any]) -> Callable[[Any], str]:
    match column.type:
        case Double():
            return _json_float
        case Boolean():
            return lambda value: "true" if value else "false"
        case BigInteger():
            return int.__repr__
        case _:
            return json_text if column.name in _UNIQUE else _repeated


_MEMBERS: Final = tuple((f'{"," if i else ""}"{name}":', _writer(decisions.c[name])) for i, name in enumerate(CHAINED))


def hash_in_order(values: Iterable[Any]) -> str:
    """`record_hash` of the values of `CHAINED` in its order: three times as fast, for appending.

    Each value must have its column's Python type. Raises `ValueError` for NaN and infinity.
    """
    members = [head + write(value) for (head, write), value in zip(_MEMBERS, values, strict=True)]
    return hashlib.sha256(f"{{{''.join(members)}}}".encode("ascii")).hexdigest()


def record_hash(row: Mapping[str, Any] | RowMapping) -> str:
    """SHA-256, in hex, of a decision row's canonical form; a `hash` in the row is ignored."""
    return hashlib.sha256(canonical_json({name: row[name] for name in CHAINED}).encode("ascii")).hexdigest()


def payload_hash(salt: str, contact_id: str | None, payload: str, customer_id: str | None = None) -> str:
    """SHA-256, in hex, that binds a payload to its decision without revealing it once the random salt is gone."""
    person = "" if customer_id is None else f",{json_text(customer_id)}"  # earlier releases had no such member
    bound = f'["{salt}",{json_text(contact_id)},{json_text(payload)}{person}]'
    return hashlib.sha256(bound.encode("ascii")).hexdigest()
