"""One pass fills several monthly tables; files that no finished task named do not count."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.spark import fan_out as fan_out_module
from bank_assets.spark.etl import TABLES, EtlError, build_tables
from bank_assets.spark.fan_out import Output, _Task, fan_out, month_number, month_text
from bank_assets.store.warehouse import StagedEntry, Warehouse

REPOSITORY = Path(__file__).parents[2]
SMALL_DISK_BYTES = 128 << 10


FIRST = Output("first", "in_first", {"n": "n"})
SECOND = Output("second", "in_second", {"n": "m"})


def batch(months: list[str], first: list[int | None], second: list[int | None]) -> pa.RecordBatch:
    columns = {
        "month": pa.array([month_number(month) for month in months]),
        "n": pa.array(first, pa.int32()),
        "m": pa.array(second, pa.int32()),
    }
    marks = {"in_first": [n is not None for n in first], "in_second": [m is not None for m in second]}
    return pa.record_batch(columns | {name: pa.array(values) for name, values in marks.items()})


def read(folder: Path, names: list[str]) -> list[int]:
    return [value for name in names for value in pq.ParquetFile(folder / name).read().column("n").to_pylist()]


def run_task(folder: Path, batches: list[pa.RecordBatch]) -> dict[tuple[str, str], tuple[list[int], int]]:
    task = _Task([(output, str(folder / output.table)) for output in (FIRST, SECOND)])
    for part in batches:
        task.take(part)
    found = task.finish().to_pylist()
    return {
        (row["table_name"], row["month"]): (read(folder / row["table_name"], [row["file"]]), row["n_rows"])
        for row in found
    }


def test_rows_go_to_the_tables_and_months_they_belong_to(tmp_path):
    found = run_task(
        tmp_path,
        [
            batch(["2008-05", "2009-12", "2008-05"], [1, 2, 3], [None, 20, 30]),
            batch(["2008-05", "2010-01"], [4, None], [None, None]),
        ],
    )
    assert found == {
        ("first", "2008-05"): ([1, 3, 4], 3),
        ("first", "2009-12"): ([2], 1),
        ("second", "2008-05"): ([30], 1),
        ("second", "2009-12"): ([20], 1),
    }


@pytest.mark.parametrize("month", ["2008-01", "2008-12", "0999-06", "2010-11"])
def test_month_numbers_go_both_ways(month):
    assert month_text(month_number(month)) == month
    assert month_number("2009-01") - month_number("2008-12") == 1


def test_waiting_rows_are_bounded_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(fan_out_module, "GROUP_ROWS", 50)
    monkeypatch.setattr(fan_out_module, "BUFFER_ROWS", 120)
    months = ["2008-05"] * 45 + ["2008-06"] * 40 + ["2008-12"] * 40
    values = list(range(125))
    task = _Task([(FIRST, str(tmp_path / "first"))])
    for _ in range(8):
        task.take(batch(months, values, [None] * 125))
        assert sum(file.waiting_rows for file in task._files.values()) < 120
    found = {row["month"]: row for row in task.finish().to_pylist()}
    assert {month: row["n_rows"] for month, row in found.items()} == {"2008-05": 360, "2008-06": 320, "2008-12": 320}
    assert read(tmp_path / "first", [found["2008-05"]["file"]]) == list(range(45)) * 8
    assert pq.ParquetFile(tmp_path / "first" / found["2008-05"]["file"]).num_row_groups > 1


@pytest.mark.spark
def test_tasks_write_side_by_side_and_only_named_files_count(spark, tmp_path):
    frame = spark.range(0, 10_000, 1, 4).selectExpr(
        f"cast({month_number('2008-05')} + id % 3 as int) as month",
        "id",
        "true as is_contact",
        "id % 10 = 0 as is_outcome",
    )
    folders = {"contacts": tmp_path / "contacts", "outcomes": tmp_path / "outcomes"}
    outputs = [Output("contacts", "is_contact", {"id": "id"}), Output("outcomes", "is_outcome", {"id": "id"})]
    written = fan_out(frame, outputs, folders)
    assert len(written) == 2 * 3 * 4
    assert {file.month for file in written} == {"2008-05", "2008-06", "2008-07"}
    for table, expected in (("contacts", range(10_000)), ("outcomes", range(0, 10_000, 10))):
        files = [file for file in written if file.table == table]
        ids = [i for file in files for i in pq.ParquetFile(folders[table] / file.name).read().column("id").to_pylist()]
        assert sorted(ids) == list(expected)
        assert sum(file.rows for file in files) == len(expected)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A folder with little room; needs root, as continuous integration and containers have."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root; test_warehouse tests a full disk without it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.spark
def test_a_full_disk_keeps_the_old_month_and_says_what_to_do(spark, deliver, contact, small_disk, tmp_path):
    warehouse = Warehouse(small_disk)
    warehouse.write("contacts", "2008-05", pa.table({"x": [1]}), "old")
    rows = [contact(contact_id=f"{n * 7919 % 99991:x}-{n}", balance=n * 7919 % 99991) for n in range(20_000)]
    staged = {table: warehouse.staging(table) for table in TABLES}
    with pytest.raises(EtlError, match=r"disk or quota full; the previous snapshot is untouched\. Free space"):
        build_tables(
            spark, ["2008-05"], {table: path for table, (_, path) in staged.items()}, contact_files=[deliver(rows)]
        )
    for table, (snapshot, _) in staged.items():
        warehouse.discard(table, snapshot)
    assert warehouse.read("contacts").column("x").to_pylist() == [1]


KILLED_ETL = """
    import sys
    from pathlib import Path
    from bank_assets.store.warehouse import StagedEntry, Warehouse
    from bank_assets.settings import Settings
    from bank_assets.spark.delivery import RawFile
    from bank_assets.spark.etl import TABLES, build_tables
    from bank_assets.spark.session import start_session

    home, path, month, columns = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], tuple(sys.argv[4].split(";"))
    session = start_session(Settings(home=home, spark_master="local[2]", spark_memory="1g"))
    print(session.sparkContext._gateway.proc.pid, flush=True)
    warehouse = Warehouse(home / "warehouse")
    file = RawFile(path, "x", 1, ";", "utf-8", columns, {month: 1}, month, "2008-05-01", "2008-05-31")
    n = 0
    while True:
        n += 1
        staged = {table: warehouse.staging(table) for table in TABLES}
        made = build_tables(session, [month], {t: p for t, (_, p) in staged.items()}, contact_files=[file])
        for table in TABLES:
            entry = StagedEntry(made.files[table].get(month, ()), str(n))
            warehouse.commit(table, staged[table][0], {month: entry})
        print("committed", flush=True)
