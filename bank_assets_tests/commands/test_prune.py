"""Pruning removes what nothing refers to, and nothing else."""

import re

import pyarrow as pa
import pytest

from bank_assets.__main__ import main
from bank_assets.store.warehouse import Warehouse


@pytest.fixture
def store(settings):
    """Two tables, each written three times."""
    store = Warehouse(settings.warehouse)
    for table in ("contacts", "training_set"):
        for number in range(3):
            store.write(table, "2010-01", pa.table({"value": [number]}), f"mark-{number}")
    return store


def files(store, table):
    return sorted(str(path.relative_to(store.root / table)) for path in (store.root / table).rglob("*.parquet"))


def test_old_files_go_and_the_one_in_use_stays(store, capsys):
    others = [store.root / "contacts" / "snapshots" / name for name in (".DS_Store", "notes.txt", "1-a.tmp")]
    for other in others:
        other.touch()
    assert main(["prune", "--days", "0"]) == 0
    for other in others:
        other.unlink()
    in_use = store.entry("contacts", "2010-01")
    assert [path.name for path in (store.root / "contacts" / "snapshots").iterdir()] == [in_use.snapshot]
    assert [name for name in files(store, "contacts") if "checkpoint" not in name] == list(in_use.files)
    assert store.read("contacts", ["2010-01"]).column("value").to_pylist() == [2]
    out = capsys.readouterr().out
    assert "contacts: 2 files" in out
    assert "table_state: 4 files" in out


def test_training_sets_stay_because_records_of_decisions_name_them(store):
    assert main(["prune", "--days", "0"]) == 0
    assert len(files(store, "training_set")) == 3


def test_young_files_stay(store):
    assert main(["prune"]) == 0
    assert len([name for name in files(store, "contacts") if "checkpoint" not in name]) == 3


@pytest.mark.parametrize("words", [["--days", "nan"], ["--days", "1e400"], ["--days=-1"]])
def test_an_unusable_number_is_refused_by_name(store, capsys, words):
    with pytest.raises(SystemExit):
        main(["prune", *words])
    assert re.search("argument --days: expected a .*number of at least 0, found", capsys.readouterr().err)


def test_a_dry_run_removes_nothing(store, capsys):
    assert main(["prune", "--days", "0", "--dry-run"]) == 0
    assert len(files(store, "contacts")) == 3
    assert "would free" in capsys.readouterr().out


def test_an_error_of_ours_is_one_sentence_and_another_keeps_its_traceback(store, capsys, monkeypatch):
    (store.root / "contacts" / "manifest.json").write_text("{}")
    assert main(["prune"]) == 1
    assert "expected a manifest of schema_version" in capsys.readouterr().err
    monkeypatch.setattr(Warehouse, "collect_garbage", lambda *_args, **_more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["prune"])


def test_a_home_that_cannot_be_written_is_named(settings, capsys, monkeypatch):
    def fail(*_args, **_more):
        raise PermissionError(13, "Permission denied", str(settings.warehouse / "contacts"))

    (settings.warehouse / "contacts" / "snapshots").mkdir(parents=True)
    monkeypatch.setattr(Warehouse, "collect_garbage", fail)
    assert main(["prune"]) == 1
    assert capsys.readouterr().err.startswith("BANK_HOME: expected a folder that can be written")


def test_relocating_a_home_without_models_has_nothing_to_do(settings, capsys):
    assert main(["relocate"]) == 0
    assert capsys.readouterr().out.endswith("nothing to do\n")
