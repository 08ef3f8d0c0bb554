"""Contacts joined with outcomes that are repeated, late, contradictory, without a contact, or missing."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.errors import ContractError
from bank_assets.contract.uci import UCI
from bank_assets.store import contact_months
from bank_assets.store.contact_store import ContactStore, learning_as_of
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.warehouse import Warehouse, WarehouseError
from bank_assets_tests.world.contracts import PERSONS

CALL = date(2020, 1, 10)


def payload(n):
    columns = {}
    for name in (*UCI.numeric_columns, *UCI.category_columns):
        column = UCI.by_source[name]
        if column.kind is ColumnKind.BOOLEAN:
            columns[column.table] = pa.array([True] * n)
        elif column.kind is ColumnKind.INTEGER:
            columns[column.table] = pa.array([1] * n, pa.int32())
        else:
            columns[column.table] = pa.array([column.categories[0]] * n)
    return columns


def contacts(*rows):
    """Rows of (contact id, arrival number, day)."""
    return pa.table(
        {
            "contact_id": [row[0] for row in rows],
            "contact_date": pa.array([row[2] for row in rows], pa.date32()),
            "delivery_arrival": pa.array([row[1] for row in rows], pa.int64()),
            **payload(len(rows)),
        }
    )


def outcomes(*rows):
    """Rows of (contact id, answer, day of arrival)."""
    return pa.table(
        {
            "contact_id": [row[0] for row in rows],
            "is_subscribed": pa.array([row[1] for row in rows], pa.bool_()),
            "arrived_on": pa.array([row[2] for row in rows], pa.date32()),
        }
    )


@pytest.fixture
def store(tmp_path):
    return Warehouse(tmp_path)


def read(store, reported, *more):
    store.write("contacts", "2020-01", contacts(("a", 1, CALL), ("b", 1, CALL)), "f")
    store.write("outcomes", "all", reported, "f")
    for table, rows in more:
        store.write(table, "2020-02", rows, "f")
    return ContactStore(store, UCI).read(["2020-01"])


def test_persons_are_read_on_request(store):
    named = contacts(("a", 1, CALL), ("b", 1, CALL)).append_column("customer_id", pa.array(["p", None]))
    store.write("contacts", "2020-01", named, "f")
    bank = ContactStore(store, PERSONS)
    assert bank.read(["2020-01"]).customer_ids is None
    assert bank.read(["2020-01"], with_persons=True).customer_ids.tolist() == ["p", ""]
    assert ContactStore(store, UCI).read(["2020-01"], with_persons=True).customer_ids is None, "it names nobody"


def of(found, contact):
    row = found.contact_ids.tolist().index(contact)
    return bool(found.is_subscribed[row]), found.known_on[row]


def test_an_outcome_reported_twice_counts_once(store):
    found = read(store, outcomes(("a", True, CALL), ("a", True, CALL)))
    assert found.contact_ids.tolist() == ["a", "b"]
    assert of(found, "a") == (True, np.datetime64("2020-01-11"))


def test_contradictory_the_later_arrival_wins_whichever_table_it_came_by(store):
    by_file = outcomes(("a", True, CALL), ("b", False, date(2020, 1, 20)))
    by_app = outcomes(("a", False, date(2020, 2, 1)), ("b", True, date(2020, 1, 15)))
    found = read(store, by_file, ("ledger_outcomes", by_app))
    assert of(found, "a") == (False, np.datetime64("2020-02-02"))
    assert of(found, "b") == (False, np.datetime64("2020-01-21"))


def test_late_is_usable_the_day_after_it_arrived(store):
    found = read(store, outcomes(("a", True, date(2020, 3, 1))))
    assert of(found, "a")[1] == np.datetime64("2020-03-02")
    assert not found.known_as_of(np.datetime64("2020-03-01"))[0]


def test_an_outcome_reported_before_the_call_is_usable_the_day_after_the_call(store):
    assert of(read(store, outcomes(("a", True, date(2019, 12, 1)))), "a")[1] == np.datetime64("2020-01-11")


def test_outcomes_without_a_contact_are_left_out(store):
    found = read(store, outcomes(("stranger", True, CALL)))
    assert found.contact_ids.tolist() == ["a", "b"]
    assert not found.has_outcome.any()


def test_without_an_answer_is_no_outcome(store):
    assert not read(store, outcomes(("a", None, CALL))).has_outcome.any()


def test_a_contact_delivered_twice_counts_once_at_its_last_arrival(store):
    moved = date(2020, 1, 12)
    store.write("contacts", "2020-01", contacts(("a", 1, CALL), ("a", 2, moved), ("b", 1, CALL)), "f")
    found = ContactStore(store, UCI).read(["2020-01"])
    assert found.contact_ids.tolist() == ["b", "a"]
    assert found.contact_dates[1] == np.datetime64(moved)


def test_as_of_a_day_an_outcome_is_what_was_known_then(store):
    reversed_later = outcomes(("a", True, date(2020, 1, 21)), ("b", True, CALL), ("a", False, date(2020, 2, 14)))
    read(store, reversed_later)
    stored = ContactStore(store, UCI)
    assert stored.read(["2020-01"], np.datetime64("2020-01-31")).is_subscribed.tolist() == [True, True]
    assert stored.read(["2020-01"], np.datetime64("2020-02-28")).is_subscribed.tolist() == [False, True]
    assert not stored.read(["2020-01"], np.datetime64("2020-01-21")).has_outcome[0], "usable the day after it arrived"
    assert stored.evidence(["2020-01"], "proba").last_correction == np.datetime64("2020-02-14")


def test_without_a_correction_there_is_no_last_one(store):
    read(store, outcomes(("a", True, CALL), ("a", True, date(2020, 2, 1))))
    assert np.isnat(ContactStore(store, UCI).evidence(["2020-01"], "proba").last_correction)


def test_the_clock_is_the_day_after_the_last_contact_wherever_a_contact_was_dated_before(store):
    store.write("contacts", "2020-01", contacts(("a", 1, CALL), ("b", 2, CALL)), "f")
    store.write("contacts", "2030-01", contacts(("b", 1, date(2030, 1, 10))), "f")
    days = ContactStore(store, UCI).days(["2020-01", "2030-01"])
    assert days.tolist() == [CALL], "a correction takes effect"
    assert learning_as_of(days) == np.datetime64("2020-01-11")
    assert learning_as_of(days, "2019-12-20") == np.datetime64("2019-12-20"), "its campaign is open"
    assert learning_as_of(days, "2019-11-20") == np.datetime64("2020-01-11"), "it is over"
    with pytest.raises(WarehouseError, match="a month that passed its validation gate"):
        learning_as_of(days[:0])


@pytest.mark.parametrize("has_equal_hashes", [False, True])
def test_last_arrivals_and_reports_are_found_across_months(store, monkeypatch, has_equal_hashes):
    if has_equal_hashes:
        monkeypatch.setattr(contact_months.pd.util, "hash_array", lambda ids, **_: np.zeros(len(ids), np.uint64))
    moved = date(2020, 2, 3)
    store.write("contacts", "2020-01", contacts(("a", 1, CALL), ("b", 1, CALL)), "f")
    store.write("contacts", "2020-02", contacts(("a", 2, moved), ("c", 2, date(2020, 2, 4))), "f")
    store.write("outcomes", "2020-01", outcomes(("b", False, CALL)), "f")
    store.write("outcomes", "2020-02", outcomes(("b", True, date(2020, 2, 10)), ("a", True, date(2020, 2, 5))), "f")
    store.write("ledger_outcomes", "2020-03", outcomes(("c", True, date(2020, 3, 1))), "f")
    stored = ContactStore(store, UCI)
    found = stored.read(["2020-01", "2020-02"])
    assert found.contact_ids.tolist() == ["b", "a", "c"]
    assert found.contact_dates[1] == np.datetime64(moved)
    assert found.known_on.astype(str).tolist() == ["2020-02-11", "2020-02-06", "2020-03-02"]
    assert found.is_subscribed.all()
    assert [one.ids.to_pylist() for one in stored.by_month(["2020-01", "2020-02"], only=["2020-01"])] == [["b"]]
    assert stored.read(["2020-01"]).contact_ids.tolist() == ["a", "b"], "a held month moves nobody"
    assert stored.evidence(["2020-01", "2020-02"], "proba").last_correction == np.datetime64("2020-02-10")


def test_months_that_another_run_rewrites_meanwhile_are_read_as_they_were(store):
    months, moved = ["2020-01", "2020-02"], date(2020, 2, 3)
    store.write("contacts", "2020-01", contacts(("x", 1, CALL)), "f")
    store.write("contacts", "2020-02", contacts(("a", 1, moved), ("b", 2, moved), ("a", 3, moved)), "f")
    every = contact_months.contact_months(store, months)
    assert next(every).ids.to_pylist() == ["x"]
    store.write("contacts", "2020-02", contacts(("b", 2, moved), ("c", 3, moved)), "g")
    store.write("outcomes", "2020-02", outcomes(("a", True, moved)), "g")
    (second,) = every
    assert second.ids.to_pylist() == ["a", "b"]
    assert np.isnat(second.arrived_on).all()
    assert ContactStore(store, UCI).read(months).contact_ids.tolist() == ["x", "b", "c"], "the next reader sees it"
    stored = ContactStore(store, UCI)
    assert len(stored.days(months)) == 2
    store.write("contacts", "2020-02", contacts(("b", 2, CALL)), "h")
    assert stored.read(months).contact_ids.tolist() == ["x", "b", "c"]


def test_what_connects_months_is_that_of_the_months_that_are_read(store, monkeypatch):
    first, digests = contacts(("b", 2, CALL), ("a", 1, CALL), ("a", 2, CALL)), Warehouse.digests
    store.write("contacts", "2020-01", first, "f")

    def rewritten(warehouse, table):
        found = digests(warehouse, table)
        if table == "contacts":
            monkeypatch.setattr(Warehouse, "digests", digests)
            store.write("contacts", "2020-01", contacts(("a", 1, CALL), ("a", 2, CALL), ("b", 2, CALL)), "g")
        return found

    monkeypatch.setattr(Warehouse, "digests", rewritten)
    assert ContactStore(store, UCI).read(["2020-01"]).contact_ids.tolist() == ["a", "b"]
    store.write("contacts", "2020-01", first, "f")  # what was found about the other rows does not hold for these
    assert ContactStore(store, UCI).read(["2020-01"]).contact_ids.tolist() == ["a", "b"]


def test_amounts_by_a_column_that_the_contract_lacks_are_named(store):
    expected = "amounts by column: expected columns of the contract .*, found wealth; name one"
    with pytest.raises(ContractError, match=expected):
        ContactStore(store, UCI).evidence([], "proba", columns=["balance", "wealth"])


@pytest.mark.parametrize("table", ["outcomes", "ledger_outcomes"])
def test_a_contact_that_moved_keeps_the_outcome_that_lies_in_its_former_month(store, table):
    months = ["2020-01", "2020-02"]
    store.write("contacts", "2020-01", contacts(("a", 1, CALL), ("b", 1, CALL)), "f")
    store.write("contacts", "2020-02", contacts(("a", 2, date(2020, 2, 3))), "f")
    store.write(table, "2020-01", outcomes(("a", True, CALL), ("b", False, CALL)), "f")
    found = ContactStore(store, UCI).read(months)
    assert found.contact_ids.tolist() == ["b", "a"]
    assert found.has_outcome.tolist() == [True, True]
    assert found.is_subscribed.tolist() == [False, True]


def test_statistics_of_lists_need_neither_outcomes_nor_weights(store, monkeypatch):
    store.write("contacts", "2020-01", contacts(("a", 1, CALL), ("b", 1, date(2020, 1, 11))), "f")
    store.write("outcomes", "2020-01", outcomes(("a", True, CALL)), "f")
    stored = ContactStore(store, UCI, "called")
    monkeypatch.setattr(ListDesigns, "read", lambda _: pytest.fail("no weight is needed"))
    days, statistics = stored.plans(["2020-01"], np.array(["2020-01-11"], "datetime64[D]"))
    assert days.tolist() == [date(2020, 1, 11)]
    assert statistics[:, 0].tolist() == [1.0]
    monkeypatch.setattr(Warehouse, "read", lambda *_: pytest.fail("of no day, nothing is read"))
    days, statistics = stored.plans((), days[:0])
    assert (len(days), len(statistics)) == (0, 0)
