"""Two models on the same contacts: what each would have earned and how well each predicts, with intervals and curves.

The promotion asset shows this comparison to people; the promotion gates decide by their own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import FloatArray, IntArray, central_interval
from bank_assets.core.quality import metrics
from bank_assets.core.quality.bootstrap import CONFIDENCE, BootstrapGain, paired_bootstrap_statistic
from bank_assets.core.quality.objective import F1, PROFIT, Cohort
from bank_assets.core.quality.off_policy import PolicyValue
from bank_assets.core.words import pct

MINIMUM_ROWS: Final = 100
MINIMUM_OF_CLASS: Final = 10
RESAMPLES: Final = 300
"""Of statistics that need the whole sample; 0.3 s for 2,000 contacts."""
SHARES: Final = tuple(round(0.025 * k, 3) for k in range(41))
CURVE_RESAMPLES: Final = 200
CURVE_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of both models.

    A positive `gain` means that the new model is better, also for measures where lower values are better.
    """

    name: str
    before: float
    now: float
    gain: float
    low: float
    high: float
    probability: float
    is_higher_better: bool


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Two models on the same contacts; `measures` is empty if there were too few.

    By model (`before`, `now`), `calibration` holds (mean probability, observed rate) per bin, and `profit` holds (share
    called, EUR) with the best contacts first. `effective_rows` is None without weights. `everyone` is what calling
    everyone on the lists of these days would have earned, where outcomes are missing; None where all are known.
    """

    rows: int
    subscribed: int
    first_day: str
    last_day: str
    confidence: float
    measures: tuple[Measure, ...]
    calibration: Mapping[str, tuple[tuple[float, float], ...]]
    profit: Mapping[str, tuple[tuple[float, float], ...]]
    profit_everyone_eur: float
    effective_rows: int | None = None
    everyone: PolicyValue | None = None

    @property
    def is_enough(self) -> bool:
        """Whether there were enough contacts to compare."""
        return bool(self.measures)

    def measure(self, name: str) -> Measure:
        """Return one measure by its name."""
        return next(one for one in self.measures if one.name == name)

    def effect(self, old: str = "the old model") -> str:
        """Say in one sentence what the change earns and whether it may be chance; "" if there were too few contacts."""
        if not self.is_enough:
            return ""
        profit = self.measure("profit_eur")
        effective = "" if self.effective_rows is None else f" (effective {self.effective_rows:,})"
        span = f"On {self.rows:,}{effective} contacts from {self.first_day} to {self.last_day}"
        if profit.low == profit.high == profit.gain == 0.0:
            return f"{span} the new model and {old} would have earned the same, {profit.now:,.0f} EUR."
        change = f"{abs(profit.gain):,.0f} EUR {'more' if profit.gain >= 0 else 'less'}"
        chance = "which may be chance" if profit.low <= 0.0 <= profit.high else "which chance does not explain"
        return (
            f"{span} the new model would have earned {change} than {old}, {chance}: {profit.now:,.0f} against "
            f"{profit.before:,.0f} EUR, {pct(self.confidence, 0)} interval of the difference {profit.low:+,.0f} to "
            f"{profit.high:+,.0f} EUR."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON evidence, without the curves."""
        document = asdict(replace(self, calibration={}, profit={}))
        del document["calibration"], document["profit"]
        for name in ("effective_rows", "everyone"):
            if document[name] is None:
                del document[name]
        return document | {"measures": {one["name"]: one for one in document["measures"]}}


