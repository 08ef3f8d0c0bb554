"""Verification of the chain of events and of every row that belongs to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Table, func, or_, select

from bank_assets.ledger.bound_rows import BOUND, row_digest, statement
from bank_assets.ledger.events import COVERED, GENESIS, Link, event_hash, uncovered
from bank_assets.ledger.models import decisions, erasures, event_head, events

_CHUNK: Final = 2_000
_PART_ROWS: Final = 50_000  # whose digests are held at once
_Group = tuple[str, int | None]  # a table and the number of an event, None for rows that belong to none


@dataclass(frozen=True, slots=True)
class EventsResult:
    """Outcome of a verification of the events."""

    ok: bool
    n: int  # events read
    first_bad_seq: int | None  # number of the event at which the chain or its rows first break, None if ok or unknown
    why: str  # what is wrong there, "" if ok
    head: Link


def verify(connection: Connection, against: Link | None = None) -> EventsResult:
    """Recompute the chain of events and the digests of their rows, up to the first break of the chain.

    The connection must read one state of the database throughout. An anchor taken earlier must still be part.
    """
    newest = head(connection)
    rows = _Rows(connection, connection.execute(select(event_head.c.salt)).scalar() or "")
    last, n = Link(0, GENESIS), 0
    try:
        for chunk in _chunks(connection, newest.seq):
            for event in chunk:
                n += 1
                if why := _fault(event, last, against):
                    return EventsResult(False, n, event["seq"], why, newest)
                last = Link(event["seq"], event["hash"])
            for part in _parts(chunk):
                rows.read(part)
        if why := _fault_at_end(newest, last, against):
            return EventsResult(False, n, min(newest.seq, last.seq) + 1, why, newest)
        bad, why = rows.fault(newest.seq)
    except ValueError as error:
        bad, why = last.seq + 1, f"expected JSON in every stored value, found that one cannot be read: {error}."
    return EventsResult(not why, n, bad, why, newest)


def head(connection: Connection) -> Link:
    """Position and hash of the newest event."""
    row = connection.execute(select(event_head.c.seq, event_head.c.hash)).one_or_none()
    return Link(0, "") if row is None else Link(*row)


def fault_of_erasure(connection: Connection, decision_id: str) -> str:
    """What is wrong with the erasure of a decision's payload; "" if nothing is, or if none is on record.

    Erasures older than the events are verified with all others only.
    """
    seq = connection.execute(select(erasures.c.event_seq).where(erasures.c.decision_id == decision_id)).scalar()
    if seq is None:
        return ""
    stated = connection.execute(select(events.c.content).where(events.c.seq == seq)).scalar() or {}
    found = connection.execute(select(erasures).where(erasures.c.event_seq == seq)).all()
    digests, part = [row_digest(erasures, row, "") for row in found], stated.get("rows", {}).get("erasures")
    return "" if part == statement(digests) else _differ("erasures", seq, digests, part)


def _chunks(connection: Connection, last: int) -> Iterator[Sequence[RowMapping]]:
    joined = select(events, decisions.c.hash.label("decided_hash")).outerjoin(
        decisions, decisions.c.seq == events.c.decisions_seq
    )
    ordered, after = joined.order_by(events.c.seq).limit(_CHUNK), 0
    while chunk := connection.execute(ordered.where(events.c.seq > after)).mappings().all():
        yield chunk
        after = chunk[-1]["seq"]
        if len(chunk) < _CHUNK or after > last:
            return


def _parts(chunk: Sequence[RowMapping]) -> Iterator[Sequence[RowMapping]]:
    """Events that follow each other, in parts of so many rows that their digests fit into memory."""
    first, n = 0, 0
    for at, event in enumerate(chunk):
        own = sum(part["n"] for part in event["content"].get("rows", {}).values())
        n += own
        if n > _PART_ROWS and at > first:
            yield chunk[first:at]
            first, n = at, own
    yield chunk[first:]


def _fault(event: RowMapping, previous: Link, against: Link | None) -> str:
    seq, stated = event["seq"], event["hash"]
    if seq != previous.seq + 1:
        return f"expected event {previous.seq + 1}, found {seq}: events are missing or re-numbered."
    if (before := event["previous_hash"]) != previous.hash:
        return f"expected previous_hash {previous.hash}, found {before}: an event was changed, removed or inserted."
    if (found := event_hash(event)) != stated:
        return f"expected hash {stated}, the event's fields give {found}: the event was changed."
    if against is not None and seq == against.seq and stated != against.hash:
        return f"expected the anchored hash {against.hash}, found {stated}: the chain of events was rewritten."
    at, decided = event["decisions_seq"], event["decided_hash"] or (GENESIS if event["decisions_seq"] == 0 else None)
    if decided != event["decisions_hash"]:
        return (
            f"expected decision {at} with hash {event['decisions_hash']}, found {decided or 'none'}: decisions were "
            "cut off or rewritten after this event."
        )
    return ""


def _fault_at_end(head: Link, last: Link, against: Link | None) -> str:
    if head != last:
        return (
            f"expected the head of the events at {head.seq} ({head.hash or 'no head row'}), the last event is "
            f"{last.seq} ({last.hash}): events were cut off or the head was moved."
        )
    if against is not None and against.seq > last.seq:
        return f"expected the anchored event {against.seq}, the chain ends at {last.seq}: events were cut off."
    return ""


@dataclass(slots=True)
class _Rows:
    """Compares the rows of other tables with what the events say about them, in one pass over the events.

    A group of rows that does not match yet waits for later events, which may have changed or removed some of it.
    """

    connection: Connection
    old_salt: str
    waiting: dict[_Group, tuple[list[str], dict[str, Any]]] = field(default_factory=dict)
    erased: Counter[_Group] = field(default_factory=Counter)  # rows without a person, less those that events erased
    faults: list[tuple[int | None, str]] = field(default_factory=list)

    def read(self, chunk: Sequence[RowMapping]) -> None:
        """Compare the rows of some events that follow each other."""
        first, last = chunk[0]["seq"], chunk[-1]["seq"]
        found: dict[_Group, list[str]] = {}
        for table in BOUND:
            self._digests(table, first, last, found)
        stated = {
            (name, event["seq"]): part for event in chunk for name, part in event["content"].get("rows", {}).items()
        }
        self.faults += [(seq, _differ(name, seq, found[name, seq], None)) for name, seq in found.keys() - stated.keys()]
        for group, part in stated.items():
            digests = found.get(group, [])
            if statement(digests) != part:
                self.waiting[group] = digests, part
        for event in chunk:
            self._take(event)

    def _digests(self, table: Table, first: int, last: int, found: dict[_Group, list[str]]) -> None:
        query = select(table).where(table.c.event_seq.between(first, last))
        keys = table.columns.keys()
        seq_at, salt_at = keys.index("event_seq"), keys.index("salt") if "salt" in keys else None
        for row in self.connection.execute(query, execution_options={"yield_per": 5_000}):
            group = table.name, row[seq_at]
            found.setdefault(group, []).append(row_digest(table, row, self.old_salt))
            if salt_at is not None and row[salt_at] is None:
                self.erased[group] += 1

    def _take(self, event: RowMapping) -> None:
        content = event["content"]
        for name, former in content.get("retired", {}).items():
            for seq, digest in former:
                if (name, seq) in self.waiting:
                    self.waiting[name, seq][0].append(digest)
                else:
                    self.faults.append((seq, f"{name}: a row that event {event['seq']} changed or removed is back."))
        for name, counts in content.get("erased", {}).items():
            for seq, n in counts.items():
                self.erased[name, int(seq) if seq else None] -= n
        if event["kind"] == COVERED:
            for table in BOUND:
                self.waiting.pop((table.name, None), None)
            self.waiting |= {(name, None): ([], part) for name, part in content["without_event"].items()}

    def fault(self, last: int) -> tuple[int | None, str]:
        """The event and what is wrong with its rows, once all events were read; None and "" if nothing is."""
        for table in BOUND:
            self._outside(table, last)
        for (name, seq), (digests, part) in self.waiting.items():
            if statement(digests) != part:
                self.faults.append((seq, _differ(name, seq, digests, part)))
        for (name, seq), n in self.erased.items():
            if n:
                what = "lost their person without" if n > 0 else "have their person back after"
                self.faults.append((seq, f"{name}: {abs(n)} rows {_of(seq)} {what} an erasure on record."))
        return min(self.faults, key=lambda fault: fault[0] or 0, default=(None, ""))

    def _outside(self, table: Table, last: int) -> None:
        """Rows that belong to no event, and rows that name one that does not exist."""
        digests, group = uncovered(self.connection, table, self.old_salt), (table.name, None)
        if digests and "salt" in table.c:
            emptied = select(func.count()).where(table.c.event_seq.is_(None), table.c.salt.is_(None))
            self.erased[group] += self.connection.execute(emptied.where(table.c.person_hash.is_not(None))).scalar_one()
        if group in self.waiting:
            self.waiting[group][0].extend(digests)
        elif digests:
            self.faults.append((None, _differ(table.name, None, digests, None)))
        unknown = select(table.c.event_seq).where(or_(table.c.event_seq > last, table.c.event_seq < 1)).limit(1)
        if (seq := self.connection.execute(unknown).scalar()) is not None:
            self.faults.append((None, f"{table.name}: expected rows of events up to {last}, found one of event {seq}."))


def _of(seq: int | None) -> str:
    return "without an event" if seq is None else f"of event {seq}"


def _differ(name: str, seq: int | None, digests: Sequence[str], stated: dict[str, Any] | None) -> str:
    of_event = _of(seq)
    if stated is not None:
        return (
            f"expected {stated['n']} rows of {name} {of_event} with digest {stated['digest']}, found {len(digests)} "
            f"with {statement(digests)['digest']}: rows were changed, removed or inserted."
        )
    if seq is not None:
        return f"expected no rows of {name} {of_event}, found {len(digests)}: rows were inserted."
    return (
        f"expected every row of {name} to belong to an event, found {len(digests)} that belong to none: somebody "
        "inserted them, or an earlier release wrote them beside this one; look at them, then run `python -m serving "
        "cover`."
    )
