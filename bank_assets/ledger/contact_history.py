"""What is on record about some persons: calls made and planned, refusals, subscriptions, open lists.

A person is a customer, or a contact that names no customer. Days are texts as they were delivered, ISO.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import compress
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, func, select

from bank_assets.contract.feeds import CANCELLED, OF_CALLS, REFUSED, SUBSCRIBED, held
from bank_assets.contract.names import CALLS, HELD_OUT, LONGEST_LIST
from bank_assets.ledger.campaign_models import campaign_lists, dispositions, list_rows, subscriptions
from bank_assets.ledger.engine import read
from bank_assets.ledger.list_life import CLOSED, EXPORTED, WITHDRAWN, given_up, versions_before
from bank_assets.ledger.models import event_head, events

CHUNK: Final = 5_000  # most ids of a statement
PIPELINE: Final = "pipeline"  # actor of the lists that nobody exports, since their files lie ready
_BOOKED: Final = (SUBSCRIBED, CANCELLED)
_FEEDS: Final = ("dispositions.recorded", "subscriptions.recorded", CLOSED, EXPORTED, WITHDRAWN)


class ListOnRecord(NamedTuple):
    """A call list, as far as it matters to others."""

    id: str
    name: str
    actor: str
    last_day: str  # of the calls that it plans
    versions_before: frozenset[str]  # ids of the lists that it revises
    is_exported: bool
    is_closed: bool


class Listed(NamedTuple):
    """A person whom a list calls or holds out."""

    person: str
    contact_id: str
    day: str
    is_called: bool
    of: ListOnRecord


@lru_cache(maxsize=4_096)
def _end(day: str, last_day: str) -> str:
    """The day from which a list does not hold a person any more: when it is over, or long after their call."""
    longest = date.fromisoformat(day) + timedelta(days=LONGEST_LIST)
    return (min(date.fromisoformat(last_day), longest) + timedelta(days=1)).isoformat()


@dataclass(slots=True)
class OnRecord:
    """Rows about persons: (person, day), and the end of a span where there is one."""

    contacts: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    subscriptions: list[tuple[str, str, str]] = field(default_factory=list)
    lists: list[tuple[str, str, str]] = field(default_factory=list)


class Persons:
    """Some persons; of many, 64-bit hashes, which may let somebody else through once in a million lists."""

    def __init__(self, persons: Collection[str]) -> None:
        self._few = set(persons) if len(persons) <= CHUNK else None
        self._hashes = np.sort(_hashes(persons)) if self._few is None else np.empty(0, np.int64)

    def __or__(self, others: Collection[str]) -> Persons:
        made = Persons([*self._few, *others]) if self._few is not None else Persons(others)
        if self._few is None:
            made._few, made._hashes = None, np.sort(np.concatenate((self._hashes, _hashes(others))))
        return made

    @property
    def few(self) -> Collection[str] | None:
        """Their ids, if they are few enough for a statement."""
        return self._few

    def among(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Those rows whose first value is one of them."""
        if self._few is not None:
            return rows
        hashes = _hashes([str(row[0]) for row in rows])
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return list(compress(rows, self._hashes[at] == hashes))


def _hashes(texts: Collection[str]) -> NDArray[np.int64]:
    return np.fromiter(map(hash, texts), np.int64, len(texts))


class Since(NamedTuple):
    """From which days, ISO, what is on record matters: calls made and planned, refusals, subscriptions."""

    calls: str = ""
    refusals: str = ""
    subscriptions: str = ""


ALWAYS: Final = Since()


def on_record(
    engine: Engine,
    persons: Collection[str],
    counts: Callable[[ListOnRecord], bool],
    since: Since = ALWAYS,
    own: Collection[str] = (),
) -> OnRecord:
    """What is on record about persons; of lists that were not withdrawn or replaced, those that count.

    `own` are ids of lists that do not count, whose rows may be left unread.

    A planned call gives way to what is reported of it. A closed list plans no more calls. Whoever a list holds out is
    on it too, since a call by another list would spoil the comparison.
    """
    found, ids = OnRecord(), Persons(persons)
    booked_since = _SUBSCRIPTIONS.where(subscriptions.c.on_day >= since.subscriptions)
    with engine.connect() as connection:
        planned, lists = _planned(connection, ids, since.calls, own)
        owner = {row[2]: row[0] for row in planned}
        reported = _about(connection, dispositions, ids | owner, _reported(since))
        booked = _about(connection, subscriptions, ids, booked_since)
    calls: set[tuple[str, str, str]] = set()
    told, in_books = (defaultdict[str, list[tuple[str, str]]](list) for _ in range(2))
    for person, contact, what, at in reported:
        person, day = owner.get(person, person), at[:10]
        if what in OF_CALLS:
            calls.add((person, contact, day))
        if what == REFUSED:
            found.refusals.append((person, day))
        elif what in _BOOKED:
            told[person].append((what, day))
    for person, kind, day in booked:
        in_books[person].append((kind, day))
    found.contacts = [(person, day) for person, _, day in calls]
    found.subscriptions = [
        (person, one.day, one.until or "NaT")
        for person in dict.fromkeys((*in_books, *told))
        for one in held(in_books.get(person, ()), told.get(person, ()))
    ]
    called = {contact for _, contact, _ in calls}
    holding = {one.id: one.last_day for one in lists.values() if counts(one) and not one.is_closed}
    for person, list_id, contact, day, is_called in planned:
        if list_id in holding:
            found.lists.append((person, day, _end(day, holding[list_id])))
            if is_called and contact not in called:
                found.contacts.append((person, day))
    return found


