"""No decision of the replay depends on what was not yet known."""

import numpy as np
import pytest

from bank_assets.replay.world import ReplayError, World
from bank_assets_tests.replay.histories import DAY, LEARNING, replayed, settings
from bank_assets_tests.world.contacts import FIRST

pytestmark = pytest.mark.slow


class TestNoLookAhead:
    @pytest.mark.parametrize("feedback", ["full", "called"])
    @pytest.mark.parametrize("name", LEARNING)
    def test_everything_after_a_day_permuted_leaves_the_decisions_up_to_it(self, contacts, name, feedback):
        day = FIRST + 52 * DAY
        after = np.flatnonzero(contacts.contact_dates > day)
        other = np.arange(len(contacts))
        other[after] = np.random.default_rng(7).permutation(after)
        permuted = type(contacts)(
            contacts.contact_ids[other],
            {column: values[other] for column, values in contacts.frame.items()},
            contacts.contact_dates,
            contacts.known_on,
            contacts.is_subscribed[other],
            contacts.contract,
        )
        _, _, before = replayed(contacts, name, until=day, feedback=feedback)
        _, _, found = replayed(permuted, name, until=day, feedback=feedback)
        upto = contacts.contact_dates <= day
        np.testing.assert_array_equal(before.called[upto], found.called[upto])
        np.testing.assert_array_equal(before.proba[upto], found.proba[upto])

    @pytest.mark.parametrize("name", ["weekly", "platform"])
    def test_outcomes_of_the_day_itself_and_later_leave_the_decisions_of_the_day(self, contacts, name):
        day = FIRST + 52 * DAY
        flipped = np.where(contacts.contact_dates >= day, ~contacts.is_subscribed, contacts.is_subscribed)
        other = type(contacts)(
            contacts.contact_ids, contacts.frame, contacts.contact_dates, contacts.known_on, flipped, contacts.contract
        )
        _, _, before = replayed(contacts, name, until=day)
        _, _, found = replayed(other, name, until=day)
        np.testing.assert_array_equal(
            before.proba[contacts.contact_dates == day], found.proba[contacts.contact_dates == day]
        )

    def test_an_outcome_before_it_could_be_known_fails(self, contacts):
        known = contacts.known_on.copy()
        known[700] = contacts.contact_dates[700]
        early = type(contacts)(
            contacts.contact_ids,
            contacts.frame,
            contacts.contact_dates,
            known,
            contacts.is_subscribed,
            contacts.contract,
        )
        with pytest.raises(ReplayError, match=r"c700.*may not see the future"):
            World(early, settings())

    def test_the_test_would_see_a_look_ahead(self, contacts):
        """Hindsight looks ahead, so the permutation must change it: the test above can fail."""
        day = FIRST + 52 * DAY
        flipped = np.where(contacts.contact_dates > day, ~contacts.is_subscribed, contacts.is_subscribed)
        other = type(contacts)(
            contacts.contact_ids, contacts.frame, contacts.contact_dates, contacts.known_on, flipped, contacts.contract
        )
        _, _, before = replayed(contacts, "hindsight", until=day)
        _, _, found = replayed(other, "hindsight", until=day)
        upto = (contacts.contact_dates <= day) & (contacts.contact_dates >= FIRST + 30 * DAY)
        assert (before.proba[upto] != found.proba[upto]).any()

    def test_a_longer_delay_knows_less(self, contacts):
        near, far = (World(contacts, settings(outcome_delay_days=delay)) for delay in (1, 10))
        as_of = FIRST + 40 * DAY
        assert near.known(as_of).sum() - far.known(as_of).sum() == 9 * 20
