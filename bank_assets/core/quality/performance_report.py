"""The performance report: what the decisions really brought, as values for people and programs.

What lives here: `WindowPerformance`, `Baseline`, `PerformanceReport` and its JSON form.
What must not: measuring and thresholds (`performance`), plots and pages (`bank_assets.reports`).
Called by `performance`, sensors and the response policy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from bank_assets.core.drift.report import Level, plain

PERFORMANCE_SCHEMA_VERSION: Final = 1


class PerformanceStatus(StrEnum):
    """Whether a window carries a verdict."""

    OK = "ok"
    TOO_FEW_ROWS = "too_few_rows"
    OUTCOMES_MISSING = "outcomes_missing"
    BASELINE_MISSING = "baseline_missing"
    """Calibration is judged, ranking is not."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the champion's validation promised.

    Attributes:
        roc_auc: mean AUC over validation windows about as long as the ones judged. Not the pooled AUC: that one also
            ranks contacts of different months, which no single window can repeat. None if unknown.
        f1_threshold: threshold of the F1 reported.
    """

    roc_auc: float | None = None
    f1_threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class WindowPerformance:
    """Realised performance over the matured contacts of a window; numbers that cannot be computed are None.

    Attributes:
        name: `2009-W06`, `2009-02` or `latest`.
        first_day: first contact day (ISO).
        last_day: last contact day (ISO).
        status: ok, or why there is no (full) verdict.
        level: worst of ranking and calibration.
        ranking_level: how far the AUC fell below validation.
        calibration_level: how far observed and expected subscriptions are apart.
        rows: matured contacts.
        assumed_rows: of these, contacts without an outcome after maturity, counted as not subscribed.
        subscribed: subscribers.
        expected_subscribed: sum of probabilities.
        observed_expected: subscribed / expected_subscribed.
        observed_expected_low: lower end of its interval.
        observed_expected_high: upper end of its interval.
        roc_auc: AUC.
        roc_auc_low: lower end of its DeLong interval.
        roc_auc_high: upper end of its DeLong interval.
        average_precision: average precision.
        f1: F1 at the champion's F1 threshold.
        f1_of_calls: F1 of the decisions.
        brier: mean squared error.
        log_loss: mean negative log likelihood.
        calls: contacts called.
        profit_eur: profit of the decisions.
        profit_everyone_eur: profit of calling everyone.
        profit_oracle_eur: profit of calling the subscribers alone.
    """

    name: str
    first_day: str
    last_day: str
    status: PerformanceStatus
    level: Level
    ranking_level: Level
    calibration_level: Level
    rows: int
    assumed_rows: int
    subscribed: int
    expected_subscribed: float
    observed_expected: float | None
    observed_expected_low: float | None
    observed_expected_high: float | None
    roc_auc: float | None
    roc_auc_low: float | None
    roc_auc_high: float | None
    average_precision: float | None
    f1: float
    f1_of_calls: float
    brier: float
    log_loss: float
    calls: int
    profit_eur: float
    profit_everyone_eur: float
    profit_oracle_eur: float


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """Realised performance as of a day.

    Attributes:
        as_of: the as-of day (ISO day).
        model: name of the champion judged, for people.
        message: one sentence: the verdict on the latest window, or why there is none.
        level: level of the latest window.
        rows: contacts called before as_of with a score.
        matured: of these, matured.
        unscored: contacts before as_of without a score, because no champion was in force.
        latest: shortest window ending with the last matured day that is large enough; None without matured contacts.
        weeks: by ISO week, in order.
        months: by calendar month, in order.
        economics: cost, value and threshold the profit was computed with.
        baseline: what the champion's validation promised.
    """

    as_of: str
    model: str
    message: str
    level: Level
    rows: int
    matured: int
    unscored: int
    latest: WindowPerformance | None
    weeks: tuple[WindowPerformance, ...]
    months: tuple[WindowPerformance, ...]
    economics: dict[str, Any]
    baseline: Baseline

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form: plain types, None for what cannot be computed."""
        document: dict[str, Any] = plain({"schema_version": PERFORMANCE_SCHEMA_VERSION, **asdict(self)})
        return document
