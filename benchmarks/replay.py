"""What the platform earns at three values of a subscription, and that it is stable without drift.

`BANK_SOURCE=<bank-full.csv> python -m benchmarks.replay [--shuffles 3]` prints one JSON line.

The platform runs at value 25, 50 and 100, beside weekly retraining for the processor time; `python -m bank_assets
replay` compares the other policies. Then the history is shuffled over its own days, which removes drift: every
retraining after the first and every alert is a false one.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import Contacts
from bank_assets.replay.figures import policy_result, uncertainty
from bank_assets.replay.replay import make_policy, walk
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import HISTORY_MONTHS, ReplaySettings, World
from benchmarks.history import real_contacts

VALUES = (25.0, 50.0, 100.0)
KEPT = (
    "profit_eur", "share_of_oracle", "roc_auc", "trainings", "searches", "recalibrations", "alerts", "cpu_seconds",
    "calibrated_months", "judged_months",
)  # fmt: skip


def replayed(contacts: Contacts, name: str, value: float, **changes) -> tuple[dict, World, Trace]:
    """Figures of one policy."""
    first, learned = np.datetime64(UCI.month_after(HISTORY_MONTHS)), {"feedback": "full"} | changes
    settings = ReplaySettings(Economics.constant(5.0, value), first, **learned)
    world = World(contacts, settings)
    policy = make_policy(name, settings)
    trace, started = Trace.empty(len(world)), time.process_time()
    for _ in walk(policy, world, trace):
        pass
    return policy_result(name, world, trace, policy.counts, time.process_time() - started), world, trace


def shuffled(contacts: Contacts, seed: int) -> Contacts:
    """The same contacts on shuffled days: volumes stay, and there is no drift."""
    order = np.random.default_rng(seed).permutation(len(contacts))
    mixed = contacts.rows(order)
    return Contacts(mixed.contact_ids, mixed.frame, contacts.contact_dates, contacts.known_on, mixed.is_subscribed, UCI)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shuffles", type=int, default=3)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    contacts = real_contacts()
    figures: dict = {"benchmark": "replay"}
    for value in VALUES:
        result, world, trace = replayed(contacts, "platform", value)
        figures[f"platform_{value:g}"] = {name: result[name] for name in KEPT}
        if value == 50.0:
            promises = uncertainty(world, trace)
            figures["ranges"] = promises["ranges"]
            figures["forecasts"] = {name: v for name, v in promises["forecasts"].items() if name != "months"}
    weekly, _, _ = replayed(contacts, "weekly", 50.0)
    figures["weekly_50"] = {name: weekly[name] for name in KEPT}
    called, _, _ = replayed(contacts, "platform", 50.0, feedback="called")
    figures["platform_50_learning_from_called_only"] = {name: called[name] for name in KEPT}
    quiet = []
    for seed in range(arguments.shuffles):
        result, _, _ = replayed(shuffled(contacts, seed), "platform", 50.0)
        quiet.append(
            {"windows": len(result["months"]), "retrainings": result["trainings"] - 1, "alerts": result["alerts"]}
        )
    figures["shuffled"] = quiet
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
