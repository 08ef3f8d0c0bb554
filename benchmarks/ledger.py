"""Speed of the ledger beside decisions: `python -m benchmarks.ledger` prints one JSON line per claim.

On SQLite in a temporary folder, or on the empty database of BANK_LEDGER_URL: outcomes recorded one by one, each on disk
before the next; dispositions recorded in batches of 10,000 with one event each; and the verification of all of it.
Beside the time that passed stands the processor time of this process, which other work on the machine changes less.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable

from sqlalchemy import Engine

from bank_assets.ledger import chain, events, outcomes
from bank_assets.ledger.campaign_models import dispositions
from bank_assets.ledger.engine import open_ledger, utc_now, writing

OUTCOMES = 5_000
DISPOSITIONS = 100_000
BATCH = 10_000
EVENTS = 20_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_ledger(os.environ.get("BANK_LEDGER_URL", f"sqlite:///{folder}/ledger.db"))
        database = engine.dialect.name
        for claim, n, work in (
            ("outcomes recorded one by one", OUTCOMES, record_outcomes),
            ("dispositions recorded in batches", DISPOSITIONS, record_dispositions),
        ):
            report(claim, n, seconds_of(lambda work=work: work(engine)), database)
        n_rows = OUTCOMES + DISPOSITIONS
        report("rows verified with their events", n_rows, seconds_of(lambda: verified(engine)), database)
        append_events(engine)
        report("events verified, with those rows", EVENTS + n_rows, seconds_of(lambda: verified(engine)), database)
        engine.dispose()


def report(claim: str, n: int, seconds: tuple[float, float], database: str, **others: float) -> None:
    passed, cpu = seconds
    figures = {"seconds": round(passed, 2), "per_second": round(n / passed), "per_cpu_second": round(n / cpu)}
    print(json.dumps({"claim": claim, "database": database, "n": n, **figures, **others}), flush=True)


def seconds_of(work: Callable[[], None]) -> tuple[float, float]:
    began, spent = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - spent


def record_outcomes(engine: Engine) -> None:
    for i in range(OUTCOMES):
        outcomes.record(engine, y="no", actor="bench", contact_id=f"c-{i}")


def record_dispositions(engine: Engine) -> None:
    now = utc_now()
    shared = {"list_id": "bench", "customer_id": None, "disposition": "refused", "called_at": now, "arrived_at": now}
    shared |= {"recorded_at": now, "actor": "bench", "source": "bench"}
    for first in range(0, DISPOSITIONS, BATCH):
        rows = [{**shared, "contact_id": f"c-{i}"} for i in range(first, first + BATCH)]
        with (
            writing(engine) as connection,
            events.recording(connection, kind="dispositions.recorded", subject="bench", actor="bench") as event,
        ):
            event.insert(dispositions, rows)


def append_events(engine: Engine) -> None:
    with writing(engine) as connection:
        for _ in range(EVENTS):
            events.append(connection, kind="list.exported", subject="bench", content={"group": "calls"}, actor="bench")


def verified(engine: Engine) -> None:
    result = chain.verify(engine)
    if not result.ok:
        raise AssertionError(result.why)


if __name__ == "__main__":
    main()
