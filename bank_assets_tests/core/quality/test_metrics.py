import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as peer
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from bank_assets.core.quality import metrics

SEED = 5

# few distinct scores, so ties are common
scored = st.integers(2, 60).flatmap(
    lambda size: st.tuples(
        st.lists(st.booleans(), min_size=size, max_size=size),
        st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0]), min_size=size, max_size=size),
    )
)


def sample(n=3_000, seed=SEED, slope=1.0, decimals=3):
    """Outcomes drawn from probabilities, and probabilities whose log-odds are `slope` times the true ones."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1, n)
    y = rng.random(n) < 1 / (1 + np.exp(-odds))
    return y, np.clip(np.round(1 / (1 + np.exp(-slope * odds)), decimals), 1e-6, 1 - 1e-6)


@given(scored)
def test_ranking_metrics_equal_sklearn_with_ties(case):
    y, proba = case
    assume(any(y) and not all(y))
    assert metrics.roc_auc(y, proba) == pytest.approx(peer.roc_auc_score(y, proba), abs=1e-12)
    assert metrics.average_precision(y, proba) == pytest.approx(peer.average_precision_score(y, proba), abs=1e-12)


@given(scored, st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.1]))
def test_error_metrics_and_f1_equal_sklearn(case, threshold):
    y, proba = np.array(case[0]), np.array(case[1])
    assert metrics.brier(y, proba) == pytest.approx(peer.brier_score_loss(y, proba, pos_label=True), abs=1e-12)
    assert metrics.log_loss(y, proba) == pytest.approx(peer.log_loss(y, proba, labels=[False, True]), rel=1e-9)
    expected = peer.f1_score(y, proba >= threshold, zero_division=0)
    assert metrics.f1(y, proba, threshold) == pytest.approx(expected, abs=1e-12)


@given(scored)
def test_best_f1_threshold_beats_every_other(case):
    y, proba = np.array(case[0]), np.array(case[1])
    best = metrics.best_f1_threshold(y, proba)
    assert metrics.f1(y, proba, best) >= max(metrics.f1(y, proba, t) for t in np.unique(proba))
    if y.any():
        assert best in proba


@given(scored, st.randoms())
def test_row_order_changes_no_metric(case, random):
    pairs = list(zip(*case, strict=True))
    random.shuffle(pairs)
    y, proba = zip(*pairs, strict=True)
    for metric in (metrics.roc_auc, metrics.average_precision, metrics.brier, metrics.log_loss,
                   metrics.expected_calibration_error, metrics.best_f1_threshold):  # fmt: skip
        assert metric(y, proba) == pytest.approx(metric(*case), rel=1e-9, nan_ok=True)


def test_standard_error_of_auc_equals_the_bootstrap():
    y, proba = sample(2_000)
    rng = np.random.default_rng(SEED)
    drawn = [metrics.roc_auc(y[at], proba[at]) for at in rng.integers(0, y.size, (400, y.size))]
    assert metrics.roc_auc_standard_error(y, proba) == pytest.approx(np.std(drawn), rel=0.15)


def test_calibration_table_equals_sklearn_quantile_bins():
    y, proba = sample(decimals=12)
    table = metrics.calibration_table(y, proba)
    rate, mean = calibration_curve(y, proba, n_bins=10, strategy="quantile")
    assert [part.rate for part in table] == pytest.approx(rate, abs=0.005)
    assert [part.mean_proba for part in table] == pytest.approx(mean, abs=0.005)
    assert sum(part.rows for part in table) == y.size
    assert {part.rows for part in table} == {300}


def test_calibration_error_of_a_constant_is_its_distance_to_the_rate():
    y = np.array([True] * 30 + [False] * 70)
    assert metrics.expected_calibration_error(y, np.full(100, 0.5)) == pytest.approx(0.2)
    assert len(metrics.calibration_table(y, np.full(100, 0.5))) == 1


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_calibration_line_equals_an_unpenalised_logistic_regression(slope):
    y, proba = sample(slope=slope, decimals=6)
    odds = np.log(proba / (1 - proba))
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(odds[:, None], y)
    found = metrics.calibration_line(y, proba)
    assert found == pytest.approx((fitted.coef_[0, 0], fitted.intercept_[0]), abs=1e-4)
    assert found[0] == pytest.approx(1 / slope, abs=0.15)


def test_calibration_line_of_odd_samples_is_nan_not_a_crash():
    for y, proba in (
        ([True, True], [0.1, 0.2]),
        ([True, False], [0.3, 0.3]),
        ([False, False, True, True], [0.1, 0.2, 0.8, 0.9]),
        ([], []),
    ):
        assert all(math.isnan(value) for value in metrics.calibration_line(y, proba))


def test_calibration_line_that_needs_more_steps_than_allowed_is_nan():
    assert all(math.isnan(value) for value in metrics.calibration_line(*sample(slope=0.1), steps=1))


def test_calibration_line_survives_probabilities_of_zero_and_one():
    y, proba = sample()
    proba[:3], y[:3] = [0.0, 1.0, 0.0], [False, True, False]
    assert all(math.isfinite(value) for value in metrics.calibration_line(y, proba))


def test_small_windows_give_nan_instead_of_a_number():
    for metric in (metrics.roc_auc, metrics.average_precision, metrics.brier, metrics.log_loss,
                   metrics.expected_calibration_error, metrics.roc_auc_standard_error):  # fmt: skip
        assert math.isnan(metric([], []))
    assert math.isnan(metrics.f1([], [], 0.5))
    assert math.isnan(metrics.roc_auc([False, False], [0.1, 0.2]))
    assert math.isnan(metrics.average_precision([False, False], [0.1, 0.2]))
    assert math.isnan(metrics.roc_auc_standard_error([True, False, False], [0.1, 0.2, 0.3]))
    assert metrics.best_f1_threshold([False, False], [0.1, 0.2]) == 0.5
    assert metrics.f1([False], [0.1], 0.5) == 0


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="one probability per outcome"):
        metrics.roc_auc([True, False], [0.5])
