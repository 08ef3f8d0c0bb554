"""The replay: the history walked day by day, each contact decided from what was known before its day.

What lives here: building a policy by its name, the walk, exploration, the result of a policy.
What must not: files, processes and progress (`bank_assets.commands.replay`), the policies' own decisions.
Called by the replay command, tests and benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, none_if_nan
from bank_assets.core.quality import metrics
from bank_assets.replay.platform import PlatformConfig, PlatformReplay
from bank_assets.replay.policies import POLICIES, Bound, Hindsight, Policy, Scheduled
from bank_assets.replay.trace import ReplayCounts, Trace
from bank_assets.replay.world import ReplayError, ReplaySettings, World

CALIBRATION_ROWS = 200
"""Contacts of a month whose mean probability is judged."""
CALIBRATION_TOLERANCE = 0.2


def make_policy(name: str, settings: ReplaySettings, config: PlatformConfig, clock: Callable[[], float]) -> Policy:
    """A policy by its name.

    Args:
        name: one of `POLICIES`.
        settings: of the replay.
        config: of the platform.
        clock: a monotonic clock, s.

    Raises:
        ReplayError: there is no policy of that name.
    """
    if name in ("contact_all", "contact_none", "oracle"):
        return Bound(name)
    if name in ("never", "monthly", "weekly", "drift_only"):
        return Scheduled(name, settings.seed)
    if name in ("platform", "f1_threshold"):
        return PlatformReplay(name, settings, config, clock)
    if name == "hindsight":
        return Hindsight(name, settings.seed)
    raise ReplayError(f"policy: expected names of {list(POLICIES)}, found {name!r}.")


def walk(policy: Policy, world: World, trace: Trace, *, after: np.datetime64 | None = None) -> Iterator[np.datetime64]:
    """Decide day after day.

    Args:
        policy: decides.
        world: contacts and what is known of them.
        trace: filled as the walk goes on.
        after: last day that the trace holds already, to go on after an interruption.

    Yields:
        Each day, once its contacts are decided.
    """
    for as_of in world.days:
        if after is not None and as_of <= after:
            continue
        rows = world.rows_of(as_of)
        policy.decide(as_of, rows, world, trace)
        trace.weight[rows] = _explore(policy, as_of, rows, world, trace)
        world.learn(rows, trace.weight[rows])
        yield as_of


def _explore(
    policy: Policy, as_of: np.datetime64, rows: NDArray[np.int64], world: World, trace: Trace
) -> NDArray[np.float64]:
    """Call a random share of the others, so that something is learned of them; returns inverse propensities."""
    settings = world.settings
    called = trace.called[rows]
    if settings.feedback == "full" or isinstance(policy, Bound | Hindsight):
        return called.astype(np.float64)
    seed = [settings.seed, int(as_of.astype(np.int64))]  # by day, so that a resumed walk draws the same
    explored = ~called & (np.random.default_rng(seed).random(len(rows)) < settings.exploration_share)
    trace.called[rows] = called | explored
    return np.where(called, 1.0, np.where(explored, 1.0 / settings.exploration_share, 0.0))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def policy_result(name: str, world: World, trace: Trace, counts: ReplayCounts, cpu_seconds: float) -> dict[str, Any]:
    """The figures of a policy.

    Args:
        name: its name.
        world: contacts and outcomes.
        trace: what it did.
        counts: what it spent.
        cpu_seconds: processor time of the whole policy.

    Returns:
        JSON-able figures; a figure that does not exist (AUC of calling everyone) is None. Contacts without an outcome
        cost their call and count in no measure of quality.
    """
    decided, outcome = world.is_decided, world.has_outcome
    judged = decided & outcome & ~np.isnan(trace.proba)
    y, proba = world.outcomes_for_the_judge[judged], trace.proba[judged]
    months = _months(world, trace)
    checked = [m for m in months if m["outcomes"] >= CALIBRATION_ROWS and m["mean_probability"] is not None]
    near = sum(
        abs(m["mean_probability"] - m["subscription_rate"]) <= CALIBRATION_TOLERANCE * m["subscription_rate"]
        for m in checked
    )
    profit = _profit(world, trace, decided)
    counted = decided & outcome
    perfect = counted & world.settings.economics.decide_knowing(world.outcomes_for_the_judge, world.frame)
    oracle = float(world.profit(perfect).sum())
    return {
        "name": name,
        "profit_eur": profit,
        "share_of_oracle": _ratio(profit, oracle),
        "contacts_called": int(trace.called[decided].sum()),
        "subscriptions": int((trace.called & world.outcomes_for_the_judge)[counted].sum()),
        "roc_auc": none_if_nan(metrics.roc_auc(y, proba)),
        "f1": none_if_nan(metrics.f1_of_calls(world.outcomes_for_the_judge[counted], trace.called[counted])),
        "brier": none_if_nan(metrics.brier(y, proba)),
        "trainings": counts.trainings,
        "searches": counts.searches,
        "recalibrations": counts.recalibrations,
        "alerts": counts.alerts,
        "cpu_seconds": round(cpu_seconds, 2),
        "calibrated_months": near,
        "judged_months": len(checked),
        "months": months,
    }


def _profit(world: World, trace: Trace, rows: BoolArray) -> float:
    return float(world.profit(trace.called & rows).sum())


def _months(world: World, trace: Trace) -> list[dict[str, Any]]:
    names = world.dates.astype("datetime64[M]")
    result = []
    for month in np.unique(names[world.is_decided]):
        rows = world.is_decided & (names == month)
        known = rows & world.has_outcome
        scored = known & ~np.isnan(trace.proba)
        result.append(
            {
                "month": str(month),
                "contacts": int(rows.sum()),
                "outcomes": int(known.sum()),
                "contacts_called": int(trace.called[rows].sum()),
                "subscriptions": int((trace.called & world.outcomes_for_the_judge)[known].sum()),
                "profit_eur": _profit(world, trace, rows),
                "subscription_rate": float(world.outcomes_for_the_judge[known].mean()) if known.any() else None,
                "mean_probability": float(trace.proba[scored].mean()) if scored.any() else None,
            }
        )
    return result
