"""Tables as Delta: what others read, and what is noticed, repaired or refused after kills, power cuts and strangers."""

import json
import os
import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from bank_assets.store.keyed_delta import KeyedDelta
from bank_assets.store.table_state import TableState
from bank_assets.store.warehouse import StagedEntry, Warehouse, WarehouseError

TABLE = "contacts"


def rows(*values: int, **more: list) -> pa.Table:
    return pa.table({"age_years": pa.array(values, pa.int32()), **more})


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    store = Warehouse(tmp_path / "warehouse")
    store.write(TABLE, "2008-05", rows(1, 2), "may")
    store.write(TABLE, "2008-06", rows(3), "june", {"rejected": 1})
    return store


def log_of(store: Warehouse, table: str = TABLE) -> list[Path]:
    return sorted((store.root / table / "_delta_log").glob("*.json"))


def ages(store: Warehouse) -> list[int]:
    return Warehouse(store.root).read(TABLE).column("age_years").to_pylist()


def seen(store: Warehouse) -> list[int]:
    """What others read."""
    return sorted(DeltaTable(store.root / TABLE).to_pyarrow_table().column("age_years").to_pylist())


# who reads


def _duckdb(path):
    contacts = DeltaTable(path).to_pyarrow_dataset()  # noqa: F841  (DuckDB finds it by its name)
    return duckdb.sql("SELECT age_years FROM contacts WHERE partition_key = '2008-05'").fetchall()


def _polars(path):
    polars = pytest.importorskip("polars", reason="not in the locks: see requirements/dev.in")
    return polars.scan_delta(path).filter(partition_key="2008-05").select("age_years").collect().rows()


MAY = "partition_key = '2008-05'"
READERS = {
    "polars": _polars,
    "pandas": lambda path: [
        (age,) for age in DeltaTable(path).to_pandas(filters=[("partition_key", "=", "2008-05")]).age_years
    ],
    "duckdb": _duckdb,
    "parquet": lambda path: [(age,) for age in pd.concat(map(pd.read_parquet, may_of(path))).age_years],
}


def may_of(path):
    return DeltaTable(path).file_uris(file_pruning_predicate=MAY)


@pytest.mark.parametrize("reader", READERS)
def test_others_read_a_month(warehouse, reader):
    assert sorted(READERS[reader](warehouse.root / TABLE)) == [(1,), (2,)]


@pytest.mark.spark
def test_spark_reads_a_month(spark, warehouse):
    found = spark.read.parquet(*may_of(warehouse.root / TABLE)).collect()
    assert sorted(row.age_years for row in found) == [1, 2]


def test_a_home_may_have_blanks_and_umlauts(tmp_path):
    store = Warehouse(tmp_path / "a home, 100%% ümlauts #1" / "warehouse")
    store.write(TABLE, "a campaign's näme/1 %20", rows(1), "f")
    store.collect_garbage(TABLE, 0)
    assert Warehouse(store.root).is_unchanged(TABLE, "a campaign's näme/1 %20", "f")
    assert ages(store) == seen(store) == [1]


def test_a_table_without_rows_can_be_opened(warehouse):
    snapshot, _ = warehouse.staging("rejected_contacts")
    warehouse.commit("rejected_contacts", snapshot, {"2008-05": StagedEntry((), "f")})
    assert Warehouse(warehouse.root).is_unchanged("rejected_contacts", "2008-05", "f")
    assert DeltaTable(warehouse.root / "rejected_contacts").to_pyarrow_table().num_rows == 0


def test_the_state_of_all_tables_is_a_table_too(warehouse):
    warehouse.write("outcomes", "2008-05", rows(1), "f")
    state = DeltaTable(warehouse.root / "table_state").to_pyarrow_table().select(["table", "key", "rows"])
    found = sorted(tuple(row.values()) for row in state.to_pylist())
    assert found == [("contacts", "2008-05", 2), ("contacts", "2008-06", 1), ("outcomes", "2008-05", 1)]


def test_the_log_keeps_neither_statistics_nor_predicates(warehouse):
    for path in (*log_of(warehouse), *log_of(warehouse, "table_state")):
        for action in map(json.loads, path.read_text().splitlines()):
            assert json.loads(action.get("add", {}).get("stats", "{}")).keys() <= {"numRecords"}
            assert "predicate" not in json.dumps(action)


CODED = pa.array(["x"]).dictionary_encode()


