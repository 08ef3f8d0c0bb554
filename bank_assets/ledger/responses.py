"""Responses: every day that the loop judged, what it measured, what it answered, and the state it left.

What lives here: append and read. Called by the loop (`bank_assets.loop.response`), alerts, the demo and pages.
What must not: judging (`core.response.assessment`), measuring (`core.response.evidence`), asking for runs.

Two sensors act as one loop. They share this table: the number of the last row is claimed by whoever appends first, so
a day is judged once, whichever of them looks first and on however many machines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, RowMapping, insert, select
from sqlalchemy.exc import IntegrityError

from bank_assets.ledger.chain import canonical_json
from bank_assets.ledger.engine import LedgerError, utc_now, writing
from bank_assets.ledger.models import responses

NEWEST_ROWS: Final = 5
"""Enough to hold the newest judged day: each row that settles a fit stands between two of them."""


class AlreadyJudgedError(LedgerError):
    """Another process judged in the meantime; read the latest row and look again."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One row.

    Attributes:
        seq: 1, 2, 3, …
        at: wall clock.
        as_of: the as-of day, data time, ISO date.
        action: what to do: `none`, `recalibrate`, `retrain`, `search`, `alert`.
        kinds: what was violated: `calibration`, `covariates`, `ranking`.
        episode_id: the episode it belongs to, or "".
        run_key: unique per fit asked for, or "".
        is_recalibrated: whether the intercept moved materially.
        is_alert: whether a person is told: a new episode, or a stop.
        reasons: sentences with the numbers.
        evidence: what was measured, by name.
        shift: intercept from the outcomes known on that day, log-odds.
        promotion_id: last row of `promotions` that the state knows.
        state: the loop's state as JSON text.
        actor: who judged.
    """

    seq: int
    at: str
    as_of: str
    action: str
    kinds: list[str]
    episode_id: str
    run_key: str
    is_recalibrated: bool
    is_alert: bool
    reasons: list[str]
    evidence: dict[str, Any]
    shift: float
    promotion_id: int
    state: str
    actor: str


def append(
    engine: Engine,
    *,
    seq: int,
    as_of: str,
    action: str,
    kinds: Sequence[str],
    episode_id: str,
    run_key: str,
    is_recalibrated: bool,
    is_alert: bool,
    reasons: Sequence[str],
    evidence: Mapping[str, Any],
    shift: float,
    promotion_id: int,
    state: str,
    actor: str = "pipeline",
) -> Judged:
    """Append the judgement of a day.

    Args:
        engine: an open ledger.
        seq: number of the row, one more than the last that the judgement rests on.
        as_of: the as-of day.
        action: what to do.
        kinds: what was violated.
        episode_id: the episode, or "".
        run_key: of the fit asked for, or "".
        is_recalibrated: whether the intercept moved materially.
        is_alert: whether a person is told.
        reasons: sentences.
        evidence: JSON-able numbers.
        shift: intercept, log-odds.
        promotion_id: last promotion known.
        state: JSON text.
        actor: who judged.

    Returns:
        The row as stored.

    Raises:
        AlreadyJudgedError: the number is taken.
    """
    values = {
        "seq": seq,
        "at": utc_now(),
        "as_of": as_of,
        "rung": action,
        "kinds": canonical_json(list(kinds)),
        "episode_id": episode_id,
        "run_key": run_key,
        "is_recalibrated": is_recalibrated,
        "is_alert": is_alert,
        "reasons": canonical_json(list(reasons)),
        "evidence": canonical_json(dict(evidence)),
        "shift": shift,
        "promotion_id": promotion_id,
        "state": state,
        "actor": actor,
    }
    try:
        with writing(engine) as connection:
            connection.execute(insert(responses).values(**values))
            row = connection.execute(select(responses).where(responses.c.seq == seq)).mappings().one()
    except IntegrityError as error:
        raise AlreadyJudgedError(
            f"responses: expected to append row {seq}, found it taken; another sensor judged first, look again."
        ) from error
    return _judged(row)


def latest(engine: Engine) -> Judged | None:
    """The last row, or None before the first judgement."""
    found = history(engine, limit=1)
    return found[0] if found else None


def latest_day(engine: Engine) -> Judged | None:
    """The newest row that measured a day; rows that settle a fit measure nothing."""
    return next((row for row in history(engine, limit=NEWEST_ROWS) if row.evidence), None)


def history(engine: Engine, *, limit: int = 200, after: int = 0) -> list[Judged]:
    """Rows, newest first.

    Args:
        engine: an open ledger.
        limit: how many at most.
        after: only rows with a larger number.
    """
    query = select(responses).where(responses.c.seq > after).order_by(responses.c.seq.desc()).limit(limit)
    with engine.connect() as connection:
        return [_judged(row) for row in connection.execute(query).mappings()]


def counts(engine: Engine, *, after: int = 0) -> dict[str, int]:
    """How often the loop did what: days, recalibrations, retrainings, searches, alerts.

    Args:
        engine: an open ledger.
        after: count only rows with a larger number.
    """
    rows = history(engine, limit=1_000_000, after=after)
    return {
        "days": len({row.as_of for row in rows}),
        "recalibrations": sum(row.is_recalibrated for row in rows),
        "retrainings": sum(row.action == "retrain" for row in rows),
        "searches": sum(row.action == "search" for row in rows),
        "alerts": sum(row.is_alert for row in rows),
    }


def _judged(row: RowMapping) -> Judged:
    values = dict(row)
    values["action"] = values.pop("rung")
    for name in ("kinds", "reasons", "evidence"):
        values[name] = json.loads(values[name])
    return Judged(**values)
