"""The loop over days: its calendar, whatever the size of a delivery, and what it does without a model."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.loop import FITS, KnownFacts, Position, advance, after_verdict, assess, days_to_judge
from bank_assets.core.response.policy import ResponseAction, ResponsePolicy, ResponseState
from bank_assets.replay.replay import make_policy
from bank_assets.replay.replay import walk as replay
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import ReplaySettings, World
from bank_assets_tests.world.contacts import FIRST, made_contacts

DAY = np.timedelta64(1, "D")
ECONOMICS = Economics.constant(5.0, 40.0)
CANDIDATES = ("lightgbm/none",)


def jump(frame, number, log_odds):
    """From day 45 on the bank calls other people, and they subscribe."""
    late = number >= 45
    frame["housing"][late] = "no"
    return log_odds + np.where(late, 2.5, 0.0)


@pytest.fixture(scope="module")
def replayed():
    """The replay of a history with weekends and a jump: its world, its trace, every assessment."""
    days = np.repeat([day for day in range(90) if day % 7 not in (5, 6)], 30)
    settings = ReplaySettings(ECONOMICS, FIRST + 30 * DAY, feedback="full", candidates=CANDIDATES)
    world = World(made_contacts(change=jump, days=days), settings)
    policy, trace = make_policy("platform", settings), Trace.empty(len(world))
    for _ in replay(policy, world, trace):
        pass
    return world, trace, policy.assessments


class Delivered:
    """Ports over finished scores: every fit is promoted at once; deliveries reach up to a day."""

    def __init__(self, world, trace, assessments):
        first = assessments[0].day
        following = itertools.pairwise(assessments)
        self.on_probation = {one.day: after.response.state.is_on_probation for one, after in following}
        contacts = world._contacts
        self.scored = contacts.scored(trace.unshifted)
        self.daily, self.dates = world.daily, contacts.contact_dates
        self.state = after_verdict(
            ResponseState(), str(first), is_promoted=True, is_on_probation=self.on_probation[first]
        )
        self.model, self.shift, self.requested, self.kept, self.newest = first, 0.0, None, [], first

    def days(self):
        return np.unique(self.dates[self.dates < self.newest])

    def reached(self):
        return self.newest

    def known(self, day):
        return KnownFacts(self.scored, self.daily, Reference.of(self.daily, self.model.item(), 90.0))

    def settle(self, requested):
        self.model = requested
        self.state = after_verdict(
            self.state, str(self.model), is_promoted=True, is_on_probation=self.on_probation[self.model]
        )
        self.requested = None
        return True

    def position(self):
        return Position(self.state, self.shift, self.requested)

    def keep(self, assessment):
        self.kept.append(assessment)
        self.state, self.shift = assessment.response.state, assessment.evidence.shift_now
        self.requested = assessment.day if assessment.calls_for_fit else None

    def deliver(self, newest):
        self.newest = newest
        assert advance(self) is None


def essence(assessments, after):
    return [
        (one.day, one.response.action, one.response.reasons, one.response.run_key, one.response.state)
        for one in assessments
        if one.day > after
    ]


@pytest.mark.parametrize("every", [1, 7, 90])
def test_the_size_of_a_delivery_changes_no_assessment(replayed, every):
    world, trace, assessments = replayed
    first = assessments[0].day
    ports = Delivered(world, trace, assessments)
    last = assessments[-1].day
    for newest in [*np.arange(first + DAY, last, every), last]:
        ports.deliver(newest)
    assert sum(one.calls_for_fit for one in assessments) >= 3, "the history must call for refits"
    assert essence(ports.kept, first) == essence(assessments, first)


def test_the_day_after_a_day_with_contacts_is_judged_once_it_is_reached(replayed):
    world, _, assessments = replayed
    decided = {one.day for one in assessments}
    fridays = [FIRST + number * DAY for number in range(32, 85) if number % 7 == 4]
    assert {friday + DAY for friday in fridays} <= decided, "Saturday knows what Friday brought"
    assert not {friday + 3 * DAY for friday in fridays} & decided, "Monday knows nothing more"
    assert decided <= {day + DAY for day in world.dates}


def test_a_day_is_judged_once_and_only_with_news():
    dates = FIRST + np.asarray([0, 0, 1, 4, 5]) * DAY
    state = ResponseState(deployed_on=str(FIRST))
    newest = FIRST + 6 * DAY
    days = [int((day - FIRST) / DAY) for day in days_to_judge(dates, newest, state)]
    assert days == [1, 2, 5, 6]
    assert days_to_judge(dates, newest - 1 * DAY, state).max() == FIRST + 5 * DAY, "not before it is reached"
    judged = ResponseState(deployed_on=str(FIRST), assessed_on=str(newest))
    assert len(days_to_judge(dates, newest, judged)) == 0
    late_file = np.append(dates, FIRST + 2 * DAY)
    assert len(days_to_judge(late_file, newest, judged)) == 0, "it enters the evidence of later days"
    later = np.append(dates, FIRST + 8 * DAY)
    assert days_to_judge(later, newest + 5 * DAY, judged).tolist() == [(FIRST + 9 * DAY).item()]


def test_only_the_newest_day_of_the_history_requests_a_fit_and_a_refusal_waits():
    contacts = made_contacts(60, 20)
    scored = contacts.scored(np.full(1200, np.nan))
    world = World(contacts, ReplaySettings(ECONOMICS, FIRST + 30 * DAY, feedback="full"))
    known, policy = KnownFacts(scored, world.daily, Reference({}, 0.0)), ResponsePolicy()
    (day,) = days_to_judge(contacts.contact_dates, FIRST + 60 * DAY, ResponseState())
    assert day == FIRST + 60 * DAY
    requested = assess(day, known, ResponseState(), 0.0, policy)
    assert requested.response.action is ResponseAction.SEARCH
    refused = after_verdict(requested.response.state, str(day), is_promoted=False)
    later = np.append(contacts.contact_dates, day + np.arange(4) * DAY)
    assert len(days_to_judge(later, day + 4 * DAY, refused)) == 4, "whatever arrives at once, each day is judged"
    held = assess(day + 3 * DAY, known, refused, 0.0, policy)
    assert held.response.action is ResponseAction.NONE
    assert "refused" in held.response.reasons[0]
    assert assess(day + 10 * DAY, known, refused, 0.0, policy).response.action in FITS


def test_a_model_on_probation_is_reviewed_without_any_evidence(replayed):
    world, _, _ = replayed
    contacts = world._contacts
    quiet = np.full(len(contacts), float(contacts.is_subscribed[:600].mean()))
    scored = contacts.scored(quiet)
    known, policy = KnownFacts(scored, world.daily, Reference({}, 0.0)), ResponsePolicy(minimum_ranked=10_000)
    state = after_verdict(ResponseState(), str(FIRST + 7 * DAY), is_promoted=True, is_on_probation=True)
    assert state.is_on_probation
    assert assess(FIRST + 34 * DAY, known, state, 0.0, policy).response.action not in FITS
    due = assess(FIRST + 35 * DAY, known, state, 0.0, policy)
    assert (due.response.action, due.response.run_key) == (ResponseAction.SEARCH, f"review-{FIRST + 35 * DAY}")
    passed = after_verdict(due.response.state, str(due.day), is_promoted=True)
    assert not passed.is_on_probation
    refused = after_verdict(due.response.state, str(due.day), is_promoted=False)
    assert (refused.is_on_probation, refused.attempted_on) == (True, state.attempted_on), "it starts no cool-down"
    assert assess(FIRST + 36 * DAY, known, refused, 0.0, policy).response.action not in FITS
    earlier = replace(refused, reviewed_on=str(FIRST + 8 * DAY))
    assert assess(FIRST + 36 * DAY, known, earlier, 0.0, policy).response.action is ResponseAction.SEARCH


def test_a_rollback_gets_a_cool_down_and_ends_the_episode():
    state = ResponseState(deployed_on="2020-01-05", assessed_on="2020-02-01", episode_id="e", fits=2)
    after = after_verdict(state, None, is_promoted=True, is_rollback=True)
    assert (after.deployed_on, after.attempted_on, after.episode_id, after.fits) == ("2020-02-01", "2020-02-01", "", 0)
    stopped = after_verdict(
        replace(state, has_searched=True, stopped_on="2020-02-01"), None, is_promoted=True, is_rollback=True
    )
    assert stopped == after, "a person has acted, so the loop that called one goes on"
    assert after_verdict(ResponseState(), None, is_promoted=True, is_rollback=True) == ResponseState()
