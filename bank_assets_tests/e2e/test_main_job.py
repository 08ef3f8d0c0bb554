"""The main job with a real Spark, an empty home and a year of simulated contacts.

The landing folder holds bad rows. The job is killed in ETL and promotion, each time in a process of its own, completed
and run again.
`make soak` kills it at every point and compares the result with an undisturbed home.
"""

import argparse
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import warnings
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
import pytest

from bank_assets.assets.features import read_snapshot
from bank_assets.commands import run as run_command
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.folds import candidate_metrics, predict_folds, resampled_fold, time_folds
from bank_assets.core.training.recipes import SAMPLERS, Recipe
from bank_assets.settings import load_settings
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.customers import delimited, delivered

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
FIRST, LAST = "2008-06-01", "2009-06-30"
SPAN = ("--first", FIRST, "--last", LAST)
BAD = {
    "bad-1": {"age": "seven"},
    "bad-2": {"age": "7"},
    "bad-3": {"age": "300"},
    "bad-4": {"job": "astronaut"},
    "bad-5": {"balance": ""},
}
CUT_OFF = "bad-6;2009-03-10;41\n"

KILLS = {
    "ETL, files written and not committed": ("bank_assets.assets.tables:build_tables", "after", 1),
    "ETL, two of three tables committed": ("bank_assets.store.warehouse:Warehouse.commit=contacts", "before", 1),
    "training, some folds fitted": ("bank_assets.core.training.folds:fit_encoded", "before", 7),
    "evaluation, version registered and not named": ("bank_assets.store.registry:Registry.set_alias", "before", 1),
    "promotion, alias moved and not recorded": ("bank_assets.ledger.promotions:record", "before", 1),
    "promotion, recorded and not stored": ("bank_assets.ledger.promotions:record", "after", 1),
}
ONCE = tuple(name for name in KILLS if "two of three" in name or "not recorded" in name)
"""A kill between two commits of each store; all of them in the soak test."""

CANDIDATES = ("logistic_regression/none", "logistic_regression/smote", "lightgbm/none")  # all of them in the soak test


def environment(home: Path, candidates: tuple[str, ...]) -> dict[str, str]:
    return {
        "BANK_CANDIDATES": ",".join(candidates),
        "BANK_HOME": str(home),
        "BANK_SOURCE": "simulated",
        "BANK_SIMULATED_ROWS": "9000",
        "BANK_SPARK_MASTER": "local[2]",
        "BANK_REJECT_RATE_LIMIT": "0.5",
    }


def job(home: Path, candidates: tuple[str, ...], *program: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BANK_")}
    return subprocess.run(
        [sys.executable, *program, *SPAN],
        cwd=ROOT,
        env=kept | environment(home, candidates) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )


def new_home(folder: Path) -> Path:
    """A home in whose landing folder a file waits with the rows of `BAD`, one that is cut off, and a good one."""
    home, day = folder / "bank", "2009-03-10"
    (home / "landing" / "contacts").mkdir(parents=True)
    rows = [delivered(contact_id=name, contact_date=day, **changes) for name, changes in BAD.items()]
    text = delimited([*rows, delivered(contact_id="good-1", contact_date=day)])
    (home / "landing" / "contacts" / "extra.csv").write_text(text + CUT_OFF)
    return home


def summary(home: Path) -> dict:
    return json.loads((home / "reports" / "run_summary.json").read_text())


def finish(home: Path, candidates: tuple[str, ...]) -> str:
    """Run the job to its end, in this process, which has imported all of it; returns what it said."""
    arguments = argparse.Namespace(first=date.fromisoformat(FIRST), last=date.fromisoformat(LAST), no_land=False)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), redirect_stderr(io.StringIO()) as said:
        warnings.simplefilter("ignore")
        for name in [name for name in os.environ if name.startswith("BANK_")]:
            patch.delenv(name)
        for name, value in environment(home, candidates).items():
            patch.setenv(name, value)
        assert run_command.run(arguments, load_settings()) == 0, said.getvalue()[-3000:]
    return said.getvalue()


