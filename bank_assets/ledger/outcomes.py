"""Outcomes: what became of a contact, as reported; late and corrected reports are kept.

What lives here: recording and exporting outcomes. Called by `POST /outcomes`, the outcome form and the
`ledger_outcomes` asset. What must not: judging whether an outcome is mature (data time, `core.quality.performance`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, insert, select

from bank_assets.ledger.engine import LedgerError, holding_head, utc_now
from bank_assets.ledger.models import decisions, outcomes, payloads

_EXPORT_CHUNK: Final = 5_000


class UnknownDecisionError(LedgerError):
    """An outcome names a decision that is not on record."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One report of an outcome.

    Attributes:
        id: row number, grows with time of recording.
        decision_id: the decision it belongs to, if known.
        contact_id: the contact it belongs to, if known.
        y: `yes` or `no`.
        duration: length of the call, seconds, if reported.
        arrived_at: when the report arrived, data time, ISO.
        recorded_at: when this ledger stored it, wall clock.
        actor: who reported it.
    """

    id: int
    decision_id: str | None
    contact_id: str | None
    y: str
    duration: int | None
    arrived_at: str
    recorded_at: str
    actor: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """Answer to a report.

    Attributes:
        outcome: the row kept, new or the one already there.
        is_new: False if the same report was already on record.
        corrects: an earlier report about the same subject had another value.
    """

    outcome: Outcome
    is_new: bool
    corrects: bool


@dataclass(frozen=True, slots=True)
class ExportedOutcome:
    """One outcome report joined with its decision, for training and performance.

    Attributes:
        id: row number of the report; the largest seen is the cursor of the next export.
        contact_id: the contact, None if unknown or erased.
        contact_date: planned day of the call from the decision, None without one.
        decision_id: the decision, if known.
        y: `yes` or `no`.
        duration: seconds, if reported.
        arrived_at: arrival of the report, data time.
        probability: probability on record, None without a decision.
        model_version: version that scored, None without a decision.
    """

    id: int
    contact_id: str | None
    contact_date: str | None
    decision_id: str | None
    y: str
    duration: int | None
    arrived_at: str
    probability: float | None
    model_version: str | None


_FIELDS: Final = tuple(outcomes.c[name] for name in Outcome.__dataclass_fields__)


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
    """Record an outcome; the same report twice is one row, a different one later is a correction and a second row.

    Args:
        engine: an open ledger.
        y: `yes` or `no`.
        actor: who reports.
        decision_id: the decision; its contact id is looked up.
        contact_id: the contact, if no decision id is at hand.
        duration: length of the call, seconds.
        arrived_at: when the report arrived (data time, ISO); the present if None. Without it, repeating the latest
            known value is a duplicate, not a new report.

    Returns:
        The row kept, and whether it is new.

    Raises:
        ValueError: neither or both of decision id and contact id were given.
        UnknownDecisionError: no such decision.
    """
    if (decision_id is None) == (contact_id is None):
        raise ValueError("expected either decision_id or contact_id; give exactly one.")
    subject = f"decision:{decision_id}" if decision_id is not None else f"contact:{contact_id}"
    # Under the head's lock, so row numbers appear in the order of commits and an export's cursor skips none.
    with holding_head(engine) as (connection, _, _):
        if decision_id is not None:
            known = connection.execute(
                select(decisions.c.id, payloads.c.contact_id)
                .outerjoin(payloads, payloads.c.decision_id == decisions.c.id)
                .where(decisions.c.id == decision_id)
            ).one_or_none()
            if known is None:
                raise UnknownDecisionError(
                    f"outcome: expected a decision on record, found none with id {decision_id}; "
                    f"check the id, or report by contact_id."
                )
            contact_id = known.contact_id
        earlier = connection.execute(
            select(*_FIELDS).where(outcomes.c.subject == subject).order_by(outcomes.c.arrived_at, outcomes.c.id)
        ).all()
        same = [row for row in earlier if row.y == y and row.arrived_at == arrived_at]
        if arrived_at is None and earlier and (earlier[-1].y, earlier[-1].duration) == (y, duration):
            same = [earlier[-1]]
        if same:
            return Recorded(Outcome(*same[0]), is_new=False, corrects=False)
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
        corrects = any(row.y != y for row in earlier)
        return Recorded(Outcome(id=key[0], **values), is_new=True, corrects=corrects)


def of_decision(engine: Engine, decision_id: str) -> list[Outcome]:
    """Every report about a decision, oldest arrival first."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(*_FIELDS).where(outcomes.c.decision_id == decision_id).order_by(outcomes.c.arrived_at, outcomes.c.id)
        ).all()
    return [Outcome(*row) for row in rows]


def export(engine: Engine, after: int = 0) -> Iterator[ExportedOutcome]:
    """Every report recorded after a cursor, oldest first, streamed in constant memory.

    Args:
        engine: an open ledger.
        after: `id` of the last report already exported.

    Yields:
        Reports with what the decision says; a contact may appear several times, its last arrival counts.
    """
    query = (
        select(
            outcomes.c.id,
            outcomes.c.contact_id,
            decisions.c.contact_date,
            outcomes.c.decision_id,
            outcomes.c.y,
            outcomes.c.duration,
            outcomes.c.arrived_at,
            decisions.c.probability,
            decisions.c.model_version,
        )
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
