"""Snapshots appear whole or not at all, whatever happens to their writer."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_assets.store.derivations import fingerprint
from bank_assets.store.home_json import DamagedFileError
from bank_assets.store.warehouse import StagedEntry, Warehouse, WarehouseError

TABLE = "contacts"
REPOSITORY = Path(__file__).parents[2]
SMALL_DISK_BYTES = 1 << 20


def rows(*values: int) -> pa.Table:
    return pa.table({"age_years": pa.array(values, pa.int32()), "job": [f"job {v}" for v in values]})


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def test_round_trip_keeps_rows_metadata_and_key_order(warehouse):
    warehouse.write(TABLE, "2008-06", rows(3), "f2", {"rejected": 1})
    warehouse.write(TABLE, "2008-05", rows(1, 2), "f1")

    assert warehouse.read(TABLE).column("age_years").to_pylist() == [1, 2, 3]
    assert warehouse.read(TABLE, keys=["2008-06"], columns=["job"]).to_pylist() == [{"job": "job 3"}]
    assert list(warehouse.manifest(TABLE)) == ["2008-05", "2008-06"]
    entry = warehouse.entry(TABLE, "2008-06")
    assert (entry.rows, entry.fingerprint, entry.metadata) == (1, "f2", {"rejected": 1})
    assert warehouse.entry(TABLE, "2010-01") is None


def test_manifest_on_disk_has_the_documented_fields(warehouse):
    warehouse.write(TABLE, "all", rows(1), "f1")
    document = json.loads((warehouse.root / TABLE / "manifest.json").read_text())
    assert (document["schema_version"], document["table"]) == (1, TABLE)
    assert set(document["entries"]["all"]) == {
        "snapshot", "files", "rows", "size", "digest", "fingerprint", "metadata",
    }  # fmt: skip


def test_one_snapshot_may_hold_many_keys_and_a_key_without_rows(warehouse):
    snapshot, folder = warehouse.staging(TABLE)
    (folder / "month=2008-05").mkdir()
    pq.write_table(rows(1), folder / "month=2008-05" / "a.parquet")
    entries = {"2008-05": StagedEntry(("month=2008-05/a.parquet",), "f"), "2008-09": StagedEntry((), "f")}

    assert not warehouse.manifest(TABLE), "staged files must be invisible before the commit"
    committed = warehouse.commit(TABLE, snapshot, entries)

    assert {key: entry.rows for key, entry in committed.items()} == {"2008-05": 1, "2008-09": 0}
    assert warehouse.read(TABLE, keys=["2008-09"]).schema == rows(1).schema
    assert warehouse.is_unchanged(TABLE, "2008-09", "f")


def test_unchanged_needs_the_same_fingerprint_and_whole_files(warehouse):
    entry = warehouse.write(TABLE, "2008-05", rows(1, 2), "f1")
    assert warehouse.is_unchanged(TABLE, "2008-05", "f1")
    assert not warehouse.is_unchanged(TABLE, "2008-05", "f2")
    assert not warehouse.is_unchanged(TABLE, "2008-06", "f1")

    path = warehouse.root / TABLE / entry.files[0]
    path.write_bytes(path.read_bytes()[:-7])
    assert not warehouse.is_unchanged(TABLE, "2008-05", "f1"), "a truncated file is a change"
    path.unlink()
    assert not warehouse.is_unchanged(TABLE, "2008-05", "f1"), "a missing file is a change"


def test_digest_depends_on_the_bytes_only(warehouse):
    first = warehouse.write(TABLE, "a", rows(1, 2), "f1")
    second = warehouse.write(TABLE, "b", rows(1, 2), "f2")
    third = warehouse.write(TABLE, "c", rows(1, 3), "f2")
    assert first.digest == second.digest
    assert first.digest != third.digest


def test_errors_say_what_is_missing(warehouse):
    with pytest.raises(WarehouseError, match="materialize the table first"):
        warehouse.read(TABLE)
    entry = warehouse.write(TABLE, "2008-05", rows(1), "f")
    with pytest.raises(WarehouseError, match=r"expected keys \['2009-01'\], found 1 keys"):
        warehouse.read(TABLE, keys=["2009-01"])
    (warehouse.root / TABLE / entry.files[0]).unlink()
    with pytest.raises(WarehouseError, match="materialize the table again"):
        warehouse.read(TABLE)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1, "entries": {"a": {"rows": 1}}}'])
def test_a_damaged_manifest_is_named_not_overwritten(warehouse, text):
    path = warehouse.root / TABLE / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(DamagedFileError, match=r"manifest\.json: expected a manifest"):
        warehouse.write(TABLE, "a", rows(1), "f")
    assert path.read_text() == text


def test_a_manifest_of_another_version_is_refused(warehouse):
    path = warehouse.root / TABLE / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema_version": 99, "entries": {}}')
    with pytest.raises(DamagedFileError, match=r"schema_version 1, found .*schema_version 99.*; .* use the release"):
        warehouse.manifest(TABLE)


def test_a_staged_file_that_is_missing_or_broken_commits_nothing(warehouse):
    warehouse.write(TABLE, "a", rows(1), "old")
    snapshot, folder = warehouse.staging(TABLE)
    with pytest.raises(WarehouseError, match="expected a whole Parquet file"):
        warehouse.commit(TABLE, snapshot, {"a": StagedEntry(("gone.parquet",), "new")})
    (folder / "half.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(WarehouseError, match="expected a whole Parquet file"):
        warehouse.commit(TABLE, snapshot, {"a": StagedEntry(("half.parquet",), "new")})
    assert warehouse.entry(TABLE, "a").fingerprint == "old"


def test_garbage_never_includes_what_is_in_use_young_or_kept(warehouse):
    first = warehouse.write(TABLE, "a", rows(1), "f1").snapshot
    second = warehouse.write(TABLE, "a", rows(2), "f2").snapshot
    third = warehouse.write(TABLE, "a", rows(3), "f3").snapshot

    assert warehouse.collect_garbage(TABLE, keep=0) == [], "young snapshots may still be written"
    assert warehouse.collect_garbage(TABLE, keep=1, min_age_seconds=0) == [first]
    assert warehouse.collect_garbage(TABLE, keep=0, min_age_seconds=0) == [second]
    assert warehouse.collect_garbage(TABLE, keep=0, min_age_seconds=0) == []
    with pytest.raises(WarehouseError, match="in use"):
        warehouse.discard(TABLE, third)
    assert warehouse.read(TABLE).column("age_years").to_pylist() == [3]


def _write_months(root: str, worker: int, months: int) -> None:
    for month in range(months):
        Warehouse(Path(root)).write(TABLE, f"{worker}-{month:02d}", rows(worker, month), "f")


def test_concurrent_writers_lose_none_of_each_others_months(warehouse):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write_months, args=(str(warehouse.root), n, 25)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(warehouse.manifest(TABLE)) == 50
    assert warehouse.read(TABLE).num_rows == 100


KILLED_WRITER = """
    import sys
    from pathlib import Path
    import pyarrow as pa
    from bank_assets.store.warehouse import Warehouse
    warehouse = Warehouse(Path(sys.argv[1]))
    n = 0
    while True:
        n += 1
        for key in ("2008-05", "2008-06"):
            warehouse.write("contacts", key, pa.table({"generation": [n] * 200_000}), str(n))
        if n == 2:
            print("writing", flush=True)
