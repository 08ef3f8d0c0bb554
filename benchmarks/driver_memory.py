"""What reading a history costs the driver, by size: `python -m benchmarks.driver_memory [--rows 45211 452110]`.

Simulated contacts are written straight into the tables. Then each stage that starts from all contacts runs in a process
of its own: the days with contacts, the training set, the scores of all days by a model of two years before the end, the
evidence of the loop on the last day, the performance report, the as-of state. A JSON line for each gives processor
seconds, microseconds per contact, and the peak of resident memory above that of the imports, in MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from bank_assets.assets.contact_scoring import MonthScoring
from bank_assets.assets.training_rows import training_rows
from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.as_of import OutcomeHistory, typical_days
from bank_assets.core.features.contacts import LEARNING_ROWS
from bank_assets.core.model.calibration import recalibrate
from bank_assets.core.quality.performance import measure_performance
from bank_assets.core.training.challenger import fit_deployment, graph_scorer
from bank_assets.core.training.recipes import Recipe
from bank_assets.settings import Settings
from bank_assets.simulator.profile import load_profile
from bank_assets.simulator.simulator import scale_for_rows, simulate_chunks
from bank_assets.spark.session import start_session
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import Warehouse

STEPS: Final = ("days", "training_set", "contact_scores", "evidence", "performance", "state")
MODEL: Final = "model.onnx"
CHAMPIONS: Final = ChampionHistory(np.array(["2008-12-01"], "datetime64[D]"), ("1",))
KEYS: Final = ("contact_id", "contact_date")


def month_of(chunk: pd.DataFrame) -> str:
    """The month of a chunk of simulated contacts."""
    return f"{chunk['contact_date'].iloc[0]:%Y-%m}"


def column_of(values: pd.Series, kind: ColumnKind) -> pa.Array:
    """Simulated values as the tables hold them."""
    if kind is ColumnKind.BOOLEAN:
        return pa.array((values == "yes").to_numpy())
    if kind is ColumnKind.INTEGER:
        return pa.array(values.to_numpy(), pa.int32())
    return pa.array(values.astype(object), pa.string())


def write_tables(root: Path, rows: int) -> None:
    """Contacts and outcomes of the profile's period."""
    store, profile = Warehouse(root), load_profile()
    chunks = simulate_chunks(profile, scale=scale_for_rows(profile, rows), seed=0)
    for month, of_month in groupby(chunks, month_of):
        contacts, outcomes = [], []
        for chunk in of_month:
            keys = {"contact_id": pa.array(chunk["contact_id"], pa.string())}
            dates = pa.array(chunk["contact_date"].dt.date, pa.date32())
            columns = {one.table: column_of(chunk[one.source], one.kind) for one in UCI.payload}
            arrival = pa.array(np.zeros(len(chunk), np.int32))
            contacts.append(pa.table(keys | {"contact_date": dates, **columns, "delivery_arrival": arrival}))
            won = column_of(chunk[UCI.target.source], ColumnKind.BOOLEAN)
            outcomes.append(pa.table(keys | {"is_subscribed": won, "arrived_on": dates}))
        store.write("contacts", month, pa.concat_tables(contacts), month)
        store.write("outcomes", month, pa.concat_tables(outcomes), month)


def run_step(step: str, root: Path) -> None:
    """One stage, on the tables that are there."""
    store, economics = Warehouse(root), Economics()
    stored, months = ContactStore(store, UCI), list(store.manifest("contacts"))
    if step == "contact_scores":
        scorer = graph_scorer((root / MODEL).read_bytes(), Recipe(), UCI)
        registry: Any = SimpleNamespace(scorer=lambda _: scorer)
        session = cache(lambda: start_session(Settings(home=root / "spark"), app_name="benchmark"))
        for month, table in MonthScoring(store, stored, CHAMPIONS, registry, session).by_month(months, months):
            store.write("contact_scores", month, table, "f")
        return
    as_of = stored.days(months).max() + np.timedelta64(1, "D")
    if step == "training_set":
        rows = sum(entry.rows for entry in store.manifest("contacts").values())
        made = training_rows(stored, months, as_of, LEARNING_ROWS, may_exceed=rows > LEARNING_ROWS)
        store.write("training_set", "all", pa.table(made.data.to_columns(made.contact_ids)), "f")
        if not (root / MODEL).exists():
            (root / MODEL).write_bytes(fit_deployment(Recipe(), made.data).graph)
    elif step == "performance":
        found = stored.evidence(months, "proba", apart=lambda one: [economics.decide(one.proba, one.frame)])
        measure_performance(found.scored, as_of, economics)
    elif step in ("evidence", "state"):
        scored = stored.evidence(months, "unshifted_proba", as_of).scored
        recalibrate(scored, as_of, 0.0)
        if step == "state":
            history = OutcomeHistory(*stored.plans(months, typical_days(np.unique(scored.contact_dates), as_of)), UCI)
            history.learn(scored)
            history.state(as_of)


def mebibytes() -> int:
    """The process's largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def measured(step: str, rows: int, work: Callable[[], None]) -> dict[str, Any]:
    """The figures of one step."""
    before, started = mebibytes(), time.process_time()
    work()
    seconds = time.process_time() - started
    size = {"peak_mib": mebibytes() - before, "imports_mib": before}
    return {
        "step": step,
        "rows": rows,
        "cpu_seconds": round(seconds, 2),
        "us_per_row": round(seconds / rows * 1e6, 2),
    } | size


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[45_211, 452_110], help="contacts of the history")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for the tables")
    parser.add_argument("--step", choices=STEPS, help="one step on existing tables, in this process")
    parser.add_argument("--tables", type=Path, help="those tables")
    arguments = parser.parse_args()
    if arguments.step:
        print(
            json.dumps(measured(arguments.step, arguments.rows[0], lambda: run_step(arguments.step, arguments.tables)))
        )
        return
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="bank-driver-", dir=arguments.scratch) as folder:
            write_tables(Path(folder), rows)
            for step in STEPS:
                command = [sys.executable, "-m", "benchmarks.driver_memory", "--rows", str(rows), "--step", step]
                said = subprocess.run([*command, "--tables", folder], capture_output=True, text=True, env=os.environ)
                if said.returncode:
                    raise SystemExit(f"{step} of {rows} rows: expected exit 0, found {said.stderr[-2000:]}")
                print(json.dumps({"benchmark": "driver_memory", **json.loads(said.stdout)}), flush=True)


if __name__ == "__main__":
    main()
