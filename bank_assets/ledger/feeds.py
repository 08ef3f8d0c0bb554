"""The two feeds that come back from a campaign: dispositions of calls, and subscriptions in the bank's books.

Each batch is one transaction with one event. A row that is on record already adds nothing, contradicting rows are kept
in order, and the last arrival counts. Outcomes that follow go to `outcomes`, from which models learn (`taught`); an
objection goes to the suppression list in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from bank_assets.contract.feeds import DISPOSITIONS, OBJECTION, Disposition, Subscription
from bank_assets.contract.names import HELD_OUT
from bank_assets.ledger import campaigns, events, models
from bank_assets.ledger.called_lists import ListsOf, RowError
from bank_assets.ledger.campaign_models import dispositions, list_rows, subscriptions
from bank_assets.ledger.engine import read, utc_now, writing
from bank_assets.ledger.models import outcomes, payloads
from bank_assets.ledger.taught import of_calls, of_cancellations

BATCH_ROWS: Final = 5_000  # rows of one transaction, for which decisions wait some 0.3 s at most
FILE_TAKEN: Final = "feed.taken"  # kind of the event about a delivered file
HELD_OUT_OF: Final = "held_out_of"  # in an event's content: ids of the lists whose held-out customers were called
T = TypeVar("T")


@dataclass(slots=True)
class Taken:
    """What became of the rows of a feed.

    Attributes:
        new: rows that were put on record.
        known: rows that were on record already.
        outcomes: outcomes that models learn from.
        suppressed: people who objected and were not on the suppression list yet.
        held_out: lines of contacts that their list had held out; such a call breaks the protocol of the test.
        refused: why rows were not recorded, by line.
    """

    new: int = 0
    known: int = 0
    outcomes: int = 0
    suppressed: int = 0
    held_out: list[int] = field(default_factory=list)
    refused: dict[int, list[str]] = field(default_factory=dict)

    def add(self, other: Taken) -> None:
        """Count the rows of another part of the same feed."""
        for name in ("new", "known", "outcomes", "suppressed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.held_out += other.held_out
        self.refused |= other.refused


@dataclass(frozen=True, slots=True)
class RecordedDisposition:
    """A disposition on record; ids are None once they are erased."""

    id: int
    list_id: str | None
    contact_id: str | None
    customer_id: str | None
    disposition: str
    called_at: str
    arrived_at: str
    recorded_at: str
    actor: str
    source: str


@dataclass(frozen=True, slots=True)
class RecordedSubscription:
    """A subscription or cancellation on record; the id is None once it is erased."""

    id: int
    customer_id: str | None
    kind: str
    on_day: str
    arrived_at: str
    recorded_at: str
    actor: str
    source: str


def record_dispositions(engine: Engine, rows: Iterable[Disposition], *, actor: str, source: str) -> Taken:
    """Record what calls came to, in batches; what a batch refuses does not stop the others."""
    return _in_batches(engine, rows, _dispositions, actor, source)


def record_subscriptions(engine: Engine, rows: Iterable[Subscription], *, actor: str, source: str) -> Taken:
    """Record subscriptions and cancellations, in batches."""
    return _in_batches(engine, rows, _subscriptions, actor, source)


def _in_batches(
    engine: Engine, rows: Iterable[T], record: Callable[[Connection, list[T], str, str], Taken], actor: str, source: str
) -> Taken:
    taken, left = Taken(), iter(rows)
    while batch := list(islice(left, BATCH_ROWS)):
        with writing(engine) as connection:
            taken.add(record(connection, batch, actor, source))
    return taken


def _dispositions(connection: Connection, batch: Sequence[Disposition], actor: str, source: str) -> Taken:
    events.lock(connection)  # one batch at a time, so that a repeated row finds the first
    listed, taken, now = ListsOf(connection, batch), Taken(), utc_now()
    known = _keys(
        connection, dispositions, ("contact_id", "disposition", "called_at"), [one.contact_id for one in batch]
    )
    rows: list[dict[str, Any]] = []
    broken: set[str] = set()
    for one in batch:
        if (key := (one.contact_id, one.disposition, one.called_at)) in known:
            taken.known += 1
            continue
        try:
            place = listed.place_of(one)
        except RowError as fault:
            taken.refused[one.line] = [str(fault)]
            continue
        known.add(key)
        if place is not None and place.reason == HELD_OUT:
            taken.held_out.append(one.line)
            broken.add(place.list_id)
        rows.append(
            {
                "list_id": one.list_id or (place.list_id if place else None),
                "contact_id": one.contact_id,
                "customer_id": listed.customer_of(one, place),
                "disposition": one.disposition,
                "called_at": one.called_at,
                "arrived_at": one.arrived_at or now,
                **_origin(now, actor, source),
            }
        )
    if not rows:
        return taken
    lists = {row["list_id"] for row in rows}
    taught = of_calls(connection, rows, actor)
    content = {"source": source, "held_out": len(taken.held_out), **Counter(row["disposition"] for row in rows)}
    if broken:
        content[HELD_OUT_OF] = sorted(broken)
    subject = str(lists.pop() or "") if len(lists) == 1 else ""
    with events.recording(
        connection, kind="dispositions.recorded", subject=subject, actor=actor, content=content
    ) as made:
        made.insert(dispositions, rows)
        made.insert(outcomes, taught)
    objecting = [row for row in rows if row["disposition"] == OBJECTION]
    taken.new, taken.outcomes, taken.suppressed = len(rows), len(taught), _suppress(connection, objecting, actor)
    return taken


def _subscriptions(connection: Connection, batch: Sequence[Subscription], actor: str, source: str) -> Taken:
    events.lock(connection)
    now, rows = utc_now(), dict[tuple[str, ...], dict[str, Any]]()
    known = _keys(connection, subscriptions, ("customer_id", "kind", "on_day"), [one.customer_id for one in batch])
    for one in batch:
        if (key := (one.customer_id, one.kind, one.on_day)) not in known:
            facts = {"customer_id": one.customer_id, "kind": one.kind, "on_day": one.on_day}
            rows.setdefault(key, {**facts, "arrived_at": one.arrived_at or now, **_origin(now, actor, source)})
    if not rows:
        return Taken(known=len(batch))
    content = {"source": source, **Counter(kind for _, kind, _ in rows)}
    taught = of_cancellations(connection, list(rows.values()), actor)
    with events.recording(connection, kind="subscriptions.recorded", subject="", actor=actor, content=content) as made:
        made.insert(subscriptions, list(rows.values()))
        made.insert(outcomes, taught)
    return Taken(new=len(rows), known=len(batch) - len(rows), outcomes=len(taught))


def _origin(now: str, actor: str, source: str) -> dict[str, str]:
    return {"recorded_at": now, "actor": actor, "source": source}


def _keys(connection: Connection, table: Any, names: Sequence[str], ids: Sequence[str]) -> set[tuple[str, ...]]:
    """The keys on record of some people."""
    query = select(*(table.c[name] for name in names)).where(table.c[names[0]].in_(set(ids)))
    return {tuple(row) for row in connection.execute(query)}


def _suppress(connection: Connection, rows: Sequence[Mapping[str, Any]], actor: str) -> int:
    """Put those who objected on the suppression list: the person, or the contact where nobody else is known."""
    if not rows:
        return 0
    contacts = {row["contact_id"] for row in rows if row["customer_id"] is None}
    query = select(*payloads.c["contact_id", "customer_id"]).where(payloads.c.contact_id.in_(contacts))
    persons = {contact: customer for contact, customer in connection.execute(query) if customer is not None}
    ids = [row["customer_id"] or persons.get(row["contact_id"], row["contact_id"]) for row in rows]
    return campaigns.suppress_in(connection, ids, reason="objected during a call", actor=actor)


def file_taken(engine: Engine, sha256: str, *, feed: str, taken: Taken, actor: str) -> None:
    """Record that every row of a delivered file was taken or refused."""
    counts = {"refused": len(taken.refused), "held_out": len(taken.held_out)}
    content = {"feed": feed, "new": taken.new, "known": taken.known, **counts}
    with writing(engine) as connection:
        events.append(connection, kind=FILE_TAKEN, subject=sha256, content=content, actor=actor)


def files_taken(engine: Engine) -> frozenset[str]:
    """Digests of the delivered files that `file_taken` recorded."""
    query = select(models.events.c.subject).where(models.events.c.kind == FILE_TAKEN)
    return frozenset(subject for (subject,) in read(engine, query))


def dispositions_of(engine: Engine, **about: str) -> list[RecordedDisposition]:
    """Dispositions by `list_id`, `contact_id` or `customer_id`, oldest arrival first; of a contact the last counts."""
    query = select(*(dispositions.c[name] for name in RecordedDisposition.__dataclass_fields__))
    for name, value in about.items():
        query = query.where(dispositions.c[name] == value)
    return [
        RecordedDisposition(*row) for row in read(engine, query.order_by(dispositions.c.arrived_at, dispositions.c.id))
    ]


def counts_of(engine: Engine, list_id: str) -> dict[str, int]:
    """Reports of a list by disposition, in the order of `DISPOSITIONS`."""
    query = select(dispositions.c.disposition, func.count().label("n")).where(dispositions.c.list_id == list_id)
    found = {row.disposition: row.n for row in read(engine, query.group_by(dispositions.c.disposition))}
    return {name: found[name] for name in DISPOSITIONS if name in found}


def subscriptions_between(
    engine: Engine, first: str, last: str, list_id: str | None = None
) -> list[RecordedSubscription]:
    """Subscriptions and cancellations of some days, ISO, both included, oldest first; if named, of a list alone."""
    where: ColumnElement[bool] = subscriptions.c.on_day.between(first, last)
    if list_id is not None:
        person = func.coalesce(list_rows.c.customer_id, list_rows.c.contact_id)
        where &= subscriptions.c.customer_id.in_(select(person).where(list_rows.c.list_id == list_id))
    columns = (subscriptions.c[name] for name in RecordedSubscription.__dataclass_fields__)
    query = select(*columns).where(where)
    ordered = query.order_by(subscriptions.c.on_day, subscriptions.c.id)
    return [RecordedSubscription(*row) for row in read(engine, ordered)]


def subscriptions_until(engine: Engine) -> str | None:
    """The last day that the subscriptions feed covers, ISO: the newest that two rows reach; None before two arrived.

    One row with a wrong date must not make a list measurable whose subscriptions are still to come.
    """
    newest = select(subscriptions.c.on_day).order_by(subscriptions.c.on_day.desc())
    found = read(engine, newest.offset(1).limit(1))
    return str(found[0][0]) if found else None
