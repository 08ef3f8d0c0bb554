"""How far whole days and months deviate from their predictions: the error that a long list does not average out.

Model: on day d of block b the log-odds of every contact are shifted by s_b + e_d, s ~ N(0, shared_sd^2) for a block of
`BLOCK_DAYS` days and e ~ N(0, day_sd^2). To first order (observed - expected) / variance is that shift with binomial
noise of variance 1 / variance, which gives a likelihood in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray, weights_or_ones

WINDOW_DAYS: Final = 180
"""History that counts: long enough for six blocks, short enough to forget another regime."""
BLOCK_DAYS: Final = 30
PRIOR_SD: Final = 0.5
"""Half-normal prior of both deviations, log-odds: what is assumed without history, a factor of 1.65 in the odds."""
MINIMUM_VARIANCE: Final = 2.0
"""Days are pooled with the next until so much binomial variance is together: the first-order form breaks below, where
one subscription on a day of one contact would look like a shift of twenty."""
GRID: Final = np.linspace(0.0, 2.0, 41)


@dataclass(frozen=True, slots=True)
class Shift:
    """Standard deviations of the shift in log-odds.

    `day_sd` is that of single days around their block; `shared_sd` is that of blocks of `BLOCK_DAYS` days, which does
    not average out within a month. `n_days` counts the pooled days behind the estimate; 0 means that it is the prior.
    """

    day_sd: float = PRIOR_SD
    shared_sd: float = PRIOR_SD
    n_days: int = 0

    @property
    def total_sd(self) -> float:
        """Standard deviation of one day's shift."""
        return math.hypot(self.day_sd, self.shared_sd)


@dataclass(frozen=True, slots=True)
class PeriodTotals:
    """Totals of past periods in time order, each (n_periods,).

    `day` numbers a period's (last) day; `expected` sums p, `variance` sums p (1 - p), `observed` counts subscriptions.
    Weighted contacts are scaled to the effective number that has the same noise.
    """

    day: IntArray
    expected: FloatArray
    variance: FloatArray
    observed: FloatArray

    @classmethod
    def of(cls, day: IntArray, sums: FloatArray) -> PeriodTotals:
        """From the sums of `parts_of` by period, (n_periods, 4)."""
        return cls(day, *(sums[:, :3] * (sums[:, 1] / sums[:, 3])[:, None]).T)

    @property
    def residual(self) -> FloatArray:
        """First-order shift in log-odds, (n_periods,)."""
        return np.asarray((self.observed - self.expected) / self.variance)


def parts_of(proba: FloatArray, outcome: FloatArray, weights: FloatArray) -> FloatArray:
    """Return what each contact adds to the totals of its period: w p, w p (1 - p), w y, w^2 p (1 - p), (n, 4)."""
    variance = weights * (proba * (1.0 - proba))
    return np.column_stack([weights * proba, variance, weights * outcome, weights * variance])


def pooled_days(
    days: IntArray, proba: FloatArray, outcome: FloatArray, weights: FloatArray | None = None
) -> PeriodTotals:
    """Return totals by day, each with a variance of at least `MINIMUM_VARIANCE`; arguments are (n,), days by number.

    Smaller days are pooled with those after them, and a small rest with those before.
    """
    unique, inverse = np.unique(days, return_inverse=True)
    parts = parts_of(proba, outcome, weights_or_ones(weights, len(proba)))
    sums = np.column_stack([np.bincount(inverse, part, minlength=len(unique)) for part in parts.T])
    pools: list[tuple[int, FloatArray]] = []
    total = np.zeros(4)
    for number, row in zip(unique, sums, strict=True):
        total = total + row
        if total[3] > 0.0 and total[1] * (total[1] / total[3]) >= MINIMUM_VARIANCE:
            pools.append((int(number), total))
            total = np.zeros(4)
    if pools:
        pools[-1] = (int(unique[-1]), pools[-1][1] + total)
    totals = np.asarray([pool for _, pool in pools]).reshape(-1, 4)
    return PeriodTotals.of(np.asarray([number for number, _ in pools], np.int64), totals)


def estimate_shift(
    contact_dates: DayArray,
    probability: FloatArray,
    is_subscribed: BoolArray,
    as_of: np.datetime64,
    window_days: int = WINDOW_DAYS,
    weights: FloatArray | None = None,
) -> Shift:
    """Estimate how far days and months deviate, from predictions of days before `as_of` and their outcomes, (n,).

    The result holds posterior means of both variances over a grid, with half-normal priors, so an empty, short or
    patchy history gives an answer that leans on the prior as much as it must.
    """
    days, now = contact_dates.astype("datetime64[D]").astype(np.int64), int(as_of.astype("datetime64[D]").astype(int))
    inside = (days < now) & (days >= now - window_days)
    w = weights_or_ones(weights, len(days))[inside]
    totals = pooled_days(days[inside], probability[inside], is_subscribed[inside].astype(np.float64), w)
    day_sd, shared_sd = np.meshgrid(GRID, GRID, indexing="ij")
    log_posterior = -(day_sd**2 + shared_sd**2) / (2.0 * PRIOR_SD**2)
    block = (now - 1 - totals.day) // BLOCK_DAYS
    for number in np.unique(block):
        rows = block == number
        noise = 1.0 / totals.variance[rows] + GRID[:, None] ** 2  # (n_grid, n_days)
        residual = totals.residual[rows]
        weight, mean = (1.0 / noise).sum(axis=1), (residual / noise).sum(axis=1)
        inflation = 1.0 + GRID[None, :] ** 2 * weight[:, None]  # determinant lemma for the shared part
        squares = (residual**2 / noise).sum(axis=1)[:, None] - GRID[None, :] ** 2 * mean[:, None] ** 2 / inflation
        log_posterior -= 0.5 * (np.log(noise).sum(axis=1)[:, None] + np.log(inflation) + squares)
    posterior = np.exp(log_posterior - log_posterior.max())
    posterior /= posterior.sum()
    day_mean, shared_mean = (float(np.sqrt((posterior * sd**2).sum())) for sd in (day_sd, shared_sd))
    return Shift(day_mean, shared_mean, len(totals.day))


def single_level_sd(totals: PeriodTotals) -> float:
    """Return the deviation (log-odds) of a shift that each period has for itself, by its posterior mean variance."""
    noise = 1.0 / totals.variance[None, :] + GRID[:, None] ** 2
    log_posterior = -0.5 * (GRID / PRIOR_SD) ** 2
    log_posterior = log_posterior - 0.5 * (np.log(noise) + totals.residual[None, :] ** 2 / noise).sum(axis=1)
    posterior = np.exp(log_posterior - log_posterior.max())
    return float(np.sqrt((posterior * GRID**2).sum() / posterior.sum()))
