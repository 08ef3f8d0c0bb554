"""Events: the ledger's second hash chain, over everything that is recorded beside decisions.

**Canonical form.** As for decisions: the JSON object of every column of `events` except `hash`, keys sorted, with
`content` as the stored text. Each event also names the newest decision at its time, so it anchors that chain.

**Rows.** `recording` inserts, changes or removes rows of other tables and appends the event that covers them, in one
transaction. The event's content says how many rows of each table belong to it and gives a digest over them (`rows`),
the digests of former rows that it changed or removed (`retired`), and how many rows it erased the person of (`erased`).
Rows that a release without events wrote belong to no event; `cover` records how they stood (`without_event`).

**Personal data** never enters an event: contents and subjects hold numbers, ids of lists, names of users, and salted
hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Table,
    Text,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from bank_assets.ledger.bound_rows import BOUND, bound, person_hash, person_keys, row_digest, statement
from bank_assets.ledger.engine import read, utc_now
from bank_assets.ledger.models import canonical_json, event_head, events, ledger_head

GENESIS: Final = "0" * 64  # `previous_hash` of the first record of a chain
COVERED: Final = "ledger.covered"  # kind of the event about rows that belong to no event
_CHAINED: Final = tuple(column.name for column in events.columns if column.name != "hash")


class Link(NamedTuple):
    """Position and hash of a record in its chain; (0, 64 zeros) before the first one."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event; the fields are the columns of the table in their order."""

    seq: int  # position in the chain of events, from 1
    at: str  # see `engine.utc_now`
    actor: str
    kind: str  # dotted, such as `list.made`
    subject: str  # what it is about: a list's id, a user's name, a salted hash of a person, or ""
    content: dict[str, Any]
    decisions_seq: int  # the newest decision at that time
    decisions_hash: str
    previous_hash: str
    hash: str


def event_hash(event: Mapping[str, Any] | RowMapping) -> str:
    """SHA-256, in hex, of an event's canonical form."""
    values = {name: event[name] for name in _CHAINED} | {"content": canonical_json(event["content"])}
    return hashlib.sha256(canonical_json(values).encode("ascii")).hexdigest()


def lock(connection: Connection) -> Any:
    """The head of the chain, locked until the transaction ends: whoever records something waits here."""
    return connection.execute(select(event_head).with_for_update()).one()


