"""The performance report: what the decisions earned, as values for people and programs."""

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

    `roc_auc` is the mean over validation windows about as long as the judged ones, None if unknown. The pooled AUC
    would be higher, since it also ranks contacts of different months, which no single window can repeat.
    """

    roc_auc: float | None = None
    f1_threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class WindowPerformance:
    """Realised performance over the matured contacts of a window; numbers that cannot be computed are None.

    Attributes:
        name: `2009-W06`, `2009-02` or `latest`.
        status: ok, or why there is no (full) verdict.
        level: the worse of ranking and calibration.
        assumed_rows: contacts without an outcome after maturity, counted as not subscribed.
        expected_subscribed: sum of the probabilities.
        roc_auc: AUC, with its DeLong interval.
        f1: F1 at the champion's F1 threshold; `f1_of_calls` is that of the decisions.
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
        message: one sentence: the verdict on the latest window, or why there is none.
        rows: contacts with a score called before `as_of`, of which `matured` have a final outcome.
        unscored: contacts before `as_of` without a score, because no champion was in force.
        latest: shortest window that is large enough and ends with the last matured day; None without matured contacts.
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
        """Return the JSON form: plain types, None for what cannot be computed."""
        document: dict[str, Any] = plain({"schema_version": PERFORMANCE_SCHEMA_VERSION, **asdict(self)})
        return document
