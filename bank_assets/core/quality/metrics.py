"""Metrics of probabilities against outcomes in numpy alone, each equal to scikit-learn's where it has one.

Throughout, `y` is (n,) outcomes, bool or 0/1, and `proba` is (n,) probabilities in [0, 1]. `weights` (n,) are inverse
probabilities of having learned each outcome; None stands for ones. Whole weights give what each contact repeated so
often gives, except for standard errors. Metrics that need both classes are NaN with one class only, and every metric
is NaN without rows; callers decide what a small window means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import BoolArray, FloatArray, effective_size, weights_or_ones

LOG_LOSS_CLIP: Final = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 in logarithms, as scikit-learn does for float64."""

CALIBRATION_BINS: Final = 10


def _checked(y: ArrayLike, proba: ArrayLike) -> tuple[BoolArray, FloatArray]:
    outcomes, scores = np.asarray(y).astype(bool), np.asarray(proba, dtype=np.float64)
    if outcomes.shape != scores.shape or outcomes.ndim != 1:
        raise ValueError(
            f"metrics: expected one probability per outcome, found {outcomes.shape} outcomes and {scores.shape} "
            f"probabilities; pass the same rows to both."
        )
    return outcomes, scores


def _below(codes: NDArray[Any], weights: FloatArray) -> FloatArray:
    """Weight of contacts with a lower score than each distinct one, (n_distinct,); ties count half."""
    totals = np.bincount(codes, weights)
    return np.asarray(np.cumsum(totals) - totals / 2)


def roc_auc(y: ArrayLike, proba: ArrayLike, weights: FloatArray | None = None) -> float:
    """Return the probability that a subscriber scores higher than another contact; ties count half."""
    outcomes, scores = _checked(y, proba)
    if outcomes.all() or not outcomes.any():
        return math.nan
    codes, w = np.unique(scores, return_inverse=True)[1], weights_or_ones(weights, outcomes.size)
    higher = w[outcomes] * _below(codes, w * ~outcomes)[codes[outcomes]]
    return float(higher.sum() / (w[outcomes].sum() * w[~outcomes].sum()))


def roc_auc_standard_error(
    y: ArrayLike, proba: ArrayLike, weights: FloatArray | None = None, counts: FloatArray | None = None
) -> float:
    """Return DeLong's standard error of the AUC, with midranks (Sun and Xu 2014): exact for ties, O(n log n).

    With weights each class counts as its effective number of contacts. A row may be several contacts, its `counts`.
    NaN with fewer than two contacts of a class.
    """
    outcomes, scores = _checked(y, proba)
    times = weights_or_ones(counts, outcomes.size)
    if min(times[outcomes].sum(), times[~outcomes].sum()) < 2:
        return math.nan
    codes, w = np.unique(scores, return_inverse=True)[1], weights_or_ones(weights, outcomes.size)
    mass, high, low = w * times, (w[outcomes], times[outcomes]), (w[~outcomes], times[~outcomes])
    among_low = _below(codes, mass * ~outcomes)[codes[outcomes]] / mass[~outcomes].sum()
    among_high = 1 - _below(codes, mass * outcomes)[codes[~outcomes]] / mass[outcomes].sum()
    return math.sqrt(_variance_of_mean(among_low, *high) + _variance_of_mean(among_high, *low))


def _variance_of_mean(values: FloatArray, weights: FloatArray, counts: FloatArray) -> float:
    mass = weights * counts
    size, away = effective_size(weights, counts), values - np.average(values, weights=mass)
    squares = float((away**2 * weights**2 * counts).sum()) * (size / float(mass.sum())) ** 2
    return squares / (size - 1) / size if size > 1.0 else math.nan


