"""Processor time of a plan of 100,000 contacts: `python -m benchmarks.plan` prints one JSON line.

Every contact has its own cost, budget and capacity bind, frequency rules and a suppression list apply, 5 % of the calls
explore and 10 % of the chosen are held out. Median of five plans, beside the same list without exploration.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from statistics import median

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import ColumnAmount, Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import CallLimits, PlanSettings, plan_calls
from bank_assets.core.economics.suppression import FrequencyRules, SuppressionList

CONTACTS = 100_000
PLANS = 5


def main() -> None:
    rng = np.random.default_rng(20_101_117)
    ids = [f"c{row}" for row in range(CONTACTS)]
    probability = rng.beta(1, 6, CONTACTS)
    rows = {
        "cost": rng.uniform(3, 8, CONTACTS),
        "campaign": rng.integers(1, 5, CONTACTS),
        "pdays": rng.integers(1, 500, CONTACTS),
    }
    exploring = PlanSettings(
        Economics(ColumnAmount("cost")),
        CallLimits(budget_eur=100_000.0, capacity=18_000),
        FrequencyRules(3, 30),
        0.1,
        suppression=SuppressionList.of(ids[::100]),
        learning=LearningBudget(0.05, 8),
    )
    seconds = {}
    for name, settings in (("exploring", exploring), ("without", replace(exploring, learning=LearningBudget()))):
        times = []
        for number in range(PLANS):
            began = time.process_time()
            plan = plan_calls(ids, probability, rows, UCI, settings, f"list {number}")
            times.append(time.process_time() - began)
        seconds[name] = round(median(times), 3)
        if name == "exploring":
            figures = {"calls": plan.called.n_calls, "explored": plan.explored.n_calls}
    print(json.dumps({"contacts": CONTACTS, "cpu_seconds": seconds, **figures}))


if __name__ == "__main__":
    main()
