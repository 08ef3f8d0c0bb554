"""Serving compared with its peers on one machine with one recipe; one JSON line per claim.

`BANK_SOURCE=<bank-full.csv> python -m benchmarks.serving [single] [peers] [batch] [swap] [start]`, default all; some
eight minutes. Peers serve the champion's recipe refitted as an sklearn pipeline (one-hot columns and LightGBM on a
pandas row that already has the as-of features) without a record; ours has every decision on disk before it answers.
Each has its default of one worker, and kept connections. Latencies are of a closed loop of 8 (or 32) connections.

A peer is as fast as its pipeline: some 4 ms a row here. Calibration over five folds takes five times as long, a forest
of 200 trees on all cores eight times (`peers`).
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.scorer import Scorer
from bank_assets.ledger import chain
from bank_assets.ledger.engine import open_ledger
from benchmarks.serving_home import RECIPE, pipeline_milliseconds, prepare

CONNECTIONS = (8, 32)
SECONDS = 6.0
ROUNDS = 3
"""Rounds over all servers in turn; medians are reported, so that a busy moment affects all equally."""
PREDICT, CONSTANT, CONSTANT_SHORT = "/api/v1/predictions", "/api/v1/constant", "/api/v1/constant-short"


def say(claim: str, **figures: Any) -> None:
    """Print one JSON line."""
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps({"benchmark": "serving", "claim": claim, **rounded}), flush=True)


def free_port() -> int:
    """A free port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def running(
    command: list[str], port: int, path: str, env: dict[str, str] | None = None, folder: Path | None = None
) -> Iterator[psutil.Process]:
    """A server in its own process group, started in a folder, ready when `path` answers."""
    path_first = {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}  # mlflow starts `uvicorn`
    process = subprocess.Popen(command, env={**os.environ, **path_first, **(env or {})}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True, cwd=folder)  # fmt: skip
    try:
        for _ in range(2_400):
            if get_status(port, path) == 200:
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{command}: expected an answer on {path} within 120 s, found none.")
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def get_status(port: int, path: str) -> int:
    """HTTP status of a GET, 0 without an answer."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0


def wait_for_registry(port: int) -> None:
    """Wait until our app has imported its registry client, some 5 s of work beside its first answers."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health/ready")
            state = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return
        if not isinstance(state, dict) or state.get("is_registry_reachable", True) is not None:
            return
        time.sleep(0.1)


