"""The range of a probability: the rates between which contacts of such a score will subscribe in the coming month.

Inductive Venn-Abers (Vovk and Petej 2014) says what the calibration sample leaves open: isotonic regression with the
contact added once as a refusal, once as a subscription. It promises nothing under drift: on the real history it holds
42 % of the bands of later months. So both ends move outwards by the shift that bands have shown from month to month,
which holds 92 % at nominal 90 % (benchmarks/uncertainty.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import FloatArray
from bank_assets.core.model.scorer import expit, logit
from bank_assets.core.model.shift import BLOCK_DAYS, WINDOW_DAYS, PeriodTotals, checked_history, single_level_sd

LEVEL: Final = 0.9
"""Nominal share of month-bands whose rate lies in the range."""
KNOTS: Final = (0.005, 0.01, 0.02, *(round(0.03 + 0.04 * k, 2) for k in range(24)), 0.98, 0.99)
"""Probabilities at which the range is tabulated; between them the scorer interpolates."""
BANDS: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0)
"""Bands of probability whose observed rate must lie in the range."""
MINIMUM_CELL_VARIANCE: Final = 1.0
MINIMUM_CELL_CONTACTS: Final = 30
NOISE_REACH: Final = NormalDist().inv_cdf(0.95)


def band_of(probability: FloatArray) -> NDArray[np.intp]:
    """Return the number of the band of each probability, (n,), from 0."""
    return np.minimum(np.digitize(probability, BANDS[1:-1]), len(BANDS) - 2)


def fit_ranges(day: ArrayLike, probability: ArrayLike, is_subscribed: ArrayLike) -> dict[str, list[float]]:
    """Fit the `ranges` entry of decision.json: knots `probability`, `low` and `high`.

    The arguments are as in `core.model.shift.checked_history`. Without any outcome the table leaves everything open.
    """
    days, proba, outcome = checked_history(day, probability, is_subscribed)
    inside = days > days.max(initial=0) - WINDOW_DAYS
    days, proba, outcome = days[inside], proba[inside], outcome[inside]
    knots = np.asarray(KNOTS)
    venn_low, venn_high = venn_abers(proba, outcome, knots)
    reach = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0) * single_level_sd(_month_bands(days, proba, outcome))
    # Two independent doubts add up as squares; added as they are, they cover more than promised and are wider for it
    low = expit(logit(knots) - np.hypot(reach, np.maximum(logit(knots) - logit(venn_low), 0.0)))
    high = expit(logit(knots) + np.hypot(reach, np.maximum(logit(venn_high) - logit(knots), 0.0)))
    low, high = np.maximum.accumulate(low), np.maximum.accumulate(high)
    return {
        "probability": [0.0, *KNOTS, 1.0],
        "low": [0.0, *low.tolist(), float(low[-1])],
        "high": [float(high[0]), *high.tolist(), 1.0],
    }


def _month_bands(days: NDArray[np.int64], proba: FloatArray, outcome: FloatArray) -> PeriodTotals:
    """Totals of each band in each block of `BLOCK_DAYS` days that has enough variance to tell."""
    block = (days.max(initial=0) - days) // BLOCK_DAYS
    _, first, cell = np.unique(block * len(BANDS) + band_of(proba), return_index=True, return_inverse=True)
    sums = np.zeros((len(first), 3))
    np.add.at(sums, cell, np.column_stack([proba, proba * (1.0 - proba), outcome]))
    keep = sums[:, 1] >= MINIMUM_CELL_VARIANCE
    return PeriodTotals(days[first][keep], sums[keep, 0], sums[keep, 1], sums[keep, 2])


def venn_abers(scores: FloatArray, outcomes: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return inductive Venn-Abers probabilities of the scores `at`, (m,).

    The first is with the contact added as a refusal, the second as a subscription; without a calibration sample 0 and
    1.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(scores, kind="stable")
    # One point per distinct score: the regression must give equal scores one value
    unique, inverse = np.unique(scores[order], return_inverse=True)
    weights = np.bincount(inverse, minlength=len(unique)).astype(np.float64)
    sums = np.bincount(inverse, weights=outcomes[order], minlength=len(unique))
    answers = np.empty((2, len(at)))
    for column, score in enumerate(at):
        place = int(np.searchsorted(unique, score))
        is_known = place < len(unique) and unique[place] == score
        for label in (0, 1):
            w, s = weights.copy(), sums.copy()
            if is_known:
                w[place], s[place] = w[place] + 1.0, s[place] + label
            else:
                w, s = np.insert(w, place, 1.0), np.insert(s, place, float(label))
            answers[label, column] = isotonic_regression(s / w, sample_weight=w)[place]
    return answers[0], answers[1]


def band_coverage(
    period: ArrayLike,
    probability: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    is_subscribed: ArrayLike,
    *,
    minimum_contacts: int = MINIMUM_CELL_CONTACTS,
) -> dict[str, Any]:
    """Measure whether ranges hold: the observed rate of each band in each period against its mean range.

    `coverage` makes no allowance for the binomial noise of the observed rate, so it is harder than the promise, which
    is about the rate itself; `predictive_coverage` adds that noise (normal, 90 %) to both half-widths as squares. Cells
    with fewer than `minimum_contacts` contacts are not judged; without any other cell the shares are None.
    """
    periods, proba = np.asarray(period), np.asarray(probability, dtype=np.float64)
    lower, upper = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    outcome = np.asarray(is_subscribed, dtype=np.float64)
    band = band_of(proba)
    cells: list[dict[str, Any]] = []
    for name in np.unique(periods):
        for number in range(len(BANDS) - 1):
            rows = (periods == name) & (band == number)
            if int(rows.sum()) < minimum_contacts:
                continue
            rate, mean = float(outcome[rows].mean()), float(proba[rows].mean())
            least, most = float(lower[rows].mean()), float(upper[rows].mean())
            noise = NOISE_REACH * math.sqrt(float((proba[rows] * (1.0 - proba[rows])).sum())) / int(rows.sum())
            cells.append(
                {
                    "period": str(name),
                    "band": [BANDS[number], BANDS[number + 1]],
                    "n_contacts": int(rows.sum()),
                    "observed_rate": rate,
                    "low": least,
                    "high": most,
                    "is_inside": least <= rate <= most,
                    "is_inside_with_noise": -math.hypot(mean - least, noise)
                    <= rate - mean
                    <= math.hypot(most - mean, noise),
                }
            )

    def mean_of(value: Callable[[dict[str, Any]], float]) -> float | None:
        return float(np.mean([value(cell) for cell in cells])) if cells else None

    return {
        "coverage": mean_of(lambda cell: cell["is_inside"]),
        "predictive_coverage": mean_of(lambda cell: cell["is_inside_with_noise"]),
        "n_cells": len(cells),
        "mean_width": mean_of(lambda cell: cell["high"] - cell["low"]),
        "cells": cells,
    }
