"""Decisions: append to the chain, read, search, erase."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Engine, Table, delete, func, select

from bank_assets.ledger import events
from bank_assets.ledger.chain import RECORDS
from bank_assets.ledger.digests import CHAINED, hash_in_order, payload_hash
from bank_assets.ledger.engine import LedgerError, read, utc_now, writing
from bank_assets.ledger.models import decisions, erasures, payloads
from bank_assets.ledger.records import Decision, Draft, Found

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
    """One decision by id, or None."""
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
    before_seq: int | None = None,
    limit: int = 50,
) -> Found:
    """Decisions that match every given criterion, newest first; erased ones no longer match a contact or customer id.

    `since` is inclusive and `until` exclusive, both ISO dates or times in UTC. `before_seq` is the cursor of the page
    before.
    """
    equal = {
        payloads.c.contact_id: contact_id,
        decisions.c.batch_id: batch_id,
        decisions.c.actor: actor,
        decisions.c.decision: decision,
        decisions.c.model_version: model_version,
    }
    where = [column == value for column, value in equal.items() if value is not None]
    if customer_id is not None:
        where.append(decisions.c.id.in_(select(payloads.c.decision_id).where(_is_about(customer_id))))
    # The index on ids narrows the search (an id is made within a second of its decision); the time then decides.
    if since is not None:
        where += [decisions.c.id >= _id_at(since, -1), decisions.c.decided_at >= since]
    if until is not None:
        where += [decisions.c.id < _id_at(until, +1), decisions.c.decided_at < until]
    if before_seq is not None:
        where.append(decisions.c.seq < before_seq)
    newest = RECORDS.where(*where).order_by(decisions.c.seq.desc()).limit(limit + 1)
    found = [decision_of(row) for row in read(engine, newest)]
    more = len(found) > limit
    return Found(found[:limit], found[limit - 1].seq if more else None)


def _is_about(customer_id: str) -> ColumnElement[bool]:
    """Payloads of a person: by customer id, or by contact id alone if that is the person's or names the person."""
    contacts = select(payloads.c.contact_id).where(payloads.c.customer_id == customer_id)
    is_contact = (payloads.c.contact_id == customer_id) | payloads.c.contact_id.in_(contacts)
    return (payloads.c.customer_id == customer_id) | (payloads.c.customer_id.is_(None) & is_contact)


def _id_at(moment: str, seconds: int) -> str:
    """The smallest id of a time, moved by some seconds; "" or "g" where no id can be smaller or larger."""
    at = datetime.fromisoformat(moment)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    milliseconds = int(at.timestamp() * 1_000) + seconds * 1_000
    if milliseconds < 0:
        return ""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}" if len(digits) == 12 else "g"


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
    """Remove payloads and salts, but keep the decisions and record the erasure; the chain still verifies.

    Give a contact, a person, a decision, or a day (UTC) before which decisions are erased (retention). The reason is
    for the auditor and must hold no personal data. Returns how many payloads were erased.

    Raises:
        ValueError: no criterion was given (that would erase everything), or `decided_before` lies in the future.
    """
    where = _to_erase(contact_id, customer_id, decided_before, decision_id)
    now = utc_now()
    with writing(engine) as connection:
        # One statement, so that a decision recorded meanwhile keeps its payload or has its erasure on record.
        gone = delete(payloads).where(*where).returning(payloads.c.decision_id)
        ids = connection.execute(gone).scalars().all()
        if ids:
            with events.recording(connection, kind="erasure.recorded", subject="", actor=actor) as event:
                event.insert(erasures, [{"decision_id": i, "at": now, "actor": actor, "reason": reason} for i in ids])
    return len(ids)


def count_to_erase(
    engine: Engine,
    *,
    contact_id: str | None = None,
    customer_id: str | None = None,
    decided_before: date | None = None,
) -> int:
    """How many payloads `erase` would remove with these arguments; nothing changes."""
    where = _to_erase(contact_id, customer_id, decided_before, None)
    return int(read(engine, select(func.count()).select_from(payloads).where(*where))[0][0])


def _to_erase(
    contact_id: str | None, customer_id: str | None, decided_before: date | None, decision_id: str | None
) -> list[ColumnElement[bool]]:
    where = []
    if contact_id is not None:
        where.append(payloads.c.contact_id == contact_id)
    if customer_id is not None:
        where.append(_is_about(customer_id))
    if decision_id is not None:
        where.append(payloads.c.decision_id == decision_id)
    if decided_before is not None:
        today = datetime.now(UTC).date()
        if decided_before > today:
            raise ValueError(
                f"decided_before: expected today ({today}, UTC) or an earlier day, found {decided_before}; "
                "every decision lies before a future day, so all of them would be erased."
            )
        # Times in the column have one width and are UTC, so text comparison with a midnight in that form is correct.
        midnight = f"{decided_before.isoformat()}T00:00:00.000000Z"
        where.append(payloads.c.decision_id.in_(select(decisions.c.id).where(decisions.c.decided_at < midnight)))
    if not where:
        raise ValueError(
            "expected contact_id, customer_id, decision_id or decided_before, found none; say whose data to erase."
        )
    return where
