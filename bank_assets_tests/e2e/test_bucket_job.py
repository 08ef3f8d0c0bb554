"""The main job with its tables in a bucket, in real processes with a real Spark; a second run finds nothing to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable

from bank_assets.store.places import delta_options, place_of
from bank_assets_tests.world.bucket import new_bucket, served

pytestmark = [pytest.mark.e2e, pytest.mark.spark, pytest.mark.slow, pytest.mark.soak]

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("contacts", "outcomes", "contact_profiles", "training_set", "batch_scores", "call_list")


def run(home: Path, lake: str) -> dict:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BANK_")}
    settings = {
        "BANK_CANDIDATES": "logistic_regression/none",
        "BANK_HOME": str(home),
        "BANK_LAKE": lake,
        "BANK_SOURCE": "simulated",
        "BANK_SIMULATED_ROWS": "9000",
        "BANK_SPARK_MASTER": "local[2]",
    }
    done = subprocess.run(
        [sys.executable, "-m", "bank_assets", "run", "--first", "2008-06-01", "--last", "2009-06-30"],
        cwd=ROOT,
        env=kept | settings,
        capture_output=True,
        text=True,
        timeout=3_600,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads((home / "reports" / "run_summary.json").read_text())


def test_the_main_job_runs_on_a_bucket_and_repeats_nothing(tmp_path):
    pytest.importorskip("moto", reason="needs moto (make env)")
    with served():
        home, lake = tmp_path / "home", f"{new_bucket('bank-lake')}/prod"
        found = run(home, lake)

        def tables() -> dict[str, DeltaTable]:
            options = delta_options(place_of(lake))
            return {name: DeltaTable(f"{lake}/{name}", storage_options=options) for name in TABLES}

        made = tables()
        assert found["champion"]["version"] == "1"
        assert made["contacts"].to_pyarrow_table().num_rows == found["rows_contacts"] > 5_000
        assert made["call_list"].to_pyarrow_table().num_rows >= found["call_list_rows"] > 0
        assert [path.name for path in (home / "warehouse").iterdir()] == ["raw"], "no table is in the home"
        versions = {name: table.version() for name, table in made.items()}
        assert run(home, lake)["champion"]["version"] == "1"
        assert {name: table.version() for name, table in tables().items()} == versions, "nothing is made again"
