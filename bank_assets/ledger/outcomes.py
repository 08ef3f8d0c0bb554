"""Outcomes of contacts as they were reported; late and corrected reports are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, select

from bank_assets.ledger.engine import LedgerError, holding_head, utc_now
from bank_assets.ledger.models import decisions, outcomes, payloads

_EXPORT_CHUNK: Final = 5_000


class UnknownDecisionError(LedgerError):
    """An outcome names a decision that is not on record."""


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """One report of an outcome, as kept."""

    id: int
    decision_id: str | None
    contact_id: str | None
    y: str
    duration: int | None  # length of the call, seconds, if reported
    arrived_at: str  # when the report arrived, data time, ISO
    recorded_at: str  # when this ledger stored it, wall clock
    actor: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """Result of a report."""

    outcome: OutcomeReport  # the stored row, new or existing
    is_new: bool
    corrects: bool  # an earlier report about the same subject had another value


@dataclass(frozen=True, slots=True)
class ExportedOutcome:
    """One report joined with its decision, for training and performance."""

    id: int  # row number of the report; the largest seen is the cursor of the next export
    contact_id: str | None  # None if unknown or erased
    contact_date: str | None  # planned day of the call, None without a decision
    decision_id: str | None
    y: str
    duration: int | None
    arrived_at: str
    probability: float | None  # None without a decision
    model_version: str | None


_REPORTS: Final = select(*(outcomes.c[name] for name in OutcomeReport.__dataclass_fields__)).order_by(
    outcomes.c.arrived_at, outcomes.c.id
)


def record(
    engine: Engine,
    *,
    y: str,
    actor: str,
    decision_id: str | None = None,
    contact_id: str | None = None,
    duration: int | None = None,
    arrived_at: str | None = None,
) -> Recorded:
    """Record an outcome. A repeated report adds no row; a different one later is a correction and adds a row.

    The contact id of a decision is looked up. `arrived_at` is data time (ISO); without it the report arrives now, and
    repeating the latest known value is a duplicate. `duration` is in seconds.

    Raises:
        ValueError: neither or both of decision id and contact id were given.
        UnknownDecisionError: no such decision.
    """
    if (decision_id is None) == (contact_id is None):
        raise ValueError("expected either decision_id or contact_id; give exactly one.")
    subject = f"decision:{decision_id}" if decision_id is not None else f"contact:{contact_id}"
    # The lock makes row numbers follow the order of commits, so that an export's cursor skips none.
    with holding_head(engine) as (connection, _, _):
        if decision_id is not None:
            contact_id = _contact_of(connection, decision_id)
        earlier = [OutcomeReport(*row) for row in connection.execute(_REPORTS.where(outcomes.c.subject == subject))]
        same = [report for report in earlier if report.y == y and report.arrived_at == arrived_at]
        if arrived_at is None and earlier and (earlier[-1].y, earlier[-1].duration) == (y, duration):
            same = [earlier[-1]]
        if same:
            return Recorded(same[0], is_new=False, corrects=False)
        now = utc_now()
        values: dict[str, Any] = {
            "decision_id": decision_id,
            "contact_id": contact_id,
            "y": y,
            "duration": duration,
            "arrived_at": arrived_at or now,
            "recorded_at": now,
            "actor": actor,
        }
        key = connection.execute(insert(outcomes).values(subject=subject, **values)).inserted_primary_key
        assert key is not None
        corrects = any(report.y != y for report in earlier)
        return Recorded(OutcomeReport(id=key[0], **values), is_new=True, corrects=corrects)


def _contact_of(connection: Connection, decision_id: str) -> str | None:
    known = connection.execute(
        select(payloads.c.contact_id)
        .select_from(decisions)
        .outerjoin(payloads, payloads.c.decision_id == decisions.c.id)
        .where(decisions.c.id == decision_id)
    ).one_or_none()
    if known is None:
        raise UnknownDecisionError(
            f"outcome: expected a decision on record, found none with id {decision_id}; "
            f"check the id, or report by contact_id."
        )
    return known.contact_id


def of_decision(engine: Engine, decision_id: str) -> list[OutcomeReport]:
    """Every report about a decision, oldest arrival first."""
    query = _REPORTS.where(outcomes.c.decision_id == decision_id)
    with engine.connect() as connection:
        return [OutcomeReport(*row) for row in connection.execute(query)]


def export(engine: Engine, after: int = 0) -> Iterator[ExportedOutcome]:
    """Reports with an id above `after`, oldest first, streamed in constant memory.

    A contact may appear several times; its last arrival counts.
    """
    columns = {**decisions.c, **outcomes.c}
    query = (
        select(*(columns[name] for name in ExportedOutcome.__dataclass_fields__))
        .outerjoin(decisions, decisions.c.id == outcomes.c.decision_id)
        .order_by(outcomes.c.id)
        .limit(_EXPORT_CHUNK)
    )
    while True:
        with engine.connect() as connection:
            rows = connection.execute(query.where(outcomes.c.id > after)).all()
        yield from (ExportedOutcome(*row) for row in rows)
        if len(rows) < _EXPORT_CHUNK:
            return
        after = rows[-1].id
