"""Forecasts the profit and subscriptions of a call list, with an interval that counts drift.

Binomial noise alone covers the realised profit far too seldom, because whole days and months deviate together
(`core.model.shift`). Calibrated probabilities are means over those shifts, so the log-odds are first stretched by
sqrt(1 + 0.346 sd^2) (logistic-normal mean, Zeger, Liang, Albert 1988); otherwise a wide shift would pull every rate
towards one half. On the real history the interval covers 92 % of the months at nominal 90 %, with about half the
interval score of the climatology (benchmarks/uncertainty.py).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import FloatArray, central_interval
from bank_assets.core.model.scorer import expit, logit
from bank_assets.core.model.shift import Shift

DEFAULT_LEVEL: Final = 0.9
STRETCH: Final = (16.0 * math.sqrt(3.0) / (15.0 * math.pi)) ** 2
"""0.346: variance of the logistic against the normal distribution."""
SIMULATED_CALLS: Final = 400
"""Lists up to this length are simulated call by call: a sum of few calls is not a normal distribution."""
SIMULATIONS: Final = 4_000
SEED: Final = 20_081_101
CLIMATOLOGY_DAYS: Final = 90
CLIMATOLOGY_BLOCK_DAYS: Final = 7


class ForecastError(ValueError):
    """A list or level is unusable."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A forecast: its mean, and the interval that holds the realised value in a share `level` of cases."""

    expected: float
    low: float
    high: float
    level: float = DEFAULT_LEVEL

    def to_dict(self) -> dict[str, float]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ListForecast:
    """Profit (EUR) and subscriptions of a whole list of calls, and the deviations used."""

    profit_eur: Interval
    subscriptions: Interval
    shift: Shift

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ForecastError(f"level: expected a number between 0 and 1, found {level!r}; 90 % is written 0.9.")


def forecast_list(
    probability: ArrayLike,
    cost_eur: ArrayLike,
    value_eur: ArrayLike,
    shift: Shift,
    *,
    day: ArrayLike | None = None,
    level: float = DEFAULT_LEVEL,
) -> ListForecast:
    """Forecast profit and subscriptions of the calls of a list; all zero without calls.

    Costs and values are EUR, (n_calls,) or one for all. `day`, (n_calls,), is the planned day of each call: days
    deviate independently. None puts all calls on one day. `level` is the nominal coverage.
    """
    _check_level(level)
    proba = np.asarray(probability, dtype=np.float64)
    try:
        cost, value = np.broadcast_to(cost_eur, proba.shape), np.broadcast_to(value_eur, proba.shape)
    except ValueError as error:
        raise ForecastError(f"list: expected one cost and value per call, found {error}.") from error
    if proba.ndim != 1 or not bool(((proba >= 0.0) & (proba <= 1.0)).all()):
        raise ForecastError("list: expected one probability in [0, 1] per call, found others; score the list again.")
    days = np.zeros(len(proba), dtype=np.int64) if day is None else np.asarray(day)
    if days.shape != proba.shape:
        raise ForecastError(f"list: expected a day for each of {len(proba)} calls, found {days.shape}.")
    if not len(proba):
        nothing = Interval(0.0, 0.0, 0.0, level)
        return ListForecast(nothing, nothing, shift)
    _, day_index = np.unique(days, return_inverse=True)
    stretched = logit(proba) * math.sqrt(1.0 + STRETCH * shift.total_sd**2)
    worth = np.column_stack([value, np.ones(len(proba))]).astype(np.float64)
    bounds = _simulated if len(proba) <= SIMULATED_CALLS else _integrated
    low, high = bounds(stretched, day_index, worth, shift, level)
    costs = np.array([np.sum(cost), 0.0])
    ends = zip(proba @ worth - costs, low - costs, high - costs, strict=True)
    profit, subscriptions = (Interval(float(mean), float(least), float(most), level) for mean, least, most in ends)
    return ListForecast(profit, subscriptions, shift)


Bounds = tuple[FloatArray, FloatArray]
"""Lower and upper ends, each (2,): of the value and of the number of subscriptions."""