def _curve(outcomes: BoolArray, scores: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distinct scores from high to low; weight of contacts and of subscribers with at least that score."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if ordered.size else np.empty(0, dtype=int)
    return ordered[last], np.cumsum(w[order])[last], np.cumsum((w * outcomes)[order])[last]


def average_precision(y: ArrayLike, proba: ArrayLike, weights: FloatArray | None = None) -> float:
    """Return the area under the precision-recall steps; NaN without subscribers."""
    outcomes, scores = _checked(y, proba)
    if not outcomes.any():
        return math.nan
    _, called, found = _curve(outcomes, scores, weights_or_ones(weights, outcomes.size))
    gain = np.diff(found, prepend=0) / found[-1]
    return float(np.sum(gain * found / called))


def f1_of_calls(y: ArrayLike, is_called: ArrayLike, weights: FloatArray | None = None) -> float:
    """Return the F1 of decisions; 0 if nobody was called or nobody subscribed, NaN without rows."""
    outcomes, called = np.asarray(y).astype(bool), np.asarray(is_called).astype(bool)
    if not outcomes.size:
        return math.nan
    w = weights_or_ones(weights, outcomes.size)
    together = float(w[outcomes].sum() + w[called].sum())
    return 2 * float(w[outcomes & called].sum()) / together if together else 0.0


def f1(y: ArrayLike, proba: ArrayLike, threshold: float, weights: FloatArray | None = None) -> float:
    """Return the F1 of calling where proba >= threshold."""
    outcomes, scores = _checked(y, proba)
    return f1_of_calls(outcomes, scores >= threshold, weights)


def best_f1_threshold(y: ArrayLike, proba: ArrayLike, weights: FloatArray | None = None) -> float:
    """Return the highest threshold with the best F1 when calling where proba >= threshold; 0.5 without subscribers."""
    outcomes, scores = _checked(y, proba)
    if not outcomes.any():
        return 0.5
    thresholds, called, found = _curve(outcomes, scores, weights_or_ones(weights, outcomes.size))
    return float(thresholds[int(np.argmax(2 * found / (called + found[-1])))])


def brier(y: ArrayLike, proba: ArrayLike, weights: FloatArray | None = None) -> float:
    """Return the mean squared error of the probabilities."""
    outcomes, scores = _checked(y, proba)
    return float(np.average((scores - outcomes) ** 2, weights=weights)) if outcomes.size else math.nan


def log_loss_rows(y: ArrayLike, proba: ArrayLike) -> FloatArray:
    """Return the log loss of each contact, (n,), which a paired bootstrap resamples."""
    outcomes, scores = _checked(y, proba)
    clipped = np.clip(scores, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return -np.where(outcomes, np.log(clipped), np.log1p(-clipped))


def log_loss(y: ArrayLike, proba: ArrayLike, weights: FloatArray | None = None) -> float:
    """Return the mean negative log likelihood (natural logarithm)."""
    rows = log_loss_rows(y, proba)
    return float(np.average(rows, weights=weights)) if rows.size else math.nan


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One bin of a reliability table: its range of probabilities, mean probability and observed subscription rate."""

    low: float
    high: float
    rows: int
    mean_proba: float
    rate: float


_Bin = tuple[FloatArray, float, float, float]


def _bins(y: ArrayLike, proba: ArrayLike, bins: int, weights: FloatArray | None) -> list[_Bin]:
    """Probabilities, weight, mean probability and observed rate of each bin, from low to high probability."""
    outcomes, scores = _checked(y, proba)
    if not scores.size:
        return []
    shares = np.arange(1, bins) / bins
    edges = np.unique(np.quantile(scores, shares, method="inverted_cdf", weights=weights))
    in_bin, found = np.searchsorted(edges, scores, side="left"), []
    for rows in (in_bin == one for one in np.unique(in_bin)):
        p, w = scores[rows], None if weights is None else weights[rows]
        mean, rate = (float(np.average(of, weights=w)) for of in (p, outcomes[rows]))
        found.append((p, float(p.size if w is None else w.sum()), mean, rate))
    return found


def calibration_table(
    y: ArrayLike, proba: ArrayLike, bins: int = CALIBRATION_BINS, weights: FloatArray | None = None
) -> tuple[CalibrationBin, ...]:
    """Return reliability bins of about equal weight, from low to high probability; equal probabilities share a bin."""
    found = _bins(y, proba, bins, weights)
    return tuple(CalibrationBin(float(p.min()), float(p.max()), p.size, mean, rate) for p, _, mean, rate in found)


def expected_calibration_error(
    y: ArrayLike, proba: ArrayLike, bins: int = CALIBRATION_BINS, weights: FloatArray | None = None
) -> float:
    """Return the mean absolute gap between predicted and observed rate over the bins of `calibration_table`."""
    table = _bins(y, proba, bins, weights)
    total = sum(weight for _, weight, _, _ in table)
    return sum(weight * abs(mean - rate) for _, weight, mean, rate in table) / total if total else math.nan


def calibration_line(
    y: ArrayLike, proba: ArrayLike, steps: int = 50, weights: FloatArray | None = None
) -> tuple[float, float]:
    """Return slope and intercept of a logistic regression of the outcomes on the log-odds of the probabilities.

    Calibrated probabilities give 1 and 0; a slope below 1 means that they are too extreme (Cox 1958). Both are NaN
    where no maximum likelihood exists: one class only, equal probabilities, or probabilities that separate the
    outcomes.
    """
    outcomes, scores = _checked(y, proba)
    if outcomes.all() or not outcomes.any():
        return math.nan, math.nan
    high, low = scores[outcomes], scores[~outcomes]
    if high.min() >= low.max() or high.max() <= low.min():
        return math.nan, math.nan
    clipped = np.clip(scores, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    odds = np.log(clipped) - np.log1p(-clipped)
    # Standardised, or the Hessian of nearly equal log-odds is singular to working precision
    centre, scale = odds.mean(), odds.std()
    design = np.column_stack([(odds - centre) / scale, np.ones(odds.size)])
    fitted, is_converged = logistic_fit(design, outcomes, np.array([scale, centre]), steps=steps, weights=weights)
    if not is_converged:
        return math.nan, math.nan
    return float(fitted[0] / scale), float(fitted[1] - fitted[0] * centre / scale)


def logistic_fit(
    design: FloatArray,
    outcomes: BoolArray,
    prior: FloatArray,
    *,
    precision: FloatArray | None = None,
    steps: int = 50,
    weights: FloatArray | None = None,
) -> tuple[FloatArray, bool]:
    """Fit a logistic regression of design (n, k) by Newton's method, and say whether it converged.

    The fit starts at `prior`, (k,), and with a `precision`, (k, k), it is shrunk to it.
    """
    penalty = np.zeros((len(prior), len(prior))) if precision is None else precision
    sign, w = np.where(outcomes, -1.0, 1.0), weights_or_ones(weights, len(outcomes))

    def loss(beta: FloatArray) -> float:
        away = beta - prior
        return float((w * np.logaddexp(0.0, sign * (design @ beta))).sum() + 0.5 * away @ penalty @ away)

    beta = prior.copy()
    for _ in range(steps):
        proba = 0.5 * (1.0 + np.tanh(0.5 * (design @ beta)))
        gradient = design.T @ (w * (outcomes - proba)) - penalty @ (beta - prior)
        curvature = (design * (w * proba * (1.0 - proba))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        # A full Newton step overshoots where the model is far off (a base rate that jumped), so it is halved until
        # the loss falls.
        size, before = 1.0, loss(beta)
        while loss(beta + size * step) > before and size > 1e-6:
            size /= 2.0
        beta = beta + size * step
        if float(np.abs(size * step).max()) < 1e-10:
            return beta, True
    return beta, False
