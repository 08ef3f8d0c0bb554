"""The hash chain over decisions: canonical form, digest, verification, anchors.

**Canonical form.** A record is the JSON object of every column of `decisions` except `hash`: keys sorted, no white
space, ASCII-escaped, floats as Python's `repr`, times and nested values as the stored text. `hash = sha256(canonical)`
in hex, and `previous_hash` is one of the columns, so each hash commits to all earlier records. The first record's
`previous_hash` is 64 zeros. Any language with JSON and SHA-256 can check it.

**What it proves.** A changed, removed, inserted or re-ordered record breaks the chain. Cutting off the newest records
*and* moving the head does not: keep an anchor (`seq`, `hash`) elsewhere and pass it to `verify`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _escaped
from math import isfinite
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, Engine, RowMapping, Select, select

from bank_assets.ledger.models import canonical_json, decisions, erasures, ledger_head, payloads

GENESIS: Final = "0" * 64  # `previous_hash` of the first record
CHAINED: Final = tuple(sorted(column.name for column in decisions.columns if column.name != "hash"))
_VERIFY_CHUNK: Final = 2_000


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


@dataclass(frozen=True, slots=True)
class Anchor:
    """Position and hash of the newest record, to be kept outside the database; (0, 64 zeros) for an empty ledger."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Outcome of a verification."""

    ok: bool
    n: int  # records read
    erased: int  # records whose payload was erased, with an erasure on record
    first_bad_seq: int | None  # sequence number at which the chain first breaks, None if ok
    why: str  # what is wrong there, "" if ok
    head: Anchor


def anchor(engine: Engine) -> Anchor:
    """The newest record's position and hash, to be kept elsewhere."""
    with engine.connect() as connection:
        return _head(connection)


def fault_of(engine: Engine, decision_id: str) -> str:
    """What is wrong with one record, its payload or its link to the record before, as a sentence; "" if nothing is."""
    with engine.connect() as connection:
        row = connection.execute(RECORDS.where(decisions.c.id == decision_id)).mappings().one()
        if row["seq"] == 1:
            return _fault(row, Anchor(0, GENESIS), None)
        before = connection.execute(
            select(decisions.c.seq, decisions.c.hash).where(decisions.c.seq == row["seq"] - 1)
        ).one_or_none()
    if before is None:
        return f"expected record {row['seq'] - 1} before it, found none: records are missing."
    return _fault(row, Anchor(before.seq, before.hash), None)


def _head(connection: Connection) -> Anchor:
    row = connection.execute(select(ledger_head.c.seq, ledger_head.c.hash)).one_or_none()
    return Anchor(0, "") if row is None else Anchor(row.seq, row.hash)


def verify(engine: Engine, against: Anchor | None = None) -> VerifyResult:
    """Recompute the whole chain in one pass and constant memory, up to its first break.

    An anchor taken earlier must still be part of the chain.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        head = _head(connection)
        previous, n, erased = Anchor(0, GENESIS), 0, 0
        for row in _stream(connection, head.seq):
            n += 1
            why = _fault(row, previous, against)
            if why:
                return VerifyResult(False, n, erased, row["seq"], why, head)
            erased += row["payload"] is None
            previous = Anchor(row["seq"], row["hash"])
        return _final(head, previous, against, n, erased)


# Decisions with their payloads and erasures.
RECORDS: Final[Select[Any]] = (
    select(
        decisions,
        payloads.c.salt,
        payloads.c.contact_id,
        payloads.c.customer_id,
        payloads.c.payload,
        erasures.c.at.label("erased_at"),
        erasures.c.reason.label("erased_why"),
    )
    .outerjoin(payloads, payloads.c.decision_id == decisions.c.id)
    .outerjoin(erasures, erasures.c.decision_id == decisions.c.id)
)


def _stream(connection: Connection, last: int) -> Iterator[RowMapping]:
    joined = RECORDS.order_by(decisions.c.seq).limit(_VERIFY_CHUNK)
    # Paging by key needs constant memory on both databases, without a server-side cursor.
    after = -1
    while True:
        rows = connection.execute(joined.where(decisions.c.seq > after)).mappings().all()
        yield from rows
        if len(rows) < _VERIFY_CHUNK or rows[-1]["seq"] > last:
            return
        after = rows[-1]["seq"]


def _fault(row: RowMapping, previous: Anchor, against: Anchor | None) -> str:
    seq, stated, bound = row["seq"], row["hash"], row["payload_hash"]
    if seq != previous.seq + 1:
        return f"expected sequence number {previous.seq + 1}, found {seq}: records are missing or re-numbered."
    if (before := row["previous_hash"]) != previous.hash:
        return f"expected previous_hash {previous.hash}, found {before}: a record was changed, removed or inserted."
    if (found := record_hash(row)) != stated:
        return f"expected hash {stated}, the record's fields give {found}: the record was changed."
    if against is not None and seq == against.seq and stated != against.hash:
        return f"expected the anchored hash {against.hash}, found {stated}: the chain was rewritten."
    if row["payload"] is None:
        return "" if row["erased_at"] is not None else "the payload is gone without an erasure on record."
    if (found := payload_hash(row["salt"], row["contact_id"], row["payload"], row["customer_id"])) != bound:
        return f"expected payload_hash {bound}, the payload gives {found}: the payload was changed."
    return ""


def _final(head: Anchor, last: Anchor, against: Anchor | None, n: int, erased: int) -> VerifyResult:
    why = ""
    if head != last:
        why = (
            f"expected the head at {head.seq} ({head.hash or 'no head row'}), the last record is {last.seq} "
            f"({last.hash}): records were cut off or the head was moved."
        )
    elif against is not None and against.seq > last.seq:
        why = f"expected the anchored record {against.seq}, the chain ends at {last.seq}: records were cut off."
    bad = None if not why else min(head.seq, last.seq) + 1
    return VerifyResult(not why, n, erased, bad, why, head)
