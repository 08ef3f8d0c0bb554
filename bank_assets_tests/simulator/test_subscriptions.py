"""The simulated bank's books: who subscribes without a call, and that nothing else changes with it."""

import hashlib

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.simulator.simulator import csv_of, simulate
from bank_assets.simulator.subscriptions import (
    DELAY_DAYS,
    NOT_REACHED_SHARE,
    OBJECTION_SHARE,
    dispositions_of,
    subscription_days,
)

SEED = 11


@pytest.fixture(scope="module")
def contacts():
    return simulate(rows=40_000, seed=SEED)


def days_of(contacts, called, share, seed=SEED):
    won = (contacts["y"] == "yes").to_numpy()
    dates = contacts["contact_date"].to_numpy().astype("datetime64[D]")
    return subscription_days(contacts["contact_id"].to_numpy(), dates, won, called, share, seed)


def test_without_a_share_the_called_alone_subscribe(contacts):
    called = np.arange(len(contacts)) % 2 == 0
    won = (contacts["y"] == "yes").to_numpy()
    np.testing.assert_array_equal(~np.isnat(days_of(contacts, called, 0.0)), won & called)
    np.testing.assert_array_equal(~np.isnat(days_of(contacts, called, 1.0)), won)


def test_the_share_of_those_whom_a_call_wins_subscribes_without_it(contacts):
    won, nobody = (contacts["y"] == "yes").to_numpy(), np.zeros(len(contacts), bool)
    alone = ~np.isnat(days_of(contacts, nobody, 0.2))
    assert not (alone & ~won).any()
    assert abs(alone[won].mean() - 0.2) < 4.5 * np.sqrt(0.16 / won.sum())
    assert (alone <= ~np.isnat(days_of(contacts, nobody, 0.3))).all(), "a larger share adds people to the same ones"


def test_a_call_changes_who_subscribes_but_not_when(contacts):
    everyone = np.ones(len(contacts), bool)
    called, alone = (days_of(contacts, whom, 0.2) for whom in (everyone, ~everyone))
    both = ~np.isnat(alone)
    np.testing.assert_array_equal(called[both], alone[both])
    delay = called - contacts["contact_date"].to_numpy().astype("datetime64[D]")
    assert set(delay[~np.isnat(delay)].astype(int).tolist()) == set(range(DELAY_DAYS))


def test_a_draw_depends_on_seed_and_contact_alone(contacts):
    everyone = np.ones(len(contacts), bool)
    some = contacts.sample(500, random_state=1)
    expected = days_of(contacts, ~everyone, 0.2)[some.index]
    np.testing.assert_array_equal(days_of(some, np.zeros(500, bool), 0.2), expected)
    assert (days_of(contacts, everyone, 0.2) != days_of(contacts, everyone, 0.2, seed=12)).any()


def test_calls_come_to_what_is_declared(contacts):
    won = (contacts["y"] == "yes").to_numpy()
    found = dispositions_of(contacts["contact_id"].to_numpy(), won, SEED)
    reached = found != "not_reached"
    assert abs(reached.mean() - (1 - NOT_REACHED_SHARE)) < 0.005
    assert (found[reached & won] == "subscribed").all()
    declined = found[reached & ~won]
    assert set(declined) == {"refused", "objection"}
    assert abs((declined == "objection").mean() - OBJECTION_SHARE) < 0.005


def test_contacts_and_outcomes_are_those_of_earlier_releases():
    drawn = simulate(rows=4_000, seed=SEED)[list(UCI.delivery_columns)]
    digest = "e999c9321d4369d2595db598541fe21abda920e4a809ec90142e782c0fc6b1ea"
    assert hashlib.sha256(csv_of(drawn)).hexdigest() == digest
