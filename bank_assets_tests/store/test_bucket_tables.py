"""The life of a table in a bucket: the same promises as on a disk, without locks, renames or flushing."""

import json
import subprocess
import sys
import textwrap
import threading
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from bank_assets.assets.list_stage import staged_list
from bank_assets.store.lake_of_home import LakeError, check_lake
from bank_assets.store.places import arrow, bucket_store, delta_options, place_of
from bank_assets.store.warehouse import StagedEntry, Warehouse, WarehouseError
from bank_assets_tests.world.bucket import new_bucket, served

pytestmark = pytest.mark.slow

TABLE = "contacts"
REPOSITORY = Path(__file__).parents[2]


def rows(*values: int) -> pa.Table:
    return pa.table({"age_years": pa.array(values, pa.int32())})


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("moto", reason="needs moto (make env)")
    with served() as server:
        yield server


@pytest.fixture
def lake(server, request):
    return f"{new_bucket(f'lake-{abs(hash(request.node.name))}')}/a/lake"


@pytest.fixture
def warehouse(lake, tmp_path):
    store = Warehouse(lake, tmp_path)
    store.write(TABLE, "2008-05", rows(1, 2), "may")
    store.write(TABLE, "2008-06", rows(3), "june", {"rejected": 1})
    return store


def again(store: Warehouse) -> Warehouse:
    return Warehouse(store.root, store.home)


def ages(store: Warehouse) -> list[int]:
    return again(store).read(TABLE).column("age_years").to_pylist()


def seen(store: Warehouse) -> list[int]:
    """What others read."""
    table = DeltaTable(str(store.root / TABLE), storage_options=delta_options(store.root))
    return sorted(table.to_pyarrow_table().column("age_years").to_pylist())


def test_months_are_written_replaced_and_read_back(warehouse):
    warehouse.write(TABLE, "2008-06", rows(30, 31), "new")
    assert ages(warehouse) == seen(warehouse) == [1, 2, 30, 31]
    other = again(warehouse)
    assert [other.is_unchanged(TABLE, *one) for one in (("2008-05", "may"), ("2008-06", "june"))] == [True, False]
    assert other.entry(TABLE, "2008-05").rows == 2
    with pytest.raises(WarehouseError, match="materialize the missing ones first"):
        other.read(TABLE, ["2009-01"])


def test_a_stale_writer_is_refused_and_another_months_writer_is_merged(warehouse):
    slow, folder = warehouse.staging(TABLE)
    path, filesystem = arrow(folder / "a.parquet")
    pq.write_table(rows(40), path, filesystem=filesystem)
    again(warehouse).write(TABLE, "2008-06", rows(31), "other")
    with pytest.raises(WarehouseError, match=r"expected \['2008-06'\] as they were .* another run replaced"):
        warehouse.commit(TABLE, slow, {"2008-06": StagedEntry(("a.parquet",), "mine")})
    assert ages(warehouse) == [1, 2, 31]
    assert warehouse.commit(TABLE, slow, {"2008-07": StagedEntry(("a.parquet",), "mine")})["2008-07"].rows == 1
    assert ages(warehouse) == seen(warehouse) == [1, 2, 31, 40]


def test_garbage_is_older_than_any_run(warehouse, monkeypatch):
    former = warehouse.entry(TABLE, "2008-06").files
    warehouse.write(TABLE, "2008-06", rows(30), "new")
    _, staged = warehouse.staging(TABLE)
    (staged / "a.parquet").write_bytes(b"half")
    assert warehouse.collect_garbage(TABLE, 0) == {}, "who staged a file may still live, and nothing shows it"
    monkeypatch.setattr("bank_assets.store.keyed_delta._BUCKET_GRACE_SECONDS", 0.0)
    removed = warehouse.collect_garbage(TABLE, 0)
    assert {*former} < removed.keys()
    assert len(removed) == 2
    assert ages(warehouse) == seen(warehouse) == [1, 2, 30]
    assert place_of(f"{warehouse.root}/{TABLE}/{former[0]}").exists() is False


