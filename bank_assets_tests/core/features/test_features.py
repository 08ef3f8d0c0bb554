"""Features: one assembly for past and present, and the refusal of what is known only after the call."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.errors import LeakageError
from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import STALE_AFTER_DAYS, FeatureSet, current_features, is_stale
from bank_assets_tests.world.contacts import FIRST, made_contacts

FEATURE_SET = FeatureSet.of(UCI)

DAY = np.timedelta64(1, "D")


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(40, 15)


def same(one, other, names=FEATURE_SET.names):
    for name in names:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_every_feature_in_a_group_of_a_kind(contacts):
    features = contacts.features()
    assert set(features) == set(FEATURE_SET.names) == set(FEATURE_SET.groups)
    for name, column in features.items():
        assert (column.dtype == object) is (FEATURE_SET.kind_of(name) == "category")


def test_past_and_present_agree_on_the_same_day(contacts):
    today = FIRST + 30 * DAY
    rows = contacts.contact_dates == today
    past = {name: column[rows] for name, column in contacts.features().items()}
    known = contacts.rows(contacts.contact_dates < today)
    now = contacts.rows(rows)
    present = current_features(now.frame, now.contact_dates, known.history().state(today), UCI, has_plan=True)
    same(past, present)


def test_the_future_shuffled_changes_no_feature(contacts):
    today = FIRST + 30 * DAY
    later = contacts.contact_dates >= today
    outcomes = contacts.is_subscribed.copy()
    outcomes[later] = np.random.default_rng(0).permutation(~outcomes[later])
    other = replace(contacts, is_subscribed=outcomes).features()
    until = contacts.contact_dates <= today
    same(
        {name: column[until] for name, column in contacts.features().items()},
        {name: column[until] for name, column in other.items()},
    )


def test_a_single_request_takes_the_typical_plan(contacts):
    today = FIRST + 40 * DAY
    one = contacts.rows(np.asarray([3]))
    features = current_features(one.frame, np.asarray([today]), contacts.history().state(today), UCI, has_plan=False)
    assert features["contacts_planned_that_day"][0] == pytest.approx(15.0)
    assert all(np.isfinite(features[name]).all() for name in FEATURE_SET.plan)


@pytest.mark.parametrize("leak", ["duration", "duration_seconds", "y", "is_subscribed"])
def test_what_is_known_after_the_call_is_refused_by_name(contacts, leak):
    frame = {**contacts.frame, leak: np.zeros(len(contacts))}
    with pytest.raises(LeakageError, match=f"post_contact.*{leak}"):
        replace(contacts, frame=frame).features()
    with pytest.raises(LeakageError, match=leak):
        current_features(frame, contacts.contact_dates, contacts.history().state(FIRST), UCI, has_plan=True)


def test_stale_is_more_than_the_limit(contacts):
    state = contacts.history().state(FIRST)
    days = FIRST + np.asarray([STALE_AFTER_DAYS, STALE_AFTER_DAYS + 1]).astype("timedelta64[D]")
    assert is_stale(days, state).tolist() == [False, True]
