"""The hash chain over decisions: canonical form, digest, verification, anchors.

What lives here: how a record becomes bytes, how records are linked, and the streaming `verify`.
What must not: writing. Called by `decisions.append`, the `verify` command, the audit page and tests.

**Canonical form.** A record is the JSON object of every column of `decisions` except `hash`, keys sorted, no white
space, ASCII-escaped; floats as Python's `repr` (the shortest text that reads back to the same double); times and
nested values as the text that is stored. `hash = sha256(canonical)` in hex, and `previous_hash` is one of the
columns, so each hash commits to all earlier records. The first record's `previous_hash` is 64 zeros. Any language with
JSON and SHA-256 can check it.

**What it proves.** A changed, removed, inserted or re-ordered record breaks the chain. Cutting off the newest records
*and* moving the head does not: keep an anchor (`seq`, `hash`) elsewhere and pass it to `verify`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _escaped
from math import isfinite
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Connection, Double, Engine, RowMapping, Select, select

from bank_assets.ledger.models import decisions, erasures, ledger_head, payloads

GENESIS: Final = "0" * 64
"""`previous_hash` of the first record."""

CHAINED: Final = tuple(sorted(column.name for column in decisions.columns if column.name != "hash"))
"""Columns that enter a record's hash."""

_VERIFY_CHUNK: Final = 2_000


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical_json(value: object) -> str:
    """One text per value: sorted keys, no white space, floats by `repr`, NaN and infinity refused.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON cannot carry.
    """
    return _encode(value)


def json_text(value: str | None) -> str:
    """A text, or None, as canonical JSON."""
    return "null" if value is None else _escaped(value)


_repeated = lru_cache(maxsize=256)(json_text)
"""`json_text` of what repeats from record to record (model, state, versions), remembered."""


def _json_float(value: float) -> str:
    if not isfinite(value):
        raise ValueError(f"record: expected a finite number, found {value!r}; JSON cannot carry it.")
    return float.__repr__(value)


def _json_bool(value: bool) -> str:
    return "true" if value else "false"


_UNIQUE: Final = frozenset({"id", "decided_at", "payload_hash", "previous_hash"})
_WRITERS: Final[Mapping[str, Callable[[Any], str]]] = {
    column.name: (
        _json_float
        if isinstance(column.type, Double)
        else _json_bool
        if isinstance(column.type, Boolean)
        else int.__repr__
        if isinstance(column.type, BigInteger)
        else json_text
        if column.name in _UNIQUE
        else _repeated
    )
    for column in decisions.columns
}
_MEMBERS: Final = tuple((f'{"," if i else ""}"{name}":', _WRITERS[name]) for i, name in enumerate(CHAINED))


def hash_in_order(values: Iterable[Any]) -> str:
    """`record_hash` of the values of `CHAINED`, in its order: the form for appending, three times as fast.

    Args:
        values: one per column, of the column's own Python type.

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: a value is not of its column's type.
    """
    members = [head + write(value) for (head, write), value in zip(_MEMBERS, values, strict=True)]
    return hashlib.sha256(f"{{{''.join(members)}}}".encode("ascii")).hexdigest()


def record_hash(row: Mapping[str, Any] | RowMapping) -> str:
    """SHA-256, in hex, of a decision row's canonical form.

    Args:
        row: a mapping with every column of `decisions`; `hash` itself is ignored if present.
    """
    return hashlib.sha256(_encode({name: row[name] for name in CHAINED}).encode("ascii")).hexdigest()


def payload_hash(salt: str, contact_id: str | None, payload: str) -> str:
    """SHA-256, in hex, that binds a payload to its decision without revealing it once the salt is gone.

    Args:
        salt: 32 hex digits, random per decision.
        contact_id: the contact the payload is about, if known.
        payload: canonical JSON text of the payload.
    """
    bound = f'["{salt}",{json_text(contact_id)},{json_text(payload)}]'
    return hashlib.sha256(bound.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Anchor:
    """Position and hash of the newest record; keep it outside the database.

    Attributes:
        seq: sequence number, 0 for an empty ledger.
        hash: hash of that record, 64 zeros for an empty ledger.
    """

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Outcome of a verification.

    Attributes:
        ok: True if every record, payload and the head fit together.
        n: records read.
        erased: records whose payload was erased, with an erasure on record.
        first_bad_seq: sequence number at which the chain first breaks, None if ok.
        why: what is wrong there, "" if ok.
        head: the newest record as found.
    """

    ok: bool
    n: int
    erased: int
    first_bad_seq: int | None
    why: str
    head: Anchor


def anchor(engine: Engine) -> Anchor:
    """The newest record's position and hash, to be kept elsewhere."""
    with engine.connect() as connection:
        return _head(connection)


def fault_of(engine: Engine, decision_id: str) -> str:
    """What is wrong with one record, its payload or its link to the record before; `verify` checks all of them.

    Args:
        engine: an open ledger.
        decision_id: a decision on record.

    Returns:
        The fault as a sentence, "" if they fit together.
    """
    with engine.connect() as connection:
        row = connection.execute(_JOINED.where(decisions.c.id == decision_id)).mappings().one()
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
    """Recompute the whole chain in one pass, in constant memory.

    Args:
        engine: an open ledger.
        against: an anchor taken earlier; the chain must still contain it.

    Returns:
        The first break with its reason, or ok.
    """
    with engine.connect() as connection:
        connection = (
            connection.execution_options(isolation_level="REPEATABLE READ")
            if engine.dialect.name == "postgresql"
            else connection
        )
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


_JOINED: Final[Select[Any]] = (
    select(
        decisions,
        payloads.c.salt,
        payloads.c.contact_id,
        payloads.c.payload,
        erasures.c.decision_id.label("erasure"),
    )
    .outerjoin(payloads, payloads.c.decision_id == decisions.c.id)
    .outerjoin(erasures, erasures.c.decision_id == decisions.c.id)
)


def _stream(connection: Connection, last: int) -> Iterator[RowMapping]:
    joined = _JOINED.order_by(decisions.c.seq).limit(_VERIFY_CHUNK)
    # Pages by key rather than one server-side cursor: constant memory on both databases without dialect switches.
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
        return "" if row["erasure"] is not None else "the payload is gone without an erasure on record."
    if (found := payload_hash(row["salt"], row["contact_id"], row["payload"])) != bound:
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
