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

from bank_assets.store.warehouse import Warehouse

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
    (home / "first_summary.json").write_bytes((home / "reports" / "run_summary.json").read_bytes())
    return home


def summary_of_first_run(home: Path) -> dict:
    return json.loads((home / "first_summary.json").read_text())


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


KILLS = {
    "ETL, files written and not committed": ("bank_assets.assets.tables:build_tables", "after", 1),
    "ETL, two of three tables committed": ("bank_assets.store.warehouse:Warehouse.commit=contacts", "before", 1),
    "training, some folds fitted": ("bank_assets.core.candidate_folds:fit_encoded", "before", 7),
    "evaluation, version registered and not named": ("bank_assets.store.registry:Registry.set_alias", "before", 1),
    "promotion, alias moved and not recorded": ("bank_assets.ledger.promotions:record", "before", 1),
    "promotion, recorded and not stored": ("bank_assets.ledger.promotions:record", "after", 1),
}


ONCE = tuple(name for name in KILLS if "two of three" in name or "folds" in name or "not recorded" in name)
"""One kill in each of ETL, training and promotion; all of them in the soak test."""


def champion_alias(home: Path) -> str | None:
    with sqlite3.connect(home / "mlflow.db") as database:
        row = database.execute("select version from registered_model_aliases where alias = 'champion'").fetchone()
    return None if row is None else str(row[0])


@pytest.fixture(scope="module", params=[ONCE, pytest.param(tuple(KILLS), marks=pytest.mark.soak)], ids=["once", "all"])
def often_killed(request, tmp_path_factory) -> tuple[Path, list[str]]:
    """A home whose main job was killed with SIGKILL at some points of `KILLS`, one after the other, then finished."""
    home = tmp_path_factory.mktemp("killed") / "bank"
    seen = []
    for target, when, nth in (KILLS[name] for name in request.param):
        process = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("killed_run.py")), target, when, str(nth)],
            cwd=ROOT,
            env=environment(home, PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert process.returncode == -signal.SIGKILL, f"{target}: {process.returncode} {process.stderr[-3000:]}"
        seen.append(process.stderr)
    done = main_job(home)
    assert done.returncode == 0, done.stderr[-3000:]
    return home, [*seen[1:], done.stderr]


def test_each_run_after_a_kill_says_that_it_failed_the_orphan(often_killed):
    home, errors = often_killed
    assert all("orphaned run" in error for error in errors)
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as database:
        statuses = [row[0] for row in database.execute("select status from runs")]
    assert statuses.count("FAILURE") == len(errors)
    assert set(statuses) == {"FAILURE", "SUCCESS"}


def test_a_job_killed_in_etl_training_and_promotion_loses_no_row_and_records_one_promotion(often_killed, finished):
    home, _ = often_killed
    found, undisturbed = summary(home), summary_of_first_run(finished)
    assert found["rows_raw"] == found["rows_contacts"] + found["rows_rejected"] + found["rows_superseded"]
    assert found["rows_contacts"] == undisturbed["rows_contacts"]
    with sqlite3.connect(home / "ledger.db") as database:
        rows = database.execute("select decision, to_version from promotions").fetchall()
    assert len(rows) == 1
    if rows[0][0] == "promoted":
        assert champion_alias(home) == rows[0][1] == str(found["champion"]["version"])


def test_a_job_killed_everywhere_comes_to_the_same_candidates(often_killed, finished):
    def figures(content: dict) -> dict:
        return {
            (row["algorithm"], row["sampler"]): (row["roc_auc"], row["profit_eur"]) for row in content["candidates"]
        }

    assert figures(summary(often_killed[0])) == figures(summary_of_first_run(finished))


def test_what_killed_writers_left_is_named_by_no_manifest_and_can_be_removed(often_killed):
    warehouse = Warehouse(often_killed[0] / "warehouse")
    before = {table: warehouse.read(table).num_rows for table in ("contacts", "outcomes")}
    removed = [name for table in before for name in warehouse.collect_garbage(table, keep=0, min_age_seconds=0)]
    assert removed, "the first kill leaves a staging folder"
    assert {table: warehouse.read(table).num_rows for table in before} == before