def compare_models(cohort: Cohort, before: FloatArray, now: FloatArray) -> ModelComparison:
    """Compare the probabilities of the old model and the new one on the same contacts, each (n,).

    Below 100 effective contacts or 10 of either outcome there are no measures.
    """
    observed, dates, weights, w = cohort.observed, cohort.contact_dates, cohort.weights, cohort.w
    n, everyone = len(observed), float((w * cohort.profit(np.ones(len(observed), bool))).sum())
    days = (str(dates.min()), str(dates.max())) if n else ("", "")
    effective = None if weights is None else cohort.effective
    if cohort.effective < MINIMUM_ROWS or cohort.rarer < MINIMUM_OF_CLASS:
        return ModelComparison(n, int(observed.sum()), *days, CONFIDENCE, (), {}, {}, everyone, effective)
    pair = (before, now)
    calls = [cohort.economics.decide(proba, cohort.rows) for proba in pair]
    profit, f1 = (cohort.lead(objective, *calls) for objective in (PROFIT, F1))
    precision, error = metrics.average_precision, metrics.expected_calibration_error

    def gain(statistic: Callable[..., float], better: FloatArray, worse: FloatArray) -> BootstrapGain:
        def of_rows(at: IntArray) -> float:
            drawn = None if weights is None else weights[at]
            values = [statistic(observed[at], proba[at], weights=drawn) for proba in (better, worse)]
            return values[0] - values[1]

        return paired_bootstrap_statistic(of_rows, n, seed=cohort.seed, resamples=RESAMPLES)

    def values(statistic: Callable[..., float]) -> list[float]:
        return [statistic(observed, proba, weights=weights) for proba in pair]

    measures = (
        _measure("profit_eur", [profit.before, profit.now], profit.gain, scale=float(w.sum())),
        _measure("f1", [f1.before, f1.now], f1.gain),
        _measure("average_precision", values(precision), gain(precision, now, before)),
        _measure("log_loss", values(metrics.log_loss), cohort.loss_gain(before, now), is_higher_better=False),
        _measure("calibration_error", values(error), gain(error, before, now), is_higher_better=False),
    )
    calibration, curves = {}, {}
    for role, proba in (("before", before), ("now", now)):
        calibration[role] = tuple((one.mean_proba, one.rate) for one in cohort.calibration(proba))
        curves[role] = tuple(zip(SHARES, profit_curve(cohort, proba, n_resamples=0)["value"], strict=True))
    return ModelComparison(
        n, int(observed.sum()), *days, profit.gain.confidence, measures, calibration, curves, everyone, effective
    )


def _measure(
    name: str, values: list[float], gain: BootstrapGain, *, scale: float = 1.0, is_higher_better: bool = True
) -> Measure:
    ends = (gain.gain * scale, gain.low * scale, gain.high * scale)
    return Measure(name, float(values[0]), float(values[1]), *ends, gain.probability, is_higher_better)


def profit_curve(cohort: Cohort, proba: FloatArray, n_resamples: int = CURVE_RESAMPLES) -> dict[str, Any]:
    """Compute realised profit in EUR at each of `SHARES` of contacts called, best first, with a pointwise interval.

    Contacts of equal probability are called in random order, and the curve is the mean over those orders: the order of
    the rows, which may follow the outcomes, must not leak into it. Whole days are resampled. Returns the JSON form:
    lists `share_called`, `value`, `low` and `high` (zeros without contacts), and `unit` and `level`.
    """
    gains, shares = cohort.profit(np.ones(len(proba), bool)), np.asarray(SHARES)
    # Equal scores have one code, so that they are called together
    codes = np.unique(-proba, return_inverse=True)[1]
    day = np.unique(cohort.contact_dates, return_inverse=True)[1]

    def at_shares(times: FloatArray) -> FloatArray:
        called = np.append(0.0, np.cumsum(np.bincount(codes, times * cohort.w)))
        earned = np.append(0.0, np.cumsum(np.bincount(codes, times * cohort.w * gains)))
        return np.interp(shares * called[-1], called, earned)

    random, n_days = np.random.Generator(np.random.PCG64(CURVE_SEED)), int(day.max(initial=-1)) + 1
    drawn = (random.integers(0, n_days, n_days) for _ in range(n_resamples if n_days else 0))
    draws = [at_shares(np.bincount(days, minlength=n_days)[day].astype(np.float64)) for days in drawn]
    value = at_shares(np.ones(len(proba)))
    low, high = central_interval(draws, CONFIDENCE) if draws else (value, value)
    ends = {"value": value, "low": np.minimum(low, value), "high": np.maximum(high, value)}
    lists = {name: points.tolist() for name, points in ({"share_called": shares} | ends).items()}
    return lists | {"unit": "EUR", "level": CONFIDENCE}