def load(port: int, path: str, body: str, connections: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure one closed loop from another process."""
    requested = {"port": port, "path": path, "body": body, "connections": connections, "seconds": seconds}
    done = subprocess.run([sys.executable, "-m", "benchmarks.serving_load", json.dumps(requested)], check=True,
                          capture_output=True, text=True)  # fmt: skip
    return dict(json.loads(done.stdout))


def median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Median figures of several runs; failures add up."""
    figures = {name: float(np.median([run[name] for run in runs]))
               for name in ("requests_per_second", "p50_ms", "p99_ms")}  # fmt: skip
    return {**figures, "failed": sum(run["failed"] for run in runs), "first_failure": runs[0]["first_failure"]}


def single(home: Path, made: dict[str, Any]) -> None:
    """One prediction over HTTP: ours durable, without ledger, constant in two ways; mlflow twice; FastAPI."""
    body = json.dumps(made["example"])
    split = {"dataframe_split": json.loads(made["features"].to_json(orient="split", index=False))}
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "-p"]
    tracking = {"MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}"}
    without = home.parent / "without"
    shutil.copytree(home, without)
    app = [sys.executable, "-m", "benchmarks.serving_apps"]
    servers: dict[str, tuple[list[str], str, str, str, dict[str, str]]] = {
        "durable": ([*app, "ours", str(home)], "/health/ready", PREDICT, body, {}),
        "constant": ([*app, "ours", str(home)], "/health/ready", CONSTANT, body, {}),
        "constant_short": ([*app, "ours", str(home)], "/health/ready", CONSTANT_SHORT, body, {}),
        "without_ledger": ([*app, "ours-without-ledger", str(without)], "/health/ready", PREDICT, body, {}),
        "fastapi": ([*app, "fastapi", str(home)], "/openapi.json", "/predict", json.dumps(made["payload"]), {}),
        "mlflow_sklearn": ([*mlflow, "{port}", "-m", str(home / "peer_model")], "/ping", "/invocations",
                           json.dumps(split), tracking),
        "mlflow_bundle": ([*mlflow, "{port}", "-m", "models:/bank-marketing/1"], "/ping", "/invocations",
                          json.dumps(split), tracking),
    }  # fmt: skip
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(ROUNDS):
        for name, (command, ready, path, sent, env) in servers.items():
            port = free_port()
            started = [part.replace("{port}", str(port)) for part in command]
            started += [] if "{port}" in command else [str(port)]
            with running(started, port, ready, env):
                wait_for_registry(port)
                load(port, path, sent, 8, 1.0)
                for connections in CONNECTIONS if name in ("durable", "constant") else CONNECTIONS[:1]:
                    found.setdefault((name, connections), []).append(load(port, path, sent, connections))
    figures = {key: median(runs) for key, runs in found.items()}
    for (name, connections), figure in figures.items():
        say("single", server=name, connections=connections, **figure)
    rate = {key: figure["requests_per_second"] for key, figure in figures.items()}
    ours = figures["durable", 8]
    for peer in ("mlflow_sklearn", "fastapi", "mlflow_bundle"):
        say("single_ratio", peer=peer, throughput_times=rate["durable", 8] / rate[peer, 8],
            p99_share=ours["p99_ms"] / figures[peer, 8]["p99_ms"])  # fmt: skip
    for connections in CONNECTIONS:
        say("durable_share_of_constant", connections=connections,
            share=rate["durable", connections] / rate["constant", connections])  # fmt: skip
    for name in ("constant", "constant_short"):
        say(f"without_ledger_share_of_{name}", share=rate["without_ledger", 8] / rate[name, 8])
    engine = open_ledger(f"sqlite:///{home / 'ledger.db'}", migrate=False)
    result = chain.verify(engine)
    engine.dispose()
    say("chain", ok=result.ok, decisions=result.n)


def peers(home: Path, made: dict[str, Any]) -> None:
    """What one pandas row costs in each pipeline that a peer could serve, in process."""
    for pipeline, milliseconds in pipeline_milliseconds(home, made).items():
        say("peer_pipeline", pipeline=pipeline, ms_per_row=milliseconds)


def resident(process: psutil.Process) -> int:
    """Resident memory of a process and its children (the ledger's writer), bytes."""
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))


def peak_of(process: psutil.Process, is_done: threading.Event, seen: list[int]) -> None:
    """Watch the resident memory of a process and its children, bytes."""
    while not is_done.wait(0.02):
        seen.append(resident(process))


def batch(home: Path, made: dict[str, Any]) -> None:
    """CSV rows end to end beside the bare ONNX session on the same rows, and the memory it takes."""
    rows = [made["rows"][i % len(made["rows"])] for i in range(100_000)]
    frame = {name: np.array([row[name] for row in rows], dtype=object if isinstance(rows[0][name], str) else float)
             for name in UCI.payload_columns}  # fmt: skip
    dates = np.full(len(rows), made["as_of"])
    scorer = Scorer(made["registry"].bundle("1"))
    features = current_features(frame, dates, made["state"], UCI, has_plan=False)
    started = time.perf_counter()
    probability = scorer.score(features).probability
    bare = len(rows) / (time.perf_counter() - started)
    header = ",".join(UCI.payload_columns)
    memory: dict[int, float] = {}
    for n in (10_000, 100_000):
        text = "\n".join([header, *(",".join(str(row[name]) for name in UCI.payload_columns) for row in rows[:n])])
        port = free_port()
        with running([sys.executable, "-m", "benchmarks.serving_apps", "ours", str(home), str(port)], port,
                     "/health/ready") as process:  # fmt: skip
            is_done, seen = threading.Event(), [resident(process)]
            idle = seen[0]
            watching = threading.Thread(target=peak_of, args=(process, is_done, seen))
            watching.start()
            started = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            connection.request("POST", f"{PREDICT}/batch?contact_date={made['as_of']}", text.encode(),
                               {"Content-Type": "text/csv"})  # fmt: skip
            answer = json.loads(connection.getresponse().read())
            seconds = time.perf_counter() - started
            is_done.set()
            watching.join()
        same = max(abs(row["probability"] - p) for row, p in zip(answer["predictions"], probability, strict=False))
        memory[n] = max(seen) / 1e6
        say("batch", rows=n, recorded=answer["recorded"], rows_per_second=n / seconds, bare_onnx_rows_per_second=bare,
            largest_difference=same, idle_mb=idle / 1e6, peak_mb=memory[n])  # fmt: skip
    say("batch_memory", times=memory[100_000] / memory[10_000])


