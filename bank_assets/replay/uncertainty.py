"""Whether the platform's ranges and forecasts hold, month by month; a month's forecast uses earlier months only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from bank_assets.core.arrays import FloatArray
from bank_assets.core.model.forecast import climatology, forecast_list, interval_score
from bank_assets.core.model.ranges import band_coverage
from bank_assets.core.model.shift import estimate_shift
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import World

WARM_UP_MONTHS = 2
"""Months of predictions before the first judged month, in which the prior alone determines the forecast."""


def uncertainty(world: World, trace: Trace) -> dict[str, Any] | None:
    """Coverage of the ranges by band; coverage and mean interval score of the forecasts beside climatology's.

    None if fewer months than the warm-up were scored.
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
    called = scored & trace.called
    profit = economics.profit(called, outcome > 0, world.frame)
    amounts = (economics.cost(world.frame), economics.value(world.frame))
    cost, value = (np.broadcast_to(amount, len(days)) for amount in amounts)
    months = world.dates.astype("datetime64[M]")
    found: list[dict[str, Any]] = []
    for month in judged:
        start = month.astype("datetime64[D]")
        rows, before = called & (months == month), scored & (days < start)
        if not rows.any():
            continue
        shift = estimate_shift(days[before], trace.proba[before], outcome[before] > 0, start)
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
    return {
        "months": found,
        "coverage": float(np.mean([row["is_inside"] for row in found])) if found else None,
        "interval_score": float(np.mean([row["interval_score"] for row in both])) if both else None,
        "climatology_coverage": float(np.mean([row["climatology_is_inside"] for row in both])) if both else None,
        "climatology_score": float(np.mean([row["climatology_score"] for row in both])) if both else None,
    }
