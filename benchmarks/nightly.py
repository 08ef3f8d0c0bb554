"""Dagster's share of a nightly run: `python -m benchmarks.nightly [--rows 9000]` prints one JSON line.

Runs the real `nightly_job` on simulated contacts in a process of its own, once with a new month and once with nothing
new. `work_s` is what the assets measured themselves (with the start of Spark), `steps_s` what Dagster needed for the
same steps and checks, `run_s` the run, `wall_s` the process with imports and definitions.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from bank_assets.settings import load_settings

WORKER = """
import sys, time
began = time.monotonic()
import dagster as dg
from bank_assets.definitions import defs
from bank_assets.loop.nightly import nightly_wanted
from bank_assets.ledger.engine import open_ledger
from bank_assets.resources.instance import open_instance
from bank_assets.settings import load_settings
loaded = time.monotonic() - began
settings = load_settings()
engine = open_ledger(settings.ledger_url)
(wanted,) = nightly_wanted(settings, engine)
request = wanted.request()
with open_instance(settings) as instance:
    job = defs.resolve_job_def(wanted.job)
    result = job.execute_in_process(instance=instance, run_config=request.run_config, tags=dict(request.tags))
    assert result.success
    record = instance.get_run_record_by_id(result.run_id)
    seconds = {}  # by step: one event per table and month repeats the step's figure
    for event in result.all_events:
        if event.is_step_materialization:
            metadata = event.step_materialization_data.materialization.metadata
            if "seconds" in metadata:
                seconds[event.step_key] = max(metadata["seconds"].value, seconds.get(event.step_key, 0.0))
    work = sum(seconds.values())
    steps = sum(event.step_success_data.duration_ms for event in result.all_events if event.is_step_success) / 1000
    import json
    print(json.dumps({
        "events": len(result.all_events), "load_s": round(loaded, 1), "work_s": round(work, 1),
        "steps_s": round(steps, 1), "run_s": round(record.end_time - record.start_time, 1),
    }))
"""


def night(environment: dict[str, str]) -> dict[str, Any]:
    """One nightly run in a process of its own."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WORKER],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[1],
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    figures["wall_s"] = round(time.monotonic() - began, 1)
    overhead = figures["run_s"] - figures["work_s"]
    figures["events_share_of_run"] = round(overhead / figures["run_s"], 3)
    figures["dagster_share_of_wall"] = round((figures["wall_s"] - figures["work_s"]) / figures["wall_s"], 3)
    return figures


def main() -> None:
    """Land five months, then one more, and run a night after each; repeat the last night with nothing new."""
    from bank_assets.sources.landing import land_source
    from bank_assets.sources.source import resolve_source

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=9_000, help="simulated contacts of the whole history")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BANK_")} | {
            "BANK_HOME": folder,
            "BANK_SOURCE": "simulated",
            "BANK_SIMULATED_ROWS": str(arguments.rows),
            "BANK_SETTLE_SECONDS": "0",
        }
        settings = load_settings(environment)
        source = resolve_source(settings)
        nights = {}
        lasts = {"history": date(2008, 10, 31), "one_new_month": date(2008, 11, 30), "nothing_new": None}
        for name, last in lasts.items():
            if last is not None:
                land_source(source, settings, last=last)
            nights[name] = night(environment)
        print(json.dumps({"benchmark": "nightly", "rows": arguments.rows, "cpus": os.cpu_count(), **nights}))


if __name__ == "__main__":
    main()
