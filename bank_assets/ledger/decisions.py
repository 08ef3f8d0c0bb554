"""Decisions: append to the chain, read, search, erase."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from heapq import merge
from operator import attrgetter, itemgetter
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, Table, and_, delete, func, select

from bank_assets.ledger import chain, events, idempotency, list_rows
from bank_assets.ledger.campaign_models import list_erasures
from bank_assets.ledger.campaign_models import list_rows as rows_of_lists
from bank_assets.ledger.chain import RECORDS
from bank_assets.ledger.criteria import FEEDS, Conditions, Cursor, Person, on_rows, on_singles, to_erase
from bank_assets.ledger.digests import CHAINED, hash_in_order, payload_hash
from bank_assets.ledger.engine import LedgerError, read, shed_log, utc_now, writing
from bank_assets.ledger.models import decisions, erasures, payloads
from bank_assets.ledger.records import Decision, DecisionPage, Draft, FoundRow, row_of

# Most records of one transaction; bounds the memory of an append and the wait of the next one.
MAX_APPEND: Final = 5_000
# Rows of one INSERT: 3,100 parameters, below the limits of both databases (32,766 and 65,535).
ROWS_PER_STATEMENT: Final = 100


class LedgerWriteError(LedgerError):
    """It is not certain that the decisions were recorded, so none of them may be acknowledged."""


_NAMES: Final = tuple(column.name for column in decisions.columns)
_PAYLOAD_HASH: Final = _NAMES.index("payload_hash")
# A draft's part of a row: all but `seq` (first), `payload_hash`, `previous_hash` and `hash` (last two).
_drafted: Final = attrgetter(*(name for name in _NAMES[1:-2] if name != "payload_hash"))
# What enters the hash, from a row in the table's order.
_chained: Final = itemgetter(*(_NAMES.index(name) for name in CHAINED))


def append(engine: Engine, drafts: Sequence[Draft]) -> int:
    """Record decisions in one transaction and return the last sequence number; they are then on disk and chained.

    Raises:
        ValueError: no drafts, or too many; split them.
        LedgerWriteError: nothing was recorded, or the connection broke during the commit; nothing may be acknowledged.
        sqlalchemy.exc.SQLAlchemyError: no connection; nothing was recorded.
    """
    if len(drafts) > MAX_APPEND:
        raise ValueError(f"expected at most {MAX_APPEND} decisions a transaction, found {len(drafts)}; split them.")
    if not drafts:
        raise ValueError("expected at least one decision, found none.")
    rows, kept = _rows_of(drafts)
    # We use the driver directly, because SQLAlchemy's statement layer costs 0.6 ms per transaction and 10 us per row,
    # and every answer waits for this.
    connection = engine.raw_connection()
    try:
        seq = _append(connection.cursor(), engine.dialect.name == "sqlite", rows, kept)
        connection.commit()
    except BaseException as error:
        with contextlib.suppress(Exception):
            connection.rollback()
        if isinstance(error, engine.dialect.loaded_dbapi.Error):
            # Driver messages carry parameters, which are customer data: name only its type.
            raise LedgerWriteError(
                f"ledger: expected to record {len(drafts)} decisions, found {type(error).__name__}; nothing may be "
                "acknowledged. Check the database and its disk."
            ) from error
        raise
    finally:
        connection.close()
    return seq


def _rows_of(drafts: Sequence[Draft]) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """The drafts as rows of `decisions` (without sequence number and hashes), and the values for `payloads`."""
    salts = os.urandom(16 * len(drafts)).hex()
    kept: list[Any] = []
    rows: list[tuple[Any, ...]] = []
    for i, draft in enumerate(drafts):
        salt = salts[32 * i : 32 * i + 32]
        kept += (draft.id, draft.contact_id, salt, draft.payload, draft.customer_id)
        drafted = _drafted(draft)
        bound = payload_hash(salt, draft.contact_id, draft.payload, draft.customer_id)
        rows.append((*drafted[: _PAYLOAD_HASH - 1], bound, *drafted[_PAYLOAD_HASH - 1 :]))
    return rows, kept


def _append(cursor: Any, is_sqlite: bool, rows: Sequence[tuple[Any, ...]], kept: list[Any]) -> int:
    if is_sqlite:
        cursor.execute("BEGIN IMMEDIATE")  # takes the write lock, where the driver of PostgreSQL begins by itself
    cursor.execute(f"SELECT seq, hash FROM ledger_head {'' if is_sqlite else 'FOR UPDATE'}")  # noqa: S608  own names
    seq, head = cast("tuple[int, str]", cursor.fetchone())
    values: list[Any] = []
    for row in rows:
        seq += 1
        record = (seq, *row, head)
        head = hash_in_order(_chained(record))
        values += record
        values.append(head)
    mark = "?" if is_sqlite else "%s"
    _insert(cursor, decisions, mark, values)
    _insert(cursor, payloads, mark, kept)
    cursor.execute(f"UPDATE ledger_head SET seq = {mark}, hash = {mark}", (seq, head))  # noqa: S608  own names
    return seq


def _insert(cursor: Any, table: Table, mark: str, values: list[Any]) -> None:
    """Insert many rows per statement: each statement releases Python's lock once, so fewer are faster."""
    width = len(table.columns)
    for start in range(0, len(values), ROWS_PER_STATEMENT * width):
        part = values[start : start + ROWS_PER_STATEMENT * width]
        cursor.execute(_insert_statement(table, mark, len(part) // width), part)


@lru_cache(4 * ROWS_PER_STATEMENT)
def _insert_statement(table: Table, mark: str, n: int) -> str:
    names = ", ".join(column.name for column in table.columns)
    row = f"({', '.join([mark] * len(table.columns))})"
    return f"INSERT INTO {table.name} ({names}) VALUES {', '.join([row] * n)}"  # noqa: S608  own names


def decision_of(row: Any) -> Decision:
    """A row of `RECORDS`."""
    values = row._asdict()
    del values["salt"]
    for name in ("payload", "economics", "as_of_features", "flags"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return Decision(**values)


def get(engine: Engine, decision_id: str) -> Decision | None:
    """One decision by id, single or a row of a list, or None."""
    if (row := row_of(decision_id)) is not None:
        return list_rows.get(engine, *row)
    found = read(engine, RECORDS.where(decisions.c.id == decision_id))
    return decision_of(found[0]) if found else None


def search(
    engine: Engine,
    *,
    contact_id: str | None = None,
    customer_id: str | None = None,
    batch_id: str | None = None,
    actor: str | None = None,
    decision: str | None = None,
    model_version: str | None = None,
    since: str | None = None,
    until: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> DecisionPage:
    """Decisions that match every given criterion, newest first; erased ones no longer match a contact or customer id.

    `since` is inclusive and `until` exclusive, both ISO dates or times in UTC. `before` is the cursor of the page
    before; another text raises `CursorError`. Rows of lists are searched by contact, customer or batch (their list)
    only: otherwise the newest list would hide every single decision.
    """
    others = {"batch_id": batch_id, "actor": actor, "decision": decision, "model_version": model_version}
    others |= {"contact_id": contact_id, "since": since, "until": until}
    cursor = Cursor.read(before)
    with engine.connect() as connection:
        person = Person.find(connection, customer_id)
        singles = on_singles(person=person, **others)
        if cursor.seq is not None:
            singles.append(decisions.c.seq < cursor.seq)
        newest = RECORDS.where(*singles).order_by(decisions.c.seq.desc()).limit(limit + 1)
        found: list[Decision | FoundRow] = [decision_of(row) for row in connection.execute(newest)]
        if contact_id is not None or person is not None or batch_id is not None:
            rows = list_rows.search(connection, on_rows(person=person, **others), cursor.row, limit + 1)
            # Either is in its own order already, which a sort by time could change.
            found = list(merge(found, rows, key=attrgetter("decided_at"), reverse=True))
    if len(found) <= limit:
        return DecisionPage(found, None)
    for one in found[:limit]:
        cursor = cursor.after(one)
    return DecisionPage(found[:limit], str(cursor))


def fault_of(engine: Engine, decision_id: str) -> str:
    """What is wrong with the record of a decision, as a sentence; "" if nothing is. The whole chain: `chain.verify`."""
    if (row := row_of(decision_id)) is None:
        return chain.fault_of(engine, decision_id)
    with engine.connect() as connection:
        return list_rows.fault_of(connection, *row)


def erase(
    engine: Engine,
    *,
    actor: str,
    reason: str,
    contact_id: str | None = None,
    customer_id: str | None = None,
    decided_before: date | None = None,
    decision_id: str | None = None,
) -> int:
    """Remove a customer's data but keep the records, with the erasure on record; the chains still verify.

    Decisions, single or of lists, lose their payload, and what came back from calls and books loses its ids. Answers
    kept for a repetition that name them are removed. Objections stay, so that nobody is called again. Give a contact, a
    person, a decision, or a day (UTC) before which they are erased (retention). The reason is for the auditor and must
    hold no personal data. Returns how many records were emptied. Files: `store.personal_files`.

    Raises:
        ValueError: no criterion was given (that would erase everything), or `decided_before` lies in the future.
    """
    note = {"at": utc_now(), "actor": actor, "reason": reason}
    with writing(engine) as connection:
        person = Person.find(connection, customer_id)
        about = to_erase(contact_id, person, decided_before, decision_id)
        if _count(connection, about) == 0:
            return 0
        # One statement, so that a decision recorded meanwhile keeps its payload or has its erasure on record.
        gone = delete(payloads).where(*about[payloads]).returning(payloads.c.decision_id)
        ids = connection.execute(gone).scalars().all()
        rows = list_rows.forget(connection, about[rows_of_lists])
        with events.recording(connection, kind="erasure.recorded", subject="", actor=actor) as event:
            event.insert(erasures, [{"decision_id": i, **note} for i in ids])
            event.insert(list_erasures, [{"list_id": list_id, "row": row, **note} for list_id, row in rows])
            n_reports = sum(event.erase(table, and_(*about[table])) for table in FEEDS)
        named = {*ids, *(f"{list_id}.{row}" for list_id, row in rows)} if decided_before is None else set()
        named |= set(person.contact_ids if person else filter(None, [contact_id]))
        idempotency.erase(connection, named, decided_before)
    shed_log(engine)
    return len(ids) + len(rows) + n_reports


def count_to_erase(
    engine: Engine,
    *,
    contact_id: str | None = None,
    customer_id: str | None = None,
    decided_before: date | None = None,
) -> int:
    """How many records `erase` would empty with these arguments; nothing changes."""
    with engine.connect() as connection:
        person = Person.find(connection, customer_id)
        return _count(connection, to_erase(contact_id, person, decided_before, None))


def _count(connection: Connection, about: dict[Table, Conditions]) -> int:
    counts = (select(func.count()).select_from(table).where(*where) for table, where in about.items())
    return sum(connection.execute(count).scalar_one() for count in counts)