"""


@pytest.mark.slow
def test_kill_9_in_the_middle_of_writing_leaves_a_whole_snapshot(warehouse):
    for delay in (0.0, 0.013, 0.041, 0.103):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED_WRITER), str(warehouse.root)],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        assert child.stdout.readline() == b"writing\n"
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)

        for key in ("2008-05", "2008-06"):
            entry = warehouse.entry(TABLE, key)
            generations = set(warehouse.read(TABLE, keys=[key]).column("generation").to_pylist())
            assert generations == {int(entry.fingerprint)}, "a key must hold one writer's rows, all of them"
            assert entry.rows == 200_000
        assert warehouse.write(TABLE, "2008-07", pa.table({"generation": [0]}), "0").rows == 1, "no lock is left over"
    orphans = {p.name for p in (warehouse.root / TABLE / "snapshots").iterdir()}
    assert set(warehouse.collect_garbage(TABLE, keep=0, min_age_seconds=0)) < orphans


@pytest.fixture
def small_disk(tmp_path: Path):
    """A folder with one MiB of room: a tmpfs for root, else nothing (the caller sets a file size limit)."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    yield folder, mounted
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


WRITER_ON_A_FULL_DISK = """
    import resource, sys
    from pathlib import Path
    import numpy as np, pyarrow as pa
    from bank_assets.store.warehouse import Warehouse, WarehouseError
    root, limit = Path(sys.argv[1]), int(sys.argv[2])
    warehouse = Warehouse(root)
    warehouse.write("contacts", "2008-05", pa.table({"x": [1, 2, 3]}), "old")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    noise = pa.table({"x": np.random.default_rng(1).random(400_000)})
    try:
        warehouse.write("contacts", "2008-05", noise, "new")
    except WarehouseError as error:
        print(error)
"""


