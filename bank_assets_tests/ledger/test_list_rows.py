"""Rows of lists as decisions on record: found, proven, erased; and whatever is changed by hand shows."""

import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta

import msgspec
import numpy as np
import pytest
from sqlalchemy import delete, insert, select, text, update

from bank_assets.ledger import blocks, decisions, list_rows, outcomes
from bank_assets.ledger.blocks import NO_ROWS, ListRows
from bank_assets.ledger.campaign_models import block_rows, list_erasures
from bank_assets.ledger.campaign_models import list_rows as rows_of_lists
from bank_assets.ledger.engine import read, writing
from bank_assets.ledger.merkle import leaf_hash
from bank_assets.ledger.records import CursorError
from bank_assets_tests.world.events import events_of
from bank_assets_tests.world.lists import FACTS, keep, rows_of
from bank_assets_tests.world.proofs import is_included


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)


def fault(ledger):
    with ledger.connect() as connection:
        return list_rows.verify(connection)


def proves(found):
    place = found.listed
    leaf, path = leaf_hash(place.record.encode()), [bytes.fromhex(one) for one in place.path]
    return is_included(leaf, place.leaf_index, place.tree_size, path, bytes.fromhex(place.merkle_root))


def test_every_row_is_a_decision_with_its_reason_and_a_proof(ledger):
    made = keep(ledger, rows_of(10, customers=[f"k-{i}" if i % 2 else None for i in range(10)]))
    found = [decisions.get(ledger, f"{made.id}.{row}") for row in range(1, 11)]
    assert [one.listed.reason for one in found[:3]] == ["worth_calling", "held_out", "exploration"]
    assert [(one.decision, one.contact_id, one.person) for one in found[:2]] == [
        ("call", "c-0", "c-0"), ("do_not_call", "c-1", "k-1"),
    ]  # fmt: skip
    one = found[6]
    assert one.payload == {"age": 26, "job": "management"}
    assert one.economics == {"cost_eur": 5.0, "value_eur": 50.0, "propensity": 0.9}
    assert (one.probability, one.prediction, one.listed.block, one.batch_id) == (0.07, "no", 1, made.id)
    assert one.as_of_features["typical_plan"] == {"contacts_planned_that_day": 3.0}, "the mix of its own day"
    assert (one.actor, one.decided_at, one.listed.list_name) == ("ana", made.created_at, "autumn")
    assert json.loads(one.listed.record)["payload_hash"] == one.payload_hash
    (event,) = events_of(ledger, made.id)
    assert {(one.seq, one.hash) for one in found} == {(event.seq, event.hash)}
    assert all(map(proves, found))
    assert fault(ledger) == (10, "")
    for unknown in (f"{made.id}.0", f"{made.id}.11", f"{made.id}.x", f"{made.id}.9999999999", "x.1"):
        assert decisions.get(ledger, unknown) is None


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (rows_of_lists.c.contact_id == "c", "INDEX list_rows_contact"),
        (rows_of_lists.c.customer_id == "k", "INDEX list_rows_customer"),
        (rows_of_lists.c.list_id == "l", "PRIMARY KEY"),
    ],
)
def test_each_index_of_the_rows_serves_a_search_that_no_other_one_serves(ledger, where, index):
    """They take three quarters of a row's bytes (ADR 0038), so none is kept that nothing reads."""
    asked = select(rows_of_lists).where(where).compile(ledger, compile_kwargs={"literal_binds": True})
    with ledger.connect() as connection:
        if connection.dialect.name == "sqlite":
            (step,) = [one.detail for one in connection.execute(text(f"EXPLAIN QUERY PLAN {asked}"))]
        else:
            connection.execute(text("SET enable_seqscan = off"))  # it would scan so small a table
            step = " ".join(connection.scalars(text(f"EXPLAIN {asked}"))).replace("_pkey", " PRIMARY KEY")
    assert index.removeprefix("INDEX ") in step
    assert len(rows_of_lists.indexes) == 2


