"""Responses: every day that the loop assessed, what it measured and decided, and the state it left.

Two sensors act as one loop and share this table. Whoever appends first claims the next row number, so a day is assessed
once, on however many machines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from bank_assets.ledger.engine import LedgerError, read, utc_now, writing
from bank_assets.ledger.models import responses
from bank_assets.ledger.promotions import UNJUDGED, Promotion

# Enough rows to include the newest assessed day; at most one row per fit lies between two days.
NEWEST_ROWS: Final = 5


class AlreadyJudgedError(LedgerError):
    """Another process assessed a day in the meantime; read the latest row and try again."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The assessment of one day, or the row that settles a fit; the fields are the columns in their order."""

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


def verdict_on(judged: Judged, verdicts: Iterable[Promotion]) -> Promotion | None:
    """The first of some verdicts that is on the fit a day requested, and so younger than the day's row; else None."""
    later = (one for one in verdicts if one.as_of == judged.as_of and one.id > judged.promotion_id)
    return next((one for one in later if one.kind not in UNJUDGED), None)


def append(engine: Engine, *, actor: str = "pipeline", **fields: Any) -> Judged:
    """Append an assessment, given the other fields of `Judged`; `seq` is one more than the row that it rests on.

    Raises:
        AlreadyJudgedError: the number is taken.
    """
    judged = Judged(at=utc_now(), actor=actor, **fields)
    try:
        with writing(engine) as connection:
            connection.execute(insert(responses).values(asdict(judged)))
    except IntegrityError as error:
        raise AlreadyJudgedError(
            f"responses: expected to append row {judged.seq}, found it taken; another sensor judged first, look again."
        ) from error
    return judged


def latest(engine: Engine, *, until: str | None = None) -> Judged | None:
    """The last row, or None; with `until`, the last one of a day (ISO) up to that one."""
    return next(iter(history(engine, limit=1, until=until)), None)


def latest_day(engine: Engine) -> Judged | None:
    """The newest row that measured a day; rows that settle a fit measure nothing."""
    return next((row for row in history(engine, limit=NEWEST_ROWS) if row.evidence), None)


def history(engine: Engine, *, limit: int = 200, after: int = 0, until: str | None = None) -> list[Judged]:
    """At most `limit` rows with a number above `after`, newest first; of days up to `until`, if given."""
    query = select(responses).where(responses.c.seq > after).order_by(responses.c.seq.desc()).limit(limit)
    return [Judged(*row) for row in read(engine, query if until is None else query.where(responses.c.as_of <= until))]
