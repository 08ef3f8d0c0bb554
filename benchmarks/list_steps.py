"""What each step of a list takes: `python -m benchmarks.list_steps [--rows 150000]`, processor µs a row, without Spark.

One process runs every step by itself on the same simulated campaign file, from its text to the rows on record in
SQLite, with the model of `benchmarks.lists`. `--memory` prints instead how much Python allocations grew at most, in
bytes a row; Arrow has memory of its own, which is not in it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq
from sqlalchemy import Engine

from bank_assets.assets.list_plan import plan_of, planned_calls, scores_of
from bank_assets.assets.list_record import PlannedList, put_on_record
from bank_assets.contract.reading import blocks
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.exploration import USUAL_LEARNING
from bank_assets.core.economics.planner import PlanSettings
from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.core.features.feature_set import current_features, named_plans
from bank_assets.core.model.scorer import Scorer
from bank_assets.landing.campaign_file import latest_campaigns
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.ledger.engine import opened_ledger
from bank_assets.spark.list_intake import DAY, frame_of
from bank_assets.spark.ranking import SortedKeys
from bank_assets.spark.scoring import Scoring, plans_of, read_list, score_campaign
from bank_assets.spark.text_block import read_block
from bank_assets.spark.workers import ONE_PROCESS
from bank_assets.store.call_lists import csv_parts
from bank_assets.store.decision_records import facts_of_list, facts_of_model
from bank_assets.store.stored_columns import StoredTable
from benchmarks.journey import LIST, write_list
from benchmarks.lists import fit, fitted

Result = TypeVar("Result")


class Steps:
    """Processor time and growth of each step, per row."""

    def __init__(self, rows: int, *, is_traced: bool) -> None:
        self._rows, self._is_traced = rows, is_traced
        self.found: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], Result]) -> Result:
        """Do a step."""
        if self._is_traced:
            tracemalloc.start()
        began = time.process_time()
        result = work()
        spent = (time.process_time() - began) * 1e6
        if self._is_traced:
            spent = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        self.found[name] = round(spent / self._rows, 2)
        return result


def run(home: Path, rows: int, engine: Engine, *, is_traced: bool) -> dict[str, float]:
    """All steps on the list of a home."""
    delivery = latest_campaigns(home / "raw")[LIST.removesuffix(".csv")]
    bundle, state = fitted(home)
    step, scorer, scratch = Steps(rows, is_traced=is_traced), Scorer(bundle), home / f"parts-{is_traced}"
    size = delivery.path.stat().st_size
    texts = list(blocks(delivery.path, 0, size))
    step("fields of the text, a part of the next", lambda: [read_block(one, delivery, "contact_id") for one in texts])
    read = step("read and judge", lambda: read_list(ONE_PROCESS, delivery, UCI, scratch))
    plans = step("mix of the days", lambda: plans_of(read, UCI))
    some = pq.read_table(read.parts[0].path)
    frame, days = frame_of(some), some[DAY].to_numpy()
    features = step("features", lambda: current_features(frame, days, state, UCI, has_plan=True, known=plans))
    step("tensors and graph", lambda: scorer.raw_probability(features))
    step("the same, calibration and range", lambda: scorer.score(features))
    scoring = Scoring(bundle, "1", UCI, state, Economics(), SuppressionList())
    files = step(
        "score, sort, write", lambda: score_campaign(ONE_PROCESS, read, scoring, plans, scratch, home / "made")
    )
    scored = StoredTable(files)
    keys = scored.column("expected_profit_eur").to_numpy(), scored.column("contact_id").combine_chunks()
    step("sort, a part of the former", lambda: SortedKeys.write(scratch / "again", *keys))
    step("who is on record", lambda: planned_calls(scored))
    under = PlanSettings(Economics(), learning=USUAL_LEARNING)
    plan = step("plan", lambda: plan_of(scored, under, UCI, LIST))
    decision = scorer.decision
    recorded = facts_of_list(
        facts_of_model("1", scorer.digest, decision, None, UCI, ""), decision, state, named_plans(plans, UCI)
    )
    facts = {"champion": "1", "digest": scorer.digest, "as_of": str(state.as_of), "sha256": delivery.sha256}
    shown = step("columns of the file", lambda: scores_of(scored, facts))
    made = PlannedList(LIST, LIST, plan, shown, under, facts | {"n_rejected": 0, "recorded": recorded})
    step("call list as CSV, made twice", lambda: sum(map(len, csv_parts(plan, shown, LIST))))

    def record() -> Any:
        with made.payload(home / "raw", UCI) as payload:
            return put_on_record(engine, made, payload, UCI)

    step("rows on record, with one of both", record)
    return step.found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=150_000, help="customers of the list")
    parser.add_argument("--memory", action="store_true", help="bytes a row instead of time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bank-list-steps-") as folder:
        home = Path(folder)
        (home / "landing" / "campaigns").mkdir(parents=True)
        write_list(arguments.rows, home)
        register_deliveries(home / "landing", home / "raw", UCI, now=datetime.now(UTC), settle_seconds=0)
        fit(home)
        with opened_ledger(f"sqlite:///{home / 'ledger.db'}") as engine:
            found = run(home, arguments.rows, engine, is_traced=arguments.memory)
        unit = "bytes_per_row" if arguments.memory else "us_per_row"
        print(json.dumps({"benchmark": "list_steps", "rows": arguments.rows, unit: found}))


if __name__ == "__main__":
    main()