def test_a_customer_is_found_on_every_list_and_beside_single_decisions_newest_first(ledger, draft):
    first = keep(ledger, rows_of(5, customers=["k-1", None, None, None, None]))
    single = draft(contact_id="d-7", customer_id="k-1")
    decisions.append(ledger, [single])
    second = keep(ledger, rows_of(6, "d", customers=[None] * 5 + ["k-1"]), "winter")
    third = keep(ledger, rows_of(8, "d"), "spring")
    of_person = [f"{third.id}.8", f"{third.id}.6", f"{second.id}.6", single.id, f"{first.id}.1"]
    found = decisions.search(ledger, customer_id="k-1")
    assert [one.id for one in found.decisions] == of_person, "d-5 and d-7 without a customer are contacts of k-1"
    assert found.next_cursor is None
    pages, cursor = [], None
    while not pages or cursor:
        page = decisions.search(ledger, customer_id="k-1", limit=1, before=cursor)
        pages += [one.id for one in page.decisions]
        cursor = page.next_cursor
    assert pages == of_person
    assert [one.id for one in decisions.search(ledger, contact_id="c-3").decisions] == [f"{first.id}.4"]
    rows = decisions.search(ledger, batch_id=second.id, limit=500).decisions
    assert [one.id for one in rows] == [f"{second.id}.{row}" for row in range(6, 0, -1)]
    assert (rows[0].reason, rows[0].probability, rows[0].list_name) == ("worth_calling", 0.06, "winter")
    for criterion in ({"actor": "bo"}, {"decision": "do_not_call"}, {"model_version": "4"}, {"since": "2999-01-01"}):
        assert decisions.search(ledger, contact_id="c-0", **criterion).decisions == []
    same = {"actor": "ana", "decision": "call", "model_version": "3", "until": "2999-01-01"}
    assert [one.id for one in decisions.search(ledger, contact_id="c-0", **same).decisions] == [f"{first.id}.1"]
    assert [one.id for one in decisions.search(ledger).decisions] == [single.id], "lists do not hide single decisions"
    assert decisions.search(ledger, before="2").decisions, "a cursor of an earlier release"
    for cursor in ("x", "", "1~", "1~x", "9" * 19):
        with pytest.raises(CursorError):
            decisions.search(ledger, before=cursor)


def test_an_outcome_of_a_row_is_one_of_its_contact(ledger):
    made = keep(ledger, rows_of(3))
    reported = outcomes.record(ledger, y="yes", actor="crm", decision_id=f"{made.id}.2").outcome
    assert (reported.decision_id, reported.contact_id) == (None, "c-1")
    assert outcomes.of_decision(ledger, f"{made.id}.2", "c-1") == [reported]
    with pytest.raises(outcomes.UnknownDecisionError):
        outcomes.record(ledger, y="yes", actor="crm", decision_id=f"{made.id}.4")


def test_an_erased_row_keeps_its_decision_and_its_proof(ledger, draft):
    made = keep(ledger, rows_of(10, customers=["k-1", *[None] * 8, "k-1"]))
    other = keep(ledger, rows_of(3), "winter")
    decisions.append(ledger, [draft(contact_id="c-0"), draft(contact_id="c-5")])
    assert decisions.count_to_erase(ledger, customer_id="k-1") == 4
    assert decisions.erase(ledger, customer_id="k-1", actor="dpo", reason="Art. 17") == 4
    assert decisions.search(ledger, customer_id="k-1").decisions == []
    for row in (f"{made.id}.1", f"{made.id}.10", f"{other.id}.1"):
        gone = decisions.get(ledger, row)
        assert (gone.payload, gone.contact_id, gone.customer_id, gone.erased_why) == (None, None, None, "Art. 17")
        assert gone.probability > 0
        assert proves(gone)
    at = (block_rows.c.list_id == made.id) & (block_rows.c.block == 0)
    ((content,),) = read(ledger, select(block_rows.c.content).where(at))
    block = blocks.Block(made.id, 0, 1, 4, {}, content)
    assert [column[0] for column in (block.person | block.payload).values()] == [None] * 5
    assert decisions.erase(ledger, decision_id=f"{made.id}.2", actor="dpo", reason="one more") == 1
    assert decisions.erase(ledger, contact_id="c-1", actor="dpo", reason="again") == 1, "on the other list"
    assert decisions.erase(ledger, contact_id="c-1", actor="dpo", reason="again") == 0
    assert fault(ledger) == (13, "")
    decided, contacts, _ = list_rows.columns_of(ledger, made.id, ("reason",))
    assert decided["reason"] == list(rows_of(10).decided["reason"])
    assert contacts == [None, None, *(f"c-{i}" for i in range(2, 9)), None]
    tomorrow = date.today() + timedelta(days=1)  # noqa: DTZ011
    with pytest.raises(ValueError, match="future"):
        decisions.erase(ledger, decided_before=tomorrow, actor="retention", reason="7 years")


