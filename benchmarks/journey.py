"""The whole journey by size: `python -m benchmarks.journey [--rows 45211 452110]`, a JSON line for each size and step.

Two steps, each a process of its own on an empty home of simulated contacts: the main job with one candidate instead of
the search, and then a list with as many customers as the history has contacts. Seconds come by stage, and microseconds
per row beside them. Peak memory is sampled four times a second: the driver's Python, its JVM, and the sum of Spark's
Python workers. The last line projects the slope between the two largest sizes to 100 M rows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from bank_assets.contract.uci import MONTHS, UCI
from bank_assets.simulator.profile import load_profile
from bank_assets.simulator.simulator import csv_header, csv_of, scale_for_rows, simulate_chunks

ROOT: Final = Path(__file__).parents[1]
CANDIDATE: Final = "lightgbm/none"
PROJECTED_ROWS: Final = 100_000_000
MEBIBYTE: Final = 1 << 20
SAMPLE_SECONDS: Final = 0.25
LIST_SEED: Final = 7  # other customers than those of the history
LIST: Final = "journey.csv"


def write_list(rows: int, home: Path) -> None:
    """A campaign file of so many customers, planned for the thirty days after the last month of the history."""
    profile = load_profile()
    path = home / "landing" / "campaigns" / LIST
    last_month_end = date.fromisoformat(f"{profile.months[-1]}-28") + timedelta(days=4)
    with path.open("wb") as file:
        file.write(csv_header(UCI.campaign_columns) + b"\n")
        chunks = simulate_chunks(profile, scale=scale_for_rows(profile, rows), seed=LIST_SEED)
        for number, chunk in enumerate(chunks):
            planned = last_month_end + timedelta(days=number % 30)
            calendar = {"day": planned.day, "month": MONTHS[planned.month - 1]}  # else every row contradicts itself
            new = {"contact_date": planned.isoformat(), "contact_id": "list-" + chunk["contact_id"], **calendar}
            customers = chunk.assign(**new)
            file.write(csv_of(customers[list(UCI.campaign_columns)]))


def watch(process: psutil.Process, peaks: dict[str, int]) -> None:
    """Keep the largest resident memory of the driver, its JVM and the workers of Spark until the driver ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        found = {"python": 0, "jvm": 0, "workers": 0}
        try:
            for part in (process, *process.children(recursive=True)):
                kind = "python" if part is process else "jvm" if part.name() == "java" else "workers"
                found[kind] += part.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        for kind, size in found.items():
            peaks[kind] = max(peaks.get(kind, 0), size)
        time.sleep(SAMPLE_SECONDS)


def measured(home: Path, rows: int, *arguments: str) -> dict[str, Any]:
    """One run of the main job: seconds by stage, and peak memory in MiB."""
    settings = {"SOURCE": "simulated", "SIMULATED_ROWS": rows, "CANDIDATES": CANDIDATE, "HOME": home}
    environment = {**os.environ, **{f"BANK_{name}": str(value) for name, value in settings.items()}}
    command = [sys.executable, "-W", "ignore", "-m", "bank_assets", "run", *arguments]
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    peaks: dict[str, int] = {}
    watcher = threading.Thread(target=watch, args=(psutil.Process(child.pid), peaks), daemon=True)
    watcher.start()
    said, _ = child.communicate()
    watcher.join()
    if child.returncode:
        raise SystemExit(f"journey of {rows} rows: expected exit 0, found {child.returncode}: {said[-2000:].decode()}")
    summary = json.loads((home / "reports" / "run_summary.json").read_text())
    seconds = summary["seconds"]
    return {
        "rows_listed": summary["call_list_rows"],
        "wall_seconds": round(time.perf_counter() - began, 1),
        "seconds": seconds,
        "us_per_row": {stage: round(spent / rows * 1e6, 2) for stage, spent in seconds.items()},
        "peak_mib": {kind: round(size / MEBIBYTE) for kind, size in peaks.items()},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[45_211, 452_110], help="contacts of the history")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for the homes")
    arguments = parser.parse_args()
    totals: dict[str, list[tuple[int, float]]] = {}
    for rows in sorted(arguments.rows):
        with tempfile.TemporaryDirectory(prefix="bank-journey-", dir=arguments.scratch) as folder:
            home = Path(folder)
            for step in ("history", "list"):
                if step == "list":
                    write_list(rows, home)
                figures = measured(home, rows, *(["--no-land"] if step == "list" else []))
                totals.setdefault(step, []).append((rows, figures["wall_seconds"]))
                print(json.dumps({"benchmark": "journey", "step": step, "rows": rows, **figures}), flush=True)
    for step, sizes in totals.items():
        if len(sizes) > 1:
            (rows, seconds), (more_rows, more_seconds) = sizes[-2:]
            slope = (more_seconds - seconds) / (more_rows - rows)
            minutes = round((more_seconds + slope * (PROJECTED_ROWS - more_rows)) / 60, 1)
            line = {"us_per_further_row": round(slope * 1e6, 2), "minutes_for_100_m_rows": minutes}
            print(json.dumps({"benchmark": "journey", "step": step, **line}), flush=True)


if __name__ == "__main__":
    main()
