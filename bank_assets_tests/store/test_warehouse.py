"""Snapshots appear whole or not at all, whatever happens to their writer."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_assets.store.derivations import fingerprint
from bank_assets.store.warehouse import StagedEntry, Warehouse, WarehouseError, arrays_of

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


def test_a_staged_file_that_is_missing_or_broken_commits_nothing(warehouse):
    warehouse.write(TABLE, "a", rows(1), "old")
    snapshot, folder = warehouse.staging(TABLE)
    with pytest.raises(WarehouseError, match="expected a whole Parquet file"):
        warehouse.commit(TABLE, snapshot, {"a": StagedEntry(("gone.parquet",), "new")})
    (folder / "half.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(WarehouseError, match="expected a whole Parquet file"):
        warehouse.commit(TABLE, snapshot, {"a": StagedEntry(("half.parquet",), "new")})
    assert warehouse.entry(TABLE, "a").fingerprint == "old"


def test_garbage_is_neither_in_use_nor_young_nor_being_written(warehouse):
    old = [warehouse.write(TABLE, "a", rows(number), f"f{number}").files[0] for number in range(3)]
    staged, folder = warehouse.staging(TABLE)
    pq.write_table(rows(9), folder / "a.parquet")

    assert warehouse.collect_garbage(TABLE) == {}, "former files are for readers, staged ones for writers"
    assert warehouse.collect_garbage(TABLE, 0, is_dry_run=True).keys() == set(old[:2])
    assert warehouse.collect_garbage(TABLE, 0).keys() == set(old[:2])
    assert warehouse.commit(TABLE, staged, {"b": StagedEntry(("a.parquet",), "f")})["b"].rows == 1
    warehouse.discard(TABLE, staged)
    assert warehouse.read(TABLE).column("age_years").to_pylist() == [2, 9], "what is committed cannot be discarded"


WRITER_OF_MONTHS = """
    import sys
    from pathlib import Path
    import pyarrow as pa
    from bank_assets.store.warehouse import Warehouse
    for month in range(8):
        Warehouse(Path(sys.argv[1])).write("contacts", f"{sys.argv[2]}-{month:02d}", pa.table({"x": [1, 2]}), "f")
"""


@pytest.mark.slow
def test_concurrent_writers_lose_none_of_each_others_months(warehouse):
    script = [sys.executable, "-c", textwrap.dedent(WRITER_OF_MONTHS), str(warehouse.root)]
    writers = [subprocess.Popen([*script, str(number)], cwd=REPOSITORY) for number in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(warehouse.manifest(TABLE)) == 16
    assert warehouse.read(TABLE).num_rows == 32


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
    warehouse.collect_garbage(TABLE, 0)
    left = {str(path.relative_to(warehouse.root / TABLE)) for path in (warehouse.root / TABLE).rglob("*.parquet")}
    assert left >= {name for entry in warehouse.manifest(TABLE).values() for name in entry.files}
    assert len([name for name in left if name.startswith("snapshots")]) <= 4, (
        "a killed commit is kept until it is redone"
    )


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
    assert "The previous content is untouched" in done.stdout
    warehouse = Warehouse(root)
    assert warehouse.read(TABLE).column("x").to_pylist() == [1, 2, 3]
    assert warehouse.is_unchanged(TABLE, "2008-05", "old")
    assert len(list((root / TABLE / "snapshots").iterdir())) == 1, "the half-written snapshot gives its space back"


def test_a_full_disk_at_the_commit_keeps_the_old_content(small_disk):
    folder, mounted = small_disk
    if not mounted:
        pytest.skip("needs the right to mount a small file system")
    warehouse = Warehouse(folder)
    warehouse.write(TABLE, "a", rows(1), "old")
    snapshot, staged = warehouse.staging(TABLE)
    pq.write_table(rows(2), staged / "a.parquet")
    with suppress(OSError), (folder / "full").open("wb", buffering=0) as file:
        while file.write(b"0" * 512):
            pass
    with pytest.raises(WarehouseError, match="could not commit to the Delta log, the disk or quota is full"):
        warehouse.commit(TABLE, snapshot, {"a": StagedEntry(("a.parquet",), "new")})
    assert Warehouse(folder).read(TABLE).column("age_years").to_pylist() == [1]
    (folder / "full").unlink()
    assert warehouse.commit(TABLE, snapshot, {"a": StagedEntry(("a.parquet",), "new")})["a"].rows == 1


def test_equal_texts_of_a_column_are_one_object_in_memory(warehouse):
    jobs = ["clerk of works", None, "clerk of works", "nurse"] * 50
    warehouse.write(TABLE, "a", pa.table({"job": jobs, "age_years": range(200)}), "f")
    columns = arrays_of(warehouse.read(TABLE))
    assert columns["job"].tolist() == jobs
    assert len({id(text) for text in columns["job"]}) == 3
    assert columns["age_years"].tolist() == list(range(200))


def test_a_lake_that_cannot_be_written_is_named(warehouse, monkeypatch):
    warehouse.write(TABLE, "a", rows(1), "old")

    def read_only(*_args, **_more):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(
        WarehouseError,
        match=r"could not make a snapshot folder, the lake may not be written .*Read-only file system.*untouched",
    ):
        warehouse.write(TABLE, "a", rows(2), "new")
    assert Warehouse(warehouse.root).read(TABLE).column("age_years").to_pylist() == [1]


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