def swap(home: Path, made: dict[str, Any], seconds: float = 30.0) -> None:
    """Swap the champion every second under load; then replay what was answered."""
    port, registry = free_port(), made["registry"]
    command = [sys.executable, "-m", "serving"]
    env = {"BANK_HOME": str(home), "BANK_PORT": str(port), "BANK_POLL_SECONDS": "0.3"}
    with running(command, port, "/health/ready", env):
        results: list[dict[str, Any]] = []
        body = json.dumps(made["example"])
        client = threading.Thread(target=lambda: results.append(load(port, PREDICT, body, 8, seconds)))
        client.start()
        swaps = 0
        while client.is_alive():
            registry.set_alias("champion", str(2 - swaps % 2))
            swaps += 1
            client.join(1.0)
        engine = open_ledger(f"sqlite:///{home / 'ledger.db'}", migrate=False)
        with engine.connect() as connection:
            query = ("SELECT model_version, count(*), count(DISTINCT probability), max(id) FROM decisions "
                     "WHERE seq > (SELECT max(seq) FROM decisions) - ? GROUP BY model_version")  # fmt: skip
            found = connection.exec_driver_sql(query, (int(results[0]["requests_per_second"] * seconds),)).all()
        engine.dispose()
        replays = []
        for _, _, _, decision in found:
            connection_ = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection_.request("POST", f"{PREDICT}/{decision}/replay")
            replays.append(json.loads(connection_.getresponse().read())["identical"])
    # The same customer each time, so each version has exactly one number; a second one would be a mixed answer.
    say("swap", swaps=swaps, failed=results[0]["failed"], requests_per_second=results[0]["requests_per_second"],
        versions=len(found), mixed=sum(distinct - 1 for _, _, distinct, _ in found),
        replays_identical=all(replays))  # fmt: skip
    registry.set_alias("champion", "1")


def start(home: Path, _made: dict[str, Any]) -> None:
    """Start to ready from the last good model, memory then and with the registry's client."""
    for attempt in range(3):
        port = free_port()
        started = time.perf_counter()
        env = {"BANK_HOME": str(home), "BANK_PORT": str(port)}
        with running([sys.executable, "-m", "serving"], port, "/health/ready", env) as process:
            seconds = time.perf_counter() - started
            at_ready = resident(process) / 1e6
            time.sleep(20)
            say("start", attempt=attempt, seconds_to_ready=seconds, mb_at_ready=at_ready,
                mb_with_registry_client=resident(process) / 1e6)  # fmt: skip


if __name__ == "__main__":
    parts = {"single": single, "peers": peers, "batch": batch, "swap": swap, "start": start}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "home"
        base.mkdir()
        prepared = prepare(base)
        prepared["payload"] = {name: prepared["example"][name] for name in UCI.payload_columns}
        say("machine", cpus=os.cpu_count(), load_average=os.getloadavg()[0], recipe=RECIPE.name)
        for wanted in sys.argv[1:] or parts:
            parts[wanted](base, prepared)
