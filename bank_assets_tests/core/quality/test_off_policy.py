"""Tests what another policy would have earned, from the called contacts of randomized lists."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from bank_assets.core.quality.off_policy import LoggedCalls, policy_value


def logged(propensity, is_called, is_subscribed, cost=5.0, value=50.0) -> LoggedCalls:
    n = len(propensity)
    amounts = (np.broadcast_to(np.asarray(one, float), n).copy() for one in (cost, value))
    called = np.asarray(is_called, bool)
    return LoggedCalls(np.asarray(propensity, float), called, np.asarray(is_subscribed, bool) & called, *amounts)


def sampled(n_others: int, n_drawn: int, n_subscribed: int) -> LoggedCalls:
    """A list of others only, of which the first were drawn, and of these the first subscribed."""
    rank = np.arange(n_others)
    return logged(np.full(n_others, n_drawn / n_others), rank < n_drawn, rank < n_subscribed)


def everyone(log: LoggedCalls) -> np.ndarray:
    return np.ones(len(log.is_called), bool)


def test_a_policy_all_of_whose_contacts_were_called_is_known_exactly():
    log = logged([1.0, 1.0, 0.3, 0.3, 0.0], [1, 1, 1, 0, 0], [1, 0, 1, 1, 1], value=[50, 60, 70, 80, 90])
    answer = policy_value(log, np.array([True, True, True, False, False]))
    assert (answer.calls, answer.not_called, answer.explored, answer.subscribed) == (3, 0, 1, 1)
    assert {answer.profit_eur.value, answer.profit_eur.low, answer.profit_eur.high} == {105.0}
    assert answer.subscriptions.value == 2.0
    assert answer.reason == ""


def test_the_estimate_is_unbiased_over_all_draws_of_a_list():
    n, drawn, outcome = 24, 22, np.arange(24) % 5 == 0
    found = []
    for chosen in combinations(range(n), drawn):
        log = logged(np.full(n, drawn / n), np.isin(np.arange(n), chosen), outcome)
        found.append(policy_value(log, everyone(log)).profit_eur.value)
    assert np.mean(found) == pytest.approx(50.0 * outcome.sum() - 5.0 * n)


@pytest.mark.parametrize("n_subscribed", [0, 3, 30, 60])
def test_a_small_sample_of_a_large_list_has_the_jeffreys_interval_of_its_rate(n_subscribed):
    answer = policy_value(log := sampled(60_000, 60, n_subscribed), everyone(log))
    posterior = stats.beta(n_subscribed + 0.5, 60 - n_subscribed + 0.5)
    low, high = posterior.ppf(0.05) if n_subscribed else 0.0, posterior.ppf(0.95) if n_subscribed < 60 else 1.0
    profit, found = answer.profit_eur, answer.subscriptions
    assert answer.effective_size == pytest.approx(60)
    assert (found.low / 60_000, found.high / 60_000) == pytest.approx((low, high), abs=0.001)
    assert found.value == pytest.approx(1_000 * n_subscribed)
    assert (profit.low, profit.high) == pytest.approx((50 * found.low - 300_000, 50 * found.high - 300_000))


def test_no_success_still_has_an_upper_end_and_a_larger_sample_lowers_it():
    few, many = (policy_value(log := sampled(1_000, n, 0), everyone(log)).subscriptions for n in (30, 300))
    assert few.low == few.value == many.value == 0.0
    assert 1 < many.high < 10 < few.high < 100


def test_the_interval_stays_between_what_is_known_and_what_is_possible():
    log = logged(np.full(100, 0.97), np.arange(100) < 97, np.ones(100, bool))
    found = policy_value(log, everyone(log)).subscriptions
    assert 97.0 <= found.low < found.high == 100.0


def test_lists_with_other_propensities_count_by_their_weights():
    """40 of 80 called on one list, a third of them subscribed; 40 of 400 on another, of whom nobody did."""
    is_called = np.r_[np.arange(80) < 40, np.arange(400) < 40]
    outcome = np.r_[np.arange(80) % 2 == 0, np.zeros(400, bool)]
    log = logged(np.r_[np.full(80, 0.5), np.full(400, 0.1)], is_called, outcome)
    answer = policy_value(log, everyone(log))
    assert answer.subscriptions.value == pytest.approx(20 + 20)
    assert answer.effective_size == pytest.approx((40 + 360) ** 2 / (40 + 40 * 81))
    assert (answer.explored, answer.subscribed) == (80, 20)


@pytest.mark.parametrize(
    ("propensity", "is_called", "expected", "out_of_reach"),
    [
        (np.full(400, 0.025), np.arange(400) < 10, r"Too little evidence: .* least 20 .* found 10.0 from 10;", 0),
        (np.r_[np.full(300, 0.2), np.zeros(132)], np.arange(432) < 60, r"Out of reach: .* found 132 of 432", 132),
        (np.r_[np.full(300, 0.2), np.full(9, np.nan)], np.arange(309) < 60, r"Out of reach: .* found 9 of 309", 9),
        (np.r_[np.full(300, 0.2), np.ones(2)], np.arange(302) < 60, r"Out of reach: .* found 2 of 302", 2),
    ],
)  # fmt: skip
def test_without_evidence_there_is_a_reason_instead_of_a_number(propensity, is_called, expected, out_of_reach):
    answer = policy_value(log := logged(propensity, is_called, np.zeros(len(propensity))), everyone(log))
    assert answer.profit_eur is answer.subscriptions is None
    assert answer.out_of_reach == out_of_reach
    assert re.match(expected, answer.reason)


def test_the_basis_names_the_interval_and_the_explored_calls_or_the_reason():
    log = logged(np.r_[np.full(300, 0.2), np.zeros(5)], np.arange(305) < 60, np.arange(305) % 7 == 0)
    assert policy_value(log, log.propensity > 0.0).basis.endswith(
        "EUR at 90 %, estimated from 60 calls drawn at random"
    )
    uneven = logged(np.r_[np.full(200, 0.2), np.full(100, 0.4)], np.arange(300) % 3 == 0, np.arange(300) % 7 == 0)
    answer = policy_value(uneven, everyone(uneven))
    assert answer.basis.endswith(f"estimated from 100 calls drawn at random, effective {answer.effective_size:.0f}")
    assert policy_value(log, everyone(log)).basis == "out of reach"
    assert policy_value(log, log.is_called).basis == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"propensity": [0.5, np.nan]},
            r"a propensity in \(0, 1\] of each called contact, found nan in row 1",
        ),
        ({"propensity": [0.0, 0.5]}, r"a propensity in \(0, 1\] of each called contact, found 0.0 in row 0"),
        ({"propensity": [0.5, 1.5]}, r"expected a propensity in \[0, 1\], found 1.5 in row 1 \(1 such rows\)"),
        ({"cost": [np.nan, 5.0]}, "expected a cost in EUR, found nan in row 0"),
        ({"value": [50.0, np.inf]}, "expected a value in EUR, found inf in row 1"),
        ({"is_subscribed": [True]}, "expected columns of one length, found .*'is_subscribed': 1"),
    ],
)
def test_unusable_records_are_refused(change, expected):
    columns = {"propensity": [0.5, 0.5], "is_called": [1, 1], "is_subscribed": [0, 1], "cost": [5, 5], "value": [9, 9]}
    columns = {name: np.asarray(one, float) for name, one in (columns | change).items()}
    flags = (columns[name].astype(bool) for name in ("is_called", "is_subscribed"))
    with pytest.raises(ValueError, match=expected):
        LoggedCalls(columns["propensity"], *flags, columns["cost"], columns["value"])
    with pytest.raises(ValueError, match="expected one decision per contact"):
        policy_value(logged([1.0], [1], [1]), np.ones(2, bool))


def test_intervals_cover_where_plain_normal_ones_do_not():
    """Windows of 300 contacts at a rate of 3 %, of which 30 are explored: often none or one of these subscribes."""
    rng, ours, normal = np.random.default_rng(5), [], []
    for _ in range(500):
        outcome = rng.random(300) < 0.03
        called = rng.permutation(300) < 30
        found = policy_value(log := logged(np.full(300, 0.1), called, outcome), everyone(log)).subscriptions
        n_found, truth = outcome[called].sum(), outcome.sum()
        half = 1.645 * np.sqrt(10 * 9 * n_found)
        ours.append(found.low <= truth <= found.high)
        normal.append(abs(10 * n_found - truth) <= half)
    assert 0.86 <= np.mean(ours) <= 0.96
    assert np.mean(normal) < 0.75
