import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bank_assets.core.drift.statistics import (
    cohens_h,
    ks_distance,
    ks_p_value,
    psi,
    psi_numeric,
    quantile_edges,
    total_variation,
    wilson_interval,
)
from bank_assets_tests.world.profiles import column_of

SEED = 7
samples = st.lists(st.integers(-5, 30), min_size=1, max_size=80)
labels = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60)
bin_counts = st.integers(1, 9).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 50), min_size=size, max_size=size).filter(any)] * 2)
)


def numeric(values):
    return column_of("numeric", values)


def category(values):
    return column_of("category", values)


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful")
@given(samples, samples)
def test_distance_and_p_value_equal_scipy_on_the_rows(reference, current):
    expected = stats.ks_2samp(reference, current)
    a, b = numeric(reference), numeric(current)
    assert ks_distance(a, b) == pytest.approx(expected.statistic, abs=1e-12)
    assert ks_p_value(a, b, ks_distance(a, b)) == pytest.approx(expected.pvalue, abs=1e-12)


def test_large_samples_use_the_asymptotic_p_value_of_scipy():
    rng = np.random.default_rng(SEED)
    reference, current = rng.integers(0, 5_000, 12_000), rng.integers(0, 5_150, 8_000)
    expected = stats.ks_2samp(reference, current)
    a, b = numeric(reference), numeric(current)
    assert ks_distance(a, b) == pytest.approx(expected.statistic, abs=1e-12)
    assert ks_p_value(a, b, ks_distance(a, b)) == pytest.approx(expected.pvalue, rel=1e-9)


@given(samples, samples, st.randoms())
def test_row_order_changes_nothing(reference, current, random):
    shuffled = list(reference)
    random.shuffle(shuffled)
    assert ks_distance(numeric(shuffled), numeric(current)) == ks_distance(numeric(reference), numeric(current))
    assert psi_numeric(numeric(shuffled), numeric(current)) == psi_numeric(numeric(reference), numeric(current))


@given(bin_counts)
def test_psi_is_never_negative_and_zero_only_for_equal_shares(counts):
    before, after = (np.array(side) for side in counts)
    index = psi(before, after)
    assert index >= 0
    assert (index == 0) == bool(np.array_equal(before * after.sum(), after * before.sum()))


@given(samples, samples)
def test_repeating_both_samples_changes_no_distance(reference, current):
    a, b = numeric(reference), numeric(current)
    a100, b100 = numeric(reference * 100), numeric(current * 100)
    assert ks_distance(a100, b100) == ks_distance(a, b)
    assert psi_numeric(a100, b100) == psi_numeric(a, b)


@given(labels, labels)
def test_total_variation_equals_its_definition_and_is_a_distance(reference, current):
    found = total_variation(category(reference), category(current))
    by_hand = sum(
        abs(reference.count(x) / len(reference) - current.count(x) / len(current)) for x in "abcdef"
    ) / 2  # fmt: skip
    assert found == pytest.approx(by_hand, abs=1e-12)
    assert found == total_variation(category(current), category(reference))
    assert total_variation(category(reference), category(reference * 100)) == 0
    assert 0 <= found <= 1


def test_psi_follows_its_formula_with_smoothed_shares():
    share = lambda counts: (np.array(counts) / sum(counts) + 1e-4) / (1 + 2e-4)  # noqa: E731
    p, q = share([80, 20]), share([50, 50])
    assert psi(np.array([80, 20]), np.array([50, 50])) == pytest.approx(((q - p) * np.log(q / p)).sum())


def test_an_empty_bin_costs_a_finite_amount():
    assert psi(np.array([100, 0]), np.array([99, 1])) == pytest.approx(0.046, abs=0.001)


def test_edges_are_reference_deciles_and_merge_where_one_value_spans_several():
    assert quantile_edges(numeric(range(1, 101))).tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert quantile_edges(numeric([1] * 60 + [2] * 20 + [3] * 20)).tolist() == [1, 2, 3]


def test_values_beyond_anything_the_reference_has_are_seen():
    assert psi_numeric(numeric([1] * 100), numeric([1] * 90 + [50] * 10)) > 0.5


def test_empty_samples_have_no_distance():
    empty, some = numeric([]), numeric([1])
    for statistic in (ks_distance, lambda *columns: ks_p_value(*columns, math.nan), psi_numeric, total_variation):
        assert math.isnan(statistic(empty, some))
        assert math.isnan(statistic(some, empty))


def test_wilson_interval_equals_the_published_example_and_stays_in_range():
    assert wilson_interval(15, 50) == pytest.approx((0.1910, 0.4375), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


def test_cohens_h_is_symmetric_and_grows_with_the_gap():
    assert cohens_h(0.1, 0.1) == 0
    assert cohens_h(0.1, 0.2) == cohens_h(0.2, 0.1)
    assert cohens_h(0.117, 0.5) == pytest.approx(0.873, abs=0.001)
