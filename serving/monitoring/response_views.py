"""Judged days for people: each number beside its limit, and the loop's response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bank_assets.core.response.assessment import comparisons
from bank_assets.core.response.policy import (
    Evidence,
    LimitComparison,
    ResponseAction,
    ResponsePolicy,
    ResponseState,
    ViolationKind,
)
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.promotions import Promotion
from bank_assets.ledger.responses import Judged, verdict_on
from bank_assets.reports.charts import Chart, Series
from bank_assets.reports.formats import count, number
from serving.monitoring.view_models import JudgedDay, ResponseView
from serving.web.templating import words
from serving.web.view_models import BAD, GOOD, PLAIN, WATCH, Notice, Tile

SHOWN_DAYS: Final = 40  # judged days in the table; the charts go further back
CHART_DAYS: Final = 180
# Rows of the ledger read for a page: the charts' days, and rows that settle a fit without judging a day.
READ_ROWS: Final = 200

LIMITS: Final = ResponsePolicy()
LEDGER_UNREADABLE: Final = Notice(
    BAD,
    "The ledger cannot be read",
    "Nothing is decided and nothing that the loop judged is shown without it. Free disk space, or start its database; "
    "the app goes on by itself.",
)
NAMES: Final = {
    ViolationKind.CALIBRATION: "Observed / expected",
    ViolationKind.COVARIATES: "Largest move of a column",
    ViolationKind.RANKING: "AUC, upper bound",
}
FITS: Final = {ResponseAction.RETRAIN: "refit of the recipe", ResponseAction.SEARCH: "comparison of all candidates"}


@dataclass(frozen=True, slots=True)
class LoopHistory:
    """The latest rows of the ledger's `responses` and `promotions`, newest first."""

    rows: Sequence[Judged] = ()
    verdicts: Sequence[Promotion] = ()

    @classmethod
    def read(cls, ledger: Engine, limit: int) -> LoopHistory | None:
        """The newest rows; None if the ledger cannot be read."""
        try:
            return cls(responses.history(ledger, limit=limit), promotions.history(ledger, limit=limit))
        except SQLAlchemyError:
            return None

    @property
    def stopped_on(self) -> str:
        """Day on which the loop stopped because fits do not help, "" if it is not stopped now."""
        return (ResponseState.from_json(self.rows[0].state).stopped_on or "") if self.rows else ""

    @property
    def fit_in_progress(self) -> Judged | None:
        """The row whose fit has no verdict yet, None if the loop waits for none."""
        newest = self.rows[0] if self.rows else None
        is_fitting = newest is not None and newest.action in FITS and verdict_on(newest, self.verdicts) is None
        return newest if is_fitting else None

    @property
    def judged(self) -> list[tuple[Judged, Evidence]]:
        """Rows that measured something; the others settle a fit that came to nothing."""
        found = ((row, Evidence.from_record(row.evidence)) for row in self.rows)
        return [(row, evidence) for row, evidence in found if evidence is not None]

    @property
    def is_within_limits(self) -> bool:
        """Whether every number of the newest judged day is within its limit."""
        judged = self.judged
        return bool(judged) and not judged[0][0].kinds

    @property
    def message(self) -> str:
        """The newest judged day in one sentence, "" before the first."""
        judged = self.judged
        if not judged:
            return ""
        row, evidence = judged[0]
        found = [NAMES[one.kind].lower() for one in comparisons(evidence, LIMITS) if one.is_violated]
        state = f"beyond the limit: {', '.join(found)}" if found else "every number within its limit"
        return f"{row.as_of}: {state}; {self.answer_of(row)}."

    def answer_of(self, row: Judged) -> str:
        """What the loop answered on a day, and what became of it."""
        answers = ["recalibrated"] if row.is_recalibrated or row.action == ResponseAction.RECALIBRATE else []
        if row.action in FITS:
            found, is_running = verdict_on(row, self.verdicts), row is self.fit_in_progress
            became = (
                f": version {found.to_version} {found.decision}" if found else ", not finished" if is_running else ""
            )
            answers.append(f"{FITS[ResponseAction(row.action)]}{became}")
        if row.action == ResponseAction.ALERT:
            answers.append("stopped, a person was called")
        return " and ".join(answers) or ("waited" if row.kinds else "nothing to answer")


def response_view(history: LoopHistory) -> ResponseView | None:
    """Arrange judged days; None before the first."""
    judged = [(row, comparisons(evidence, LIMITS)) for row, evidence in history.judged]
    if not judged:
        return None
    oldest_first = judged[:CHART_DAYS][::-1]
    return ResponseView(
        message=history.message,
        tiles=[_tile(one) for one in judged[0][1]],
        charts=[_chart(kind, oldest_first) for kind in ViolationKind],
        head=[(NAMES[one.kind], _limit(one)) for one in judged[0][1]],
        days=[JudgedDay(row, compared, history.answer_of(row)) for row, compared in judged[:SHOWN_DAYS]],
        n_earlier=max(len(judged) - SHOWN_DAYS, 0),
    )


def _limit(one: LimitComparison) -> str:
    if one.kind is ViolationKind.CALIBRATION:
        return f"{number(1.0 / one.limit, 2)} to {number(one.limit, 2)}"
    return f"{'at least' if one.kind is ViolationKind.RANKING else 'at most'} {number(one.limit, 2)}"


def _tile(one: LimitComparison) -> Tile:
    if one.value is None:
        return Tile(NAMES[one.kind], "not judged", f"{count(one.sample)} of {count(one.minimum)} needed", PLAIN)
    note = f"limit {_limit(one)}, on {count(one.sample)}"
    return Tile(NAMES[one.kind], number(one.value, 2), note, WATCH if one.is_violated else GOOD)


def _chart(kind: ViolationKind, judged: Sequence[tuple[Judged, tuple[LimitComparison, ...]]]) -> Chart:
    found = [next(one for one in compared if one.kind is kind) for _, compared in judged]
    limits = [Series("Limit", [one.limit for one in found], style="reference")]
    if kind is ViolationKind.CALIBRATION:
        limits.append(Series("Limit below", [1.0 / one.limit for one in found], style="reference"))
    return Chart(
        f"loop-{kind}",
        f"{NAMES[kind]} on each judged day, and its limit",
        "judged day",
        words(kind),
        [row.as_of for row, _ in judged],
        [Series(NAMES[kind], [one.value for one in found]), *limits],
        "ratio",
    )