@pytest.mark.parametrize("kind", ["disk", "file size limit"])
def test_a_full_disk_leaves_the_old_snapshot_and_is_reported(small_disk, tmp_path, kind):
    folder, mounted = small_disk
    limit = SMALL_DISK_BYTES if kind == "file size limit" or not mounted else 0
    root = folder if kind == "disk" else tmp_path / "limited"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WRITER_ON_A_FULL_DISK), str(root), str(limit)],
        capture_output=True, text=True, cwd=REPOSITORY, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the disk or quota is full" in done.stdout
    assert "The previous snapshot is untouched" in done.stdout
    warehouse = Warehouse(root)
    assert warehouse.read(TABLE).column("x").to_pylist() == [1, 2, 3]
    assert warehouse.is_unchanged(TABLE, "2008-05", "old")
    assert len(list((root / TABLE / "snapshots").iterdir())) == 1, "the half-written snapshot gives its space back"


def test_a_full_disk_at_the_commit_leaves_the_old_manifest(warehouse, monkeypatch):
    warehouse.write(TABLE, "a", rows(1), "old")

    def full(_source: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WarehouseError, match="could not write the manifest, the disk or quota is full"):
        warehouse.write(TABLE, "a", rows(2), "new")
    monkeypatch.undo()
    assert warehouse.read(TABLE).column("age_years").to_pylist() == [1]
    assert not list((warehouse.root / TABLE).glob("*.tmp"))


def test_fingerprint_follows_inputs_code_and_settings():
    base = fingerprint(inputs=["a", "b"], code_version="1", settings={"x": 1, "y": 2})
    assert base == fingerprint(inputs=["a", "b"], code_version="1", settings={"y": 2, "x": 1})
    assert base != fingerprint(inputs=["b", "a"], code_version="1", settings={"x": 1, "y": 2}), "arrival order counts"
    assert base != fingerprint(inputs=["a", "b"], code_version="2", settings={"x": 1, "y": 2})
    assert base != fingerprint(inputs=["a", "b"], code_version="1", settings={"x": 1, "y": 3})


@given(st.dictionaries(st.text(), st.text(), min_size=1))
def test_fingerprint_of_a_mapping_does_not_depend_on_its_order(inputs):
    backwards = dict(reversed(inputs.items()))
    assert fingerprint(inputs=inputs, code_version="1", settings={}) == fingerprint(
        inputs=backwards, code_version="1", settings={}
    )