@dataclass(slots=True)
class Recording:
    """The rows of an event that is being recorded; `seq` is its number."""

    connection: Connection
    seq: int
    content: dict[str, Any]
    _old_salt: str
    _digests: dict[str, list[str]] = field(default_factory=dict)

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Insert rows, given by column key, and return them as they are stored, in no particular order."""
        if not rows:
            return []
        adding = insert(table).returning(*table.columns)
        return self._cover(table, self.connection.execute(adding, bound(table, rows, self.seq)).all())

    def update(self, table: Table, where: ColumnElement[bool], **values: Any) -> Sequence[Any]:
        """Change rows that name no person, and return them as they are now."""
        self._retire(table, self.connection.execute(select(table).where(where).with_for_update()).all())
        changing = update(table).where(where).values(**values, event_seq=self.seq).returning(*table.columns)
        return self._cover(table, self.connection.execute(changing).all())

    def delete(self, table: Table, where: ColumnElement[bool]) -> int:
        """Remove rows; their digests stay in the event."""
        return len(
            self._retire(table, self.connection.execute(delete(table).where(where).returning(*table.columns)).all())
        )

    def erase(self, table: Table, where: ColumnElement[bool]) -> int:
        """Remove ids and salt from rows, whose facts stay covered by the events that recorded them."""
        ids = [table.c[key] for key in person_keys(table)]
        erased = literal("erased:").concat(cast(table.c.id, Text))  # where NULL is no value
        gone = {**{one: None if one.nullable else erased for one in ids}, table.c.salt: None}
        # Rows of a release without events get the hash by which the migration's event covers them.
        old = self.connection.execute(select(table.c.id, *ids).where(where, table.c.person_hash.is_(None))).all()
        for row_id, *named in old:
            values = {**gone, table.c.person_hash: person_hash(self._old_salt, named)}
            self.connection.execute(update(table).where(table.c.id == row_id).values(values))
        where &= table.c.salt.is_not(None)
        counts = select(table.c.event_seq, func.count()).where(where).group_by(table.c.event_seq)
        found = {str(seq): n for seq, n in self.connection.execute(counts)} | ({"": len(old)} if old else {})
        if found:
            self.connection.execute(update(table).where(where).values(gone))
            self.content.setdefault("erased", {})[table.name] = found
        return sum(found.values())

    def _cover(self, table: Table, rows: Sequence[Any]) -> Sequence[Any]:
        digests = self._digests.setdefault(table.name, [])
        digests += [row_digest(table, row, self._old_salt) for row in rows]
        return rows

    def _retire(self, table: Table, rows: Sequence[Any]) -> Sequence[Any]:
        position = table.columns.keys().index("event_seq")
        former = [[row[position], row_digest(table, row, self._old_salt)] for row in rows]
        if former:
            self.content.setdefault("retired", {}).setdefault(table.name, []).extend(former)
        return rows

    def stated(self) -> dict[str, Any]:
        """The content with what it says about its rows."""
        rows = {name: statement(digests) for name, digests in self._digests.items() if digests}
        return {**self.content, "rows": rows} if rows else self.content


@contextmanager
def recording(
    connection: Connection, *, kind: str, subject: str, actor: str, content: Mapping[str, Any] | None = None
) -> Iterator[Recording]:
    """Record an event with its rows inside an open `writing` transaction; what fails leaves neither.

    One at a time: begin another event only after this one.
    """
    head = lock(connection)
    made = Recording(connection, head.seq + 1, dict(content or {}), head.salt)
    yield made
    decisions = connection.execute(select(ledger_head.c.seq, ledger_head.c.hash)).one()
    values = {
        "seq": made.seq,
        "at": utc_now(),
        "actor": actor,
        "kind": kind,
        "subject": subject,
        "content": made.stated(),
        "decisions_seq": decisions.seq,
        "decisions_hash": decisions.hash,
        "previous_hash": head.hash,
    }
    values["hash"] = event_hash(values)
    connection.execute(insert(events).values(values))
    connection.execute(update(event_head).values(seq=made.seq, hash=values["hash"]))


def append(connection: Connection, *, kind: str, subject: str, content: Mapping[str, Any], actor: str) -> int:
    """Record an event without rows inside an open `writing` transaction, and return its number."""
    with recording(connection, kind=kind, subject=subject, actor=actor, content=content) as made:
        return made.seq


def cover(connection: Connection, *, actor: str, reason: str) -> int:
    """Record how the rows that belong to no event stand, and return how many there are.

    A release without events wrote them: before the tables had events, or beside this release during an update.
    """
    salt = lock(connection).salt
    found = {table.name: uncovered(connection, table, salt) for table in BOUND}
    stated = {name: statement(digests) for name, digests in found.items() if digests}
    if stated:
        append(connection, kind=COVERED, subject="", content={"reason": reason, "without_event": stated}, actor=actor)
    return sum(part["n"] for part in stated.values())


def uncovered(connection: Connection, table: Table, old_salt: str) -> list[str]:
    """Digests of the rows that belong to no event."""
    query = select(table).where(table.c.event_seq.is_(None))
    rows = connection.execute(query, execution_options={"yield_per": 5_000})
    return [row_digest(table, row, old_salt) for row in rows]


def about(connection: Connection, subjects: Collection[str], kinds: str) -> list[Event]:
    """Events about some subjects whose kind begins with a text, oldest first."""
    query = select(events).where(events.c.subject.in_(subjects), events.c.kind.startswith(kinds))
    return [Event(*row) for row in connection.execute(query.order_by(events.c.seq))]


def after(engine: Engine, seq: int, kinds: Collection[str], limit: int) -> list[Event]:
    """At most `limit` events of some kinds with a number above `seq`, oldest first."""
    query = select(events).where(events.c.seq > seq, events.c.kind.in_(kinds)).order_by(events.c.seq).limit(limit)
    return [Event(*row) for row in read(engine, query)]


def newest(engine: Engine, kind: str, limit: int, subject: str | None = None) -> list[Event]:
    """At most `limit` events of a kind, if given about a subject, newest first."""
    query = select(events).where(events.c.kind == kind).order_by(events.c.seq.desc()).limit(limit)
    found = read(engine, query if subject is None else query.where(events.c.subject == subject))
    return [Event(*row) for row in found]


def latest(engine: Engine, kind: str, subject: str | None = None) -> Event | None:
    """The newest event of a kind, if given about a subject; None if there is none."""
    return next(iter(newest(engine, kind, 1, subject)), None)
