"""Contacts: which outcomes a day knows, and how columns of tables become payload columns."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import frame_from_deliveries, frame_from_tables, usable_from
from bank_assets_tests.world.contacts import FIRST, made_contacts

DAY = np.timedelta64(1, "D")
NEVER = np.datetime64("NaT", "D")


def days(*numbers):
    return np.asarray([NEVER if n is None else FIRST + n * DAY for n in numbers], "datetime64[D]")


def test_usable_the_day_after_arrival_and_never_before_the_day_after_the_call():
    found = usable_from(days(5, 5, 5, 5), days(5, 9, 1, None))
    assert found[:3].tolist() == days(6, 10, 6)[:3].tolist()
    assert np.isnat(found[3])


def test_known_as_of_requires_call_and_outcome():
    contacts = made_contacts(3, 1)
    late = type(contacts)(
        contacts.contact_ids,
        contacts.frame,
        contacts.contact_dates,
        days(1, 9, None),
        contacts.is_subscribed,
        contacts.contract,
    )
    assert late.known_as_of(FIRST + 5 * DAY).tolist() == [True, False, False]
    assert late.known_as_of(FIRST + 9 * DAY).tolist() == [True, True, False]
    assert late.has_outcome.tolist() == [True, True, False]


def test_learning_data_holds_nothing_of_the_day_or_later():
    contacts = made_contacts(30, 10)
    as_of = FIRST + 20 * DAY
    data = contacts.learning_data(as_of)
    assert len(data) == 200
    assert data.contact_dates.max() < as_of
    assert (data.known_on <= as_of).all()
    flipped = contacts.is_subscribed.copy()
    flipped[contacts.contact_dates >= as_of] ^= True
    other = type(contacts)(
        contacts.contact_ids, contacts.frame, contacts.contact_dates, contacts.known_on, flipped, contacts.contract
    ).learning_data(as_of)
    for name, column in data.features.items():
        np.testing.assert_array_equal(column, other.features[name])


def test_weights_reach_rates_scores_and_rows_to_learn_from():
    contacts, as_of = made_contacts(30, 4), FIRST + 20 * DAY
    times = np.arange(len(contacts)) % 3
    weighted = replace(contacts, weights=times.astype(float))
    alike = replace(contacts, weights=np.where(times > 0, 5.0, 0.0))
    for name, rate in contacts.rows(times > 0).history().rates(contacts.contact_dates).items():
        np.testing.assert_allclose(alike.history().rates(contacts.contact_dates)[name], rate)
        assert (weighted.history().rates(contacts.contact_dates)[name] != rate).any()
    learned = contacts.known_as_of(as_of) & (times > 0)
    assert (weighted.known_as_of(as_of) == learned).all()
    assert (weighted.learning_data(as_of).weights == times[learned]).all()
    assert (weighted.scored(np.full(len(contacts), 0.1)).weights == times).all()
    assert contacts.learning_data(as_of).weights is None


@pytest.mark.parametrize("weights", [np.ones(2), np.asarray([1.0, -1.0, 1.0]), np.asarray([1.0, np.nan, 1.0])])
def test_weights_that_are_no_inverse_probabilities_are_refused(weights):
    with pytest.raises(ValueError, match="expected 3 inverse probabilities"):
        replace(made_contacts(3, 1), weights=weights)


def test_time_order_is_by_day_and_within_it_by_id():
    contacts = made_contacts(4, 3)
    ordered = contacts.rows(np.asarray([9, 1, 10, 0])).in_time_order()
    assert ordered.contact_ids.tolist() == ["c0", "c1", "c10", "c9"]
    with pytest.raises(ValueError, match="in time order"):
        contacts.rows(np.asarray([9, 1])).learning_data(FIRST + 5 * DAY)


def test_rows_of_learning_data_stay_together():
    data = made_contacts(20, 5).learning_data(FIRST + 15 * DAY)
    part = data.rows(np.arange(10))
    assert len(part) == 10
    assert all(len(column) == 10 for column in part.features.values())


def test_table_columns_become_delivery_values():
    columns = {}
    for name in (*UCI.numeric_columns, *UCI.category_columns):
        column = UCI.by_source[name]
        if column.kind is ColumnKind.BOOLEAN:
            columns[column.table] = np.asarray([True, False])
        elif column.kind is ColumnKind.INTEGER:
            columns[column.table] = np.asarray([7.0, np.nan])
        else:
            columns[column.table] = np.asarray([column.categories[0]] * 2)
    frame = frame_from_tables(columns, UCI)
    assert frame["housing"].tolist() == ["yes", "no"]
    assert frame["pdays"].tolist() == [7.0, -1.0]
    assert frame["balance"].tolist() == [7.0, 0.0]
    assert set(frame) == {*UCI.numeric_columns, *UCI.category_columns}


def test_delivery_columns_become_numbers_and_text():
    raw = {name: np.asarray(["3"]) for name in UCI.numeric_columns} | {
        name: np.asarray(["yes"]) for name in UCI.category_columns
    }
    frame = frame_from_deliveries(raw, UCI)
    assert frame["age"].dtype == np.float64
    assert frame["job"].dtype == object
    with pytest.raises(ValueError, match="could not convert"):
        frame_from_deliveries({**raw, "age": np.asarray(["old"])}, UCI)
