"""What happened to call lists: exports, withdrawals, closings, later versions, and what was reported of their calls.

A list that another one revises is replaced by it, unless a call by it was reported: then people call by it, whatever
was made since (`replaced`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from bank_assets.contract.names import CALLS
from bank_assets.ledger import events, models
from bank_assets.ledger.campaign_models import campaign_lists, dispositions, list_rows
from bank_assets.ledger.engine import writing
from bank_assets.ledger.events import Event

EXPORTED, WITHDRAWN, CLOSED = "list.exported", "list.withdrawn", "list.closed"


@dataclass(slots=True)
class ListFacts:
    """What is on record about a list beside its making.

    Attributes:
        events: about the list itself, oldest first.
        replaced_by: id of the list that replaces it, or "".
        called_before: id of a list that it revises and by which people call all the same, or "".
        n_reported: contacts to call that have a disposition.
        last_call: time of the last call reported, as written, "" without one.
    """

    events: list[Event] = field(default_factory=list)
    replaced_by: str = ""
    called_before: str = ""
    n_reported: int = 0
    last_call: str = ""

    @property
    def ending(self) -> Event | None:
        """The event that ended the list."""
        return next((one for one in self.events if one.kind in (WITHDRAWN, CLOSED)), None)

    @property
    def is_exported(self) -> bool:
        """Whether its calls left the platform."""
        return any(one.kind == EXPORTED and one.content.get("group") == CALLS for one in self.events)


def facts_of(
    connection: Connection, list_ids: Collection[str], count: Callable[[Connection, str, int], tuple[int, str]]
) -> dict[str, ListFacts]:
    """The facts of each list; `count` is `reported`, or what remembers its results by their arguments."""
    found = {list_id: ListFacts() for list_id in list_ids}
    for one in events.about(connection, list_ids, "list."):  # a report of each call is an event too
        found[one.subject].events.append(one)
    for list_id, version in replaced(connection, list_ids).items():
        found[list_id].replaced_by = version
    before = versions_before(connection, list_ids)
    earlier = set().union(*before.values())
    in_use = earlier - ended(connection, earlier)
    for list_id, versions in before.items():
        found[list_id].called_before = max(versions & in_use, default="")
    counts = select(dispositions.c.list_id, func.count()).where(dispositions.c.list_id.in_(list_ids))
    for list_id, n in connection.execute(counts.group_by(dispositions.c.list_id)):
        found[list_id].n_reported, found[list_id].last_call = count(connection, list_id, n)
    return found


def replaced(connection: Connection, list_ids: Collection[str]) -> dict[str, str]:
    """The lists that others replace, with the id of the later version: revised before any call by them was reported."""
    of = campaign_lists.c
    later = select(of.revises, of.id).where(of.revises.in_(list_ids), ~_is_called_by(of.revises))
    return {revised: version for revised, version in connection.execute(later)}  # noqa: C416  a result has keys


def given_up(connection: Connection, list_ids: Collection[str]) -> set[str]:
    """The lists by which nobody calls any more: withdrawn or replaced."""
    return _with_event(connection, list_ids, WITHDRAWN) | replaced(connection, list_ids).keys()


def ended(connection: Connection, list_ids: Collection[str]) -> set[str]:
    """The lists by which no call is expected: given up or closed by a person."""
    return given_up(connection, list_ids) | _with_event(connection, list_ids, CLOSED)


def versions_before(connection: Connection, list_ids: Collection[str]) -> dict[str, set[str]]:
    """The lists that revise others, with the ids of all versions before them."""
    of = campaign_lists.c
    revising = select(of.id.label("newest"), of.revises).where(of.id.in_(list_ids), of.revises.is_not(None))
    chain = revising.cte(recursive=True)
    earlier = select(chain.c.newest, of.revises).where(of.id == chain.c.revises, of.revises.is_not(None))
    found: dict[str, set[str]] = {}
    for list_id, version in connection.execute(select(chain.union_all(earlier))):
        found.setdefault(list_id, set()).add(version)
    return found


def is_called(connection: Connection, list_ids: Collection[str]) -> bool:
    """Whether a call by any of some lists was reported."""
    of = campaign_lists.c.id
    return connection.execute(select(of).where(of.in_(list_ids), _is_called_by(of)).limit(1)).first() is not None


def _with_event(connection: Connection, list_ids: Collection[str], kind: str) -> set[str]:
    of = models.events.c
    return set(connection.execute(select(of.subject).where(of.subject.in_(list_ids), of.kind == kind)).scalars())


_IS_CALL: Final = (list_rows.c.contact_id == dispositions.c.contact_id) & list_rows.c.is_called


def _is_called_by(list_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a call by a list was reported."""
    is_of = (dispositions.c.list_id == list_id) & (list_rows.c.list_id == dispositions.c.list_id)
    return select(dispositions.c.id).join(list_rows, is_of & _IS_CALL).exists()


def reported(connection: Connection, list_id: str, _n_dispositions: int) -> tuple[int, str]:
    """Contacts to call of a list that have a disposition, and the time of the last call; 0.5 s for 100,000 of them."""
    is_call = (list_rows.c.list_id == list_id) & _IS_CALL
    query = select(func.count(dispositions.c.contact_id.distinct()), func.max(dispositions.c.called_at))
    found = connection.execute(query.join(list_rows, is_call).where(dispositions.c.list_id == list_id)).one()
    return found[0], found[1] or ""


def note(
    engine: Engine,
    list_id: str,
    *,
    kind: str,
    actor: str,
    content: Mapping[str, Any],
    check: Callable[[Connection], None],
) -> None:
    """Record an event about a list, unless `check` raises on what is on record at that moment."""
    with writing(engine) as connection:
        events.lock(connection)
        check(connection)
        events.append(connection, kind=kind, subject=list_id, content=content, actor=actor)
