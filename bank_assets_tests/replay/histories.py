"""Short histories, and their replay under one policy."""

import numpy as np

from bank_assets.core.economics.economics import Economics
from bank_assets.replay.figures import policy_result
from bank_assets.replay.replay import make_policy, settings_of, walk
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import ReplaySettings, World
from bank_assets_tests.world.contacts import FIRST

DAY = np.timedelta64(1, "D")
ECONOMICS = Economics.constant(5.0, 40.0)
CANDIDATES = ("lightgbm/none",)
LEARNING = ("never", "monthly", "weekly", "drift_only", "platform", "f1_threshold")


def jump(frame, number, log_odds):
    """From day 45 on the bank calls other people, and they subscribe."""
    late = number >= 45
    frame["housing"][late] = "no"
    return log_odds + np.where(late, 2.5, 0.0)


def settings(**changes):
    kept = {"feedback": "full", "economics": ECONOMICS, "first_day": FIRST + 30 * DAY, "candidates": CANDIDATES}
    return ReplaySettings(**(kept | changes))


def replayed(contacts, name, until=None, **changes):
    world = World(contacts, settings_of(name, settings(**changes)))
    policy = make_policy(name, world.settings)
    trace = Trace.empty(len(world))
    for as_of in walk(policy, world, trace):
        if until is not None and as_of >= until:
            break
    return world, policy, trace


def figures(contacts, name, **changes):
    world, policy, trace = replayed(contacts, name, **changes)
    return policy_result(name, world, trace, policy.counts, 0.0)
