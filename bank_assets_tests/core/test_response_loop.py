"""Production walks delivered mornings as the replay does, whatever the size of a delivery."""

import time

import numpy as np
import pytest

from bank_assets.core.covariate_shift import Reference
from bank_assets.core.economics import Economics
from bank_assets.core.performance import ScoredContacts
from bank_assets.core.platform_policy import PlatformConfig
from bank_assets.core.replay import make_policy
from bank_assets.core.replay import walk as replay
from bank_assets.core.replay_trace import Trace
from bank_assets.core.replay_world import ReplaySettings, World
from bank_assets.core.response.assessment import after_fit
from bank_assets.core.response.loop import FITS, heard, mornings_to_judge, walk
from bank_assets.core.response.policy import ResponseState, Rung
from bank_assets_tests.world.contacts import FIRST, made_contacts

DAY = np.timedelta64(1, "D")
CONFIG = PlatformConfig(Economics(5.0, 40.0), candidates=())


def jump(frame, number, log_odds):
    """From day 45 on the bank calls other people, and they subscribe."""
    late = number >= 45
    frame["housing"][late] = "no"
    return log_odds + np.where(late, 2.5, 0.0)


@pytest.fixture(scope="module")
def replayed():
    """The replay of a history with weekends and a jump: its world, its trace, the answer of every morning."""
    days = np.repeat([day for day in range(90) if day % 7 not in (5, 6)], 30)
    world = World(made_contacts(change=jump, days=days), ReplaySettings(CONFIG.economics, FIRST + 30 * DAY))
    policy, trace = make_policy("platform", world.settings, CONFIG, time.monotonic), Trace.empty(len(world))
    platform, answers = policy._platform, {}
    judge = platform.morning

    def recorded(day, known):
        answers[day] = judge(day, known)
        return answers[day]

    platform.morning = recorded
    for _ in replay(policy, world, trace):
        pass
    return world, trace, answers, {event.day for event in platform.events if event.kind == "model"}


def production(world, trace, first, newest_of_deliveries):
    """Answers of the walk, deliveries coming up to the given days one after the other."""
    contacts = world._contacts
    scored = ScoredContacts(contacts.contact_dates, trace.unshifted, contacts.is_subscribed, contacts.known_on)
    state = after_fit(ResponseState(), first, is_promoted=True)
    model, shift, answers = first, 0.0, {}
    for newest in newest_of_deliveries:
        while True:
            dates = contacts.contact_dates[contacts.contact_dates < newest]
            reference = Reference.of(world.daily, model.item(), CONFIG.recipe.half_life_days)
            judged = list(walk(mornings_to_judge(dates, newest, state), state, shift, scored, world.daily, reference))
            for morning in judged:
                answers[morning.day] = morning.response
                state, shift = morning.response.state, morning.evidence.shift_now
            if not judged or not judged[-1].asks_for_fit:
                break
            model = judged[-1].day
            state = heard(state, str(model), is_promoted=True)
    return answers


def essence(answer):
    return answer.rung, answer.reasons, answer.episode_id, answer.run_key, answer.is_recalibrated, answer.state


def test_a_history_delivered_at_once_gets_the_answers_of_the_replay(replayed):
    world, trace, answers, models = replayed
    first = min(answers)
    newest = world.dates.max() + DAY
    found = production(world, trace, first, [newest])
    assert len(models) >= 3, "the history must ask for refits, or nothing is compared"
    expected = {day: essence(answer) for day, answer in answers.items() if day > first}
    assert {day: essence(answer) for day, answer in found.items() if day < newest} == expected


def test_deliveries_that_end_before_a_weekend_move_a_morning_and_nothing_else(replayed):
    world, trace, answers, _ = replayed
    first = min(answers)
    ends = [FIRST + number * DAY for number in range(40, 90) if number % 7 == 5]  # Fridays evenings
    found = production(world, trace, first, [*ends, world.dates.max() + DAY])
    mornings = sorted(found)
    assert set(ends) <= set(mornings), "the newest morning is judged without waiting for the next calls"
    for friday in ends:
        assert friday + 2 * DAY not in mornings, "Monday knows nothing that Saturday did not"
    assert len(mornings) >= len(answers) - 2


def test_a_morning_is_judged_once_and_only_with_news():
    dates = FIRST + np.asarray([0, 0, 1, 4, 5]) * DAY
    state = ResponseState(deployed_on=str(FIRST))
    newest = FIRST + 6 * DAY
    days = [int((day - FIRST) / DAY) for day in mornings_to_judge(dates, newest, state)]
    assert days == [1, 4, 5, 6]
    judged = ResponseState(deployed_on=str(FIRST), assessed_on=str(newest))
    assert len(mornings_to_judge(dates, newest, judged)) == 0
    later = np.append(dates, FIRST + 8 * DAY)
    assert mornings_to_judge(later, newest + 3 * DAY, judged).tolist() == [(FIRST + 9 * DAY).item()]


def test_without_a_model_only_the_newest_morning_asks_and_a_refusal_waits():
    contacts = made_contacts(60, 20)
    scored = ScoredContacts(contacts.contact_dates, np.full(1200, np.nan), contacts.is_subscribed, contacts.known_on)
    world = World(contacts, ReplaySettings(CONFIG.economics, FIRST + 30 * DAY))
    state = ResponseState()
    mornings = mornings_to_judge(contacts.contact_dates, FIRST + 60 * DAY, state)
    assert mornings.tolist() == [(FIRST + 60 * DAY).item()]
    (asked,) = walk(mornings, state, 0.0, scored, world.daily, Reference({}, 0.0))
    assert asked.response.rung is Rung.SEARCH
    refused = heard(asked.response.state, str(asked.day), is_promoted=False)
    (held,) = walk(mornings + 3 * DAY, refused, 0.0, scored, world.daily, Reference({}, 0.0))
    assert held.response.rung is Rung.NONE
    assert "refused" in held.response.reasons[0]
    (again,) = walk(mornings + 10 * DAY, refused, 0.0, scored, world.daily, Reference({}, 0.0))
    assert again.response.rung in FITS


def test_a_rollback_gets_a_cool_down_and_ends_the_episode():
    state = ResponseState(deployed_on="2020-01-05", assessed_on="2020-02-01", episode_id="e", fits=2)
    told = heard(state, None, is_promoted=True, is_rollback=True)
    assert (told.deployed_on, told.attempted_on, told.episode_id, told.fits) == ("2020-02-01", "2020-02-01", "", 0)
    assert heard(ResponseState(), None, is_promoted=True, is_rollback=True) == ResponseState()
