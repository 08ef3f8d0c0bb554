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
    """The metrics of the champion's validation.

    `roc_auc` is the mean over validation windows about as long as the judged ones, None if unknown. The pooled AUC
    would be higher, since it also ranks contacts of different months, which no single window can repeat.
    """

    roc_auc: float | None = None
    f1_threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class WindowPerformance:
    """Realised performance over the matured contacts of a window; numbers that cannot be computed are None.

    The name is `2009-W06`, `2009-02` or `latest`. `assumed_rows` have no outcome after maturity and count as not
    subscribed. `f1` is at the champion's threshold and `f1_of_calls` that of the decisions. The oracle calls the
    subscribers alone.
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
    """Realised performance as of a day; `message` gives the verdict on the latest window, or why there is none.

    Of the `rows` scored before `as_of`, `matured` have a final outcome; `unscored` had no champion in force. `latest`
    is the shortest large enough window that ends with the last matured day.
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