@dataclass(frozen=True)
class Finished:
    """A home whose job came to its end.

    Attributes:
        home: the home.
        candidates: what its search compared, empty for all.
        errors: what each run after a kill said.
        summary: of the run that came to the end.
    """

    home: Path
    candidates: tuple[str, ...]
    errors: list[str]
    summary: dict


STORIES = {"once": (ONCE, CANDIDATES), "all": (tuple(KILLS), ())}
"""Where the job is killed, and what its search compares, empty for all."""


@pytest.fixture(scope="module", params=["once", pytest.param("all", marks=pytest.mark.soak)])
def finished(request, tmp_path_factory) -> Finished:
    """A home whose main job was killed with SIGKILL at some points of `KILLS`, one after the other, then finished."""
    home, seen = new_home(tmp_path_factory.mktemp("killed")), []
    kills, candidates = STORIES[request.param]
    for target, when, nth in (KILLS[name] for name in kills):
        killed = job(home, candidates, str(Path(__file__).with_name("killed_run.py")), target, when, str(nth), "run")
        assert killed.returncode == -signal.SIGKILL, f"{target}: {killed.returncode} {killed.stderr[-3000:]}"
        seen.append(killed.stderr)
    seen.append(finish(home, candidates))
    return Finished(home, candidates, seen[1:], summary(home))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict:
    """The summary of an undisturbed home."""
    home = new_home(tmp_path_factory.mktemp("undisturbed"))
    done = job(home, (), "-m", "bank_assets", "run")
    assert done.returncode == 0, done.stderr[-3000:]
    return summary(home)


def figures(found: dict) -> dict:
    return {(row["algorithm"], row["sampler"]): (row["roc_auc"], row["profit_eur"]) for row in found["candidates"]}


def test_the_summary_says_what_happened(finished):
    found = finished.summary
    assert set(found) >= SUMMARY_KEYS
    assert found["source"]["is_real"] is False
    assert "simulat" in found["source"]["label"].lower()
    assert found["rows_raw"] == found["rows_contacts"] + found["rows_rejected"] + found["rows_superseded"] > 5_000
    assert found["validation_passed"] is True
    assert len(found["candidates"]) == (len(finished.candidates) or len(SAMPLERS) * len(ALGORITHMS))
    assert all(0.5 < row["roc_auc"] < 0.88 for row in found["candidates"])
    assert {"raw", "tables", "training", "total"} <= set(found["seconds"])


def test_the_champion_is_registered_or_honestly_refused(finished):
    champion = finished.summary["champion"]
    assert champion["reason"]
    with sqlite3.connect(finished.home / "mlflow.db") as database:
        aliases = dict(database.execute("select alias, version from registered_model_aliases").fetchall())
    assert "challenger" in aliases
    assert str(aliases.get("champion")) == str(champion["version"])


def test_every_candidate_is_an_mlflow_run_below_a_parent(finished):
    with sqlite3.connect(finished.home / "mlflow.db") as database:
        children = {row[0] for row in database.execute("select run_uuid from tags where key = 'mlflow.parentRunId'")}
        unfinished = database.execute("select run_uuid from runs where status = 'RUNNING'").fetchall()
        names = [row[0] for row in database.execute("select name from runs where status = 'FINISHED'")]
    assert children
    assert {f"{algorithm}/{sampler}" for algorithm, sampler in figures(finished.summary)} <= set(names)
    # A killed process closes nothing: the parent of its own run stays open, which may not have a candidate yet.
    assert not {row[0] for row in unfinished} & children


def test_the_call_list_ranks_by_expected_profit(finished):
    found = finished.summary
    files = sorted((finished.home / "warehouse" / "call_list").rglob("*.parquet"))
    if found["champion"]["version"] is None:
        assert found["call_list_rows"] == 0
        return
    rows = pq.read_table(files[-1]).to_pandas()
    assert len(rows) == found["call_list_rows"] > 0
    assert rows["expected_profit_eur"].is_monotonic_decreasing
    assert (rows["expected_profit_eur"] > 0).all()
    assert set(rows["decision"]) == {"call"}