def test_a_table_that_an_earlier_release_made_is_converted_in_the_bucket(lake, tmp_path):
    made = Warehouse(tmp_path)
    made.write(TABLE, "2008-05", rows(1, 2), "may")
    facts = {key: asdict(one) for key, one in made.manifest(TABLE).items()}
    del facts["2008-05"]["version"]
    (name,) = facts["2008-05"]["files"]
    copied, manifest = place_of(lake) / TABLE, {"schema_version": 1, "table": TABLE, "entries": facts}
    (copied / name).write_bytes((tmp_path / TABLE / name).read_bytes())
    (copied / "manifest.json").write_bytes(before := json.dumps(manifest).encode())
    store = Warehouse(lake, tmp_path)
    assert store.is_unchanged(TABLE, "2008-05", "may"), "nothing is made anew"
    assert ages(store) == seen(store) == [1, 2]
    assert json.loads((copied / "manifest.json").read_bytes())["schema_version"] == 2
    assert (copied / "manifest.json.converted").read_bytes() == before
    store.write(TABLE, "2008-05", rows(3), "new")
    assert ages(store) == [3]


# a lake that is gone, closed, of another home; two pipelines


def test_a_bucket_that_does_not_answer_for_a_while_is_waited_for(server, warehouse):
    server.pause()
    threading.Timer(4.0, server.go_on).start()
    warehouse.write(TABLE, "2008-06", rows(30), "new")
    assert ages(warehouse) == [1, 2, 30]


def test_a_bucket_that_is_gone_is_named_and_what_it_holds_untouched(warehouse, server, monkeypatch):
    monkeypatch.setattr("bank_assets.store.places.ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    bucket_store.cache_clear()
    try:
        for act in (lambda: again(warehouse).read(TABLE), lambda: again(warehouse).write(TABLE, "a", rows(1), "f")):
            with pytest.raises(
                WarehouseError, match=r"could not .*, the lake cannot be reached .*; see that it is there"
            ):
                act()
    finally:
        monkeypatch.undo()
        bucket_store.cache_clear()
    assert ages(warehouse) == [1, 2, 3]


def test_a_bucket_that_nobody_made_is_named(tmp_path, server):
    with pytest.raises(WarehouseError, match=r"could not .*, the lake cannot be reached .*BANK_LAKE names it"):
        Warehouse("s3://nobody-made-it", tmp_path).write(TABLE, "a", rows(1), "f")


def test_a_home_knows_its_lake_in_a_bucket(lake, tmp_path):
    check_lake(tmp_path / "ours", lake)
    check_lake(tmp_path / "ours", lake)
    with pytest.raises(LakeError, match=r"found that of another one"):
        check_lake(tmp_path / "theirs", lake)
    place_of(f"{lake}/lake.json").unlink()
    with pytest.raises(LakeError, match=r"found no lake.json there"):
        check_lake(tmp_path / "ours", lake)


WRITER_OF_MONTHS = """
    import sys
    from pathlib import Path
    import pyarrow as pa
    from bank_assets.store.warehouse import Warehouse
    for month in range(4):
        Warehouse(sys.argv[1], Path()).write("contacts", f"{sys.argv[2]}-{month:02d}", pa.table({"x": [1, 2]}), "f")
"""


def test_two_pipelines_lose_none_of_each_others_months(lake, tmp_path):
    script = [sys.executable, "-c", textwrap.dedent(WRITER_OF_MONTHS), lake]
    writers = [subprocess.Popen([*script, str(number)], cwd=REPOSITORY) for number in range(2)]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    found = Warehouse(lake, tmp_path)
    assert len(found.manifest(TABLE)) == 8
    assert found.read(TABLE).num_rows == 16


def test_a_list_is_scored_on_the_disk_and_leaves_nothing_there(warehouse):
    with staged_list(warehouse, "april.csv") as staged:
        staged.folder.mkdir(parents=True)
        pq.write_table(rows(1), staged.folder / "part-0.parquet")
        _, (name,) = staged.names([staged.folder / "part-0.parquet"])
        assert (staged.target / name).is_file()
    assert list(warehouse.home.iterdir()) == []