def newest_event(engine: Engine) -> int:
    """Number of the newest event; history does not change before the next one."""
    return int(read(engine, select(event_head.c.seq))[0][0])


def excluding_seq(engine: Engine) -> int | None:
    """Number of the newest event after which an export may have to leave out more calls."""
    return _newest(engine, (EXPORTED, "suppression.added"))


def feeds_seq(engine: Engine) -> int | None:
    """Number of the newest event that may change whom a list must leave out; None before the first."""
    return _newest(engine, _FEEDS)


def _newest(engine: Engine, kinds: Sequence[str]) -> int | None:
    return read(engine, select(func.max(events.c.seq)).where(events.c.kind.in_(kinds)))[0][0]


def listed(connection: Connection, persons: Collection[str]) -> list[Listed]:
    """Where lists call persons or hold them out, without lists that were withdrawn or replaced."""
    rows, lists = _planned(connection, Persons(persons))
    return [
        Listed(person, contact, day, bool(is_called), lists[at])
        for person, at, contact, day, is_called in rows
        if at in lists
    ]


def _planned(
    connection: Connection, persons: Persons, since: str = "", own: Collection[str] = ()
) -> tuple[list[tuple[Any, ...]], dict[str, ListOnRecord]]:
    """(person, list, contact, day, is called) from a day on, and the lists that were not withdrawn or replaced."""
    query = select(
        func.coalesce(list_rows.c.customer_id, list_rows.c.contact_id),
        *list_rows.c["list_id", "contact_id", "contact_date", "is_called"],
    ).where(list_rows.c.is_called | (list_rows.c.reason == HELD_OUT), list_rows.c.contact_date >= since)
    if own:  # only where a row says whose contact it is
        query = query.where(list_rows.c.list_id.not_in(own) | list_rows.c.customer_id.is_not(None))
    rows = _about(connection, list_rows, persons, query)
    return rows, _lists(connection, sorted({row[1] for row in rows}))


def _lists(connection: Connection, ids: Sequence[str]) -> dict[str, ListOnRecord]:
    """The lists of some ids, without those that were withdrawn or replaced."""
    found: dict[str, ListOnRecord] = {}
    last_day = select(func.max(list_rows.c.contact_date))
    for part in chunks(ids):
        happened: dict[str, set[str]] = defaultdict(set)
        of_lists = select(*events.c["subject", "kind", "content"]).where(events.c.subject.in_(part))
        for subject, kind, content in connection.execute(of_lists.where(events.c.kind.in_((EXPORTED, CLOSED)))):
            if content.get("group", CALLS) == CALLS:  # nobody calls by the export of a hold-out group
                happened[subject].add(kind)
        in_use, before = set(part) - given_up(connection, part), versions_before(connection, part)
        about = select(*campaign_lists.c["id", "name", "actor", "request"]).where(campaign_lists.c.id.in_(in_use))
        for list_id, name, actor, request in connection.execute(about).all():
            is_exported = actor == PIPELINE or EXPORTED in happened[list_id]
            versions, is_closed = frozenset(before.get(list_id, ())), CLOSED in happened[list_id]
            # Earlier releases did not state the day.
            day = request.get("last_day") or connection.scalar(last_day.where(list_rows.c.list_id == list_id))
            found[list_id] = ListOnRecord(list_id, name, actor, day, versions, is_exported, is_closed)
    return found


_DISPOSITIONS: Final = select(
    func.coalesce(dispositions.c.customer_id, dispositions.c.contact_id),
    *dispositions.c["contact_id", "disposition", "called_at"],
)
_SUBSCRIPTIONS: Final = select(*subscriptions.c["customer_id", "kind", "on_day"])


def _reported(since: Since) -> Select[Any]:
    """Person or contact, contact, disposition and time of calls."""
    what, at = dispositions.c.disposition, dispositions.c.called_at
    is_refused, is_booked = what == REFUSED, what.in_(_BOOKED)
    first = min(since)  # so that one comparison passes over most of the table
    matters = (at >= since.calls) | (is_refused & (at >= since.refusals)) | (is_booked & (at >= since.subscriptions))
    return _DISPOSITIONS.where(at >= first, matters)


def _about(connection: Connection, table: Table, persons: Persons, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Rows of a table about persons, who are the first column: by customer, or by contact where none is named."""
    # For many, one scan takes a fifth of the time of so many look-ups.
    result = connection.execute(query if persons.few is None else query.where(is_of(table, persons.few)))
    found: list[tuple[Any, ...]] = []
    while rows := result.cursor.fetchmany(CHUNK):  # SQLAlchemy's own rows take twice the time
        found += persons.among(rows)
    return found


def is_of(table: Table, persons: Collection[str]) -> ColumnElement[bool]:
    """Rows of a table that are about persons."""
    is_customer = table.c.customer_id.in_(persons)
    if "contact_id" not in table.c:
        return is_customer
    return is_customer | (table.c.customer_id.is_(None) & table.c.contact_id.in_(persons))


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts of some ids, each of which a statement takes."""
    return (ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK))
