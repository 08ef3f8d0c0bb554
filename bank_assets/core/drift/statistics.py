"""Exact distances between two columns, from value counts alone.

Shares are computed as integer / integer, so a sample and the same sample repeated 100 times give bit-identical results.
A column of a billion contacts costs what its distinct values cost.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.drift.profile import ColumnProfile

PSI_SMOOTHING: Final = 1e-4
"""Added to the share of every bin before shares are renormalised, so that an empty bin costs a finite amount.

It is a share because the index must not depend on the number of rows. An empty bin of 1 % weighs 0.046.
"""

PSI_BINS: Final = 10
"""Bins of numeric columns: equal shares of the reference, fewer if one value spans several."""

EXACT_P_ROWS: Final = 10_000
"""Up to this many rows in each sample the p-value is exact, as `scipy.stats.ks_2samp(method="auto")` decides."""


def ks_distance(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Two-sample Kolmogorov–Smirnov D, in [0, 1]: the largest gap between the two distribution functions.

    Equal to `scipy.stats.ks_2samp(...).statistic` of the rows behind the counts. NaN if a sample is empty.
    """
    if not reference.counts.size or not current.counts.size:
        return math.nan
    values = np.union1d(reference.values, current.values)
    gap = _cdf(reference, values) - _cdf(current, values)
    return float(min(max(gap.max(), -gap.min(), 0.0), 1.0))


def _cdf(column: ColumnProfile, at: NDArray[Any]) -> NDArray[np.float64]:
    below = np.concatenate([[0], np.cumsum(column.counts)])
    return below[np.searchsorted(column.values, at, side="right")] / below[-1]


def ks_p_value(reference: ColumnProfile, current: ColumnProfile, distance: float) -> float:
    """Two-sided p-value of the KS distance; for information only, since at large n every effect is significant.

    Exact up to `EXACT_P_ROWS` rows a sample, else the asymptotic Kolmogorov distribution at the effective number of
    rows n·m/(n+m), both as scipy's "auto". NaN if a sample is empty.
    """
    from scipy import stats  # here: the web app reads drift reports, and has no SciPy

    n_reference, n_current = reference.present, current.present
    if not n_reference or not n_current:
        return math.nan
    if max(n_reference, n_current) <= EXACT_P_ROWS:
        rows = (np.repeat(column.values, column.counts) for column in (reference, current))
        with warnings.catch_warnings():
            # scipy warns when it falls back to the asymptotic value, which is as good for information
            warnings.filterwarnings("ignore", message="ks_2samp: Exact calculation unsuccessful")
            return float(stats.ks_2samp(*rows).pvalue)
    larger, smaller = float(max(n_reference, n_current)), float(min(n_reference, n_current))
    effective = larger * smaller / (larger + smaller)
    return float(np.clip(stats.kstwo.sf(distance, np.round(effective)), 0.0, 1.0))


def quantile_edges(reference: ColumnProfile, bins: int = PSI_BINS) -> NDArray[Any]:
    """Inner bin edges: the smallest reference values that at least k/bins of the reference does not exceed.

    The reference is numeric with at least one value and without its point mass. There are at most bins - 1 distinct
    edges, sorted; bin k holds the values in (edge k-1, edge k].
    """
    below = np.cumsum(reference.counts)
    # integers on both sides: no edge moves when the sample is repeated
    wanted = np.searchsorted(below * bins, below[-1] * np.arange(1, bins), side="left")
    return np.unique(reference.values[wanted])


def psi_numeric(reference: ColumnProfile, current: ColumnProfile, bins: int = PSI_BINS) -> float:
    """Population stability index over equal shares of the reference, see `psi`. NaN if a sample is empty."""
    if not reference.counts.size or not current.counts.size:
        return math.nan
    edges = quantile_edges(reference, bins)
    binned = []
    for column in (reference, current):
        in_bin = np.searchsorted(edges, column.values, side="left")
        binned.append(np.bincount(in_bin, weights=column.counts, minlength=edges.size + 1))
    return psi(binned[0], binned[1])


def psi(reference: NDArray[Any], current: NDArray[Any]) -> float:
    """Population stability index, sum over bins of (q - p)·ln(q / p), the symmetric Kullback–Leibler divergence.

    Counts per bin are (n_bins,), with at least one contact a side; shares are smoothed by `PSI_SMOOTHING`. Siddiqi,
    Credit Risk Scorecards (2006); its usual reading: below 0.1 stable, above 0.25 shifted.
    """
    share = [
        (counts / counts.sum() + PSI_SMOOTHING) / (1 + counts.size * PSI_SMOOTHING)
        for counts in (np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64))
    ]
    return float(np.sum((share[1] - share[0]) * np.log(share[1] / share[0])))


def aligned_counts(
    reference: ColumnProfile, current: ColumnProfile
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Values of both columns and the counts of each side over them, 0 where a side lacks the value."""
    values = np.union1d(reference.values, current.values)
    counts = []
    for column in (reference, current):
        side = np.zeros(values.size, dtype=np.int64)
        side[np.searchsorted(values, column.values)] = column.counts
        counts.append(side)
    return values, counts[0], counts[1]


def total_variation(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Half the sum of absolute differences of the shares, in [0, 1]: the share of contacts that changed category.

    NaN if a sample is empty.
    """
    if not reference.counts.size or not current.counts.size:
        return math.nan
    _, before, after = aligned_counts(reference, current)
    return float(np.abs(before / before.sum() - after / after.sum()).sum() / 2)


def wilson_interval(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a rate (Wilson 1927); (NaN, NaN) without trials."""
    if trials <= 0:
        return math.nan, math.nan
    from scipy import special

    z = float(special.ndtri(0.5 + confidence / 2))
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    return max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half))


def cohens_h(reference_rate: float, current_rate: float) -> float:
    """Effect size between two rates, |2·asin(sqrt p) - 2·asin(sqrt q)|: 0.2 small, 0.5 medium (Cohen 1988)."""
    return abs(2 * math.asin(math.sqrt(reference_rate)) - 2 * math.asin(math.sqrt(current_rate)))


def observed_expected(
    observed: float, expected: float, rows: float, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the ratio of observed to expected subscriptions with its interval, (ratio, low, high).

    The interval is Wilson's for the observed rate, times rows / expected. Contacts differ in probability, and a sum of
    such draws varies less than a binomial of the same mean, so the interval errs on the wide side. A Poisson interval
    would be wider still, by half at the rate of 50 % that this data reaches. All NaN where nothing was expected.
    """
    if expected <= 0 or rows == 0:
        return math.nan, math.nan, math.nan
    low, high = wilson_interval(observed, rows, confidence)
    return observed / expected, low * rows / expected, high * rows / expected
