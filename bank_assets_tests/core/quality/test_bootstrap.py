from dataclasses import asdict

import numpy as np
import pytest

from bank_assets.core.quality import metrics
from bank_assets.core.quality.bootstrap import paired_bootstrap, paired_bootstrap_f1, paired_bootstrap_statistic

SEED = 3


def bootstrap(values, *, seed=SEED):
    """The bootstrap with a day of its own for each contact."""
    return paired_bootstrap(values, np.arange(len(values)), seed=seed)


def normal(n=2_000, mean=0.0):
    return np.random.default_rng(SEED).normal(mean, 1, n)


def test_interval_of_a_mean_equals_the_normal_one():
    values = normal(mean=0.05)
    found = bootstrap(values)
    half = 1.645 * values.std() / np.sqrt(values.size)
    assert found.gain == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.004)
    assert (found.rows, found.resamples, found.seed) == (2_000, 2_000, SEED)


def test_same_seed_same_answer_and_other_seed_another():
    values = normal()
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1).low != bootstrap(values, seed=2).low


def test_equal_models_get_one_half_and_a_clear_gain_gets_one():
    assert bootstrap(np.zeros(500)).probability == 0.5
    assert bootstrap(normal(mean=1)).probability == 1
    assert bootstrap(-normal(mean=1)).probability == 0


def test_whole_days_widen_the_interval_where_contacts_of_a_day_agree():
    rng = np.random.default_rng(SEED)
    days = np.repeat(np.arange(100), 20)
    values = np.repeat(rng.normal(0, 1, 100), 20) + rng.normal(0, 0.1, 2_000)
    alone, by_day = bootstrap(values), paired_bootstrap(values, days, seed=SEED)
    assert by_day.gain == alone.gain
    assert by_day.high - by_day.low > 3 * (alone.high - alone.low)


def test_f1_gain_equals_the_general_bootstrap():
    rng = np.random.default_rng(SEED)
    y = rng.random(800) < 0.3
    champion, challenger = rng.random(800) < 0.3, np.where(rng.random(800) < 0.5, y, rng.random(800) < 0.3)
    fast = paired_bootstrap_f1(y, champion, challenger, seed=SEED)

    def gain(at):
        return metrics.f1_of_calls(y[at], challenger[at]) - metrics.f1_of_calls(y[at], champion[at])

    general = paired_bootstrap_statistic(gain, 800, seed=SEED)
    assert fast.gain == pytest.approx(general.gain)
    assert (fast.low, fast.high) == pytest.approx((general.low, general.high), abs=0.02)
    assert fast.probability == general.probability == 1


def test_undefined_resamples_count_half_and_stay_out_of_the_interval():
    y = np.array([True] + [False] * 9)
    better, worse = np.array([1.0] + [0.0] * 9), np.array([0.0] + [1.0] * 9)
    found = paired_bootstrap_statistic(
        lambda at: metrics.roc_auc(y[at], better[at]) - metrics.roc_auc(y[at], worse[at]), 10, seed=SEED, resamples=500
    )
    without_subscriber = 0.9**10
    assert found.probability == pytest.approx(1 - without_subscriber / 2, abs=0.03)
    assert (found.gain, found.low, found.high) == (1, 1, 1)


def test_evidence_row_is_plain():
    row = asdict(bootstrap(np.zeros(3)))
    assert {type(value) for value in row.values()} <= {float, int}


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="at least one contact"):
        bootstrap(np.empty(0))
    with pytest.raises(ValueError, match="at least one contact"):
        paired_bootstrap_statistic(lambda at: 0.0, 0, seed=SEED)
    with pytest.raises(ValueError, match="one cluster per contact"):
        paired_bootstrap(np.array([1.0, 2.0]), np.array([1]), seed=SEED)
