"""Responses: every day that the loop assessed, what it measured and decided, and the state it left.

Two sensors act as one loop and share this table. Whoever appends first claims the next row number, so a day is assessed
once, on however many machines.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Engine, RowMapping, insert, select
from sqlalchemy.exc import IntegrityError

from bank_assets.ledger.chain import canonical_json, decoded
from bank_assets.ledger.engine import LedgerError, utc_now, writing
from bank_assets.ledger.models import responses

_NESTED: Final = ("kinds", "reasons", "evidence")
NEWEST_ROWS: Final = 5
"""Enough rows to include the newest assessed day; at most one row per fit lies between two days."""


class AlreadyJudgedError(LedgerError):
    """Another process assessed a day in the meantime; read the latest row and try again."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The assessment of one day, or the row that settles a fit."""

    seq: int
    at: str
    as_of: str  # data time, ISO date
    action: str  # what to do: `none`, `recalibrate`, `retrain`, `search`, `alert`
    kinds: list[str]  # what was violated: `calibration`, `covariates`, `ranking`
    episode_id: str  # the episode it belongs to, or ""
    run_key: str  # unique per requested fit, or ""
    is_recalibrated: bool  # whether the intercept moved materially
    is_alert: bool  # whether people are alerted: a new episode, or a stop
    reasons: list[str]
    evidence: dict[str, Any]
    shift: float  # intercept from the outcomes known on that day, log-odds
    promotion_id: int  # last row of `promotions` that the state knows
    state: str  # the loop's state as JSON text
    actor: str


def append(engine: Engine, *, actor: str = "pipeline", **fields: Any) -> Judged:
    """Append an assessment, given the other fields of `Judged`; `seq` is one more than the row that it rests on.

    Raises:
        AlreadyJudgedError: the number is taken.
    """
    judged = Judged(at=utc_now(), actor=actor, **fields)
    values = {**asdict(judged), **{name: canonical_json(getattr(judged, name)) for name in _NESTED}}
    values["rung"] = values.pop("action")
    try:
        with writing(engine) as connection:
            connection.execute(insert(responses).values(**values))
    except IntegrityError as error:
        raise AlreadyJudgedError(
            f"responses: expected to append row {judged.seq}, found it taken; another sensor judged first, look again."
        ) from error
    return judged


def latest(engine: Engine) -> Judged | None:
    """The last row, or None."""
    return next(iter(history(engine, limit=1)), None)


def latest_day(engine: Engine) -> Judged | None:
    """The newest row that measured a day; rows that settle a fit measure nothing."""
    return next((row for row in history(engine, limit=NEWEST_ROWS) if row.evidence), None)


def history(engine: Engine, *, limit: int = 200, after: int = 0) -> list[Judged]:
    """At most `limit` rows with a number above `after`, newest first."""
    query = select(responses).where(responses.c.seq > after).order_by(responses.c.seq.desc()).limit(limit)
    with engine.connect() as connection:
        return [_judged(row) for row in connection.execute(query).mappings()]


def counts(engine: Engine, *, after: int = 0) -> dict[str, int]:
    """Numbers of days, recalibrations, retrainings, searches and alerts in the rows after a number."""
    rows = history(engine, limit=1_000_000, after=after)
    return {
        "days": len({row.as_of for row in rows}),
        "recalibrations": sum(row.is_recalibrated for row in rows),
        "retrainings": sum(row.action == "retrain" for row in rows),
        "searches": sum(row.action == "search" for row in rows),
        "alerts": sum(row.is_alert for row in rows),
    }


def _judged(row: RowMapping) -> Judged:
    values = decoded(row, *_NESTED)
    return Judged(action=values.pop("rung"), **values)
