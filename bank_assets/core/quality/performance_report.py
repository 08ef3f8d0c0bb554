"""The report of realised performance, as `core.quality.performance` measures it and as pages read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from bank_assets.core.arrays import checked_version
from bank_assets.core.drift.report import Level, plain
from bank_assets.core.features.feedback import Feedback
from bank_assets.core.quality.off_policy import PolicyValue

PERFORMANCE_SCHEMA_VERSION: Final = 1


class PerformanceStatus(StrEnum):
    """Whether a window carries a verdict."""

    OK = "ok"
    TOO_FEW_ROWS = "too_few_rows"
    OUTCOMES_MISSING = "outcomes_missing"
    BASELINE_MISSING = "baseline_missing"  # calibration is judged, ranking is not


@dataclass(frozen=True, slots=True)
class Baseline:
    """The metrics of the champion's validation.

    `roc_auc` is the mean over validation windows about as long as the judged ones, None if unknown. The pooled AUC
    would be higher, since it also ranks contacts of different months, which no single window can repeat.
    """

    roc_auc: float | None = None
    f1_threshold: float = 0.5


NO_BASELINE: Final = Baseline()


@dataclass(frozen=True, slots=True)
class WindowPerformance:
    """Realised performance over the matured contacts of a window; numbers that cannot be computed are None.

    The name is `2009-W06`, `2009-02` or `latest`. `assumed_rows` have no outcome after maturity and count as not
    subscribed. `f1` is at the champion's threshold and `f1_of_calls` that of the decisions. The oracle calls the
    subscribers alone. With weights, `rows` and `assumed_rows` count contacts whose outcome was learned, subscriptions
    are scaled to them, calls and EUR stand for every contact, and the verdict goes by `effective_rows`; None without
    weights. `everyone` says what the profit of calling everyone rests on; without evidence that profit is None.
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
    profit_everyone_eur: float | None
    profit_oracle_eur: float
    effective_rows: int | None = None
    everyone: PolicyValue | None = None


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """Realised performance as of a day; `message` gives the verdict on the latest window, or why there is none.

    Of the `rows` scored before `as_of`, `matured` have a final outcome; `unscored` had no champion. `latest`
    is the shortest large enough window that ends with the last matured day. `feedback` says where outcomes come from.
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
    feedback: Feedback = field(default_factory=Feedback)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: plain types, None for what cannot be computed."""
        document = {"schema_version": PERFORMANCE_SCHEMA_VERSION, **asdict(self)}
        for window in (document["latest"] or {}, *document["weeks"], *document["months"]):
            for name in ("effective_rows", "everyone"):
                if window.get(name) is None:
                    window.pop(name, None)
        return plain(document)

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> PerformanceReport:
        """Read what `to_dict` wrote; another schema version is a ValueError."""
        content = checked_version(document, PERFORMANCE_SCHEMA_VERSION, "performance report", "run the pipeline again")
        return msgspec.convert(content, PerformanceReport)
