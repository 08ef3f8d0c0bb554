"""Overlapping lists of several priorities that know each other from the ledger alone keep the contact policy."""

import pytest

from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.ledger.engine import open_ledger
from bank_assets_tests.world.contact_lists import breaches
from bank_assets_tests.world.recorded_lists import RecordedLists

POLICY = ContactPolicy(3, 30, 90, 365, priorities=("renewal", "branch-*"))


@pytest.mark.parametrize(("n_contacts", "n_lists"), [(1_200, 12), pytest.param(200_000, 50, marks=pytest.mark.soak)])
def test_no_customer_is_contacted_against_the_policy(tmp_path, n_contacts, n_lists):
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    lists = RecordedLists(ledger, POLICY)
    lists.play(n_contacts, n_lists)
    ledger.dispose()
    assert len(lists.called.contacts.person) > n_contacts / 20
    assert breaches(POLICY, lists.called) == dict.fromkeys(
        ("contacted_too_often", "refused_recently", "subscribed_recently", "on_another_list"), 0
    )
