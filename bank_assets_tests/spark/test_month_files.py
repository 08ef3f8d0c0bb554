"""One pass fills several monthly tables; files of unfinished tasks do not count."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.spark import month_files
from bank_assets.spark.etl import TABLES, EtlError, build_tables
from bank_assets.spark.month_files import MonthFiles, month_number, month_text
from bank_assets.store.warehouse import StagedEntry, Warehouse

REPOSITORY = Path(__file__).parents[2]
SMALL_DISK_BYTES = 128 << 10


def numbers(*months: str) -> np.ndarray:
    return np.array([month_number(month) for month in months])


def read(folder: Path, name: str) -> list[int]:
    return pq.ParquetFile(folder / name).read().column("n").to_pylist()


def test_rows_go_to_the_tables_and_months_they_belong_to(tmp_path):
    files = MonthFiles({"first": tmp_path / "first", "second": tmp_path / "second"})
    files.add("first", numbers("2008-05", "2008-05", "2009-12"), pa.table({"n": [1, 3, 2]}))
    files.add("second", numbers("2009-12"), pa.table({"n": [20]}))
    files.add("first", numbers("2008-05"), pa.table({"n": [4]}))
    found = {(file.table, file.month): (read(tmp_path / file.table, file.name), file.rows) for file in files.finish()}
    assert found == {
        ("first", "2008-05"): ([1, 3, 4], 3),
        ("first", "2009-12"): ([2], 1),
        ("second", "2009-12"): ([20], 1),
    }


@pytest.mark.parametrize("month", ["2008-01", "2008-12", "0999-06", "2010-11"])
def test_month_numbers_go_both_ways(month):
    assert month_text(month_number(month)) == month
    assert month_number("2009-01") - month_number("2008-12") == 1


def test_waiting_rows_are_bounded_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(month_files, "GROUP_ROWS", 50)
    monkeypatch.setattr(month_files, "BUFFER_ROWS", 120)
    months = numbers(*["2008-05"] * 45, *["2008-06"] * 40, *["2008-12"] * 40)
    files = MonthFiles({"first": tmp_path})
    for _ in range(8):
        files.add("first", months, pa.table({"n": list(range(125))}))
        assert sum(file.waiting_rows for file in files._files.values()) < 120
    found = {file.month: file for file in files.finish()}
    assert {month: file.rows for month, file in found.items()} == {"2008-05": 360, "2008-06": 320, "2008-12": 320}
    assert read(tmp_path, found["2008-05"].name) == list(range(45)) * 8
    assert pq.ParquetFile(tmp_path / found["2008-05"].name).num_row_groups > 1


def test_columns_encoded_in_memory_are_plain_text_in_the_file(tmp_path):
    files = MonthFiles({"first": tmp_path})
    for texts in (["a", "b"], ["c", "a"]):
        files.add("first", numbers("2008-05", "2008-05"), pa.table({"x": pa.array(texts).dictionary_encode()}))
    (file,) = files.finish()
    column = pq.ParquetFile(tmp_path / file.name).read().column("x")
    assert column.type == pa.string()
    assert column.to_pylist() == ["a", "b", "c", "a"]


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
            spark,
            ["2008-05"],
            {table: path for table, (_, path) in staged.items()},
            contract=UCI,
            contact_files=[deliver(rows)],
        )
    for table, (snapshot, _) in staged.items():
        warehouse.discard(table, snapshot)
    assert warehouse.read("contacts").column("x").to_pylist() == [1]


KILLED_ETL = """
    import sys
    from pathlib import Path
    from bank_assets.contract.uci import UCI
    from bank_assets.store.warehouse import StagedEntry, Warehouse
    from bank_assets.settings import Settings
    from bank_assets.landing.register import Delivery
    from bank_assets.spark.etl import TABLES, build_tables
    from bank_assets.spark.session import start_session

    home, path, month, columns = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], tuple(sys.argv[4].split(";"))
    session = start_session(Settings(home=home, spark_master="local[2]", spark_memory="1g"))
    print(session.sparkContext._gateway.proc.pid, flush=True)
    warehouse = Warehouse(home / "warehouse")
    file = Delivery(
        path=path, arrival=1, arrived_at="", kind="contacts", name="x.csv",
        sha256="x", size_bytes=0, rows=1, encoding="utf-8", delimiter=";", columns=columns,
        months={month: 1}, home_month=month, stray_rows=0, first_day="2008-05-01", last_day="2008-05-31",
    )
    n = 0
    while True:
        n += 1
        staged = {table: warehouse.staging(table) for table in TABLES}
        folders = {table: path for table, (_, path) in staged.items()}
        made = build_tables(session, [month], folders, contract=UCI, contact_files=[file])
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
    files = MonthFiles({"first": folder})
    files.add("first", numbers("2008-05"), pa.table({"n": [7]}))
    (file,) = files.finish()
    entry = warehouse.commit("first", snapshot, {"2008-05": StagedEntry((file.name,), "f")})["2008-05"]
    assert entry.rows == file.rows == 1
    assert warehouse.read("first", ["2008-05"]).column("n").to_pylist() == [7]
