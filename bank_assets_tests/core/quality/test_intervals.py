"""Tests intervals and tests of rates against SciPy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.proportion import confint_proportions_2indep

from bank_assets.core.quality import intervals
from bank_assets.core.quality.intervals import beta_quantile, binomial_p, difference, rank_sum_p

exactly = {"rel": 1e-9, "abs": 1e-12}


COUNTS = [(9, 10, 3, 10), (10, 10, 0, 20), (0, 30, 0, 300), (390, 4_000, 11, 440), (40.2, 310.7, 0.3, 21.4)]


@pytest.mark.parametrize("counts", COUNTS)
def test_the_interval_of_a_difference_is_scipys_normal_one_of_padded_rates(counts):
    found, n, found_0, n_0 = counts
    ours = difference(found / n, n, found_0 / n_0, n_0)
    sizes = np.array([n, n_0])
    rates = (np.array([found, found_0]) + 0.75) / (sizes + 1.5)
    ends = stats.norm.interval(0.95, rates[0] - rates[1], np.sqrt((rates * (1.0 - rates) / sizes).sum()))
    assert (ours.low, ours.high) == pytest.approx(np.clip(ends, -1.0, 1.0), **exactly)
    assert ours.value == pytest.approx(found / n - found_0 / n_0, **exactly)


def test_the_published_relative_comes_out(monkeypatch):
    """Of Agresti and Caffo, with one success; theirs counts the padded size for the variance, too."""
    monkeypatch.setattr(intervals, "PSEUDO_COUNT", 1.0)
    ours = difference(9 / 10, 10, 3 / 10, 10)
    low, high = confint_proportions_2indep(9, 10, 3, 10, method="agresti-caffo", compare="diff")
    assert ours.high + ours.low == pytest.approx(low + high, **exactly)
    assert (ours.high - ours.low) / (high - low) == pytest.approx((12 / 10) ** 0.5, **exactly)


@pytest.mark.parametrize("counts", COUNTS)
def test_the_difference_that_was_found_lies_within_its_interval(counts):
    found, n, found_0, n_0 = counts
    ours = difference(found / n, n, found_0 / n_0, n_0)
    assert -1.0 <= ours.low < ours.value <= ours.high <= 1.0


@pytest.mark.parametrize(
    ("found", "n", "share"), [(0, 1, 0.1), (1, 1, 0.1), (380, 4_000, 0.1), (25, 50, 0.5), (7, 20_000, 0.01)]
)
def test_the_binomial_test_is_scipys(found, n, share):
    assert binomial_p(found, n, share) == pytest.approx(stats.binomtest(found, n, share).pvalue, rel=1e-9)


@pytest.mark.parametrize(("n", "m", "digits"), [(3, 40, 1), (80, 700, 2), (80, 700, 9), (400, 400, 1)])
def test_the_rank_sum_test_is_scipys(n, m, digits):
    rng = np.random.default_rng(n)
    one, other = rng.beta(2, 9, n).round(digits), rng.beta(2, 7, m).round(digits)
    theirs = stats.mannwhitneyu(one, other, method="asymptotic").pvalue
    assert rank_sum_p(one, other) == pytest.approx(theirs, rel=1e-9)


def test_nothing_to_rank_is_no_evidence():
    same, none = np.full(9, 0.1), np.empty(0)
    assert rank_sum_p(same, same) == rank_sum_p(none, same) == rank_sum_p(same, none) == rank_sum_p(none, none) == 1.0


@pytest.mark.parametrize("probability", [0.025, 0.05, 0.5, 0.95])
@pytest.mark.parametrize(("a", "b"), [(0.5, 20.5), (20.5, 0.5), (1.5, 60_000.0), (300.2, 12.7), (5_000.0, 70_000.0)])
def test_the_quantile_of_a_beta_distribution_is_scipys(probability, a, b):
    assert beta_quantile(probability, a, b) == pytest.approx(float(special.betaincinv(a, b, probability)), rel=1e-9)
