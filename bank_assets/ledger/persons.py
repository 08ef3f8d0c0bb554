"""Everything on record about one person, and which persons are on record at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from sqlalchemy import Engine, Select, func, select

from bank_assets.contract.values import identifier_key, spreadsheet_text
from bank_assets.ledger.campaign_models import campaign_lists, dispositions, list_rows, subscriptions, suppressions
from bank_assets.ledger.contact_history import CHUNK, chunks, is_of
from bank_assets.ledger.engine import read
from bank_assets.ledger.models import outcomes, payloads

_IDS: Final = (
    *(table.c[name] for table in (payloads, list_rows, dispositions) for name in ("customer_id", "contact_id")),
    subscriptions.c.customer_id,
)
_OBJECTIONS: Final = select(*suppressions.c["customer_id", "reason", "at", "actor"]).order_by(
    suppressions.c.at.desc(), suppressions.c.customer_id
)
SHOWN: Final = 100  # rows of each kind


@dataclass(frozen=True, slots=True)
class Objection:
    """An entry of the suppression list."""

    customer_id: str
    reason: str
    at: str
    actor: str


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """What is on record about a person beside decisions; rows, the newest first, at most `SHOWN` of each kind."""

    contact_ids: tuple[str, ...]
    lists: Sequence[Any]  # list_id, row, contact_id, contact_date, reason, is_called, name, created_at
    outcomes: Sequence[Any]  # contact_id, y, arrived_at, actor
    dispositions: Sequence[Any]  # contact_id, disposition, called_at, list_id, source, actor, list_name
    subscriptions: Sequence[Any]  # kind, on_day, source, actor
    objections: Sequence[Objection]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on record."""
        rows = (self.lists, self.outcomes, self.dispositions, self.subscriptions, self.objections)
        return not any((self.contact_ids, *rows))


def about(engine: Engine, customer_id: str) -> PersonRecord:
    """A person, by customer id, or by contact id where a contact names no customer."""
    listed = select(
        *list_rows.c["list_id", "row", "contact_id", "contact_date", "reason", "is_called"],
        *campaign_lists.c["name", "created_at"],
    ).join(campaign_lists, campaign_lists.c.id == list_rows.c.list_id)
    lists = _rows(engine, listed.where(is_of(list_rows, [customer_id])).order_by(list_rows.c.list_id.desc()))
    decided = select(payloads.c.contact_id).where(is_of(payloads, [customer_id]))
    told = select(
        *dispositions.c["contact_id", "disposition", "called_at", "list_id", "source", "actor"],
        campaign_lists.c.name.label("list_name"),
    ).outerjoin(campaign_lists, campaign_lists.c.id == dispositions.c.list_id)
    calls = told.where(is_of(dispositions, [customer_id])).order_by(dispositions.c.called_at.desc())
    found = [row[0] for row in _rows(engine, decided)] + [row.contact_id for row in lists]
    contacts = tuple(dict.fromkeys(one for one in found if one is not None))
    reports = select(*outcomes.c["contact_id", "y", "arrived_at", "actor"])
    booked = select(*subscriptions.c["kind", "on_day", "source", "actor"])
    return PersonRecord(
        contacts,
        lists,
        _rows(
            engine,
            reports.where(outcomes.c.contact_id.in_((*contacts, customer_id))).order_by(outcomes.c.arrived_at.desc()),
        ),
        _rows(engine, calls),
        _rows(
            engine,
            booked.where(subscriptions.c.customer_id == customer_id).order_by(subscriptions.c.on_day.desc()),
        ),
        objections_of(engine, (customer_id, *contacts)),
    )


def _rows(engine: Engine, query: Select[Any]) -> Sequence[Any]:
    return read(engine, query.limit(SHOWN))


def objections(engine: Engine, search: str = "", limit: int | None = None, offset: int = 0) -> list[Objection]:
    """Entries of the suppression list, the newest first; with a search those whose id contains it in any case."""
    of = suppressions.c.customer_id
    query = _OBJECTIONS.where(of.regexp_match(f"(?i){re.escape(search)}")) if search else _OBJECTIONS
    return [Objection(*row) for row in read(engine, query.limit(limit).offset(offset))]


def objections_of(engine: Engine, ids: Iterable[str]) -> list[Objection]:
    """Entries of the suppression list by which persons with these ids must not be called, however they are spelled."""
    keys, of = {identifier_key(one) for one in ids}, suppressions.c.customer_id
    spelled = func.lower(of).in_({*keys, *map(spreadsheet_text, keys)})
    # SQLite, and PostgreSQL with some collations, lower the case of ASCII alone.
    found = read(engine, _OBJECTIONS.where(spelled | of.regexp_match("[^ -~]")))
    return [Objection(*row) for row in found if identifier_key(row.customer_id) in keys]


def customer_of(engine: Engine, contact_id: str) -> str | None:
    """The customer whom a contact names on a list or in a decision, or None."""
    for table in (list_rows, payloads):
        named = select(table.c.customer_id).where(table.c.contact_id == contact_id, table.c.customer_id.is_not(None))
        if found := read(engine, named.limit(1)):
            return str(found[0][0])
    return None


def known_keys(engine: Engine, ids: Iterable[str]) -> set[str]:
    """Which identifiers name a customer or contact in a decision, on a list, or in a feed; as `identifier_key`.

    Any case is found of as many as a statement takes: indexes help with the usual spellings alone.
    """
    wanted = list(ids)
    found = _known(engine, [spelled for one in wanted for spelled in {one, one.lower(), one.upper()}])
    cased = [key for key in {*map(identifier_key, wanted)} - found if key != key.upper()]
    return found | _known(engine, cased[:CHUNK], func.lower)


def _known(engine: Engine, spelled: Sequence[str], of: Callable[[Any], Any] = lambda column: column) -> set[str]:
    found: set[str] = set()
    with engine.connect() as connection:
        for part, column in product(chunks(spelled), _IDS):
            found.update(connection.execute(select(column).where(of(column).in_(part)).distinct()).scalars())
    return {identifier_key(one) for one in found}
