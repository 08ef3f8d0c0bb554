"""This release against an earlier one on the same machine in the same minutes; one JSON line per figure.

`python -m benchmarks.against <checkout> serving` keeps the servers of both alive and alternates short rounds of
`benchmarks.serving_load`, so that a busy moment affects both. `python -m benchmarks.against <checkout> etl --copies 10`
alternates whole runs of any other benchmark. `<checkout>` is a clone of the earlier release after `make env`, for
example of 765f22d. Ratios are medians over the rounds, this release divided by the earlier one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.serving import CONSTANT, PREDICT, free_port, load, running, wait_for_registry

HERE = Path(__file__).resolve().parents[1]
SECONDS = 2.0
CLOSED_LOOPS = (("ours", PREDICT, 8), ("ours", PREDICT, 32), ("ours-without-ledger", PREDICT, 8), ("ours", CONSTANT, 8))
"""App of `benchmarks.serving_apps`, route, connections."""
PREPARE = "import json, pathlib, sys; from benchmarks.serving_home import prepare; \
print(json.dumps(prepare(pathlib.Path(sys.argv[1]))['example']))"


def in_checkout(checkout: Path, *arguments: str) -> str:
    """Output of the interpreter of a checkout, run in its folder."""
    command = [str(checkout / ".venv" / "bin" / "python"), *arguments]
    return subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.PIPE, text=True).stdout


def serving(checkouts: dict[str, Path], rounds: int, folder: Path) -> dict[str, dict[str, list[float]]]:
    """Requests per second of each closed loop, in alternated rounds."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    ports, bodies = {}, {}
    with ExitStack() as servers:
        for name, checkout in checkouts.items():
            for app in ("ours", "ours-without-ledger"):
                home, port = folder / name / app, free_port()
                home.mkdir(parents=True)
                bodies[name] = in_checkout(checkout, "-c", PREPARE, str(home)).splitlines()[-1]
                python = str(checkout / ".venv" / "bin" / "python")
                command = [python, "-m", "benchmarks.serving_apps", app, str(home), str(port)]
                servers.enter_context(running(command, port, "/health/ready", folder=checkout))
                wait_for_registry(port)
                ports[name, app] = port
        for turn in range(rounds):
            for app, path, connections in CLOSED_LOOPS:
                for name in sorted(checkouts, reverse=bool(turn % 2)):
                    run = load(ports[name, app], path, bodies[name], connections, SECONDS)
                    if run["failed"]:
                        raise SystemExit(f"{name}, {path}: expected answers 200 and 201, found {run['first_failure']}.")
                    found[f"{app} {path} {connections}"][name].append(run["requests_per_second"])
    return found


def whole_runs(checkouts: dict[str, Path], rounds: int, command: list[str]) -> dict[str, dict[str, list[float]]]:
    """Every number that a benchmark prints in both checkouts, in alternated runs."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds):
        for name in sorted(checkouts, reverse=bool(turn % 2)):
            for line in in_checkout(checkouts[name], "-m", f"benchmarks.{command[0]}", *command[1:]).splitlines():
                document: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
                for figure, value in document.items():
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        found[f"{document.get('claim', '')}: {figure}"][name].append(float(value))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="clone of the earlier release after `make env`")
    parser.add_argument("--rounds", type=int, default=12, help="alternated rounds")
    parser.add_argument("benchmark", help="`serving`, or the name of another benchmark; its own arguments follow")
    requested, arguments = parser.parse_known_args()
    if not (requested.checkout / ".venv" / "bin" / "python").exists():
        parser.error("checkout: expected a folder with .venv, found none; clone the release and run `make env` there.")
    checkouts = {"before": requested.checkout.resolve(), "now": HERE}
    with tempfile.TemporaryDirectory() as folder:
        if requested.benchmark == "serving":
            found = serving(checkouts, requested.rounds, Path(folder))
        else:
            found = whole_runs(checkouts, requested.rounds, [requested.benchmark, *arguments])
    for figure, runs in found.items():
        pairs = list(zip(runs["before"], runs["now"], strict=False))
        if pairs and all(before for before, _ in pairs):
            ratio = median(now / before for before, now in pairs)
            medians = {name: round(median(values), 4) for name, values in runs.items()}
            print(
                json.dumps({"benchmark": "against", "claim": figure, **medians, "ratio": round(ratio, 4)}), flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
