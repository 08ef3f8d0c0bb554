"""Homes of earlier releases become Delta tables where they lie, and nothing is computed again."""

import json
import shutil
from dataclasses import asdict

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from bank_assets.store.home_json import DamagedFileError
from bank_assets.store.table_state import TableState
from bank_assets.store.warehouse import Warehouse

TABLE = "contacts"


@pytest.fixture
def old(tmp_path):
    """A home as an earlier release laid it out: two months in Parquet, one without rows, and the manifest."""
    made = Warehouse(tmp_path / "made")
    for key, table in {"2008-05": pa.table({"age": [1, 2]}), "2008-06": pa.table({"age": [3], "job": ["x"]})}.items():
        made.write(TABLE, key, table, f"of {key}", {"rows_in": 3})
    entries = {key: asdict(one) for key, one in made.manifest(TABLE).items()}
    for one in entries.values():
        del one["version"]
    entries["2008-07"] = {**entries["2008-05"], "files": [], "rows": 0, "size": 0, "fingerprint": "of 2008-07"}
    root = tmp_path / "home"
    shutil.copytree(made.root / TABLE, root / TABLE, ignore=shutil.ignore_patterns("_delta_log"))
    document = {"schema_version": 1, "table": TABLE, "entries": entries}
    (root / TABLE / "manifest.json").write_text(json.dumps(document))
    return Warehouse(root)


def test_an_upgrade_keeps_files_facts_and_fingerprints(old):
    before = json.loads((old.root / TABLE / "manifest.json").read_text())["entries"]
    stamps = {path: path.stat().st_mtime_ns for path in (old.root / TABLE).rglob("*.parquet")}
    for _ in range(2):
        store = Warehouse(old.root)
        assert all(store.is_unchanged(TABLE, key, f"of {key}") for key in before)
        found = {key: {**asdict(one), "files": list(one.files)} for key, one in store.manifest(TABLE).items()}
        assert {key: {name: one[name] for name in before[key]} for key, one in found.items()} == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    table = DeltaTable(old.root / TABLE).to_pyarrow_table().sort_by("age")
    assert table.select(["age", "job", "partition_key"]).to_pydict() == {
        "age": [1, 2, 3], "job": [None, None, "x"], "partition_key": ["2008-05", "2008-05", "2008-06"],
    }  # fmt: skip


@pytest.mark.parametrize("step", ["replace", "record", "put_whole"])
def test_a_killed_upgrade_is_finished_by_the_next_process(old, monkeypatch, step):
    def killed(*_args):
        raise KeyboardInterrupt

    place = "bank_assets.store.earlier_manifests"
    target = {"record": f"{place}.TableState.record", "replace": f"{place}.KeyedDelta.replace"}.get(
        step, f"{place}.{step}"
    )
    with monkeypatch.context() as patched:
        patched.setattr(target, killed)
        with pytest.raises(KeyboardInterrupt):
            old.manifest(TABLE)
    assert list(Warehouse(old.root).manifest(TABLE)) == ["2008-05", "2008-06", "2008-07"]
    assert Warehouse(old.root).read(TABLE).num_rows == 3
    assert len(DeltaTable(old.root / TABLE).file_uris()) == 2


def test_a_month_whose_file_is_gone_is_made_again(old):
    next((old.root / TABLE).rglob("*.parquet")).unlink()
    kept = list(old.manifest(TABLE))
    assert len(kept) == 2
    assert "2008-07" in kept


def test_an_earlier_release_refuses_the_table_and_can_be_given_it_back(old):
    """It reads `manifest.json`, and expects `schema_version` 1."""
    text = (old.root / TABLE / "manifest.json").read_text()
    old.manifest(TABLE)
    assert json.loads((old.root / TABLE / "manifest.json").read_text())["schema_version"] == 2
    assert (old.root / TABLE / "manifest.json.converted").read_text() == text


def test_what_an_earlier_release_wrote_after_it_was_given_back_is_taken_over(old):
    converted = Warehouse(old.root)
    converted.write(TABLE, "2008-05", pa.table({"age": [10]}), "newer")
    (old.root / TABLE / "manifest.json.converted").rename(old.root / TABLE / "manifest.json")
    again = Warehouse(old.root)
    assert again.read(TABLE).column("age").to_pylist() == [1, 2, 3]
    assert again.is_unchanged(TABLE, "2008-05", "of 2008-05")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema_version": 1, "entries": {"a": {"rows": 1}}}', '{"schema_version": 99, "entries": {}}']
)
def test_a_damaged_manifest_is_named_not_overwritten(old, text):
    path = old.root / TABLE / "manifest.json"
    path.write_text(text)
    with pytest.raises(DamagedFileError, match=r"manifest\.json: expected a manifest of schema_version 1"):
        old.write(TABLE, "a", pa.table({"age": [1]}), "f")
    assert path.read_text() == text
    assert not TableState(old.root).entries(TABLE)
