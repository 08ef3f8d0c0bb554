"""Tests intervals and tests of rates against SciPy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.proportion import confint_proportions_2indep

from bank_assets.core.quality.intervals import beta_quantile, binomial_p, difference, rank_sum_p, wilson

exactly = {"rel": 1e-9, "abs": 1e-12}


@pytest.mark.parametrize(("n", "found"), [(1, 0), (1, 1), (20, 0), (20, 20), (57, 3), (4_000, 391), (1_000_000, 7)])
def test_the_interval_of_a_rate_is_wilsons(n, found):
    theirs = stats.binomtest(found, n).proportion_ci(0.95, "wilson")
    assert wilson(found / n, n) == pytest.approx((theirs.low, theirs.high), **exactly)


@pytest.mark.parametrize("counts", [(9, 10, 3, 10), (10, 10, 0, 20), (0, 30, 0, 300), (390, 4_000, 11, 440)])
def test_the_interval_of_a_difference_is_newcombes(counts):
    found, n, found_0, n_0 = counts
    ours = difference(found / n, n, found_0 / n_0, n_0)
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    assert (ours.value, ours.low, ours.high) == pytest.approx((found / n - found_0 / n_0, low, high), **exactly)


def test_published_intervals_come_out():
    """Newcombe 1998, table II, cases (a) and (b)."""
    for counts, low, high in [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090)]:
        ours = difference(counts[0] / counts[1], counts[1], counts[2] / counts[3], counts[3])
        assert (ours.low, ours.high) == pytest.approx((low, high), abs=5e-5)


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