def changed(name, column):
    def change(connection, made):
        at = (block_rows.c.list_id == made.id) & (block_rows.c.block == 0)
        content = msgspec.msgpack.decode(connection.execute(select(block_rows.c.content).where(at)).scalar_one())
        values = blocks._unpacked(content[name])
        values[column][1] = values[column][2]
        content[name][column] = blocks._packed(values)[column]
        connection.execute(update(block_rows).where(at).values(content=msgspec.msgpack.encode(content)))

    return change


def executed(statement):
    return lambda connection, _: connection.execute(statement)


TAMPERINGS = {
    "probability": (changed("decided", "probability"), "a row was changed"),
    "payload": (changed("payload", "age"), "a row was changed"),
    "person": (changed("person", "contact_id"), "a row was changed"),
    "salt": (changed("person", "salt"), "a row was changed"),
    "content": (executed(update(block_rows).values(content=b"x")), "cannot be read"),
    "block gone": (executed(delete(block_rows)), "the block was removed"),
    "hidden in the index": (executed(delete(rows_of_lists).where(rows_of_lists.c.row == 3)), "the index"),
    "index says held out": (executed(update(rows_of_lists).values(is_called=False)), "the index"),
    "another row in the index": (
        lambda connection, made: connection.execute(
            insert(rows_of_lists).values(
                list_id=made.id, row=9, contact_id="c-0", contact_date="2010-11-22", reason="r", is_called=True
            )
        ),
        "expected 6 rows in the index of contacts, found 7",
    ),
    "erasure by hand": (
        lambda connection, made: connection.execute(
            insert(list_erasures).values(list_id=made.id, row=2, at="x", actor="x", reason="x", event_seq=1)
        ),
        "erasures",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_is_changed_by_hand_shows(ledger, name):
    made = keep(ledger, rows_of(6))
    change, why = TAMPERINGS[name]
    with writing(ledger) as connection:
        change(connection, made)
    assert why in fault(ledger)[1]
    if "found 7" in why:
        assert [one.id for one in decisions.search(ledger, contact_id="c-0").decisions] == [f"{made.id}.1"]
    else:
        assert why in decisions.fault_of(ledger, f"{made.id}.1")


def test_equal_rows_have_an_equal_digest_whatever_their_salts():
    facts = {"model_version": "3"}
    assert rows_of(5).digest(facts) == rows_of(5).digest(facts)
    others = (rows_of(5), facts), (rows_of(5), {}), (rows_of(5, "d"), facts), (rows_of(4), facts)
    assert len({rows.digest(shared) for rows, shared in others}) == len(others)


def test_rows_in_arrays_are_those_in_lists_and_keep_the_digest_of_earlier_releases():
    listed = rows_of(10)
    payload, decided = ({n: np.array(c) for n, c in of.items()} for of in (listed.payload, listed.decided))
    arrays = ListRows(np.array(listed.contact_id), listed.customer_id, payload, decided)
    parts = (listed.contact_id, listed.customer_id, listed.payload, listed.decided, FACTS)
    before = hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
    assert listed.digest(FACTS) == arrays.digest(FACTS) == before
    assert NO_ROWS.digest({}) == hashlib.sha256(b"[[],[],{},{},{}]").hexdigest()
    of_lists, of_arrays = (blocks.HashedBlocks("list", one, FACTS) for one in (listed, arrays))
    for one, other in zip(of_lists, of_arrays, strict=True):
        assert not {"records", "leaves", "payload"} & other.__dict__.keys(), "2 KB a row"
        assert (one.decided, one.payload, one.n_rows) == (other.decided, other.payload, other.n_rows)
        again = replace(other)
        assert (again.root, again.payload_hashes) == (other.root, other.payload_hashes)


def test_blocks_of_a_long_list_wait_in_a_file(ledger, monkeypatch):
    monkeypatch.setattr(blocks, "_IN_MEMORY", 1)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)
    made = keep(ledger, rows_of(10))
    assert decisions.get(ledger, f"{made.id}.9").contact_id == "c-8"
    assert fault(ledger) == (10, "")
