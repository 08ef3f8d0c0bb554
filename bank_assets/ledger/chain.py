"""The hash chain over decisions, its anchors, and the verification of the whole ledger.

A changed, removed, inserted or re-ordered record breaks the chain. Cutting off the newest records *and* moving the head
does not, unless a later event names one of them: keep an anchor elsewhere and pass it to `verify`. `digests` has the
form of a record; `events` is the chain over everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, Select, select

from bank_assets.ledger import event_verification, list_rows
from bank_assets.ledger.digests import payload_hash, record_hash
from bank_assets.ledger.events import GENESIS, Link
from bank_assets.ledger.models import decisions, erasures, ledger_head, payloads

_VERIFY_CHUNK: Final = 2_000
_LINK: Final = "([0-9]{1,15}):([0-9a-f]{64})"
_ANCHOR: Final = re.compile(f"{_LINK}(?::{_LINK})?")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest record of both chains, to be kept outside the database; (0, 64 zeros) for an empty one.

    Its text is `seq:hash:event seq:event hash`. Anchors of earlier releases have the decision only.
    """

    seq: int
    hash: str
    event_seq: int | None = None
    event_hash: str = ""

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """Read an anchor's text; raises `ValueError`."""
        found = _ANCHOR.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f"anchor: expected what `verify` printed, number:hash:number:hash, found {text[:200]!r}.")
        seq, hash_, event_seq, event_hash = found.groups()
        return cls(int(seq), hash_, None if event_seq is None else int(event_seq), event_hash or "")

    def __str__(self) -> str:
        """The text that `parse` reads."""
        events = "" if self.event_seq is None else f":{self.event_seq}:{self.event_hash}"
        return f"{self.seq}:{self.hash}{events}"

    @property
    def event(self) -> Link | None:
        """The newest event, if the anchor names one."""
        return None if self.event_seq is None else Link(self.event_seq, self.event_hash)


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Outcome of a verification."""

    ok: bool
    n: int  # decisions read
    erased: int  # decisions whose payload was erased, with an erasure on record
    first_bad_seq: int | None  # sequence number at which the chain of decisions first breaks, None if it does not
    why: str  # what is wrong, "" if ok
    head: Anchor
    events: int  # events read
    rows: int  # rows of lists read
    first_bad_event: int | None  # event at which the chain or its rows first break, None if unknown or nothing does


def anchor(engine: Engine) -> Anchor:
    """The newest record of both chains, to be kept elsewhere."""
    with engine.connect() as connection:
        head, event = _head(connection), event_verification.head(connection)
    return Anchor(head.seq, head.hash, event.seq, event.hash)


def fault_of(engine: Engine, decision_id: str) -> str:
    """What is wrong with one record, its payload or its link to the record before, as a sentence; "" if nothing is."""
    with engine.connect() as connection:
        row = connection.execute(RECORDS.where(decisions.c.id == decision_id)).mappings().one()
        if why := event_verification.fault_of_erasure(connection, decision_id):
            return why
        if row["seq"] == 1:
            return _fault(row, Link(0, GENESIS), None)
        before = connection.execute(
            select(decisions.c.seq, decisions.c.hash).where(decisions.c.seq == row["seq"] - 1)
        ).one_or_none()
    if before is None:
        return f"expected record {row['seq'] - 1} before it, found none: records are missing."
    return _fault(row, Link(before.seq, before.hash), None)


def _head(connection: Connection) -> Link:
    row = connection.execute(select(ledger_head.c.seq, ledger_head.c.hash)).one_or_none()
    return Link(0, "") if row is None else Link(row.seq, row.hash)


def verify(engine: Engine, against: Anchor | None = None) -> VerifyResult:
    """Recompute both chains, each in one pass up to its first break, and all that events cover.

    Memory does not grow with the chains, but with the rows of one event, and with those of releases without events. An
    anchor taken earlier must still be part of them.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        head = _head(connection)
        n, erased, bad, why = _verify_decisions(connection, head, Link(against.seq, against.hash) if against else None)
        found = event_verification.verify(connection, against.event if against else None)
        n_rows, why_rows = list_rows.verify(connection)
    newest = Anchor(head.seq, head.hash, found.head.seq, found.head.hash)
    whys = " ".join(filter(None, (why, found.why, why_rows)))
    return VerifyResult(not whys, n, erased, bad, whys, newest, found.n, n_rows, found.first_bad_seq)


def _verify_decisions(connection: Connection, head: Link, against: Link | None) -> tuple[int, int, int | None, str]:
    """Number of decisions read and of erased ones, where the chain breaks, and why."""
    previous, n, erased = Link(0, GENESIS), 0, 0
    for row in _stream(connection, head.seq):
        n += 1
        if why := _fault(row, previous, against):
            return n, erased, row["seq"], why
        erased += row["payload"] is None
        previous = Link(row["seq"], row["hash"])
    why = _fault_at_end(head, previous, against)
    return n, erased, min(head.seq, previous.seq) + 1 if why else None, why


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


def _fault(row: RowMapping, previous: Link, against: Link | None) -> str:
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


def _fault_at_end(head: Link, last: Link, against: Link | None) -> str:
    if head != last:
        return (
            f"expected the head at {head.seq} ({head.hash or 'no head row'}), the last record is {last.seq} "
            f"({last.hash}): records were cut off or the head was moved."
        )
    if against is not None and against.seq > last.seq:
        return f"expected the anchored record {against.seq}, the chain ends at {last.seq}: records were cut off."
    return ""
