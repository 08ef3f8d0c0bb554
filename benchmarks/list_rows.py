"""Rows of lists as decisions: `python -m benchmarks.list_rows` prints one JSON line per claim.

On SQLite in a temporary folder, or on the empty database of BANK_LEDGER_URL: ten lists of 100,000 rows recorded, each
in one transaction; a customer who is on all of them found; one row read with its proof; size on disk; verification; an
erasure. The payloads have the UCI contract's columns with random values.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial

import numpy as np
from sqlalchemy import Engine, func, select, text

from bank_assets.contract.uci import UCI
from bank_assets.ledger import campaigns, decisions
from bank_assets.ledger.blocks import ListRows
from bank_assets.ledger.campaign_models import block_rows
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.engine import open_ledger, read
from benchmarks.ledger import report, seconds_of, verified

LISTS = 10
ROWS = 100_000
LOOK_UPS = 50
FACTS = {
    "model_name": "bank-marketing", "model_version": "1", "model_digest": "d" * 64, "mlflow_run_id": None,
    "training_snapshot": None, "as_of": "2010-11-16", "as_of_features": {"rates": {}, "typical_plan": {}},
    "plan_of_the_day": {f"2010-11-{day}": {} for day in range(17, 22)}, "stale_days": [], "f1_threshold": 0.3,
    "flags": [], "contract_version": "1", "code_version": "bench", "onnxruntime_version": "1",
    "cpu_architecture": "x86_64",
}  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_ledger(os.environ.get("BANK_LEDGER_URL", f"sqlite:///{folder}/ledger.db"))
        database, draws = engine.dialect.name, np.random.default_rng(0)
        seconds = [seconds_of(partial(record, engine, rows_of(number, draws))) for number in range(LISTS)]
        sizes = bytes_of(engine, database)
        report("rows of a list recorded", ROWS, sorted(seconds)[LISTS // 2], database, **sizes)
        customers = [f"k-{row}" for row in draws.integers(0, ROWS, LOOK_UPS)]
        looked_up = [seconds_of(partial(found, engine, customer)) for customer in customers]
        claim = f"searches for a customer on {LISTS} lists among {LISTS * ROWS:,} rows"
        passed, cpu = np.array(looked_up).T
        figures = {
            "median_ms": round(1e3 * float(np.median(passed)), 1),
            "slowest_ms": round(1e3 * float(passed.max()), 1),
        }
        report(claim, LOOK_UPS, (passed.sum(), cpu.sum()), database, **figures)
        (one,) = decisions.search(engine, customer_id=customers[0], limit=1).decisions
        report("a row read with its proof", 1, seconds_of(lambda: decisions.get(engine, one.id)), database)
        report("rows of lists verified", LISTS * ROWS, seconds_of(lambda: verified(engine)), database)
        erasure = seconds_of(lambda: decisions.erase(engine, customer_id=customers[0], actor="bench", reason="bench"))
        report(f"rows of a customer erased from {LISTS} lists", LISTS, erasure, database)
        engine.dispose()


def rows_of(number: int, draws: np.random.Generator) -> ListRows:
    """A list of the same customers under contacts of its own."""
    probability = draws.beta(1, 9, ROWS)
    is_called, ranking = probability > 0.1, np.argsort(np.argsort(-probability))
    values = {one.source: one.categories or range(99) for one in UCI.payload}
    payload = {name: draws.choice(allowed, ROWS).tolist() for name, allowed in values.items()}
    decided = {
        "contact_date": [f"2010-11-{17 + row % 5}" for row in range(ROWS)],
        "probability": probability.tolist(),
        "probability_low": (probability * 0.7).tolist(),
        "probability_high": (probability * 1.2).tolist(),
        "decision": np.where(is_called, "call", "do_not_call").tolist(),
        "reason": np.where(is_called, "worth_calling", "not_worth_calling").tolist(),
        "propensity": np.where(is_called, 0.9, 0.02).tolist(),
        "rank": np.where(is_called, 1 + ranking, 0).tolist(),
        "decile": (1 + ranking * 10 // ROWS).tolist(),
        "threshold": [0.1] * ROWS,
        "cost_eur": [5.0] * ROWS,
        "value_eur": [50.0] * ROWS,
        "expected_profit_eur": np.round(probability * 50 - 5, 6).tolist(),
    }
    people = range(ROWS)
    return ListRows([f"c-{number}-{row}" for row in people], [f"k-{row}" for row in people], payload, decided)


def record(engine: Engine, rows: ListRows) -> None:
    made = CampaignList(
        actor="bench",
        name="bench",
        model_version="1",
        model_digest="d" * 64,
        economics={},
        request={},
        summary={},
        content_digest="e" * 64,
    )
    campaigns.keep_list(engine, made, rows, FACTS)


def found(engine: Engine, customer_id: str) -> None:
    rows = decisions.search(engine, customer_id=customer_id).decisions
    if len(rows) != LISTS:
        raise AssertionError(f"expected a row on each of {LISTS} lists, found {len(rows)}.")


def bytes_of(engine: Engine, database: str) -> dict[str, float]:
    """Size of a row in its block, and in the whole database with the index."""
    sums = {"bytes_in_block": select(func.sum(func.length(block_rows.c.content)))}
    if database == "sqlite":
        sums["bytes_on_disk"] = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
    return {name: round(read(engine, query)[0][0] / LISTS / ROWS, 1) for name, query in sums.items()}


if __name__ == "__main__":
    main()
