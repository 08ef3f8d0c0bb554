"""Tests the lift against a hold-out and the check of its draw."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from bank_assets.core.quality.intervals import Z, difference
from bank_assets.core.quality.lift import NO_HOLDOUT, Groups, measured_lift, sample_ratio


def groups(called: int, held_out: int, with_call: int = 0, without: int = 0, *, rate=0.12, value=50.0) -> Groups:
    """Customers of one list, the called first; the first of each group subscribed."""
    n, order = called + held_out, np.r_[np.arange(called), np.arange(held_out)]
    is_held_out = np.arange(n) >= called
    share = held_out / n if held_out else 0.1
    is_subscribed = order < np.where(is_held_out, without, with_call)
    return Groups(is_held_out, np.full(n, share), np.full(n, rate), np.full(n, value), is_subscribed)


def joined(*parts: Groups) -> Groups:
    return Groups(*(np.concatenate([getattr(one, name) for one in parts]) for name in Groups.__slots__))


def drawn(rng, n, share, rate, without=0.5) -> Groups:
    probability = rng.beta(2.0, 2.0 / rate - 2.0, n)
    is_held_out = rng.random(n) < share
    is_subscribed = rng.random(n) < probability * np.where(is_held_out, without, 1.0)
    return Groups(is_held_out, np.full(n, share), probability, np.full(n, 50.0), is_subscribed)


def test_with_equal_values_the_interval_is_the_same_in_every_unit():
    lift = measured_lift(groups(900, 100, 99, 4), spent_eur=4_500.0)
    one = difference(99 / 900, 900, 4 / 100, 100)
    expected = np.array([0.07, one.low, one.high])
    for found, scale, less in [(lift.rate, 1, 0), (lift.subscriptions, 900, 0), (lift.profit_eur, 45_000, 4_500)]:
        assert [found.value, found.low, found.high] == pytest.approx(expected * scale - less, abs=1e-9)
    assert (lift.called_subscribed, lift.held_out_subscribed, lift.more, lift.reason) == (99, 4, 0, "")


def test_in_eur_the_held_out_are_valued_as_the_called_are():
    """A third of the called are worth ten times as much, and none of the held out."""
    one = groups(900, 100, 90, 5)
    value = np.where(np.arange(1_000) < 300, 500.0, 50.0)
    lift = measured_lift(replace(one, value_eur=value), 0.0)
    assert lift.profit_eur.value == pytest.approx(90 * 500.0 - 0.05 * value[:900].sum())
    assert lift.subscriptions.value == pytest.approx(45.0)


def test_lists_with_other_shares_are_pooled_by_whom_the_held_out_stand_for():
    rare, common = groups(900, 100, 90, 4, rate=0.1), groups(200, 200, 60, 30, rate=0.3)
    lift = measured_lift(joined(rare, common), 0.0)
    assert lift.subscriptions.value == pytest.approx(150 - 1_100 * (9 * 4 + 30) / (900 + 200))
    assert measured_lift(joined(rare, rare), 0.0).rate.low > measured_lift(rare, 0.0).rate.low


@pytest.mark.parametrize(
    ("one", "more"),
    [
        (groups(9, 1), 380),  # a hold-out of one customer
        (groups(40, 0), 390),  # of none, although the list holds out a tenth
        (groups(9, 1, 9, 1, rate=0.9), 190),  # whatever the rate, no group below 20
        (groups(900, 100, rate=0.02), 1_470),
        (groups(450, 50), 0),
        (groups(450, 50, 0, 0), 0),  # zero subscriptions on both sides are an answer
    ],
)
def test_small_groups_say_how_many_are_missing(one, more):
    lift = measured_lift(one, 0.0)
    if more == 0:
        assert lift.reason == ""
        assert lift.rate.low < 0.1
        return
    assert lift.rate is lift.subscriptions is lift.profit_eur is None
    assert re.match(r"Too small yet: [\d,]+ held out and [\d,]+ called cannot show .*; [\d,]+ more", lift.reason)
    assert lift.more == pytest.approx(more, rel=0.05)
    larger = joined(one, groups(round(0.9 * lift.more) + 1, round(0.1 * lift.more) + 1, rate=one.probability[0]))
    assert measured_lift(replace(larger, holdout_share=np.full(len(larger.value_eur), 0.1)), 0.0).reason == ""


def test_without_a_predicted_rate_no_size_is_enough():
    assert measured_lift(groups(900, 100, rate=0.0), 0.0).more > 1_000_000


def test_whether_there_is_a_number_does_not_depend_on_outcomes():
    for one in (groups(400, 40), groups(900, 100)):
        answers = {
            measured_lift(replace(one, is_subscribed=rng.random(len(one.value_eur)) < rate), 0.0).more
            for rng, rate in zip(map(np.random.default_rng, range(5)), (0, 0.01, 0.1, 0.5, 1), strict=True)
        }
        assert len(answers) == 1


def test_without_a_hold_out_there_is_nothing_to_compare():
    empty = groups(0, 0)
    assert measured_lift(empty, 0.0).reason == NO_HOLDOUT
    assert not sample_ratio(empty).is_broken


def test_intervals_cover_a_known_effect_where_plain_normal_ones_do_not():
    ours, normal = [], []
    for seed in range(400):
        one = drawn(np.random.default_rng(seed), 500, 0.1, 0.12)
        lift, truth = measured_lift(one, 0.0), 0.5 * float(one.probability[~one.is_held_out].mean())
        if lift.rate is not None:
            rate, rate_0 = lift.called_subscribed / lift.called, lift.held_out_subscribed / lift.held_out
            half = Z * np.sqrt(rate * (1 - rate) / lift.called + rate_0 * (1 - rate_0) / lift.held_out)
            ours.append(lift.rate.low <= truth <= lift.rate.high)
            normal.append(abs(lift.rate.value - truth) <= half)
    assert len(ours) > 350
    assert 0.93 <= np.mean(ours) <= 0.985
    assert np.mean(normal) < 0.93


def test_the_sample_ratio_check_seldom_alarms_and_finds_broken_draws():
    alarms, found = 0, {"lost": 0, "added": 0, "worst": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        one = drawn(rng, 2_000, 0.1, 0.1)
        alarms += sample_ratio(one).is_broken
        kept = ~one.is_held_out | (rng.random(2_000) < 0.6)
        worst = np.argsort(one.probability + rng.random(2_000) * 0.1) < one.is_held_out.sum()
        broken = {
            "lost": Groups(*(getattr(one, name)[kept] for name in Groups.__slots__)),
            "added": replace(one, is_held_out=one.is_held_out | (rng.random(2_000) < 0.05)),
            "worst": replace(one, is_held_out=one.is_held_out[np.argsort(np.argsort(worst))] | worst),
        }
        for name, groups_ in broken.items():
            found[name] += sample_ratio(groups_).is_broken
    assert alarms <= 4
    assert min(found.values()) >= 95


def test_a_broken_draw_says_what_was_expected_and_found():
    one = groups(990, 10)
    answer = sample_ratio(replace(one, holdout_share=np.full(1_000, 0.1)))
    assert re.match(r"Broken draw: expected about 100 .* found 10 held out \(p = \d", answer.reason)
    assert sample_ratio(groups(900, 100)).reason == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"holdout_share": np.zeros(2)}, "expected a hold-out share above 0 and at most 0.5, found 0.0 in row 0"),
        ({"probability": np.array([0.1, np.nan])}, r"expected a probability in \[0, 1\], found nan in row 1"),
        ({"value_eur": np.array([50.0, -1.0])}, "expected a value in EUR above 0, found -1.0 in row 1"),
        ({"is_subscribed": np.ones(1, bool)}, "expected columns of one length"),
    ],
)
def test_unusable_groups_are_refused(change, expected):
    with pytest.raises(ValueError, match=expected):
        replace(groups(1, 1), **change)


@pytest.mark.parametrize(
    ("with_call", "without", "spent", "expected"),
    [
        (200, 0, 4_500.0, "Calling 900 customers earned 5,500 EUR against not calling them (between 3,"),
        (200, 10, 4_500.0, "which may be chance."),
        (10, 0, 9_000.0, "lost 8,500 EUR against not calling them (between −9,"),
    ],
)
def test_the_sentence_for_everybody_names_effect_and_chance(with_call, without, spent, expected):
    lift = measured_lift(groups(900, 100, with_call, without), spent)
    assert expected in lift.sentence
    assert lift.sentence.endswith("which may be chance." if lift.may_be_chance else "which is hardly chance.")
