"""Processor time of the contact policy, list of 100,000: `python -m benchmarks.contact_policy` prints one JSON line.

Every customer has five calls, one refusal and one subscription on record in the year before, a fifth are on other
lists, and a tenth of the customers have two contacts on the list. Median of five checks. `--contacts 1000000` also
calls that many random contacts by overlapping lists and counts what breaks the policy.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from statistics import median

import numpy as np

from bank_assets.core.economics.contact_policy import ContactHistory, ContactPolicy, PersonDays

CUSTOMERS = 100_000
CHECKS = 5
DAY = np.datetime64("2010-11-22", "D")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=0)
    n_contacts = parser.parse_args().contacts
    rng = np.random.default_rng(20_101_117)
    ids = np.array([f"customer-{number:08d}" for number in range(CUSTOMERS)])

    def drawn(times: float) -> PersonDays:
        n = int(times * CUSTOMERS)
        return PersonDays(rng.choice(ids, n), DAY - rng.integers(0, 365, n).astype("timedelta64[D]"))

    lists = drawn(0.2)
    history = ContactHistory(drawn(5), drawn(1), drawn(1), replace(lists, until=lists.day + 30))
    persons = np.concatenate([ids[: -CUSTOMERS // 10], ids[: CUSTOMERS // 10]])
    days = DAY + rng.integers(0, 30, CUSTOMERS).astype("timedelta64[D]")
    policy, seconds = ContactPolicy(3, 30, 90, 365), []
    for _ in range(CHECKS):
        began = time.process_time()
        found = policy.check(persons, days, history)
        seconds.append(time.process_time() - began)
    rules, counts = np.unique(found.rule, return_counts=True)
    figures = {"customers": CUSTOMERS, "on_record": 7 * CUSTOMERS, "cpu_seconds": round(median(seconds), 3)}
    figures["excluded"] = dict(zip(rules.tolist(), counts.tolist(), strict=True))
    if n_contacts:
        from bank_assets_tests.world.contact_lists import breaches, call_by_lists

        called = call_by_lists(policy, n_contacts, 50)
        figures |= {"random": n_contacts, "called": len(called.contacts.person), "breaches": breaches(policy, called)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
