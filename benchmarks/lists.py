"""Scoring of a campaign file: `python -m benchmarks.lists [--rows 1000000]`, a JSON line for each size.

A simulated campaign file of the size lies registered; the clock runs from it to the ranked list with deciles in Parquet
files, on a running Spark session of two cores. Beside it, in the same run, the bare ONNX session of the same model
scores as many rows in two processes: columns of the list's own rows, converted beforehand, so it does nothing but call
the graph. The share is that of rows per second, and of rows per processor second, which other work on the machine
moves less. The driver runs in a process of its own, whose peak memory is sampled; what it holds before it begins is
given too.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
import psutil

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.scorer import CHUNK_ROWS, Scorer, read_bundle
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.training.recipes import Recipe
from bank_assets.landing.campaign_file import latest_campaigns
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.settings import Settings
from benchmarks.history import real_contacts
from benchmarks.journey import LIST, MEBIBYTE, ROOT, watch, write_list

CORES: Final = 2
BARE_ROWS: Final = 200_000  # rows that the bare session repeats
ALGORITHM: Final = "lightgbm"


def fit(home: Path) -> None:
    """Fit a model of full size on the real history, and keep it with its state in a home."""
    from bank_assets_tests.world.bundles import make_bundle

    contacts = real_contacts()
    as_of = contacts.contact_dates.max() + np.timedelta64(2, "D")
    fitted = fit_deployment(Recipe(ALGORITHM), contacts.in_time_order().learning_data(as_of))
    (home / "bundle").mkdir()
    for name, content in make_bundle(fitted.graph, fitted.recipe).items():
        (home / "bundle" / name).write_bytes(content)
    (home / "state.json").write_text(json.dumps(contacts.history().state(as_of).to_dict()))


def fitted(home: Path) -> tuple[dict[str, bytes], AsOfState]:
    """What `fit` kept."""
    return read_bundle(home / "bundle"), AsOfState.from_dict(json.loads((home / "state.json").read_text()))


def processor_seconds() -> float:
    """What this process and all below it have used so far."""
    own = psutil.Process()
    return sum(sum(one.cpu_times()[:4]) for one in (own, *own.children(recursive=True)))


def measure(home: Path) -> dict[str, Any]:
    """Read, score and rank the list of a home in this process and its Spark."""
    from bank_assets.spark.scoring import Scoring, plans_of, read_list, score_campaign
    from bank_assets.spark.session import start_session, stop_session
    from bank_assets.spark.workers import Workers

    delivery = latest_campaigns(home / "raw")[LIST.removesuffix(".csv")]
    bundle, state = fitted(home)
    session = start_session(Settings(home=home, spark_master=f"local[{CORES}]", spark_memory="1g"))
    session.sparkContext.parallelize(range(CORES), CORES).map(lambda _: Scorer(bundle).digest).collect()
    workers, seconds, scratch = Workers(lambda: session), {}, home / "parts"
    held, cpu, began = psutil.Process().memory_info().rss, processor_seconds(), time.perf_counter()

    def passed(step: str) -> None:
        seconds[step] = round(time.perf_counter() - began - sum(seconds.values()), 2)

    read = read_list(workers, delivery, UCI, scratch)
    passed("read")
    plans = plans_of(read, UCI)
    passed("mix_of_days")
    scoring = Scoring(bundle, "1", UCI, state, Economics(), SuppressionList())
    files = score_campaign(workers, read, scoring, plans, scratch, home / "made")
    passed("score_and_rank")
    total, used = time.perf_counter() - began, processor_seconds() - cpu
    stop_session(session)
    n_rows = len(read)
    return {
        "rows_listed": n_rows,
        "files": len(files),
        "seconds": seconds,
        "rows_per_second": round(n_rows / total),
        "rows_per_processor_second": round(n_rows / used),
        "driver_mib_before": round(held / MEBIBYTE),
    }


def bare(home: Path, rows: int) -> dict[str, Any]:
    """The graph alone on as many rows, in one process for each core."""
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        found = pool.starmap(_bare, [(home, rows // CORES)] * CORES)
    seconds, used = (max(one) if at == 0 else sum(one) for at, one in enumerate(zip(*found, strict=True)))
    return {"rows_per_second": round(rows / seconds), "rows_per_processor_second": round(rows / used)}


def _bare(home: Path, rows: int) -> tuple[float, float]:
    from bank_assets.spark.list_intake import DAY, ListReader, frame_of

    delivery = latest_campaigns(home / "raw")[LIST.removesuffix(".csv")]
    bundle, state = fitted(home)
    few, _ = next(ListReader(delivery, UCI).read(0, min(delivery.path.stat().st_size, 16 << 20)))
    few = few.slice(0, BARE_ROWS)
    features = current_features(frame_of(few), few[DAY].to_numpy(), state, UCI, has_plan=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(bundle["model.onnx"], options, providers=["CPUExecutionProvider"])
    kinds = {one.name: object if "string" in one.type else np.float32 for one in session.get_inputs()}
    feeds = {name: np.asarray(features[name], kind).reshape(-1, 1) for name, kind in kinds.items()}
    chunks = [{n: c[at : at + CHUNK_ROWS] for n, c in feeds.items()} for at in range(0, few.num_rows, CHUNK_ROWS)]
    session.run(["probabilities"], chunks[0])
    began, cpu, done, at = time.perf_counter(), time.process_time(), 0, 0
    while done < rows:
        session.run(["probabilities"], chunks[at % len(chunks)])
        done += len(next(iter(chunks[at % len(chunks)].values())))
        at += 1
    return (time.perf_counter() - began) * rows / done, (time.process_time() - cpu) * rows / done


def figures(rows: int, scratch: Path | None) -> dict[str, Any]:
    """One size: the list in a process that is watched, and the bare session before and after it."""
    with tempfile.TemporaryDirectory(prefix="bank-lists-", dir=scratch) as folder:
        home = Path(folder)
        (home / "landing" / "campaigns").mkdir(parents=True)
        write_list(rows, home)
        register_deliveries(home / "landing", home / "raw", UCI, now=datetime.now(UTC), settle_seconds=0)
        fit(home)
        before = bare(home, min(rows, 1_000_000))
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.lists", "--measure", str(home)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        peaks: dict[str, int] = {}
        watcher = threading.Thread(target=watch, args=(psutil.Process(child.pid), peaks), daemon=True)
        watcher.start()
        said, _ = child.communicate()
        if child.returncode:
            raise SystemExit(f"list of {rows} rows: expected exit 0, found {child.returncode}.")
        after, made = bare(home, min(rows, 1_000_000)), json.loads(said.splitlines()[-1])
    speeds = ("rows_per_second", "rows_per_processor_second")
    peer = {name: round((before[name] + after[name]) / 2) for name in speeds}
    return {
        **made,
        "peak_mib": {kind: round(size / MEBIBYTE) for kind, size in peaks.items()},
        "bare_onnx": peer,
        "share_of_bare_onnx": {name: round(made[name] / peer[name], 3) for name in speeds},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="customers of the list")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for the homes")
    parser.add_argument("--measure", type=Path, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return
    for rows in sorted(arguments.rows):
        print(json.dumps({"benchmark": "lists", "rows": rows, **figures(rows, arguments.scratch)}), flush=True)


if __name__ == "__main__":
    main()
