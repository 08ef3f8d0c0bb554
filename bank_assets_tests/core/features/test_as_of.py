"""As-of rates: nothing of the future, nothing of the own call, always a rate."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.contract.uci import UCI
from bank_assets.core.features.as_of import PRIOR_RATE, RATE_FEATURES, AsOfState, OutcomeHistory
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets_tests.world.contacts import FIRST, made_contacts

FEATURE_SET = FeatureSet.of(UCI)

DAY = np.timedelta64(1, "D")
NO_PLANS = (np.empty(0, "datetime64[D]"), np.empty((0, len(FEATURE_SET.plan))))


def history(known_days, subscribed, weights=None):
    days = FIRST + np.asarray(known_days).astype("timedelta64[D]")
    found = OutcomeHistory(*NO_PLANS, UCI)
    found.learn(ScoredContacts(days - DAY, np.zeros(len(days)), np.asarray(subscribed, bool), days, weights=weights))
    return found


def rate(past, on, window=7):
    return float(past.rates(np.asarray([FIRST + on * DAY]))[f"subscription_rate_{window}d"][0])


def test_the_prior_before_anything_is_known():
    assert rate(history([5], [True]), 4) == pytest.approx(PRIOR_RATE)
    assert rate(history([], []), 4) == pytest.approx(PRIOR_RATE)


def test_an_outcome_counts_from_its_own_day_on():
    past = history([5] * 50, [True] * 50)
    assert rate(past, 4) < 0.2 < 0.6 < rate(past, 5)


def test_the_short_window_forgets_first():
    past = history([0] * 200, [True] * 200)
    assert rate(past, 8, 7) < rate(past, 6, 7)
    assert rate(past, 8, 30) > 0.8


def test_shrinks_to_the_longer_window():
    few = history([*[0] * 500, 20], [*[False] * 500, True])
    assert rate(few, 20, 7) < 0.2


def test_weights_stand_for_contacts_that_were_not_called():
    one = rate(history([5, 5], [True, False], np.asarray([1.0, 30.0])), 5)
    assert one < rate(history([5, 5], [True, False]), 5)
    assert rate(history([5], [True], np.asarray([30.0])), 5) == pytest.approx(rate(history([5], [True]), 5))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=60),
    st.integers(-5, 80),
    st.integers(0, 2**32 - 1),
)
def test_always_a_rate_and_blind_to_the_future(outcomes, on, seed):
    days, subscribed = [d for d, _ in outcomes], np.asarray([y for _, y in outcomes], bool)
    found = rate(history(days, subscribed), on)
    assert 0.0 <= found <= 1.0
    later = np.asarray(days, int) > on
    shuffled = subscribed.copy()
    shuffled[later] = np.random.default_rng(seed).random(int(later.sum())) < 0.5
    assert rate(history(days, shuffled), on) == found


def test_own_outcome_is_never_in_own_features():
    contacts = made_contacts(20, 10)
    flipped = contacts.is_subscribed.copy()
    last = contacts.contact_dates == contacts.contact_dates.max()
    flipped[last] = ~flipped[last]
    before = contacts.history().rates(contacts.contact_dates)
    after = replace(contacts, is_subscribed=flipped).history().rates(contacts.contact_dates)
    for name in RATE_FEATURES:
        np.testing.assert_array_equal(before[name], after[name])


def test_an_outcome_known_on_the_day_of_its_call_is_refused():
    contacts = made_contacts(3, 2)
    early = contacts.known_on.copy()
    early[4] = contacts.contact_dates[4]
    with pytest.raises(ValueError, match=r"row 4.*may not see the future"):
        replace(contacts, known_on=early).history()


def test_the_state_holds_no_plan_of_its_own_day():
    contacts = made_contacts(10, 10)
    contacts.frame["age"][contacts.contact_dates == FIRST + 9 * DAY] = 99.0
    state = contacts.history().state(FIRST + 9 * DAY)
    calm = made_contacts(10, 10).history().state(FIRST + 9 * DAY)
    assert state.typical_plan == calm.typical_plan


def test_after_a_gap_the_last_plans_stand_in():
    state = made_contacts(10, 10).history().state(FIRST + 200 * DAY)
    assert state.typical_plan["contacts_planned_that_day"] == pytest.approx(10.0)


def test_state_round_trip_and_version():
    state = made_contacts(10, 10).history().state(FIRST + 5 * DAY)
    assert AsOfState.from_dict(state.to_dict()) == state
    with pytest.raises(ValueError, match="schema_version"):
        AsOfState.from_dict({**state.to_dict(), "schema_version": 0})
