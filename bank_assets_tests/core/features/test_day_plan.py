"""The plan of a day: shares of its own list, no outcome, no order."""

import numpy as np
import pytest

from bank_assets.contract.columns import Summary
from bank_assets.contract.uci import UCI
from bank_assets.core.features.as_of import PlanSums, plan_statistics
from bank_assets.core.features.feature_set import DayTable, FeatureSet
from bank_assets_tests.world.contacts import FIRST, made_contacts, made_frame

FEATURE_SET = FeatureSet.of(UCI)

DAY = np.timedelta64(1, "D")


def test_one_row_per_day_with_the_number_of_contacts():
    contacts = made_contacts(5, 7)
    days, plans = plan_statistics(contacts.frame, contacts.contact_dates, UCI)
    assert days.tolist() == [(FIRST + k * DAY).item() for k in range(5)]
    assert plans[:, 0].tolist() == [7.0] * 5
    assert plans.shape == (5, len(FEATURE_SET.plan))


def test_shares_are_of_their_own_day():
    frame = made_frame(4, np.random.default_rng(0))
    frame["housing"] = np.asarray(["yes", "no", "yes", "yes"], object)
    _, plans = plan_statistics(frame, FIRST + np.asarray([0, 0, 1, 1]).astype("timedelta64[D]"), UCI)
    assert plans[:, FEATURE_SET.plan.index("plan_share_housing_loan")].tolist() == [0.5, 1.0]


def test_every_share_is_a_share_and_ages_are_bounds_inclusive():
    frame = made_frame(3, np.random.default_rng(0))
    frame["age"] = np.asarray([29.0, 30.0, 60.0])
    _, plans = plan_statistics(frame, np.full(3, FIRST), UCI)
    by_name = dict(zip(FEATURE_SET.plan, plans[0], strict=True))
    assert by_name["plan_share_age_under_30"] == pytest.approx(1 / 3)
    assert by_name["plan_share_age_60_up"] == pytest.approx(1 / 3)
    shares = [one.feature for one in UCI.list_statistics if one.summary is Summary.SHARE]
    assert all(0.0 <= by_name[share] <= 1.0 for share in shares)


def test_neither_the_order_of_a_list_nor_its_parts_matter():
    contacts = made_contacts(3, 20)
    order = np.random.default_rng(1).permutation(len(contacts))
    shuffled = contacts.rows(order)
    whole = plan_statistics(contacts.frame, contacts.contact_dates, UCI)[1]
    again = plan_statistics(shuffled.frame, shuffled.contact_dates, UCI)[1]
    parts = [shuffled.rows(slice(first, first + 7)) for first in range(0, 60, 7)]
    sums, others = PlanSums(UCI), PlanSums(UCI)
    for number, one in enumerate(parts):
        (sums if number % 2 else others).add(one.frame, one.contact_dates)
    sums.add_parts(*others.parts)
    assert whole.tobytes() == again.tobytes() == sums.statistics()[1].tobytes(), "to the last bit"


def test_a_day_table_gives_any_part_of_its_contacts_their_features():
    contacts = made_contacts(5, 20)
    plans = plan_statistics(contacts.frame, contacts.contact_dates, UCI)
    table, every = DayTable.of(contacts.history(), plans, UCI), contacts.features()
    part = contacts.rows(np.random.default_rng(1).permutation(len(contacts))[:9])
    found = table.features(part.frame, part.contact_dates)
    row = [contacts.contact_ids.tolist().index(contact) for contact in part.contact_ids]
    for name, column in every.items():
        assert found[name].tolist() == column[row].tolist(), name


def test_a_day_of_one_contact_has_a_plan():
    frame = made_frame(1, np.random.default_rng(2))
    _, plans = plan_statistics(frame, np.asarray([FIRST]), UCI)
    assert plans[0, 0] == 1.0
    assert np.isfinite(plans).all()


def test_a_balance_below_zero_keeps_its_sign():
    frame = made_frame(1, np.random.default_rng(3))
    frame["balance"] = np.asarray([-100.0])
    assert plan_statistics(frame, np.asarray([FIRST]), UCI)[1][0, -1] == pytest.approx(-np.log(101))