def test_bad_rows_are_quarantined_and_the_good_ones_are_used(finished):
    assert finished.summary["rows_rejected"] == len(BAD) + 1
    store = Warehouse(finished.home / "warehouse")
    rejected = store.read("rejected_contacts").to_pylist()
    text = json.dumps(rejected, default=str)
    assert "seven" in text
    assert "astronaut" in text
    assert all(row["reasons"] for row in rejected)
    assert "good-1" in store.read("contacts", ["2009-03"]).column("contact_id").to_pylist()


def test_each_run_after_a_kill_says_that_it_failed_the_orphan(finished):
    assert all("orphaned run" in error for error in finished.errors)
    with sqlite3.connect(finished.home / "dagster" / "history" / "runs.db") as database:
        statuses = [row[0] for row in database.execute("select status from runs")]
    assert statuses.count("FAILURE") == len(finished.errors)
    assert set(statuses) == {"FAILURE", "SUCCESS"}


def test_a_job_killed_in_etl_training_and_promotion_loses_no_row_and_records_one_promotion(finished):
    lines = sum(len(path.read_bytes().splitlines()) - 1 for path in (finished.home / "landing/contacts").glob("*.csv"))
    assert finished.summary["rows_raw"] == lines
    with sqlite3.connect(finished.home / "ledger.db") as database:
        rows = database.execute("select decision, to_version from promotions").fetchall()
    assert len(rows) == 1
    with sqlite3.connect(finished.home / "mlflow.db") as database:
        query = "select version from registered_model_aliases where alias = 'champion'"
        (champion,) = database.execute(query).fetchone() or (None,)
    version = finished.summary["champion"]["version"]
    assert (str(champion) if champion else None) == (str(version) if version else None)
    assert version is None or rows[0][1] == str(version)


def test_a_killed_training_ends_with_the_same_candidates(finished):
    """The folds of a fast algorithm, made again from the snapshot without a cache."""
    store = Warehouse(finished.home / "warehouse")
    data = read_snapshot(store, UCI).data
    folds, resampled = time_folds(data.contact_dates, data.as_of), resampled_fold(data)
    found = figures(finished.summary)
    for result in store.entry("candidates", "logistic_regression").metadata["results"].values():
        recipe = Recipe.from_dict(result["recipe"])
        predicted = predict_folds(recipe, data, folds, resampled, lambda: 0.0)
        metrics = candidate_metrics(predicted.calibrated, data, folds, Economics())
        expected = (metrics["roc_auc"], metrics["profit_eur"])
        np.testing.assert_allclose(found[recipe.algorithm, recipe.sampler], expected, rtol=1e-9)


def test_what_killed_writers_left_is_named_by_no_state_and_can_be_removed(finished):
    warehouse = Warehouse(finished.home / "warehouse")
    before = {table: warehouse.read(table).num_rows for table in ("contacts", "outcomes")}
    staged = {path for table in before for path in (warehouse.root / table / "snapshots").iterdir()}
    for table in before:
        warehouse.collect_garbage(table, 0)
    left = {path for table in before for path in (warehouse.root / table / "snapshots").iterdir()}
    assert left < staged, "the first kill leaves a staging folder"
    assert {table: warehouse.read(table).num_rows for table in before} == before


def test_a_second_run_redoes_nothing(finished):
    before = {p: p.stat().st_mtime_ns for p in (finished.home / "warehouse").rglob("*.parquet")}
    finish(finished.home, finished.candidates)
    assert {p: p.stat().st_mtime_ns for p in (finished.home / "warehouse").rglob("*.parquet")} == before
    instance = dg.DagsterInstance.from_config(str(finished.home / "dagster"))
    try:
        last = instance.get_runs(limit=1)[0]
        records = instance.get_records_for_run(last.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        made = [record.asset_materialization for record in records]
    finally:
        instance.dispose()
    said = [one for one in made if "unchanged" in one.metadata]
    assert said
    assert [one.asset_key.to_user_string() for one in said if not one.metadata["unchanged"].value] == []


@pytest.mark.soak
@pytest.mark.parametrize("finished", ["all"], indirect=True, scope="module")
def test_a_job_killed_anywhere_ends_with_the_same_summary(finished, undisturbed):
    assert figures(finished.summary) == figures(undisturbed)
    for name in ("rows_raw", "rows_contacts", "rows_rejected", "rows_superseded"):
        assert finished.summary[name] == undisturbed[name]
