"""Coverage of ranges and forecasts: `BANK_SOURCE=<bank-full.csv> python -m benchmarks.uncertainty`, one JSON line.

The default recipe is refitted every 14 days along the real history, and its intercept recalibrated each day. On the
first day of each month the range table and the shift are estimated from earlier predictions, and the month's list
(calls above break-even) is forecast. The forecast's peer is the climatology of the last 90 days, that of the ranges
Venn-Abers alone.
"""

from __future__ import annotations

import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.calibration import recalibrated_day_by_day
from bank_assets.core.model.forecast import climatology, forecast_list, interval_score
from bank_assets.core.model.ranges import KNOTS, band_coverage, fit_ranges, venn_abers
from bank_assets.core.model.scorer import apply_ranges
from bank_assets.core.model.shift import WINDOW_DAYS, estimate_shift
from bank_assets.core.training.recipes import Recipe, encode, fit_recipe
from benchmarks.history import real_contacts

FEATURE_SET = FeatureSet.of(UCI)

FIRST_DAY = np.datetime64("2008-09-01")
REFIT_DAYS = 14
COST = 5.0
VALUES = (25.0, 50.0, 100.0)


def predictions(contacts) -> np.ndarray:
    """Probability of each contact from `FIRST_DAY` on, from what was known on that day; NaN before."""
    raw = np.full(len(contacts), np.nan)
    days = np.unique(contacts.contact_dates[contacts.contact_dates >= FIRST_DAY])
    features, estimator, fitted_on = contacts.features(), None, None
    for day in days:
        if fitted_on is None or (day - fitted_on).astype(int) >= REFIT_DAYS:
            data = LearningData(
                features, contacts.contact_dates, contacts.known_on, contacts.is_subscribed, day, contacts.contract
            )
            estimator = fit_recipe(Recipe("lightgbm"), data.rows(contacts.known_as_of(day)))
            fitted_on = day
        today = contacts.contact_dates == day
        raw[today] = estimator.predict_proba(encode({n: c[today] for n, c in features.items()}, FEATURE_SET))[:, 1]
    return recalibrated_day_by_day(contacts.scored(raw), days)


def range_figures(proba, outcome, day, month) -> dict:
    low, high = np.full((2, len(proba)), np.nan), np.full((2, len(proba)), np.nan)
    for name in np.unique(month)[2:]:  # two months of predictions before the first range
        now, rows = day[month == name].min(), month == name
        past = (day < now) & (day >= now - WINDOW_DAYS)
        knots = np.asarray(KNOTS)
        venn = venn_abers(proba[past], outcome[past].astype(float), knots)
        tables = (
            fit_ranges(day[past].astype("datetime64[D]"), proba[past], outcome[past]),
            {"probability": knots, "low": venn[0], "high": venn[1]},
        )
        for kind, table in enumerate(tables):
            low[kind, rows], high[kind, rows] = apply_ranges(proba[rows], table)
    judged = ~np.isnan(low[0])
    figures = {}
    for kind, label in enumerate(("ours", "venn_abers_alone")):
        measured = band_coverage(month[judged], proba[judged], low[kind][judged], high[kind][judged], outcome[judged])
        figures[label] = {
            k: round(measured[k], 3) for k in ("coverage", "predictive_coverage", "mean_width", "n_cells")
        }
    return figures


def forecast_figures(proba, outcome, day, month, value) -> dict:
    called, inside, scores, widths, other_inside, other_scores, same_scores = (
        proba * value > COST,
        [],
        [],
        [],
        [],
        [],
        [],
    )
    for name in np.unique(month):
        rows, now = called & (month == name), int(day[month == name].min())
        if not rows.any():
            continue
        past = day < now
        shift = estimate_shift(day[past].astype("datetime64[D]"), proba[past], outcome[past], np.datetime64(now, "D"))
        cost, worth = np.full(int(rows.sum()), COST), np.full(int(rows.sum()), value)
        forecast = forecast_list(proba[rows], cost, worth, shift, day[rows]).profit_eur
        profit = np.where(outcome, value, 0.0) - COST
        realised = float(profit[rows].sum())
        inside.append(forecast.low <= realised <= forecast.high)
        scores.append(interval_score(forecast, realised))
        widths.append(forecast.high - forecast.low)
        peer = climatology(day[past & called], profit[past & called], int(rows.sum()), 30, as_of=now)
        if peer is not None:
            other_inside.append(peer.low <= realised <= peer.high)
            other_scores.append(interval_score(peer, realised))
            same_scores.append(scores[-1])
    return {
        "months": len(inside),
        "coverage": round(float(np.mean(inside)), 3),
        "mean_width_eur": round(float(np.mean(widths))),
        "interval_score": round(float(np.mean(scores))),
        "climatology_months": len(other_inside),
        "climatology_coverage": round(float(np.mean(other_inside)), 3),
        "climatology_interval_score": round(float(np.mean(other_scores))),
        "interval_score_same_months": round(float(np.mean(same_scores))),
    }


def main() -> None:
    contacts = real_contacts()
    began = time.perf_counter()
    proba = predictions(contacts)
    walked = time.perf_counter() - began
    rows = ~np.isnan(proba)
    day = contacts.contact_dates[rows].astype(np.int64)
    month = contacts.contact_dates[rows].astype("datetime64[M]")
    proba, outcome = proba[rows], contacts.is_subscribed[rows]
    print(
        json.dumps(
            {
                "benchmark": "uncertainty",
                "contacts": int(rows.sum()),
                "walk_seconds": round(walked, 1),
                "ranges": range_figures(proba, outcome, day, month),
                "forecasts": {f"value_{v:g}": forecast_figures(proba, outcome, day, month, v) for v in VALUES},
            }
        )
    )


if __name__ == "__main__":
    main()
