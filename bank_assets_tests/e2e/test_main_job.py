"""The main job as a person runs it: real processes, a real Spark, an empty home, simulated contacts."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.spark, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
SUMMARY_KEYS = {
    "source",
    "rows_raw",
    "rows_contacts",
    "rows_rejected",
    "validation_passed",
    "drift",
    "candidates",
    "champion",
    "call_list_rows",
    "seconds",
}


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BANK_")}
    return (
        kept
        | {
            "BANK_HOME": str(home),
            "BANK_SOURCE": "simulated",
            "BANK_SIMULATED_ROWS": "9000",
            "BANK_SPARK_MASTER": "local[2]",
        }
        | more
    )


def main_job(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "bank_assets", "run", *arguments],
        cwd=ROOT,
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A home in which the main job ran once."""
    home = tmp_path_factory.mktemp("main") / "bank"
    done = main_job(home)
    assert done.returncode == 0, done.stderr[-3000:]
    return home


def summary(home: Path) -> dict:
    return json.loads((home / "reports" / "run_summary.json").read_text())


def test_the_summary_says_what_happened(finished):
    found = summary(finished)
    assert set(found) >= SUMMARY_KEYS
    assert found["source"]["is_real"] is False
    assert "simulat" in found["source"]["label"].lower()
    assert found["rows_raw"] == found["rows_contacts"] + found["rows_rejected"] + found["rows_superseded"] > 8_000
    assert found["validation_passed"] is True
    assert len(found["candidates"]) == 20
    assert all(0.5 < row["roc_auc"] < 0.88 for row in found["candidates"])
    assert {"raw", "tables", "training", "total"} <= set(found["seconds"])


def test_the_champion_is_registered_or_honestly_refused(finished):
    champion = summary(finished)["champion"]
    assert champion["reason"]
    with sqlite3.connect(finished / "mlflow.db") as database:
        aliases = dict(database.execute("select alias, version from registered_model_aliases").fetchall())
    assert "challenger" in aliases
    assert str(aliases.get("champion")) == str(champion["version"])


def test_every_candidate_is_an_mlflow_run_below_one_parent(finished):
    with sqlite3.connect(finished / "mlflow.db") as database:
        parents = database.execute("select count(distinct value) from tags where key = 'mlflow.parentRunId'").fetchone()
        unfinished = database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()
    assert parents == (1,)
    assert unfinished == (0,)


def test_the_call_list_ranks_by_expected_profit(finished):
    found = summary(finished)
    files = sorted((finished / "warehouse" / "call_list").rglob("*.parquet"))
    if found["champion"]["version"] is None:
        assert found["call_list_rows"] == 0
        return
    rows = pq.read_table(files[-1]).to_pandas()
    assert len(rows) == found["call_list_rows"] > 0
    assert rows["expected_profit_eur"].is_monotonic_decreasing
    assert (rows["expected_profit_eur"] > 0).all()
    assert set(rows["decision"]) == {"call"}


def test_a_second_run_redoes_nothing(finished):
    before = {p: p.stat().st_mtime_ns for p in (finished / "warehouse").rglob("*.parquet")}
    started = time.monotonic()
    done = main_job(finished)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {p: p.stat().st_mtime_ns for p in (finished / "warehouse").rglob("*.parquet")} == before
    import dagster as dg

    instance = dg.DagsterInstance.from_config(str(finished / "dagster"))
    try:
        changed, slow = [], []
        last = instance.get_runs(limit=1)[0]
        records = instance.get_records_for_run(last.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        for record in records:
            made = record.asset_materialization
            if "unchanged" in made.metadata and not made.metadata["unchanged"].value:
                changed.append(made.asset_key.to_user_string())
            if "seconds" in made.metadata and made.metadata["seconds"].value >= 1.0:
                slow.append(made.asset_key.to_user_string())
    finally:
        instance.dispose()
    assert changed == []
    assert slow == [], f"after {time.monotonic() - started:.0f} s"


def test_bad_rows_are_quarantined_and_the_good_ones_go_on(finished):
    landing = finished / "landing" / "contacts"
    source = sorted(landing.glob("*.csv"))[-1]
    lines = source.read_bytes().splitlines()
    header, row = lines[0], lines[1].split(b";")
    names = [name.strip(b'"') for name in header.split(b";")]

    def changed(contact_id: bytes, **values: bytes) -> bytes:
        fields = list(row)
        fields[names.index(b"contact_id")] = contact_id
        for name, value in values.items():
            fields[names.index(name.encode())] = value
        return b";".join(fields)

    bad = [
        changed(b"bad-1", age=b"seven"),
        changed(b"bad-2", age=b"7"),
        changed(b"bad-3", age=b"300"),
        changed(b"bad-4", job=b"astronaut"),
        b";".join(row[:5]),
        changed(b"bad-5", balance=b""),
    ]
    good = changed(b"good-1")
    (landing / "extra.csv").write_bytes(b"\n".join([header, *bad, good]) + b"\n")
    done = main_job(finished, "--no-land", BANK_REJECT_RATE_LIMIT="0.5")
    assert done.returncode == 0, done.stderr[-3000:]
    assert summary(finished)["rows_rejected"] == len(bad)
    rejected = [
        row
        for path in (finished / "warehouse" / "rejected_contacts").rglob("*.parquet")
        for row in pq.ParquetFile(path).read().to_pylist()
    ]
    text = json.dumps(rejected, default=str)
    assert "seven" in text
    assert "astronaut" in text
    assert all(row["reasons"] for row in rejected)


def has_started(home: Path) -> bool:
    """Whether Dagster recorded a run as started."""
    runs = home / "dagster" / "history" / "runs.db"
    if not runs.exists():
        return False
    try:
        with sqlite3.connect(runs) as database:
            return database.execute("select count(*) from runs where status = 'STARTED'").fetchone()[0] > 0
    except sqlite3.OperationalError:  # the tables are being made
        return False


@pytest.mark.parametrize("seconds_before_kill", [6.0])
def test_a_killed_run_is_failed_and_the_next_one_finishes(tmp_path, seconds_before_kill):
    home = tmp_path / "bank"
    process = subprocess.Popen(
        [sys.executable, "-m", "bank_assets", "run"],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not has_started(home) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(seconds_before_kill)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = main_job(home)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "orphaned run" in done.stderr
    found = summary(home)
    assert found["rows_raw"] == found["rows_contacts"] + found["rows_rejected"] + found["rows_superseded"]
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as database:
        statuses = [row[0] for row in database.execute("select status from runs")]
    assert "STARTED" not in statuses
    assert "FAILURE" in statuses