"""


@pytest.mark.spark
@pytest.mark.slow
def test_kill_9_in_the_middle_of_the_etl_keeps_whole_tables_and_leaves_no_jvm(deliver, contact, tmp_path):
    rows = [contact(contact_id=f"c-{n}") for n in range(30_000)]
    file = deliver(rows)
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(KILLED_ETL),
            str(tmp_path),
            str(file.path),
            "2008-05",
            ";".join(file.columns),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    jvm = psutil.Process(int(child.stdout.readline()))
    assert child.stdout.readline() == "committed\n"
    staging = tmp_path / "warehouse" / "contacts" / "snapshots"
    deadline = time.monotonic() + 60
    while len(list(staging.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(30)

    warehouse = Warehouse(tmp_path / "warehouse")
    for table in ("contacts", "outcomes"):
        assert warehouse.read(table).num_rows == 30_000
        assert warehouse.is_unchanged(table, "2008-05", warehouse.entry(table, "2008-05").fingerprint)
    assert warehouse.write("contacts", "2008-06", pa.table({"x": [1]}), "f").rows == 1, "no lock is left over"
    jvm.wait(60)
    assert not jvm.is_running(), "the JVM must not outlive its killed run"


def test_staged_entries_name_written_files(tmp_path):
    warehouse = Warehouse(tmp_path)
    snapshot, folder = warehouse.staging("first")
    task = _Task([(FIRST, str(folder))])
    task.take(batch(["2008-05"], [7], [None]))
    (row,) = task.finish().to_pylist()
    entry = warehouse.commit("first", snapshot, {"2008-05": StagedEntry((row["file"],), "f")})["2008-05"]
    assert entry.rows == row["n_rows"] == 1
    assert warehouse.read("first", ["2008-05"]).column("n").to_pylist() == [7]
