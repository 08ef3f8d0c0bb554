"""Tests what a call list came to, from its rows and what became of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from bank_assets.core.campaigns.life import ListRecord, Stage
from bank_assets.core.quality.intervals import Estimate
from bank_assets.core.quality.read_out import Attribution, ListResults, read_out

DAY, NEVER = np.datetime64("2010-05-03"), np.datetime64("NaT")
COVERED = Attribution(30, DAY + 30)
KEYS = ("worth_calling", "exploration", "held_out", "not_worth_calling", "suppressed")


def a_list(counts=(800, 100, 100, 0, 0), subscribed=(90, 10, 4, 0, 0), share=0.1) -> ListResults:
    """Rows by reason (see `KEYS`), the first of each reason subscribed on their day; all calls are made."""
    reason = np.repeat(KEYS, counts)
    order = np.concatenate([np.arange(count) for count in counts])
    is_called = np.isin(reason, KEYS[:2])
    n, explored = len(reason), counts[1] / max(counts[1] + counts[3], 1)
    propensity = np.select(
        [np.isin(reason, ("worth_calling", "held_out")), reason == "suppressed"], [1.0, 0.0], explored
    )
    return ListResults(
        person=np.arange(n).astype(str),
        reason=reason,
        contact_date=np.full(n, DAY),
        probability=np.tile([0.12, 0.1, 0.14], n)[:n],
        propensity=propensity * (1.0 - share),
        cost_eur=np.full(n, 5.0),
        value_eur=np.full(n, 50.0),
        holdout_share=np.full(n, share),
        is_called=is_called,
        spent_eur=np.where(is_called, 5.0, 0.0),
        has_outcome=is_called,
        subscribed_on=np.where(order < np.repeat(subscribed, counts), DAY, NEVER),
    )


def test_a_read_out_counts_calls_money_and_what_exploration_brought():
    answer = read_out(a_list(), COVERED, Estimate(400.0, 200.0, 600.0))
    made, explored = answer.made, answer.explored
    assert (answer.planned, answer.breaches, answer.is_as_forecast) == (900, 0, True)
    assert (made.calls, made.subscriptions, made.cost_eur, made.profit_eur) == (900, 100, 4_500.0, 500.0)
    assert (explored.calls, explored.subscriptions, explored.cost_eur, explored.profit_eur) == (100, 10, 500.0, 0.0)
    assert (explored.outcomes, round(explored.effective, 9)) == (100, 100)
    assert answer.lift.subscriptions.value == pytest.approx(100 - 900 * 0.04)
    assert answer.lift.profit_eur.value == pytest.approx(50 * 64 - 4_500)
    assert not answer.ratio.is_broken


def test_explored_calls_teach_by_their_outcomes_for_the_inverse_of_their_propensity():
    one = a_list((0, 100, 0, 0, 0), (0, 10, 0, 0, 0))
    uneven = replace(one, propensity=np.where(np.arange(100) < 50, 0.1, 0.4), has_outcome=np.arange(100) % 2 == 0)
    explored = read_out(uneven, COVERED).explored
    assert (explored.calls, explored.outcomes) == (100, 50)
    assert explored.stand_for == pytest.approx(25 * 10 + 25 * 2.5)
    assert explored.effective == pytest.approx(312.5**2 / (25 * 100 + 25 * 6.25))
    nobody = read_out(replace(uneven, has_outcome=np.zeros(100, bool)), COVERED).explored
    assert (nobody.outcomes, nobody.stand_for, nobody.effective) == (0, 0.0, 0.0)


@pytest.mark.parametrize("days", [1, 30, 366])
def test_a_list_closes_on_the_day_on_which_it_can_be_read_out(days):
    planned = a_list().last_day(days).item()
    record = ListRecord(n_calls=900, last_day=DAY.item(), today=planned, window_days=days, is_exported=True)
    for known in (planned - timedelta(days=1), planned):
        is_closed = replace(record, subscriptions_until=known).stage is Stage.CLOSED
        assert is_closed is (read_out(a_list(), Attribution(days, np.datetime64(known))).everyone is not None)


def test_calling_everyone_is_estimated_for_whom_no_rule_excludes():
    one = a_list((800, 100, 100, 900, 50), (90, 10, 4, 0, 50))
    answer = read_out(one, COVERED).everyone
    assert (answer.calls, answer.not_called, answer.explored) == (1_900, 1_000, 900)
    assert 100 < answer.subscriptions.value < 300


@pytest.mark.parametrize(("after", "counts"), [(-1, False), (0, True), (30, True), (31, False), (None, False)])
def test_only_subscriptions_within_the_window_count_for_called_and_held_out_alike(after, counts):
    one = a_list(subscribed=(800, 100, 100, 0, 0))
    answer = read_out(replace(one, subscribed_on=np.full(1_000, NEVER if after is None else DAY + after)), COVERED)
    assert (answer.made.subscriptions, answer.lift.held_out_subscribed) == ((900, 100) if counts else (0, 0))


@pytest.mark.parametrize(
    ("attribution", "expected"),
    [
        (
            Attribution(30),
            "Not yet measurable: expected subscriptions from .* up to 2010-06-02, found none;",
        ),
        (Attribution(30, DAY + 29), "up to 2010-06-02, found them up to 2010-06-01; deliver"),
        (Attribution(31, DAY + 30), "up to 2010-06-03, found"),
    ],
)
def test_nothing_is_measurable_until_the_books_cover_the_window(attribution, expected):
    answer = read_out(a_list(), attribution)
    assert re.search(expected, answer.lift.reason)
    assert answer.lift.profit_eur is answer.everyone is None
    assert answer.made.subscriptions == 100  # so far


def test_where_nobody_subscribes_without_a_call_all_is_caused_by_calls():
    one = a_list(subscribed=(90, 10, 0, 0, 0))
    lift = read_out(one, Attribution(30, assumes_none=True)).lift
    assert lift.subscriptions == Estimate(100.0, 100.0, 100.0)
    assert lift.profit_eur.value == 500.0
    assert lift.sentence.endswith("assuming that nobody subscribes without a call.")
    assert not read_out(one, Attribution(30, DAY + 30, assumes_none=True)).lift.is_assumed  # books are better
    listed = one.rows(~one.is_held_out)
    found = read_out(replace(listed, holdout_share=np.zeros(len(listed.person))), Attribution(30, assumes_none=True))
    assert found.lift.sentence.startswith(f"Calling {found.made.calls} customers earned"), "a hold-out is not needed"
    assert found.made.calls > 0


def test_calls_to_the_held_out_are_breaches_and_counted_as_assigned():
    one = a_list()
    called = one.is_called | (one.is_held_out & (np.arange(1_000) % 2 == 0))
    before, after = read_out(one, COVERED), read_out(replace(one, is_called=called), COVERED)
    assert (before.breaches, after.breaches) == (0, 50)
    assert after.lift == before.lift


def test_calls_that_were_not_made_stay_in_the_group_they_were_assigned_to():
    one = a_list()
    some = one.is_called & (np.arange(1_000) % 2 == 0)
    answer = read_out(replace(one, is_called=some, spent_eur=np.where(some, 5.0, 0.0)), COVERED)
    assert (answer.planned, answer.made.calls, answer.made.subscriptions) == (900, 450, 50)
    assert (answer.lift.called, answer.lift.called_subscribed) == (900, 100)
    assert answer.lift.profit_eur.value == pytest.approx(50 * 64 - 450 * 5)


def test_a_customer_with_two_contacts_is_one_customer_who_subscribes_once():
    one = a_list()
    twice = ListResults.joined([one, one.rows(slice(900))])
    answer = read_out(twice, COVERED)
    assert (answer.made.calls, answer.made.subscriptions) == (1_800, 100)
    assert answer.lift.called == 900


def test_lists_without_a_hold_out_are_left_out_of_the_comparison():
    other = replace(a_list((500, 0, 0, 0, 0), (50, 0, 0, 0, 0), share=0.0), person=np.arange(5_000, 5_500).astype(str))
    one = a_list()
    both = ListResults.joined([one, other])
    answer = read_out(both, COVERED)
    assert (answer.planned, answer.made.subscriptions) == (1_400, 150)
    assert answer.lift == read_out(one, COVERED).lift
    assert read_out(other, COVERED).lift.reason.startswith("No hold-out")


def test_a_list_that_calls_nobody_has_nothing_to_compare():
    answer = read_out(a_list((0, 0, 0, 30, 5), (0, 0, 0, 0, 0)), COVERED)
    assert answer.lift.reason.startswith("No hold-out")
    assert (answer.planned, answer.made.profit_eur) == (0, 0.0)


def test_a_broken_draw_has_no_number():
    one = a_list()
    lost = one.rows(~one.is_held_out | (np.arange(1_000) % 3 == 0))
    answer = read_out(lost, COVERED)
    assert answer.ratio.is_broken
    assert re.match("Broken draw: expected about 93 .* found 34 held out", answer.lift.reason)
    assert answer.lift.rate is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"holdout_share": np.zeros(1_000)}, "expected nobody held out .* found 100 rows"),
        ({"person": np.repeat(["1", "2"], 500)}, "expected each customer called or held out, found 1 that are both"),
        ({"person": np.array(["1"])}, "expected columns of one length"),
    ],
)
def test_contradictions_are_refused(change, expected):
    with pytest.raises(ValueError, match=expected):
        replace(a_list(), **change)


@pytest.mark.parametrize("days", [0, 367, True, 1.5])
def test_an_unusable_window_is_refused(days):
    with pytest.raises(ValueError, match="attribution window: expected 1 to 366 days"):
        Attribution(days)
