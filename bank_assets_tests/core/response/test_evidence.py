"""Evidence of a day rests on the champion and on what was known as of that day."""

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.response.loop import KnownFacts, after_verdict, gather
from bank_assets.core.response.policy import ResponsePolicy, ResponseState
from bank_assets_tests.world.contacts import FIRST, made_contacts

DAY = np.timedelta64(1, "D")


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(60, 20)


def evidence(contacts, as_of=50, deployed_on=30, weights=None, daily=None, **changes):
    daily = daily or DailyProfiles.from_rows(contacts.contact_dates, contacts.frame, UCI)
    scored = ScoredContacts(
        contacts.contact_dates,
        changes.get("proba", np.full(len(contacts), 0.2)),
        changes.get("is_subscribed", contacts.is_subscribed),
        changes.get("known_on", contacts.known_on),
        weights=weights,
    )
    state = after_verdict(ResponseState(), str(FIRST + deployed_on * DAY), is_promoted=True)
    reference = Reference.of(daily, (FIRST + deployed_on * DAY).item(), 90.0)
    return gather(KnownFacts(scored, daily, reference), state, FIRST + as_of * DAY, 0.0, ResponsePolicy())


def test_counts_the_model_in_force_only(contacts):
    found = evidence(contacts, as_of=50, deployed_on=45)
    assert found.outcomes == 5 * 20
    assert found.expected == pytest.approx(0.2 * 100)


def test_looks_back_so_many_days_at_most(contacts):
    assert evidence(contacts, as_of=50, deployed_on=1).outcomes == ResponsePolicy().window_days * 20


def test_an_outcome_that_comes_later_is_not_there(contacts):
    late = contacts.known_on + 3 * DAY
    assert evidence(contacts, as_of=50, deployed_on=45, known_on=late).outcomes == 2 * 20


def test_a_late_file_for_a_past_day_enters_later_evidence(contacts):
    late = contacts.contact_dates == FIRST + 47 * DAY
    assert evidence(contacts.rows(~late), as_of=50, deployed_on=45).outcomes == 4 * 20
    assert evidence(contacts, as_of=52, deployed_on=45).outcomes == 7 * 20


def test_an_outcome_that_never_comes_is_not_there(contacts):
    never = np.full(len(contacts), np.datetime64("NaT", "D"))
    found = evidence(contacts, known_on=never)
    assert (found.outcomes, found.roc_auc, found.shift_now) == (0, None, 0.0)


def test_nothing_of_the_day_or_later_changes_it(contacts):
    rng = np.random.default_rng(5)
    later = contacts.contact_dates >= FIRST + 50 * DAY
    frame = {name: column.copy() for name, column in contacts.frame.items()}
    for column in frame.values():
        column[later] = rng.permutation(column[later])
    daily = DailyProfiles.from_rows(contacts.contact_dates, frame, UCI)
    outcomes = np.where(later, ~contacts.is_subscribed, contacts.is_subscribed)
    assert evidence(contacts, daily=daily, is_subscribed=outcomes) == evidence(contacts)


def test_outcomes_that_were_not_learned_do_not_count(contacts):
    weights = np.where(np.arange(len(contacts)) % 2 == 0, 2.0, 0.0)
    weighted = evidence(contacts, weights=weights)
    assert weighted.outcomes == evidence(contacts).outcomes // 2
    assert weighted.expected == pytest.approx(evidence(contacts).expected)
    assert weighted.standard_error > evidence(contacts).standard_error


def test_ranking_needs_both_kinds_of_outcome(contacts):
    nobody = np.zeros(len(contacts), bool)
    assert evidence(contacts, is_subscribed=nobody).roc_auc is None
    assert evidence(contacts).roc_auc == pytest.approx(0.5)


def test_ranking_needs_an_effective_number_of_outcomes(contacts):
    refused = np.flatnonzero(~contacts.is_subscribed)
    weights = np.ones(len(contacts))
    weights[refused[::7]] = 50.0
    found = evidence(contacts, weights=weights)
    assert found.outcomes == 400
    assert 2 * ResponsePolicy().minimum_of_class < found.effective_outcomes < ResponsePolicy().minimum_ranked
    assert found.roc_auc is None


def test_intercept_points_to_the_truth(contacts):
    assert evidence(contacts, proba=np.full(len(contacts), 0.01)).shift_now > 0.5


def test_without_a_model_only_the_intercept_is_measured(contacts):
    daily = DailyProfiles.from_rows(contacts.contact_dates, contacts.frame, UCI)
    known = KnownFacts(contacts.scored(np.full(len(contacts), np.nan)), daily, Reference({}, 0.0))
    found = gather(known, ResponseState(), FIRST + 50 * DAY, 0.0, ResponsePolicy())
    assert (found.outcomes, found.contacts, found.shift_now) == (0, 0, 0.0)
