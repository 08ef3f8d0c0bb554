"""Processor time of the contact policy, list of 100,000: `python -m benchmarks.contact_policy` prints one JSON line.

Every customer has five calls, one refusal and one subscription on record in the year before, and a fifth are on other
lists; a tenth of the customers have two contacts on the list. The median of five is given for reading this history from
a SQLite ledger, and for checking the list against it. `--contacts 1000000` also calls that many random contacts by
overlapping lists and counts what breaks the policy.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert

from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.ledger.campaign_models import campaign_lists, dispositions, list_rows, subscriptions
from bank_assets.ledger.engine import opened_ledger, writing
from bank_assets.store.contact_history import history_of

CUSTOMERS = 100_000
TIMES = 5
DAY = np.datetime64("2010-11-22", "D")
AT = "2010-11-22T00:00:00.000000Z"
MADE = {
    "actor": "ana",
    "model_version": "1",
    "model_digest": "d",
    "economics": {},
    "summary": {},
    "content_digest": "c",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=0)
    n_contacts = parser.parse_args().contacts
    rng = np.random.default_rng(20_101_117)
    ids = np.array([f"customer-{number:08d}" for number in range(CUSTOMERS)])
    persons = np.concatenate([ids[: -CUSTOMERS // 10], ids[: CUSTOMERS // 10]])
    days = DAY + rng.integers(0, 30, CUSTOMERS).astype("timedelta64[D]")
    policy = ContactPolicy(3, 30, 90, 365)
    with TemporaryDirectory() as folder, opened_ledger(f"sqlite:///{Path(folder) / 'ledger.db'}") as ledger:
        _record(ledger, ids, rng)
        history, reading = _timed(lambda: history_of(ledger, policy, persons.tolist(), days))
    found, checking = _timed(lambda: policy.check(persons, days, history))
    rules, counts = np.unique(found.rule, return_counts=True)
    figures = {
        "customers": CUSTOMERS,
        "reading_cpu_seconds": reading,
        "checking_cpu_seconds": checking,
        "excluded": dict(zip(rules.tolist(), counts.tolist(), strict=True)),
    }
    if n_contacts:
        from bank_assets_tests.world.contact_lists import breaches, call_by_lists

        called = call_by_lists(policy, n_contacts, 50)
        figures |= {"random": n_contacts, "called": len(called.contacts.person), "breaches": breaches(policy, called)}
    print(json.dumps(figures))


def _timed(measured: Callable[[], Any]) -> tuple[Any, float]:
    seconds = []
    for _ in range(TIMES):
        began = time.process_time()
        found = measured()
        seconds.append(time.process_time() - began)
    return found, round(median(seconds), 3)


def _record(ledger: Engine, ids: Any, rng: np.random.Generator) -> None:
    """Six calls of each customer by a list each, the last ones refused; subscriptions; an open list of a fifth."""
    with writing(ledger) as connection:
        for call in range(7):
            list_id, is_open = f"list-{call}", call == 6
            chosen = rng.choice(ids, CUSTOMERS // 5, replace=False) if is_open else ids
            ahead = rng.integers(0, 30, len(chosen)) if is_open else -rng.integers(1, 365, len(chosen))
            of = list(zip(chosen.tolist(), (DAY + ahead).astype(str).tolist(), strict=True))
            request = {"holdout_seed": list_id, "file_sha256": list_id, "last_day": max(day for _, day in of)}
            made = {**MADE, "id": list_id, "created_at": AT, "name": list_id, "request": request}
            connection.execute(insert(campaign_lists), [made])
            rows = [
                {"list_id": list_id, "row": row, "contact_id": f"{call}-{one}", "customer_id": one, "contact_date": day,
                 "reason": "worth_calling", "is_called": True}
                for row, (one, day) in enumerate(of, start=1)
            ]  # fmt: skip
            connection.execute(insert(list_rows), rows)
            if is_open:
                continue
            facts = {"arrived_at": AT, "recorded_at": AT, "actor": "dialer", "source": "api",
                     "disposition": "refused" if call == 5 else "not_reached"}  # fmt: skip
            reports = [
                {**facts, "contact_id": f"{call}-{one}", "customer_id": one, "called_at": f"{day}T10:00:00Z"}
                for one, day in of
            ]
            connection.execute(insert(dispositions), reports)
        facts = {"kind": "subscribed", "arrived_at": AT, "recorded_at": AT, "actor": "books", "source": "file"}
        on_days = (DAY - rng.integers(1, 365, CUSTOMERS)).astype(str).tolist()
        booked = [{**facts, "customer_id": one, "on_day": day} for one, day in zip(ids.tolist(), on_days, strict=True)]
        connection.execute(insert(subscriptions), booked)


if __name__ == "__main__":
    main()
