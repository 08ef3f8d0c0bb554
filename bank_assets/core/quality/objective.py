"""The objective that recipes are chosen by: profit at the configured economics, or F1.

It is independent of the threshold that customers are called by, which is part of the economics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import BoolArray, Rows
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality import metrics
from bank_assets.core.quality.bootstrap import BootstrapGain, paired_bootstrap, paired_bootstrap_f1

PROFIT, F1 = "profit", "f1"
METRIC: Final[Mapping[str, str]] = {PROFIT: "profit_eur", F1: "f1"}
"""The metric of a candidate that an objective maximises."""


def judged_calls(objective: str, proba: ArrayLike, f1_threshold: float, economics: Economics, rows: Rows) -> BoolArray:
    """Return the calls that an objective judges a model by, (n,).

    For profit these are the calls above break-even; for F1 the calls from `f1_threshold` on, the threshold of the
    model's best F1 on earlier rows.
    """
    return np.asarray(proba) >= f1_threshold if objective == F1 else economics.decide(proba, rows)


@dataclass(frozen=True, slots=True)
class Lead:
    """How far one set of calls leads another: both values (EUR or F1) and the bootstrap of their difference.

    The bootstrap is per contact for profit.
    """

    objective: str
    before: float
    now: float
    gain: BootstrapGain

    @classmethod
    def of(
        cls,
        objective: str,
        observed: BoolArray,
        calls: Sequence[BoolArray],
        economics: Economics,
        rows: Rows,
        *,
        seed: int,
        contact_dates: NDArray[np.datetime64],
    ) -> Lead:
        """Compare the former and the new calls, each (n,); profit is resampled by whole contact days."""
        before, now = calls
        if objective == F1:
            gain = paired_bootstrap_f1(observed, before, now, seed=seed)
            return cls(objective, metrics.f1_of_calls(observed, before), metrics.f1_of_calls(observed, now), gain)
        profits = [economics.profit(called, observed, rows) for called in calls]
        gain = paired_bootstrap(profits[1] - profits[0], seed=seed, clusters=contact_dates)
        return cls(objective, float(profits[0].sum()), float(profits[1].sum()), gain)

    @property
    def word(self) -> str:
        """The objective in a sentence."""
        return "F1" if self.objective == F1 else "profit"

    @property
    def evidence_name(self) -> str:
        """Name of the gain among the evidence of a verdict."""
        return "f1_gain" if self.objective == F1 else "profit_gain_eur"

    def is_tie(self, share: float) -> bool:
        """Whether the difference is at most this share of the former value."""
        return abs(self.now - self.before) <= share * abs(self.before)

    @property
    def figures(self) -> str:
        """Both values in words."""
        if self.objective == F1:
            return f"{self.now:.3f} against {self.before:.3f}"
        return f"{self.now:,.0f} against {self.before:,.0f} EUR"


def ordered_by(objective: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return metric names with the objective's own first and the others in their order."""
    first = METRIC[objective]
    return (first, *(name for name in names if name != first))


def best_first(objective: str, row: Mapping[str, Any]) -> float:
    """Sort key of candidates: the best by the objective comes first, one without the metric last."""
    value = row.get(METRIC[objective])
    return float("inf") if value is None else -float(value)
