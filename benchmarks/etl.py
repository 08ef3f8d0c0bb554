"""The ETL against a plain PySpark script: `BANK_SOURCE=<file> python -m benchmarks.etl`, one JSON line per claim.

The input is N copies of the real file as one delivery, every contact with its own id. Both sides remove repeated
contacts and write Parquet by month. The plain script has default settings: inferred schema, `dropDuplicates` on the id,
`partitionBy` month. Ours also checks every field, quarantines rows with reasons, splits off the outcomes and proves
that no row was lost. The floor is our session that reads every field as text and writes it by month.

Each measurement is its own process on two cores; the start of the session is reported separately. CPU seconds include
all children. Peak memory is the resident memory of the process and all its children, sampled four times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from bank_assets.contract.uci import UCI, UCI_FILE_COLUMNS
from bank_assets.settings import Settings
from bank_assets.sources.undated import implied_dates

REAL_ROWS = 45_211
MEBIBYTE = 1 << 20
PROJECTED_ROWS = 100_000_000
SAMPLE_SECONDS = 0.25
COLUMNS_TEXT = ";".join(UCI.delivery_columns)


def say(claim: str, **values: Any) -> None:
    rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in values.items()}
    print(json.dumps({"claim": claim, **rounded}), flush=True)


def write_delivery(copies: int, path: Path) -> dict[str, int]:
    """Write N copies of the real file as one delivery; returns the rows by month."""
    source = os.environ.get("BANK_SOURCE", "")
    if not Path(source).is_file():
        raise SystemExit("BANK_SOURCE: expected the path of the UCI bank-full.csv, found none; set it.")
    lines = Path(source).read_text(encoding="utf-8").splitlines()[1:]
    fields = [line.replace('"', "").split(";") for line in lines]
    month, day = UCI_FILE_COLUMNS.index("month"), UCI_FILE_COLUMNS.index("day")
    dates = implied_dates(UCI, {"month": [row[month] for row in fields], "day": [row[day] for row in fields]})
    tails = [f";{date};{line}\n" for date, line in zip(dates, lines, strict=True)]
    with path.open("w", encoding="utf-8") as delivery:
        delivery.write(COLUMNS_TEXT + "\n")
        for copy in range(copies):
            delivery.write("".join(f"c{copy}-{row}{tail}" for row, tail in enumerate(tails)))
    return {key: count * copies for key, count in sorted(Counter(str(date)[:7] for date in dates).items())}


def cpu_seconds() -> float:
    """CPU time of this process and its children, those that ended included."""
    me = psutil.Process()
    total = 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        total += 0.0 if process is me else times.children_user + times.children_system
    return total


def ours(delivery: Path, folder: Path, memory: str) -> dict[str, Any]:
    from bank_assets.landing.register import Delivery
    from bank_assets.spark.etl import TABLES, build_tables
    from bank_assets.spark.session import start_session, stop_session

    began = time.perf_counter()
    session = start_session(Settings(home=folder, spark_master="local[2]", spark_memory=memory), app_name="etl")
    started = time.perf_counter() - began
    months = json.loads((delivery.with_suffix(".json")).read_text())
    file = Delivery(
        path=delivery, arrival=1, arrived_at="", kind="contacts", name=delivery.name,
        sha256="0" * 64, size_bytes=delivery.stat().st_size, rows=sum(months.values()),
        encoding="utf-8", delimiter=";", columns=UCI.delivery_columns, months=months, home_month=min(months),
        stray_rows=0, first_day="2008-05-05", last_day="2010-11-17",
    )  # fmt: skip
    staging = {table: folder / table for table in TABLES}
    for path in staging.values():
        path.mkdir()
    cpu, began = cpu_seconds(), time.perf_counter()
    made = build_tables(session, sorted(months), staging, contract=UCI, contact_files=[file])
    figures = {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu, "start_seconds": started}
    figures["is_conserved"] = all(counts.is_conserved for counts in made.contacts.values())
    figures["rows_written"] = sum(counts.rows_out for counts in made.contacts.values())
    stop_session(session)
    return figures


def floor(delivery: Path, folder: Path, memory: str) -> dict[str, Any]:
    from bank_assets.spark.session import start_session, stop_session

    began = time.perf_counter()
    session = start_session(Settings(home=folder, spark_master="local[2]", spark_memory=memory), app_name="floor")
    started = time.perf_counter() - began
    session.conf.set("spark.sql.maxConcurrentOutputFileWriters", "64")
    cpu, began = cpu_seconds(), time.perf_counter()
    schema = ", ".join(f"`{name}` STRING" for name in UCI.delivery_columns)
    rows = session.read.csv(str(delivery), sep=";", header=True, schema=schema)
    rows.selectExpr("*", "substring(contact_date, 1, 7) as month_key").write.partitionBy("month_key").parquet(
        str(folder / "floor")
    )
    figures = {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu, "start_seconds": started}
    stop_session(session)
    return figures


def plain(delivery: Path, folder: Path, memory: str) -> dict[str, Any]:
    from pyspark.sql import SparkSession

    began = time.perf_counter()
    session = SparkSession.builder.master("local[2]").config("spark.driver.memory", memory).getOrCreate()
    started = time.perf_counter() - began
    cpu, began = cpu_seconds(), time.perf_counter()
    rows = session.read.csv(str(delivery), sep=";", header=True, inferSchema=True).dropDuplicates(["contact_id"])
    rows.selectExpr("*", "date_format(contact_date, 'yyyy-MM') as month_key").write.partitionBy("month_key").parquet(
        str(folder / "plain")
    )
    figures = {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu, "start_seconds": started}
    session.stop()
    return figures


SIDES = {"ours": ours, "floor": floor, "plain": plain}


def measure(side: str, delivery: Path, memory: str) -> dict[str, Any]:
    """Run one side in a process of its own; returns its figures and the peak memory of its process tree."""
    with tempfile.TemporaryDirectory(prefix="bank-etl-", dir=delivery.parent) as folder:
        command = [sys.executable, __file__, "--side", side, "--delivery", str(delivery), "--folder", folder]
        child = subprocess.Popen(
            [*command, "--memory", memory],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        peak = [0]
        watcher = threading.Thread(target=watch, args=(child.pid, peak), daemon=True)
        watcher.start()
        out, err = child.communicate()
        watcher.join()
        if child.returncode:
            raise SystemExit(f"{side}: expected exit 0, found {child.returncode}: {err[-2000:]}")
        return {**json.loads(out.splitlines()[-1]), "peak_mib": peak[0] / MEBIBYTE}


def watch(pid: int, peak: list[int]) -> None:
    """Keep the largest resident memory of a process tree until it ends."""
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            total = 0
            for part in (process, *process.children(recursive=True)):
                try:
                    total += part.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak[0] = max(peak[0], total)
            time.sleep(SAMPLE_SECONDS)
    except psutil.NoSuchProcess:
        return


def compare(copies: int, folder: Path, sides: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Measure both sides at one size and print their figures."""
    delivery = folder / f"{copies}.csv"
    delivery.with_suffix(".json").write_text(json.dumps(write_delivery(copies, delivery)))
    rows, found = copies * REAL_ROWS, {}
    for side in sides:
        found[side] = measure(side, delivery, "2g")
        say(f"etl {side}", rows=rows, rows_per_second=rows / found[side]["seconds"],
            microseconds_per_row=found[side]["seconds"] / rows * 1e6, **found[side])  # fmt: skip
    if "plain" in found:
        mine, peer = found["ours"], found["plain"]
        say("the ETL is at least 2 times faster than a plain PySpark script", rows=rows,
            ratio=peer["seconds"] / mine["seconds"], ratio_cpu=peer["cpu_seconds"] / mine["cpu_seconds"],
            share_of_floor=mine["seconds"] / found["floor"]["seconds"],
            ok=peer["seconds"] >= 2 * mine["seconds"])  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10, 50, 100], help="copies of the real file")
    parser.add_argument("--peer-copies", type=int, default=50, help="size at which the plain script is run")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for deliveries and tables")
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--delivery", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--memory", default="2g", help=argparse.SUPPRESS)
    requested = parser.parse_args()
    if requested.side:
        print(json.dumps(SIDES[requested.side](requested.delivery, requested.folder, requested.memory)), flush=True)
        return
    folder = Path(tempfile.mkdtemp(prefix="bank-etl-", dir=requested.scratch))
    try:
        mine = {}
        for copies in sorted(requested.copies):
            sides = ("ours", "floor", "plain") if copies == requested.peer_copies else ("ours",)
            mine[copies] = compare(copies, folder, sides)["ours"]
        small, large = sorted(mine)[0], sorted(mine)[-1]
        per_row = {n: mine[n]["seconds"] / (n * REAL_ROWS) for n in mine}
        falling = [round(per_row[n] * 1e6, 2) for n in sorted(mine)]
        say("the time per row falls or stays flat", microseconds_per_row=falling,
            ok=per_row[large] <= per_row[small])  # fmt: skip
        if len(mine) > 1:
            before = sorted(mine)[-2]
            slope = (mine[large]["seconds"] - mine[before]["seconds"]) / ((large - before) * REAL_ROWS)
            say("projection", rows=PROJECTED_ROWS, microseconds_per_further_row=slope * 1e6,
                minutes_on_two_cores=slope * PROJECTED_ROWS / 60)  # fmt: skip
            tight = measure("ours", folder / f"{large}.csv", "512m")
            say("the largest input passes in a quarter of the driver's heap", heap="512m", rows=large * REAL_ROWS,
                ok=bool(tight["is_conserved"]), **tight)  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
