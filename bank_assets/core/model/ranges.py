"""The range of a probability: the rates between which contacts of such a score will subscribe in the coming month.

Inductive Venn-Abers (Vovk and Petej 2014) says what the calibration sample leaves open: isotonic regression with the
contact added once as a refusal, once as a subscription. It promises nothing under drift: on the real history it holds
42 % of the bands of later months. So both ends move outwards by the shift that bands have shown from month to month,
which holds 92 % at nominal 90 % (benchmarks/uncertainty.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, effective_weights, weights_or_ones
from bank_assets.core.model.scorer import expit, logit
from bank_assets.core.model.shift import BLOCK_DAYS, WINDOW_DAYS, PeriodTotals, parts_of, single_level_sd

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


def fit_ranges(
    contact_dates: DayArray, probability: FloatArray, is_subscribed: BoolArray, weights: FloatArray | None = None
) -> dict[str, list[float]]:
    """Fit the `ranges` entry of decision.json from predictions and outcomes, (n,): knots `probability`, `low`, `high`.

    Without any outcome the table leaves everything open. Weighted contacts count as their effective number.
    """
    days = contact_dates.astype("datetime64[D]").astype(np.int64)
    inside = days > days.max(initial=0) - WINDOW_DAYS
    days, proba, outcome = days[inside], probability[inside], is_subscribed[inside].astype(np.float64)
    knots, w = np.asarray(KNOTS), weights_or_ones(weights, len(inside))[inside]
    venn_low, venn_high = venn_abers(proba, outcome, knots, effective_weights(w))
    reach = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0) * single_level_sd(_month_bands(days, proba, outcome, w))
    # Two independent doubts add up as squares; added as they are, they cover more than promised and are wider for it
    low = expit(logit(knots) - np.hypot(reach, np.maximum(logit(knots) - logit(venn_low), 0.0)))
    high = expit(logit(knots) + np.hypot(reach, np.maximum(logit(venn_high) - logit(knots), 0.0)))
    low, high = np.maximum.accumulate(low), np.maximum.accumulate(high)
    return {
        "probability": [0.0, *KNOTS, 1.0],
        "low": [0.0, *low.tolist(), float(low[-1])],
        "high": [float(high[0]), *high.tolist(), 1.0],
    }


def _month_bands(days: NDArray[np.int64], proba: FloatArray, outcome: FloatArray, w: FloatArray) -> PeriodTotals:
    """Totals of each band in each block of `BLOCK_DAYS` days that has enough variance to tell."""
    block = (days.max(initial=0) - days) // BLOCK_DAYS
    _, first, cell = np.unique(block * len(BANDS) + band_of(proba), return_index=True, return_inverse=True)
    sums = np.zeros((len(first), 4))
    np.add.at(sums, cell, parts_of(proba, outcome, w))
    keep = sums[:, 1] ** 2 >= MINIMUM_CELL_VARIANCE * np.maximum(sums[:, 3], 1e-9)
    return PeriodTotals.of(days[first][keep], sums[keep])


def venn_abers(
    scores: FloatArray, outcomes: FloatArray, at: FloatArray, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return inductive Venn-Abers probabilities of the scores `at`, (m,).

    The first is with the contact added as a refusal, the second as a subscription; without a calibration sample 0 and
    1.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(scores, kind="stable")
    # One point per distinct score: the regression must give equal scores one value
    unique, inverse = np.unique(scores[order], return_inverse=True)
    ordered = weights_or_ones(weights, len(scores))[order]
    totals = np.bincount(inverse, weights=ordered, minlength=len(unique))
    sums = np.bincount(inverse, weights=ordered * outcomes[order], minlength=len(unique))
    answers = np.empty((2, len(at)))
    for column, score in enumerate(at):
        place = int(np.searchsorted(unique, score))
        is_known = place < len(unique) and unique[place] == score
        for label in (0, 1):
            w, s = totals.copy(), sums.copy()
            if is_known:
                w[place], s[place] = w[place] + 1.0, s[place] + label
            else:
                w, s = np.insert(w, place, 1.0), np.insert(s, place, float(label))
            answers[label, column] = isotonic_regression(s / w, sample_weight=w)[place]
    return answers[0], answers[1]


def band_coverage(
    periods: NDArray[Any],
    proba: FloatArray,
    low: FloatArray,
    high: FloatArray,
    outcome: FloatArray,
    minimum_contacts: int = MINIMUM_CELL_CONTACTS,
) -> dict[str, Any]:
    """Measure whether ranges hold: the observed rate of each band in each period against its mean range.

    `coverage` makes no allowance for the binomial noise of the observed rate, so it is harder than the promise, which
    is about the rate itself; `predictive_coverage` adds that noise (normal, 90 %) to both half-widths as squares. Cells
    with fewer than `minimum_contacts` contacts are not judged; without any other cell the shares are None.
    """
    band = band_of(proba)
    cells: list[tuple[bool, bool, float]] = []
    for name, number in product(np.unique(periods), range(len(BANDS) - 1)):
        rows = (periods == name) & (band == number)
        if int(rows.sum()) < minimum_contacts:
            continue
        rate, mean, least, most = (float(one[rows].mean()) for one in (outcome, proba, low, high))
        noise = NOISE_REACH * math.sqrt(float((proba[rows] * (1.0 - proba[rows])).sum())) / int(rows.sum())
        is_near = -math.hypot(mean - least, noise) <= rate - mean <= math.hypot(most - mean, noise)
        cells.append((least <= rate <= most, is_near, most - least))
    means: Sequence[float | None] = [float(np.mean(one)) for one in zip(*cells, strict=True)] or [None] * 3
    coverage, predictive, width = means
    return {
        "coverage": coverage,
        "predictive_coverage": predictive,
        "n_cells": len(cells),
        "mean_width": width,
    }
