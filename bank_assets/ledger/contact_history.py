"""What is on record about some persons: calls made and planned, refusals, subscriptions, open lists.

A person is a customer, or a contact that names no customer. Days are texts as they were delivered, ISO.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, func, select

from bank_assets.ledger.campaign_models import campaign_lists, dispositions, list_rows, subscriptions
from bank_assets.ledger.engine import read
from bank_assets.ledger.list_life import CALLS as TO_CALL
from bank_assets.ledger.list_life import CLOSED, EXPORTED, WITHDRAWN, given_up, versions_before
from bank_assets.ledger.models import event_head, events

LONGEST_LIST: Final = 92  # days; a wrong date in one row must not keep everybody else for years
CHUNK: Final = 5_000  # most ids of a statement
PIPELINE: Final = "pipeline"  # actor of the lists that nobody exports, since their files lie ready
HELD_OUT: Final = "held_out"  # reason of a row, as `core.economics.call_plan` names it
CALLS: Final = ("subscribed", "refused", "not_reached", "call_back", "objection")  # `cancelled` is no call
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

    @property
    def end(self) -> str:
        """The day from which the list does not hold the person any more: when it is over, or long after their call."""
        return _end(self.day, self.of.last_day)


@lru_cache(maxsize=4_096)
def _end(day: str, last_day: str) -> str:
    longest = date.fromisoformat(day) + timedelta(days=LONGEST_LIST)
    return (min(date.fromisoformat(last_day), longest) + timedelta(days=1)).isoformat()


@dataclass(slots=True)
class OnRecord:
    """Rows about persons: (person, day), and the end of a span where there is one."""

    contacts: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    subscriptions: list[tuple[str, str, str]] = field(default_factory=list)
    lists: list[tuple[str, str, str]] = field(default_factory=list)


class Since(NamedTuple):
    """From which days, ISO, what is on record matters."""

    planned: str = ""
    reported: str = ""


ALWAYS: Final = Since()


def on_record(
    engine: Engine, persons: Collection[str], counts: Callable[[ListOnRecord], bool], since: Since = ALWAYS
) -> OnRecord:
    """What is on record about persons; of lists that were not withdrawn or replaced, those that count.

    A planned call gives way to what is reported of it. A closed list plans no more calls. Whoever a list holds out is
    on it too, since a call by another list would spoil the comparison.
    """
    found, ids = OnRecord(), list(dict.fromkeys(persons))
    booked_since = _SUBSCRIPTIONS.where(subscriptions.c.on_day >= since.reported)
    with engine.connect() as connection:
        planned = listed(connection, ids, since.planned)
        reported = _reported(connection, ids, planned, since.reported)
        booked = {(person, kind, day) for person, kind, day in _about(connection, subscriptions, ids, booked_since)}
    calls = {(person, contact, day) for person, contact, what, day in reported if what in CALLS}
    found.contacts = [(person, day) for person, _, day in calls]
    found.refusals = [(person, day) for person, _, what, day in reported if what == "refused"]
    booked |= {(person, what, day) for person, _, what, day in reported}
    ends: dict[str, list[str]] = defaultdict(list)
    for person, kind, day in booked:
        if kind == "cancelled":
            ends[person].append(day)
    found.subscriptions = [
        (person, day, min((end for end in ends[person] if end >= day), default="NaT"))
        for person, kind, day in booked
        if kind == "subscribed"
    ]
    called = {contact for _, contact, _ in calls}
    for call in planned:
        if counts(call.of) and not call.of.is_closed:
            found.lists.append((call.person, call.day, call.end))
            if call.is_called and call.contact_id not in called:
                found.contacts.append((call.person, call.day))
    return found


def newest_event(engine: Engine) -> int:
    """Number of the newest event; history does not change before the next one."""
    return int(read(engine, select(event_head.c.seq))[0][0])


def feeds_seq(engine: Engine) -> int | None:
    """Number of the newest event that may change whom a list must leave out; None before the first."""
    return read(engine, select(func.max(events.c.seq)).where(events.c.kind.in_(_FEEDS)))[0][0]


def listed(connection: Connection, persons: Sequence[str], since: str = "") -> list[Listed]:
    """Where lists call persons or hold them out, without lists that were withdrawn or replaced."""
    query = select(
        func.coalesce(list_rows.c.customer_id, list_rows.c.contact_id),
        *list_rows.c["list_id", "contact_id", "contact_date", "is_called"],
    ).where(list_rows.c.is_called | (list_rows.c.reason == HELD_OUT), list_rows.c.contact_date >= since)
    rows = list(_about(connection, list_rows, persons, query))
    lists = _lists(connection, sorted({row.list_id for row in rows}))
    return [
        Listed(person, contact, day, is_called, lists[at])
        for person, at, contact, day, is_called in rows
        if at in lists
    ]


def _lists(connection: Connection, ids: Sequence[str]) -> dict[str, ListOnRecord]:
    """The lists of some ids, without those that were withdrawn or replaced."""
    found: dict[str, ListOnRecord] = {}
    for part in chunks(ids):
        happened: dict[str, set[str]] = defaultdict(set)
        of_lists = select(*events.c["subject", "kind", "content"]).where(events.c.subject.in_(part))
        for subject, kind, content in connection.execute(of_lists.where(events.c.kind.in_((EXPORTED, CLOSED)))):
            if content.get("group", TO_CALL) == TO_CALL:  # nobody calls by the export of a hold-out group
                happened[subject].add(kind)
        in_use, before = set(part) - given_up(connection, part), versions_before(connection, part)
        last_day = select(func.max(list_rows.c.contact_date)).where(list_rows.c.list_id == campaign_lists.c.id)
        about: Select[Any] = select(*campaign_lists.c["id", "name", "actor"], last_day.scalar_subquery())
        for list_id, name, actor, day in connection.execute(about.where(campaign_lists.c.id.in_(in_use))):
            is_exported = actor == PIPELINE or EXPORTED in happened[list_id]
            versions, is_closed = frozenset(before.get(list_id, ())), CLOSED in happened[list_id]
            found[list_id] = ListOnRecord(list_id, name, actor, day, versions, is_exported, is_closed)
    return found


_DISPOSITIONS: Final = select(
    func.coalesce(dispositions.c.customer_id, dispositions.c.contact_id),
    *dispositions.c["contact_id", "disposition", "called_at"],
)
_SUBSCRIPTIONS: Final = select(*subscriptions.c["customer_id", "kind", "on_day"])


def _reported(
    connection: Connection, persons: Sequence[str], planned: Sequence[Listed], since: str
) -> set[tuple[str, str, str, str]]:
    """(person, contact, disposition, day) of calls, also of contacts whose reports do not name their customer."""
    owner = {call.contact_id: call.person for call in planned}
    known = dict.fromkeys((*persons, *owner))
    rows = _about(connection, dispositions, list(known), _DISPOSITIONS.where(dispositions.c.called_at >= since))
    return {(owner.get(person, person), contact, what, day[:10]) for person, contact, what, day in rows}


def _about(connection: Connection, table: Table, persons: Sequence[str], query: Select[Any]) -> Iterator[Any]:
    """Rows of a table about persons, who are the first column: by customer, or by contact where none is named."""
    if len(persons) <= CHUNK:
        yield from connection.execute(query.where(is_of(table, persons)))
    else:  # one scan takes a fifth of the time of so many look-ups
        wanted = set(persons)
        yield from (row for row in connection.execute(query) if row[0] in wanted)


def is_of(table: Table, persons: Sequence[str]) -> ColumnElement[bool]:
    """Rows of a table that are about persons."""
    is_customer = table.c.customer_id.in_(persons)
    if "contact_id" not in table.c:
        return is_customer
    return is_customer | (table.c.customer_id.is_(None) & table.c.contact_id.in_(persons))


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts of some ids, each of which a statement takes."""
    return (ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK))
