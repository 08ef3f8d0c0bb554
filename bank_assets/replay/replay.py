"""The replay: each contact of the history decided from what was known before its day, and the figures of a policy."""

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
"""Minimum outcomes of a month whose calibration is judged."""
CALIBRATION_TOLERANCE = 0.2


def make_policy(name: str, settings: ReplaySettings, config: PlatformConfig, clock: Callable[[], float]) -> Policy:
    """A policy by its name; `ReplayError` if there is none of that name."""
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
    """Decide day after day into `trace`, and yield each day once its contacts are decided.

    `after` is the last day that the trace already contains, to continue after an interruption.
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
    """Call a random share of the others to learn their outcomes; returns inverse propensities."""
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
    """The figures of a policy as JSON, None where a figure does not exist (such as the AUC of calling everyone).

    Contacts without an outcome cost their call but count in no measure of quality.
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