@pytest.mark.parametrize(
    ("later", "columns"),
    [
        (rows(4, segment=["a"]), ["age_years", "segment"]),
        (pa.table({"age_years": pa.array([4], pa.int64())}), ["age_years"]),
        (rows(4, job=CODED), ["age_years", "job"]),
        (rows(4, nothing=pa.nulls(1)), ["age_years"]),
        (rows(), ["age_years"]),
    ],
)
def test_the_schema_follows_what_months_hold(warehouse, later, columns):
    warehouse.write(TABLE, "2008-07", later, "f")
    found = DeltaTable(warehouse.root / TABLE)
    assert [field.name for field in found.schema().fields] == [*columns, "partition_key"]
    assert seen(warehouse) == ages(warehouse) == [1, 2, 3, 4][: 3 + later.num_rows]


def test_a_table_of_one_key_forgets_former_columns(warehouse):
    warehouse.write("training_set", "all", rows(1, month=["may"]), "f")
    warehouse.write("training_set", "all", rows(1), "g")
    fields = DeltaTable(warehouse.root / "training_set").schema().fields
    assert [field.name for field in fields] == ["age_years", "partition_key"]


# strangers, kills, two runs


def test_a_restore_or_a_delete_by_another_program_is_noticed_and_made_good(warehouse):
    DeltaTable(warehouse.root / TABLE).delete("partition_key = '2008-06'")
    again = Warehouse(warehouse.root)
    assert [again.is_unchanged(TABLE, *one) for one in (("2008-05", "may"), ("2008-06", "june"))] == [True, False]
    assert ages(warehouse) == [1, 2, 3], "facts and rows of a key belong together until it is made again"
    again.write(TABLE, "2008-06", rows(3), "june")
    assert again.is_unchanged(TABLE, "2008-06", "june")
    assert seen(warehouse) == [1, 2, 3]
    DeltaTable(warehouse.root / TABLE).restore(1)
    assert not Warehouse(warehouse.root).is_unchanged(TABLE, "2008-06", "june")


