"""The hold-out group and the sample size of a lift test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_assets.core.economics.holdout import HoldoutError, detectable_lift, holdout_mask, lift_test_size

IDS = [f"contact-{i}" for i in range(4_000)]


def test_membership_is_the_same_on_any_machine():
    # the exact answer is part of the contract: a plan that is planned again must hold out the same people
    assert np.flatnonzero(holdout_mask(IDS[:40], "list-1", 0.2)).tolist() == EXPECTED


EXPECTED = [2, 7, 8, 9, 14, 16, 18, 21, 23, 24, 32, 35, 36]


def test_larger_share_holds_out_the_same_and_more():
    small, large = holdout_mask(IDS, "a", 0.1), holdout_mask(IDS, "a", 0.3)
    assert (large | ~small).all()
    assert abs(small.mean() - 0.1) < 0.02
    assert abs(large.mean() - 0.3) < 0.03


def test_another_list_draws_another_group():
    overlap = (holdout_mask(IDS, "a", 0.1) & holdout_mask(IDS, "b", 0.1)).mean()
    assert abs(overlap - 0.01) < 0.01


def test_share_of_nothing_and_of_half():
    assert not holdout_mask(IDS, "a", 0.0).any()
    assert abs(holdout_mask(IDS, "a", 0.5).mean() - 0.5) < 0.03
    assert holdout_mask([], "a", 0.1).shape == (0,)


@pytest.mark.parametrize("share", [-0.1, 0.51, float("nan")])
def test_unusable_share_is_refused(share):
    with pytest.raises(HoldoutError, match="share"):
        holdout_mask(IDS, "a", share)


def test_sample_size_follows_the_rule_of_sixteen():
    # Lehr 1992: about 16 p (1 - p) / difference^2 in each group for 80 % power at 5 %
    held_out, called = lift_test_size(0.10, 0.12)
    assert held_out == called
    assert held_out == pytest.approx(16 * 0.11 * 0.89 / 0.02**2, rel=0.03)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_sample_size_has_the_nominal_power(share):
    held_out, called = lift_test_size(0.08, 0.12, holdout_share=share)
    rng = np.random.default_rng(5)
    a, b = rng.binomial(held_out, 0.08, 20_000), rng.binomial(called, 0.12, 20_000)
    pooled = (a + b) / (held_out + called)
    z = (b / called - a / held_out) / np.sqrt(pooled * (1 - pooled) * (1 / held_out + 1 / called))
    assert abs((np.abs(z) > 1.959964).mean() - 0.8) < 0.02


@given(st.floats(0.02, 0.6), st.integers(50, 20_000), st.integers(50, 20_000))
def test_detectable_lift_inverts_the_sample_size(rate, n_held_out, n_called):
    lift = detectable_lift(n_held_out, n_called, rate)
    if lift is None:
        return
    share = n_held_out / (n_held_out + n_called)
    assert lift_test_size(rate - lift, rate, holdout_share=share)[0] <= n_held_out
    assert lift_test_size(rate - lift * 0.98, rate, holdout_share=share)[0] >= n_held_out


def test_groups_too_small_for_any_lift():
    assert detectable_lift(3, 1_000, 0.1) is None
    assert detectable_lift(0, 1_000, 0.1) is None


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.0, 0.1), (0.1, 1.0), (float("nan"), 0.2)])
def test_unusable_rates_are_refused(rates):
    with pytest.raises(HoldoutError, match="expected"):
        lift_test_size(*rates)
