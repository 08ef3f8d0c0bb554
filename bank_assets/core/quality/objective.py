"""The objective that recipes are chosen by: profit at the configured economics, or F1.

It is independent of the threshold that customers are called by, which is part of the economics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import (
    BoolArray,
    DayArray,
    FloatArray,
    Rows,
    effective_rarer,
    effective_size,
    weights_or_ones,
)
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality import metrics
from bank_assets.core.quality.bootstrap import RESAMPLES, BootstrapGain, paired_bootstrap, paired_bootstrap_f1
from bank_assets.core.words import sample_size

PROFIT, F1 = "profit", "f1"
METRIC: Final[Mapping[str, str]] = {PROFIT: "profit_eur", F1: "f1"}
"""The metric of a candidate that an objective maximises."""
TIE_SHARE: Final = 0.005
"""Share of a value within which another counts as equal; profit differs by chance by about as much."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Contacts with outcomes that models are compared on, each array (n,).

    `rows` holds the columns that the economics read. Every bootstrap has the same `seed` and draws whole contact days,
    because contacts of one day share effects that the columns do not show. With `weights`, as in `Contacts`, sums stand
    for every contact, whoever was called.
    """

    observed: BoolArray
    contact_dates: DayArray
    economics: Economics
    rows: Rows
    seed: int
    weights: FloatArray | None = None

    @property
    def w(self) -> FloatArray:
        """The weights, ones if there are none."""
        return weights_or_ones(self.weights, len(self.observed))

    @property
    def effective(self) -> int:
        """Effective number of contacts."""
        return round(effective_size(self.w))

    @property
    def rarer(self) -> int:
        """Effective number of contacts with the rarer of both outcomes."""
        return round(effective_rarer(self.observed, self.w))

    @property
    def size(self) -> str:
        """The number of contacts in a sentence."""
        return sample_size(len(self.observed), self.effective)

    def calls(self, objective: str, proba: FloatArray, f1_threshold: float) -> BoolArray:
        """Return the calls that an objective judges a model by, (n,).

        For profit these are the calls above break-even; for F1 the calls from `f1_threshold` on, the threshold of the
        model's best F1 on earlier rows.
        """
        return np.asarray(proba >= f1_threshold if objective == F1 else self.economics.decide(proba, self.rows))

    def profit(self, called: BoolArray) -> FloatArray:
        """Realised EUR of calls, by contact, (n,)."""
        return self.economics.profit(called, self.observed, self.rows)

    def calibration(self, proba: FloatArray) -> tuple[metrics.CalibrationBin, ...]:
        """Reliability bins of a model's probabilities."""
        return metrics.calibration_table(self.observed, proba, weights=self.weights)

    def gain(self, difference: FloatArray, resamples: int = RESAMPLES) -> BootstrapGain:
        """Bootstrap the mean of a difference that each contact has by itself, (n,); higher is better."""
        return paired_bootstrap(
            difference, self.contact_dates, seed=self.seed, resamples=resamples, weights=self.weights
        )

    def loss_gain(self, former: FloatArray, new: FloatArray) -> BootstrapGain:
        """Bootstrap the log loss that new probabilities save."""
        losses = [metrics.log_loss_rows(self.observed, proba) for proba in (former, new)]
        return self.gain(losses[0] - losses[1])

    def lead(self, objective: str, before: BoolArray, now: BoolArray) -> Lead:
        """Compare the former and the new calls, each (n,)."""
        if objective == F1:
            f1 = [metrics.f1_of_calls(self.observed, called, self.weights) for called in (before, now)]
            found = paired_bootstrap_f1(self.observed, before, now, seed=self.seed, weights=self.weights)
            return Lead(objective, f1[0], f1[1], found)
        profits = [self.profit(called) for called in (before, now)]
        gain = self.gain(profits[1] - profits[0])
        before_eur, now_eur = (float((self.w * profit).sum()) for profit in profits)
        return Lead(objective, before_eur, now_eur, gain)


@dataclass(frozen=True, slots=True)
class Lead:
    """How far one set of calls leads another: both values (EUR or F1) and the bootstrap of their difference.

    The bootstrap is per contact for profit.
    """

    objective: str
    before: float
    now: float
    gain: BootstrapGain

    @property
    def word(self) -> str:
        """The objective in a sentence."""
        return "F1" if self.objective == F1 else "profit"

    @property
    def evidence_name(self) -> str:
        """Name of the gain among the evidence of a verdict."""
        return "f1_gain" if self.objective == F1 else "profit_gain_eur"

    @property
    def is_tie(self) -> bool:
        """Whether the difference is at most `TIE_SHARE` of the former value."""
        return abs(self.now - self.before) <= TIE_SHARE * abs(self.before)

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
