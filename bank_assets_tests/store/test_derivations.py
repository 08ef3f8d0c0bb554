"""Work is done once for the same inputs, code and settings, and fingerprints of earlier releases stay valid."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.store import lineage
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.derivations import DerivedTable, Made, fingerprint, stale
from bank_assets.store.warehouse import Warehouse, WarehouseError

TABLE = DerivedTable("table", "1")
ROWS = pa.table({"x": [1, 2]})


@pytest.fixture
def store(tmp_path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def made() -> Made:
    return Made(ROWS, {"headline": {"rows": 2}}, {"seen": "once"})


def forbidden() -> Made:
    raise AssertionError("the work was done already")


def test_the_same_inputs_code_and_settings_are_worked_on_once(store):
    derived = TABLE.of(store, inputs=["a"], settings={"seed": 1})
    entry, fresh = derived.ensure(made)
    assert (entry.rows, fresh.shown) == (2, {"seen": "once"})
    again, nothing = TABLE.of(store, inputs=["a"], settings={"seed": 1}).ensure(forbidden)
    assert (again, nothing) == (entry, None)
    assert again.metadata == {"headline": {"rows": 2}}, "what is shown once is not stored"


@pytest.mark.parametrize(
    "other",
    [
        lambda store: TABLE.of(store, inputs=["b"], settings={"seed": 1}),
        lambda store: TABLE.of(store, inputs=["a"], settings={"seed": 2}),
        lambda store: DerivedTable("table", "2").of(store, inputs=["a"], settings={"seed": 1}),
        lambda store: TABLE.of(store, "2008-05", inputs=["a"], settings={"seed": 1}),
    ],
    ids=["input", "setting", "code", "key"],
)
def test_whatever_differs_makes_it_stale(store, other):
    TABLE.of(store, inputs=["a"], settings={"seed": 1}).ensure(made)
    assert not other(store).is_current


def test_stale_keys_come_in_order_and_a_lost_file_makes_its_key_stale(store):
    wanted = {month: TABLE.of(store, month, inputs=[month]) for month in ("2008-07", "2008-05", "2008-06")}
    wanted["2008-05"].commit(ROWS)
    assert list(stale(wanted)) == ["2008-07", "2008-06"]
    store.files("table", ["2008-05"])[0].unlink()
    assert list(stale(wanted)) == ["2008-07", "2008-05", "2008-06"]


def test_what_was_never_made_says_what_to_do(store):
    with pytest.raises(WarehouseError, match="table all: expected it stored, found none; materialize table"):
        _ = TABLE.of(store, inputs=[]).entry


def test_fingerprints_are_those_of_every_earlier_release():
    """With other bytes every home would redo everything after an upgrade."""
    assert fingerprint(inputs=["a", 1], code_version="2", settings={"b": 1.5, "a": None}) == (
        "237c7ce449ccf129dadec29a87f7379fd7ac0d2550e774f8c0b3cb89ea6a8136"
    )
    assert fingerprint(inputs={"y": {"k": "ä"}, "x": "1"}, code_version="2", settings={}) == (
        "42dc760c44cca278ab2b88f9b825cf5bc439090a68fd0a38441bc49dfd673281"
    )


def test_the_inputs_of_shared_tables_are_unchanged(store):
    for name in ("contacts", "outcomes"):
        store.write(name, "2008-05", pa.table({"contact_id": ["1"]}), "f")
    digest = store.digests("contacts")["2008-05"]
    store.write("contacts_validation", "2008-05", pa.table({}), "f", {"passed": True, "contacts_digest": digest})
    champions = ChampionHistory(np.array(["2008-05-20", "2008-06-01"], "datetime64[D]"), ("1", "2"))
    outcomes = store.digests("outcomes")["2008-05"]
    inputs = {"contacts": {"2008-05": digest}, "outcomes": {"2008-05": outcomes}, "ledger": {}}
    expected = fingerprint(inputs=inputs, code_version="2", settings={"starts": ["2008-05-20"], "versions": ["1"]})
    assert lineage.scores(store, champions, ["2008-05"])["2008-05"].fingerprint == expected, (
        "a later champion changes nothing"
    )
    reported = {**{k: v for k, v in inputs.items() if k != "ledger"}, "told": {}, "scores": {}, "champion": "2"}
    state = lineage.state(store, champions, np.datetime64("2008-06-02"))
    assert state.fingerprint == fingerprint(inputs=reported, code_version="1", settings={"as_of": "2008-06-02"})
    assert list(lineage.stale_scores(store, champions)) == ["2008-05"]


def test_the_contract_of_earlier_releases_leaves_their_fingerprints_as_they_are():
    assert lineage.contract_setting(UCI) == {}
    age = UCI.by_source["age"]
    reworded = replace(UCI, columns=tuple(replace(c, label="Years") if c is age else c for c in UCI.columns))
    assert reworded.digest != UCI.digest
    assert lineage.contract_setting(reworded) == {}
    wider = replace(UCI, columns=tuple(replace(c, maximum=130) if c is age else c for c in UCI.columns))
    assert lineage.contract_setting(wider) == {"contract": wider.rows_digest} != {"contract": UCI.rows_digest}
