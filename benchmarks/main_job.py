"""The main job against a bare script: `BANK_SOURCE=<bank-full.csv> python -m benchmarks.main_job`, one JSON line.

The bare script does the same fits and transformations with pandas and the same core functions in one process, without
Dagster, MLflow, Great Expectations or Spark. It leaves out what the platform adds: quarantine with reasons, gates,
reports, tracking, registry, records, restart after a kill. Each side is its own process; `--runs` repeats the pair.
Wall and CPU seconds include the start.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bank_assets.contract.uci import UCI

LIMIT = 2.0
OPEN_DAYS = 30
ROOT = Path(__file__).parents[1]


def bare(folder: Path) -> dict[str, float]:
    """The same work without the platform; seconds by stage."""
    import numpy as np
    import pandas as pd

    from bank_assets.assets.model_bundle import assemble_bundle, out_of_time
    from bank_assets.assets.snapshot import TrainingSnapshot
    from bank_assets.core.drift.daily_profiles import DailyProfiles
    from bank_assets.core.drift.verdict import choose_default_reference, compare_profiles
    from bank_assets.core.economics.economics import Economics
    from bank_assets.core.model.scorer import Scorer
    from bank_assets.core.training.challenger import fit_deployment
    from bank_assets.core.training.folds import (
        candidate_metrics,
        predict_candidates,
        rank_candidates,
        resampled_fold,
        time_folds,
    )
    from bank_assets.core.training.recipes import Recipe, default_recipes
    from bank_assets.replay.contacts import read_history
    from bank_assets.settings import load_settings
    from bank_assets.sources.source import resolve_source

    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal began
        seconds[stage] = time.perf_counter() - began
        began = time.perf_counter()

    settings, economics = load_settings(), Economics()
    history = read_history(resolve_source(settings), settings)
    contacts = history.contacts
    months = contacts.contact_dates.astype("datetime64[M]").astype(str)
    frame = pd.DataFrame({**contacts.frame, "contact_date": contacts.contact_dates, "month": months})
    frame["is_subscribed"] = contacts.is_subscribed
    for month, rows in frame.groupby("month"):
        rows.to_parquet(folder / f"contacts-{month}.parquet")
    lap("tables")

    counted = {**contacts.frame, "y": np.where(contacts.is_subscribed, "yes", "no")}
    daily = DailyProfiles.from_rows(contacts.contact_dates, counted, UCI)
    reference = daily.of_months(choose_default_reference(daily.months))
    reports = [compare_profiles(reference, daily.of_months([month]), reference_name="first") for month in daily.months]
    (folder / "drift.json").write_text(json.dumps([report.to_dict() for report in reports]))
    lap("drift")

    as_of = contacts.contact_dates.max() - np.timedelta64(OPEN_DAYS - 1, "D")
    learnable = contacts.rows(contacts.known_as_of(as_of)).in_time_order()
    data = learnable.learning_data(as_of)
    folds = time_folds(data.contact_dates, as_of)
    compute, shared = resampled_fold(data), dict[Any, Any]()

    def resampled(sampler: str, fold: Any, half_life_days: float, seed: int) -> Any:
        key = (sampler, fold.name, half_life_days, seed)
        if key not in shared:
            shared[key] = compute(sampler, fold, half_life_days, seed)
        return shared[key]

    results = {}
    for predicted in predict_candidates(default_recipes(settings.seed), data, folds, resampled, time.monotonic):
        results[predicted.recipe.name] = candidate_metrics(predicted.calibrated, data, folds, economics)
    lap("training")

    incumbent = Recipe("lightgbm", seed=settings.seed)
    metadata = {"source": "bare script", "is_real": False}
    snapshot = TrainingSnapshot(data, learnable.contact_ids, "0" * 64, metadata)
    tested = out_of_time(incumbent, incumbent, snapshot, settings, reason="bare script")
    first, last = (day.astype("datetime64[D]").item() for day in (data.contact_dates.min(), data.contact_dates.max()))
    files, _ = assemble_bundle(
        fit_deployment(incumbent, data), tested, snapshot, daily.window(first, last), settings, run_id=""
    )  # fmt: skip
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lap("evaluation")

    scored = Scorer(files).score(contacts.features())
    listed = contacts.contact_dates >= as_of
    order = np.argsort(-scored.probability[listed])
    pd.DataFrame({"contact_id": contacts.contact_ids[listed][order]}).to_csv(folder / "call_list.csv")
    (folder / "candidates.json").write_text(json.dumps({name: dict(row) for name, row in results.items()}))
    lap("scoring")
    print(rank_candidates(results)[0], file=sys.stderr)
    return seconds


def side(command: list[str], home: Path) -> dict[str, Any]:
    """Wall, CPU seconds and peak memory of one process with its children."""
    environment = {**os.environ, "BANK_HOME": str(home), "PYTHONPATH": str(ROOT)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}: expected exit 0, found {done.returncode}: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_seconds": wall, "cpu_seconds": cpu, "out": done.stdout}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="pairs to measure")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        print(json.dumps(bare(arguments.bare)))
        return
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
    stages: dict[str, float] = {}
    bare_stages: dict[str, float] = {}
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as scratch:
            home, folder = Path(scratch, "home"), Path(scratch, "bare")
            folder.mkdir()
            ours = side([sys.executable, "-m", "bank_assets", "run"], home)
            stages = json.loads((home / "reports" / "run_summary.json").read_text())["seconds"]
            peer = side([sys.executable, __file__, "--bare", str(folder)], home)
            bare_stages = json.loads(str(peer["out"]).splitlines()[-1])
        pairs.append((ours, peer))
    ratio = statistics.median(a["wall_seconds"] / b["wall_seconds"] for a, b in pairs)
    print(
        json.dumps(
            {
                "claim": f"the main job takes at most {LIMIT:g} times the wall time of a bare script",
                "ratio_wall": round(ratio, 2),
                "ratio_cpu": round(statistics.median(a["cpu_seconds"] / b["cpu_seconds"] for a, b in pairs), 2),
                "wall_seconds": [round(a["wall_seconds"], 1) for a, _ in pairs],
                "bare_wall_seconds": [round(b["wall_seconds"], 1) for _, b in pairs],
                "seconds_by_stage": stages,
                "bare_seconds_by_stage": {name: round(value, 1) for name, value in bare_stages.items()},
                "ok": ratio <= LIMIT,
            }
        )
    )


if __name__ == "__main__":
    main()