@pytest.mark.parametrize("at", ["replace", "record"])
def test_a_kill_at_a_commit_leaves_a_whole_month_and_repeats_it_only(warehouse, monkeypatch, at):
    target = TableState if at == "record" else type(warehouse._table(TABLE))

    def killed(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(target, at, killed)
        with pytest.raises(KeyboardInterrupt):
            warehouse.write(TABLE, "2008-06", rows(30), "new")
    assert ages(warehouse) == [1, 2, 3]
    assert seen(warehouse) == ([1, 2, 30] if at == "record" else [1, 2, 3])
    again = Warehouse(warehouse.root)
    assert again.is_unchanged(TABLE, "2008-05", "may")
    assert not again.is_unchanged(TABLE, "2008-06", "new")
    again.collect_garbage(TABLE, 0)
    assert ages(warehouse) == [1, 2, 3], "what the state names is kept, although the table names other files"
    again.write(TABLE, "2008-06", rows(30), "new")
    assert ages(warehouse) == seen(warehouse) == [1, 2, 30]


def test_a_run_does_not_replace_what_another_run_replaced_meanwhile(warehouse):
    slow, folder = warehouse.staging(TABLE)
    pq.write_table(rows(40), folder / "a.parquet")
    Warehouse(warehouse.root).write(TABLE, "2008-06", rows(31), "other")
    with pytest.raises(WarehouseError, match=r"expected \['2008-06'\] as they were .* another run replaced"):
        warehouse.commit(TABLE, slow, {"2008-06": StagedEntry(("a.parquet",), "mine")})
    assert ages(warehouse) == [1, 2, 31]
    assert warehouse.commit(TABLE, slow, {"2008-07": StagedEntry(("a.parquet",), "mine")})["2008-07"].rows == 1


# a log that is torn, of another version, in the past

CUTS = {
    "empty": lambda raw: b"",
    "in a line": lambda raw: raw[: len(raw) // 2],
    "at the end of a line": lambda raw: raw[: raw.rindex(b"\n") + 1],
    "zeros": lambda raw: bytes(len(raw)),
    "first line only": lambda raw: raw[: raw.index(b"\n")],
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("table", [TABLE, "table_state"])
def test_a_torn_last_entry_is_taken_back_and_its_month_made_again(warehouse, table, cut):
    warehouse.write(TABLE, "2008-06", rows(30), "new")
    last = log_of(warehouse, table)[-1]
    last.write_bytes(CUTS[cut](last.read_bytes()))

    again = Warehouse(warehouse.root)
    assert again.is_unchanged(TABLE, "2008-05", "may")
    assert not again.is_unchanged(TABLE, "2008-06", "new")
    again.write(TABLE, "2008-06", rows(31), "new")
    assert ages(warehouse) == seen(warehouse) == [1, 2, 31]
    assert again.is_unchanged(TABLE, "2008-06", "new")


@pytest.mark.parametrize("cut", CUTS)
def test_a_torn_first_entry_is_no_table(warehouse, cut):
    for path in log_of(warehouse)[1:]:
        path.unlink()
    first = log_of(warehouse)[0]
    first.write_bytes(CUTS[cut](first.read_bytes()))
    again = Warehouse(warehouse.root)
    assert not again.is_unchanged(TABLE, "2008-05", "may")
    again.write(TABLE, "2008-05", rows(1, 2), "may")
    assert seen(warehouse) == [1, 2]


def test_a_torn_checkpoint_is_made_again_from_the_entries(warehouse):
    table = DeltaTable(warehouse.root / TABLE)
    table.create_checkpoint()
    checkpoint = next((warehouse.root / TABLE / "_delta_log").glob("*.checkpoint.parquet"))
    checkpoint.write_bytes(checkpoint.read_bytes()[:50])
    assert Warehouse(warehouse.root).is_unchanged(TABLE, "2008-05", "may")


def test_a_table_of_a_newer_version_is_named(warehouse):
    last = log_of(warehouse)[-1]
    newer = {"protocol": {"minReaderVersion": 99, "minWriterVersion": 99}}
    last.with_name(f"{len(log_of(warehouse)):020d}.json").write_text(json.dumps(newer))
    with pytest.raises(WarehouseError, match=r"contacts: could not .*version"):
        Warehouse(warehouse.root).write(TABLE, "2008-07", rows(4), "f")


def test_a_state_of_another_release_is_named(warehouse):
    (state,) = Warehouse(warehouse.root)._state.delta.files()[TABLE]
    pq.write_table(pa.table({"something": [1]}), warehouse.root / "table_state" / state)
    with pytest.raises(WarehouseError, match=r"expected the state of a table, found .*; restore .* or remove"):
        Warehouse(warehouse.root).manifest(TABLE)


def test_a_table_vacuumed_under_its_reader_is_named(warehouse):
    names = warehouse.files(TABLE)
    shutil.rmtree(names[0].parent)
    with pytest.raises(WarehouseError, match="found no such file; materialize the table again"):
        warehouse.read(TABLE)


def test_a_writer_that_was_not_the_first_to_create_a_table_goes_on(warehouse):
    late = KeyedDelta(warehouse.root / TABLE)  # in a bucket no lock keeps it from looking before the other creates
    assert late._create().version() == 2


def test_a_clock_that_goes_back_loses_nothing(warehouse, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    warehouse.write(TABLE, "2008-06", rows(30), "new")
    staged, folder = warehouse.staging(TABLE)
    pq.write_table(rows(4), folder / "a.parquet")
    monkeypatch.undo()
    os.utime(folder / "a.parquet", (1e9, 1e9))
    Warehouse(warehouse.root).collect_garbage(TABLE)
    warehouse.commit(TABLE, staged, {"2008-07": StagedEntry(("a.parquet",), "f")})
    assert sorted(ages(warehouse)) == seen(warehouse) == [1, 2, 4, 30]


# retention


def test_log_entries_older_than_the_retention_are_removed(warehouse):
    for number in range(3):
        warehouse.write(TABLE, "2008-06", rows(number), str(number))
        warehouse.collect_garbage(TABLE)
    for path in (warehouse.root / TABLE / "_delta_log").iterdir():
        os.utime(path, (1e9, 1e9))
    warehouse.write(TABLE, "2008-06", rows(9), "9")
    Warehouse(warehouse.root).collect_garbage(TABLE)
    assert len(log_of(warehouse)) <= 2
    assert ages(warehouse) == seen(warehouse) == [1, 2, 9]


def test_a_log_is_shortened_by_itself_too(warehouse, monkeypatch):
    monkeypatch.setattr("bank_assets.store.keyed_delta._CHECKPOINT_EVERY", 2)
    warehouse.write(TABLE, "2008-06", rows(9), "9")
    warehouse.write(TABLE, "2008-07", rows(10), "10")
    assert list((warehouse.root / TABLE / "_delta_log").glob("*.checkpoint.parquet"))
    assert ages(warehouse) == seen(warehouse) == [1, 2, 9, 10]