def _simulated(
    stretched: FloatArray, day_index: NDArray[np.intp], worth: FloatArray, shift: Shift, level: float
) -> Bounds:
    """Bounds by simulating each call, with a fixed seed; the shared shift is stratified."""
    random = np.random.Generator(np.random.PCG64(SEED))
    normal = np.asarray([NormalDist().inv_cdf((k + 0.5) / SIMULATIONS) for k in range(SIMULATIONS)])
    shared = random.permutation(normal) * shift.shared_sd
    daily = random.standard_normal((SIMULATIONS, int(day_index.max()) + 1)) * shift.day_sd
    proba = expit(stretched[None, :] + shared[:, None] + daily[:, day_index])
    totals = (random.random(proba.shape) < proba).astype(np.float64) @ worth
    tail = (1.0 - level) / 2.0
    low = np.quantile(totals, tail, axis=0, method="lower")
    high = np.quantile(totals, 1.0 - tail, axis=0, method="higher")
    return low, high


def _integrated(
    stretched: FloatArray, day_index: NDArray[np.intp], worth: FloatArray, shift: Shift, level: float
) -> Bounds:
    """Bounds by Gauss-Hermite integration: normal given the shared shift, a mixture over it."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    weights = weights / weights.sum()
    means, variances = np.zeros((len(nodes), 2)), np.zeros((len(nodes), 2))
    for position, shared in enumerate(nodes * shift.shared_sd):
        n_days = int(day_index.max()) + 1
        day_mean, day_square, noise = np.zeros((2, n_days)), np.zeros((2, n_days)), np.zeros(2)
        for weight, daily in zip(weights, nodes * shift.day_sd, strict=True):
            proba = expit(stretched + shared + daily)
            mean = np.stack([np.bincount(day_index, weights=proba * column) for column in worth.T])
            day_mean += weight * mean
            day_square += weight * mean**2
            noise += weight * ((proba * (1.0 - proba)) @ worth**2)
        means[position] = day_mean.sum(axis=1)
        variances[position] = noise + np.maximum(day_square - day_mean**2, 0.0).sum(axis=1)
    mixtures = list(zip(means.T, np.sqrt(variances.T), strict=True))
    tail = (1.0 - level) / 2.0
    low, high = ([_mixture_quantile(share, weights, *one) for one in mixtures] for share in (tail, 1.0 - tail))
    return np.asarray(low), np.asarray(high)


def _mixture_quantile(share: float, weights: FloatArray, means: FloatArray, deviations: FloatArray) -> float:
    low, high = float((means - 10.0 * deviations).min()), float((means + 10.0 * deviations).max())
    scale = np.maximum(deviations, 1e-12) * math.sqrt(2.0)
    for _ in range(80):
        middle = (low + high) / 2.0
        below = sum(
            weight * 0.5 * math.erfc((mean - middle) / s) for weight, mean, s in zip(weights, means, scale, strict=True)
        )
        low, high = (middle, high) if below < share else (low, middle)
    return (low + high) / 2.0


def climatology(
    day: ArrayLike, profit_eur: ArrayLike, n_calls: int, horizon_days: int, *, as_of: int, level: float = DEFAULT_LEVEL
) -> Interval | None:
    """Forecast a list by the calls of the 90 days before `as_of`: the baseline that a forecast must beat.

    Profit per call of whole weeks is drawn with replacement for as many weeks as the list spans, and scaled to its
    number of calls (which the baseline is allowed to know). `day` holds whole days, (n,). None without a call in the 90
    days.
    """
    _check_level(level)
    days, profit = np.asarray(day, dtype=np.int64), np.asarray(profit_eur, dtype=np.float64)
    inside = (days < as_of) & (days >= as_of - CLIMATOLOGY_DAYS)
    if not inside.any():
        return None
    _, week = np.unique((as_of - 1 - days[inside]) // CLIMATOLOGY_BLOCK_DAYS, return_inverse=True)
    sums, counts = np.bincount(week, weights=profit[inside]), np.bincount(week).astype(np.float64)
    n_weeks = max(math.ceil(horizon_days / CLIMATOLOGY_BLOCK_DAYS), 1)
    drawn = np.random.Generator(np.random.PCG64(SEED)).integers(0, len(sums), (SIMULATIONS, n_weeks))
    per_call = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.multiply(central_interval(per_call, level), n_calls)
    return Interval(float(profit[inside].mean() * n_calls), float(low), float(high), level)


def interval_score(interval: Interval, realised: float) -> float:
    """Return Winkler's score: width, plus 2 / (1 - level) times the distance of the realised value outside.

    Smaller is better. It rewards narrow intervals and punishes missed values, so width counts and not only coverage
    (Gneiting and Raftery 2007, section 6.2).
    """
    miss = max(interval.low - realised, 0.0) + max(realised - interval.high, 0.0)
    return interval.high - interval.low + 2.0 / (1.0 - interval.level) * miss
