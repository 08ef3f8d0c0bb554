"""A spoiled month is held by its rejected rows until its correction arrives; nothing that was rejected is forgotten."""

import pyarrow as pa
import pytest

from bank_assets.assets.validation import VALIDATION, hold
from bank_assets.resources.store import WarehouseResource

MONTH, LIMIT = "2020-04", 0.05


@pytest.fixture
def store(tmp_path):
    return WarehouseResource(root=str(tmp_path)).open()


def delivered(store, usable, rejected, superseded=0):
    """A month of contacts with these ids, and rejected rows with those."""
    counts = {"rows_in": len(usable) + len(rejected) + superseded, "rejected": len(rejected), "superseded": superseded}
    ids = pa.table({"contact_id": pa.array(usable, pa.string())})
    store.write("contacts", MONTH, ids, "f", {"contacts": counts})
    rows = {"kind": pa.array(["contacts"] * len(rejected), pa.string()), "contact_id": pa.array(rejected, pa.string())}
    store.write("rejected_contacts", MONTH, pa.table(rows), "f", {"contacts": counts})
    hold(VALIDATION.of(store, MONTH, inputs=[]), None, LIMIT)
    return store.entry("contacts_validation", MONTH).metadata


def names(first, last):
    return [f"c{number}" for number in range(first, last)]


def test_too_many_rejected_rows_hold_the_month_and_say_how_many(store):
    found = delivered(store, names(0, 50), names(50, 100))
    assert not found["passed"]
    assert "found 50.0% (50 of 100)" in found["errors"][0]


def test_a_few_rejected_rows_do_not(store):
    assert delivered(store, names(0, 97), names(97, 100))["passed"]


def test_the_correction_lets_it_pass(store):
    found = delivered(store, names(0, 100), names(50, 100), superseded=50)
    assert found["passed"]
    assert found["reject_rate"] == 0.0


def test_a_correction_of_a_part_is_not_enough(store):
    found = delivered(store, names(0, 60), names(50, 100))
    assert not found["passed"]
    assert "(40 of 100)" in found["errors"][0]


def test_rejected_rows_without_a_contact_id_are_never_corrected(store):
    assert not delivered(store, names(0, 10), [None] * 10)["passed"]


def test_a_month_of_rejected_rows_alone_is_held(store):
    assert not delivered(store, [], names(0, 5))["passed"]


def test_a_month_without_rows_passes(store):
    assert delivered(store, [], [])["passed"]
