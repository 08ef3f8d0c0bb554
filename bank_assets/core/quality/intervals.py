"""Intervals and tests of rates in small samples, in numpy alone: the web app has no SciPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from bank_assets.core.arrays import FloatArray

LEVEL: Final = 0.95
Z: Final = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0)
PSEUDO_COUNT: Final = 0.75


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; both ends are the value where everything is known."""

    value: float
    low: float
    high: float

    def scaled(self, by: float, less: float = 0.0) -> Estimate:
        """The same times a factor from 0, less an amount."""
        return Estimate(self.value * by - less, self.low * by - less, self.high * by - less)


def difference(rate: float, size: float, rate_without: float, size_without: float) -> Estimate:
    """Difference of two rates, each from a number of customers, which weights make a fraction.

    The interval is Wald's after `PSEUDO_COUNT` successes and as many failures are added to each group: no rate of 0 or
    1 then counts as certain. Agresti and Caffo (2000) add one, Brown and Li (2005) a half; ADR 0039 measures them.
    """
    (centre, variance), (centre_without, variance_without) = _padded(rate, size), _padded(rate_without, size_without)
    middle, half = centre - centre_without, Z * math.sqrt(variance + variance_without)
    return Estimate(rate - rate_without, max(-1.0, middle - half), min(1.0, middle + half))


def _padded(rate: float, size: float) -> tuple[float, float]:
    """A rate with the pseudo-counts, and its variance."""
    padded = (rate * size + PSEUDO_COUNT) / (size + 2.0 * PSEUDO_COUNT)
    return padded, padded * (1.0 - padded) / size


def binomial_p(found: int, n: int, share: float) -> float:
    """Two-sided exact test that `found` of `n` were drawn with a probability: all numbers that are no likelier."""
    steps = np.log(np.arange(n, 0, -1) / np.arange(1, n + 1)) + math.log(share / (1.0 - share))
    log_mass = np.append(0.0, np.cumsum(steps))
    mass = np.exp(log_mass - log_mass.max())
    return min(1.0, float(mass[mass <= mass[found] * (1.0 + 1e-7)].sum() / mass.sum()))


def rank_sum_p(one: FloatArray, other: FloatArray) -> float:
    """Two-sided rank-sum test with corrections for ties and continuity; 1 where nothing can be told."""
    n, m = len(one), len(one) + len(other)
    _, group, counts = np.unique(np.append(one, other), return_inverse=True, return_counts=True)
    variance = n * (m - n) / 12.0 * (m + 1.0 - (counts**3.0 - counts).sum() / max(m * (m - 1.0), 1.0))
    if variance <= 0.0:
        return 1.0
    ranks = np.cumsum(counts) - (counts - 1.0) / 2.0
    distance = abs(float(ranks[group[:n]].sum()) - n * (m + 1.0) / 2.0)
    return min(1.0, math.erfc((distance - 0.5) / math.sqrt(2.0 * variance)))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The quantile of a beta distribution: Newton's method, kept within bounds by bisection."""
    low, high, x, step = 0.0, 1.0, a / (a + b), 1.0
    while abs(step) > 1e-13 * x and high - low > 1e-15 * x:
        error = _beta_cdf(x, a, b) - probability
        low, high = (low, x) if error > 0.0 else (x, high)
        density = math.exp((a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x) - _log_beta(a, b))
        following = x - error / max(density, 1e-300)
        following = following if low < following < high else (low + high) / 2.0
        x, step = following, following - x
    return x


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Regularized incomplete beta function: its continued fraction (DLMF 8.17.22) from the side where it converges."""
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_cdf(1.0 - x, b, a)
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    fraction, change, m = d, 0.0, 0
    while abs(change - 1.0) > 1e-14:  # Lentz's method
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            c, d = 1.0 + term / c, 1.0 / (1.0 + term * d)
            change = c * d
            fraction *= change
    return math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)) * fraction / a
