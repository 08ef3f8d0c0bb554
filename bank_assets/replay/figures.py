"""The figures of a replay: what a policy earned, and whether the platform's ranges and forecasts hold."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray, none_if_nan
from bank_assets.core.features.feedback import CALLED
from bank_assets.core.model.forecast import climatology, forecast_list, interval_score
from bank_assets.core.model.ranges import band_coverage
from bank_assets.core.model.shift import estimate_shift
from bank_assets.core.quality import metrics
from bank_assets.replay.trace import ReplayCounts, Trace
from bank_assets.replay.world import World

CALIBRATION_ROWS: Final = 200  # minimum outcomes of a month whose calibration is judged
CALIBRATION_TOLERANCE: Final = 0.2
# Months of predictions before the first judged month, in which the prior alone determines the forecast.
WARM_UP_MONTHS: Final = 2


def policy_result(
    name: str,
    world: World,
    trace: Trace,
    counts: ReplayCounts,
    cpu_seconds: float,
    since: np.datetime64 | None = None,
) -> dict[str, Any]:
    """The figures of a policy as JSON, None where a figure does not exist (such as the AUC of calling everyone).

    Contacts without an outcome cost their call but count in no measure of quality. With `since`, earlier days are
    decided but not counted.
    """
    is_judged = world.is_decided & (world.dates >= (since or world.settings.first_day))
    outcomes, counted = world.outcomes_for_the_judge, is_judged & world.has_outcome
    judged = counted & ~np.isnan(trace.proba)
    y, proba = outcomes[judged], trace.proba[judged]
    months = _months(world, trace, is_judged)
    checked = [m for m in months if m["outcomes"] >= CALIBRATION_ROWS and m["mean_probability"] is not None]
    near = sum(
        abs(m["mean_probability"] - m["subscription_rate"]) <= CALIBRATION_TOLERANCE * m["subscription_rate"]
        for m in checked
    )
    totals = _totals(world, trace, is_judged)
    perfect = counted & world.settings.economics.decide_knowing(outcomes, world.frame)
    oracle = float(world.profit(perfect).sum())
    return {
        "name": name,
        **totals,
        "share_of_oracle": totals["profit_eur"] / oracle if oracle else None,
        "roc_auc": none_if_nan(metrics.roc_auc(y, proba)),
        "f1": none_if_nan(metrics.f1_of_calls(outcomes[counted], trace.called[counted])),
        "brier": none_if_nan(metrics.brier(y, proba)),
        **{name: getattr(counts, name) for name in ("trainings", "searches", "recalibrations", "alerts")},
        "cpu_seconds": round(cpu_seconds, 2),
        "calibrated_months": near,
        "judged_months": len(checked),
        "months": months,
    }


def _totals(world: World, trace: Trace, rows: BoolArray) -> dict[str, Any]:
    called, explored = trace.called & rows, trace.explored & rows
    cost = np.broadcast_to(world.settings.economics.cost(world.frame), len(world))
    return {
        "contacts_called": int(called.sum()),
        "subscriptions": int((called & world.has_outcome & world.outcomes_for_the_judge).sum()),
        "profit_eur": float(world.profit(called).sum()),
        "explored_calls": int(explored.sum()),
        "exploration_cost_eur": float(cost[explored].sum()),
        "exploration_profit_eur": float(world.profit(explored).sum()),
    }


def _months(world: World, trace: Trace, is_judged: BoolArray) -> list[dict[str, Any]]:
    names = world.dates.astype("datetime64[M]")
    result = []
    for month in np.unique(names[is_judged]):
        rows = is_judged & (names == month)
        known = rows & world.has_outcome
        scored = known & ~np.isnan(trace.proba)
        result.append(
            {
                "month": str(month),
                "contacts": int(rows.sum()),
                "outcomes": int(known.sum()),
                **_totals(world, trace, rows),
                "subscription_rate": float(world.outcomes_for_the_judge[known].mean()) if known.any() else None,
                "mean_probability": float(trace.proba[scored].mean()) if scored.any() else None,
            }
        )
    return result


def uncertainty(world: World, trace: Trace) -> dict[str, Any] | None:
    """Coverage of the ranges by band; coverage and mean interval score of the forecasts beside climatology's.

    A month's forecast uses earlier months only. None if fewer months than the warm-up were scored.
    """
    scored = world.is_decided & world.has_outcome & ~np.isnan(trace.low)
    months = world.dates.astype("datetime64[M]")
    judged = np.unique(months[scored])[WARM_UP_MONTHS:]
    if not len(judged):
        return None
    rows, outcome = scored & np.isin(months, judged), world.outcomes_for_the_judge.astype(np.float64)
    ranges = band_coverage(
        months[rows].astype(str), trace.proba[rows], trace.low[rows], trace.high[rows], outcome[rows]
    )
    return {
        "ranges": ranges,
        "forecasts": _forecasts(world, trace, scored, judged, outcome),
    }


def _forecasts(world: World, trace: Trace, scored: Any, judged: Any, outcome: FloatArray) -> dict[str, Any]:
    economics = world.settings.economics
    days = world.dates
    weights = trace.weight if world.settings.feedback == CALLED else np.ones(len(days))
    called, learned = scored & trace.called, scored & (weights > 0.0)
    profit = economics.profit(called, outcome > 0, world.frame)
    amounts = (economics.cost(world.frame), economics.value(world.frame))
    cost, value = (np.broadcast_to(amount, len(days)) for amount in amounts)
    months = world.dates.astype("datetime64[M]")
    found: list[dict[str, Any]] = []
    for month in judged:
        start = month.astype("datetime64[D]")
        rows, before = called & (months == month), learned & (days < start)
        if not rows.any():
            continue
        known = (days[before], trace.proba[before], outcome[before] > 0)
        shift = estimate_shift(*known, start, weights=weights[before])
        forecast = forecast_list(trace.proba[rows], cost[rows], value[rows], shift, days[rows]).profit_eur
        past = called & (days < start)
        length = int(((month + 1).astype("datetime64[D]") - start).astype(np.int64))
        peer = climatology(days[past], profit[past], int(rows.sum()), length, start)
        realised = float(profit[rows].sum())
        found.append(
            {
                "month": str(month),
                "realised_eur": realised,
                **asdict(forecast),
                "is_inside": forecast.low <= realised <= forecast.high,
                "interval_score": interval_score(forecast, realised),
                "climatology_is_inside": None if peer is None else peer.low <= realised <= peer.high,
                "climatology_score": None if peer is None else interval_score(peer, realised),
            }
        )
    both = [row for row in found if row["climatology_score"] is not None]

    def mean(rows: list[dict[str, Any]], name: str) -> float | None:
        return float(np.mean([row[name] for row in rows])) if rows else None

    return {
        "months": found,
        "coverage": mean(found, "is_inside"),
        "interval_score": mean(both, "interval_score"),
        "climatology_coverage": mean(both, "climatology_is_inside"),
        "climatology_score": mean(both, "climatology_score"),
    }
