"""Forecasts the profit and subscriptions of a call list, with an interval that counts drift.

Binomial noise alone covers the realised profit far too seldom, because whole days and months deviate together
(`core.model.shift`). Calibrated probabilities are means over those shifts, so the log-odds are first stretched by
sqrt(1 + 0.346 sd^2) (logistic-normal mean, Zeger, Liang, Albert 1988); otherwise a wide shift would pull every rate
towards one half. On the real history the interval covers 92 % of the months at nominal 90 %, with about half the
interval score of the climatology (benchmarks/uncertainty.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import DayArray, FloatArray, central_interval
from bank_assets.core.model.scorer import expit, logit
from bank_assets.core.model.shift import Shift

LEVEL: Final = 0.9
STRETCH: Final = (16.0 * math.sqrt(3.0) / (15.0 * math.pi)) ** 2
"""0.346: variance of the logistic against the normal distribution."""
SIMULATED_CALLS: Final = 400
"""Lists up to this length are simulated call by call: a sum of few calls is not a normal distribution."""
SIMULATIONS: Final = 4_000
SEED: Final = 20_081_101
CLIMATOLOGY_DAYS: Final = 90
CLIMATOLOGY_BLOCK_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Interval:
    """A forecast: its mean, and the interval that holds the realised value in a share `level` of cases."""

    expected: float
    low: float
    high: float
    level: float = LEVEL


@dataclass(frozen=True, slots=True)
class ListForecast:
    """Profit (EUR) and subscriptions of a whole list of calls, and the deviations used."""

    profit_eur: Interval
    subscriptions: Interval
    shift: Shift


def forecast_list(
    proba: FloatArray, cost_eur: FloatArray, value_eur: FloatArray, shift: Shift, days: DayArray
) -> ListForecast:
    """Forecast profit and subscriptions of the calls of a list; all zero without calls.

    Costs and values are EUR, (n_calls,). `days`, (n_calls,), is the planned day of each call: days deviate
    independently.
    """
    if not len(proba):
        nothing = Interval(0.0, 0.0, 0.0)
        return ListForecast(nothing, nothing, shift)
    _, day_index = np.unique(days, return_inverse=True)
    stretched = logit(proba) * math.sqrt(1.0 + STRETCH * shift.total_sd**2)
    worth = np.column_stack([value_eur, np.ones(len(proba))]).astype(np.float64)
    bounds = _simulated if len(proba) <= SIMULATED_CALLS else _integrated
    low, high = bounds(stretched, day_index, worth, shift)
    costs = np.array([np.sum(cost_eur), 0.0])
    ends = zip(proba @ worth - costs, low - costs, high - costs, strict=True)
    profit, subscriptions = (Interval(float(mean), float(least), float(most)) for mean, least, most in ends)
    return ListForecast(profit, subscriptions, shift)


Bounds = tuple[FloatArray, FloatArray]
"""Lower and upper ends, each (2,): of the value and of the number of subscriptions."""


def _simulated(stretched: FloatArray, day_index: NDArray[np.intp], worth: FloatArray, shift: Shift) -> Bounds:
    """Bounds by simulating each call, with a fixed seed; the shared shift is stratified."""
    random = np.random.Generator(np.random.PCG64(SEED))
    normal = np.asarray([NormalDist().inv_cdf((k + 0.5) / SIMULATIONS) for k in range(SIMULATIONS)])
    shared = random.permutation(normal) * shift.shared_sd
    daily = random.standard_normal((SIMULATIONS, int(day_index.max()) + 1)) * shift.day_sd
    proba = expit(stretched[None, :] + shared[:, None] + daily[:, day_index])
    totals = (random.random(proba.shape) < proba).astype(np.float64) @ worth
    tail = (1.0 - LEVEL) / 2.0
    low = np.quantile(totals, tail, axis=0, method="lower")
    high = np.quantile(totals, 1.0 - tail, axis=0, method="higher")
    return low, high


def _integrated(stretched: FloatArray, day_index: NDArray[np.intp], worth: FloatArray, shift: Shift) -> Bounds:
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
    tail = (1.0 - LEVEL) / 2.0
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
    days: DayArray, profit: FloatArray, n_calls: int, horizon_days: int, as_of: np.datetime64
) -> Interval | None:
    """Forecast a list by the calls of the 90 days before `as_of`: the baseline that a forecast must beat.

    Profit per call of whole weeks is drawn with replacement for as many weeks as the list spans, and scaled to its
    number of calls (which the baseline is allowed to know). `profit` is EUR per call, (n,). None without a call in the
    90 days.
    """
    age = (as_of - days).astype(np.int64)
    inside = (age > 0) & (age <= CLIMATOLOGY_DAYS)
    if not inside.any():
        return None
    _, week = np.unique((age[inside] - 1) // CLIMATOLOGY_BLOCK_DAYS, return_inverse=True)
    sums, counts = np.bincount(week, weights=profit[inside]), np.bincount(week).astype(np.float64)
    n_weeks = max(math.ceil(horizon_days / CLIMATOLOGY_BLOCK_DAYS), 1)
    drawn = np.random.Generator(np.random.PCG64(SEED)).integers(0, len(sums), (SIMULATIONS, n_weeks))
    per_call = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.multiply(central_interval(per_call, LEVEL), n_calls)
    return Interval(float(profit[inside].mean() * n_calls), float(low), float(high))


def interval_score(interval: Interval, realised: float) -> float:
    """Return Winkler's score: width, plus 2 / (1 - level) times the distance of the realised value outside.

    Smaller is better. It rewards narrow intervals and punishes missed values, so width counts and not only coverage
    (Gneiting and Raftery 2007, section 6.2).
    """
    miss = max(interval.low - realised, 0.0) + max(realised - interval.high, 0.0)
    return interval.high - interval.low + 2.0 / (1.0 - interval.level) * miss
