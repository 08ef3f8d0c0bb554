"""Outcomes of contacts as they were reported; late and corrected reports are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, select, tuple_

from bank_assets.contract.feeds import TEACHES
from bank_assets.ledger import events, models
from bank_assets.ledger.campaign_models import dispositions, list_rows
from bank_assets.ledger.engine import LedgerError, read, utc_now, writing
from bank_assets.ledger.models import decisions, outcomes, payloads
from bank_assets.ledger.records import row_of


class UnknownDecisionError(LedgerError):
    """An outcome names a decision that is not on record."""


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """One report of an outcome."""

    id: int
    decision_id: str | None
    contact_id: str | None
    y: str
    duration: int | None  # length of the call, seconds, if reported
    arrived_at: str  # when the report arrived, data time, ISO; its day is the day as written, in whatever zone
    recorded_at: str  # when this ledger stored it, wall clock
    actor: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """Result of a report."""

    outcome: OutcomeReport  # the stored row, new or existing
    is_new: bool
    corrects: bool  # an earlier report about the same subject had another value


_COLUMNS: Final = tuple(outcomes.c[name] for name in OutcomeReport.__dataclass_fields__)
RECORDED: Final = "outcomes.recorded"  # kind of the event about a report; its subject is a decision or a call list
_REPORTS: Final = select(*_COLUMNS).order_by(outcomes.c.arrived_at, outcomes.c.id)


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

    The contact id of a decision is looked up; a report about a row of a list is one about its contact. `arrived_at` is
    data time (ISO); without it the report arrives now, and repeating the latest known value is a duplicate. `duration`
    is in seconds.

    Raises:
        ValueError: neither or both of decision id and contact id were given.
        UnknownDecisionError: no such decision.
    """
    if (decision_id is None) == (contact_id is None):
        raise ValueError("expected either decision_id or contact_id; give exactly one.")
    about = ""
    with writing(engine) as connection:
        # One report at a time, so that a repeated one finds the first, and row numbers follow the order of commits.
        events.lock(connection)
        if decision_id is not None:
            contact_id = _contact_of(connection, decision_id)
            about, row = decision_id, row_of(decision_id)
            if row is not None:
                about, decision_id = row[0], None
        subject = f"decision:{decision_id}" if decision_id is not None else f"contact:{contact_id}"
        earlier = [OutcomeReport(*row) for row in connection.execute(_REPORTS.where(outcomes.c.subject == subject))]
        same = [report for report in earlier if report.y == y and report.arrived_at == arrived_at]
        if arrived_at is None and earlier and (earlier[-1].y, earlier[-1].duration) == (y, duration):
            same = [earlier[-1]]
        if same:
            return Recorded(same[0], is_new=False, corrects=False)
        now = utc_now()
        report = {
            "subject": subject,
            "decision_id": decision_id,
            "contact_id": contact_id,
            "y": y,
            "duration": duration,
            "arrived_at": arrived_at or now,
            "recorded_at": now,
            "actor": actor,
        }
        with events.recording(connection, kind=RECORDED, subject=about, actor=actor) as event:
            (row,) = event.insert(outcomes, [report])
        recorded = OutcomeReport(*(getattr(row, name) for name in OutcomeReport.__dataclass_fields__))
        return Recorded(recorded, is_new=True, corrects=any(report.y != y for report in earlier))


def _contact_of(connection: Connection, decision_id: str) -> str | None:
    if (row := row_of(decision_id)) is not None:
        query = select(list_rows.c.contact_id).where(tuple_(list_rows.c.list_id, list_rows.c.row) == row)
    else:
        query = (
            select(payloads.c.contact_id)
            .select_from(decisions)
            .outerjoin(payloads, payloads.c.decision_id == decisions.c.id)
            .where(decisions.c.id == decision_id)
        )
    known = connection.execute(query).one_or_none()
    if known is None:
        raise UnknownDecisionError(
            f"outcome: expected a decision on record, found none with id {decision_id}; "
            f"check the id, or report by contact_id."
        )
    return known.contact_id


def of_decision(engine: Engine, decision_id: str, contact_id: str | None = None) -> list[OutcomeReport]:
    """Every report about a decision, and about its contact by name, oldest arrival first."""
    about = outcomes.c.decision_id == decision_id
    if contact_id is not None:
        about |= outcomes.c.subject == f"contact:{contact_id}"
    return [OutcomeReport(*row) for row in read(engine, _REPORTS.where(about))]


def export(engine: Engine) -> Iterator[OutcomeReport]:
    """Every report in the order in which they were recorded, streamed in constant memory.

    A contact may appear several times; its last arrival counts.
    """
    with engine.connect() as connection:
        reports = connection.execution_options(yield_per=5_000).execute(select(*_COLUMNS).order_by(outcomes.c.id))
        yield from (OutcomeReport(*row) for row in reports)


def calling_lists(engine: Engine) -> dict[int, str]:
    """The call list of each report that follows from a call by one, by the report's id.

    That is the list to which the disposition is booked, or the one whose row was reported as a decision.
    """
    # By contact: SQLite would take the index of events, and read a batch of 5,000 rows once for each of its rows.
    same_event = dispositions.c.event_seq + 0 == outcomes.c.event_seq + 0
    same = (dispositions.c.contact_id == outcomes.c.contact_id) & same_event
    is_call = dispositions.c.list_id.is_not(None) & dispositions.c.disposition.in_(list(TEACHES))
    by_call = select(outcomes.c.id, dispositions.c.list_id).join(dispositions, same).where(is_call)
    of_row = (models.events.c.seq == outcomes.c.event_seq) & (models.events.c.kind == RECORDED)
    is_row = outcomes.c.decision_id.is_(None) & (models.events.c.subject != "")
    by_row = select(outcomes.c.id, models.events.c.subject).join(models.events, of_row).where(is_row)
    with engine.connect() as connection:
        rows = [*connection.execute(by_row), *connection.execute(by_call.order_by(dispositions.c.id))]
    return {report: list_id for report, list_id in rows}  # noqa: C416  a result has keys
