"""Metrics of probabilities against outcomes in numpy alone, each equal to scikit-learn's where it has one.

Throughout, `y` is (n,) outcomes, bool or 0/1, and `proba` is (n,) probabilities in [0, 1]. Metrics that need both
classes are NaN with one class only, and every metric is NaN without rows; callers decide what a small window means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import BoolArray, FloatArray

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


def midranks(values: ArrayLike) -> FloatArray:
    """Return ranks from 1 on; tied values share the mean of their ranks."""
    array = np.asarray(values, dtype=np.float64)
    _, codes, counts = np.unique(array, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[codes]


def roc_auc(y: ArrayLike, proba: ArrayLike) -> float:
    """Return the probability that a subscriber scores higher than another contact; ties count half."""
    outcomes, scores = _checked(y, proba)
    positives = int(outcomes.sum())
    negatives = outcomes.size - positives
    if not positives or not negatives:
        return math.nan
    ranks = float(midranks(scores)[outcomes].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def roc_auc_standard_error(y: ArrayLike, proba: ArrayLike) -> float:
    """Return DeLong's standard error of the AUC, with midranks (Sun and Xu 2014): exact for ties, O(n log n).

    NaN with fewer than two contacts of a class.
    """
    outcomes, scores = _checked(y, proba)
    high, low = scores[outcomes], scores[~outcomes]
    if high.size < 2 or low.size < 2:
        return math.nan
    ranks = midranks(np.concatenate([high, low]))
    among_low = (ranks[: high.size] - midranks(high)) / low.size
    among_high = 1 - (ranks[high.size :] - midranks(low)) / high.size
    return math.sqrt(among_low.var(ddof=1) / high.size + among_high.var(ddof=1) / low.size)


def _curve(outcomes: BoolArray, scores: FloatArray) -> tuple[FloatArray, NDArray[Any], NDArray[Any]]:
    """Distinct scores from high to low; contacts and subscribers with at least that score."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if ordered.size else np.empty(0, dtype=int)
    return ordered[last], last + 1, np.cumsum(outcomes[order])[last]


def average_precision(y: ArrayLike, proba: ArrayLike) -> float:
    """Return the area under the precision-recall steps; NaN without subscribers."""
    outcomes, scores = _checked(y, proba)
    positives = int(outcomes.sum())
    if not positives:
        return math.nan
    _, called, found = _curve(outcomes, scores)
    gain = np.diff(found, prepend=0) / positives
    return float(np.sum(gain * found / called))


def f1_of_calls(y: ArrayLike, is_called: ArrayLike) -> float:
    """Return the F1 of decisions; 0 if nobody was called or nobody subscribed, NaN without rows."""
    outcomes, called = np.asarray(y).astype(bool), np.asarray(is_called).astype(bool)
    if not outcomes.size:
        return math.nan
    together = int(outcomes.sum()) + int(called.sum())
    return 2 * int((outcomes & called).sum()) / together if together else 0.0


def f1(y: ArrayLike, proba: ArrayLike, threshold: float) -> float:
    """Return the F1 of calling where proba >= threshold."""
    outcomes, scores = _checked(y, proba)
    return f1_of_calls(outcomes, scores >= threshold)


def best_f1_threshold(y: ArrayLike, proba: ArrayLike) -> float:
    """Return the highest threshold with the best F1 when calling where proba >= threshold; 0.5 without subscribers."""
    outcomes, scores = _checked(y, proba)
    positives = int(outcomes.sum())
    if not positives:
        return 0.5
    thresholds, called, found = _curve(outcomes, scores)
    return float(thresholds[int(np.argmax(2 * found / (called + positives)))])


def brier(y: ArrayLike, proba: ArrayLike) -> float:
    """Return the mean squared error of the probabilities."""
    outcomes, scores = _checked(y, proba)
    return float(np.mean((scores - outcomes) ** 2)) if outcomes.size else math.nan


def log_loss_rows(y: ArrayLike, proba: ArrayLike) -> FloatArray:
    """Return the log loss of each contact, (n,), which a paired bootstrap resamples."""
    outcomes, scores = _checked(y, proba)
    clipped = np.clip(scores, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return -np.where(outcomes, np.log(clipped), np.log1p(-clipped))


def log_loss(y: ArrayLike, proba: ArrayLike) -> float:
    """Return the mean negative log likelihood (natural logarithm)."""
    rows = log_loss_rows(y, proba)
    return float(rows.mean()) if rows.size else math.nan


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One bin of a reliability table: its range of probabilities, mean probability and observed subscription rate."""

    low: float
    high: float
    rows: int
    mean_proba: float
    rate: float


def calibration_table(y: ArrayLike, proba: ArrayLike, bins: int = CALIBRATION_BINS) -> tuple[CalibrationBin, ...]:
    """Return reliability bins of about equal size, from low to high probability; equal probabilities share a bin."""
    outcomes, scores = _checked(y, proba)
    if not scores.size:
        return ()
    edges = np.unique(np.quantile(scores, np.arange(1, bins) / bins, method="inverted_cdf"))
    in_bin = np.searchsorted(edges, scores, side="left")
    members = ((outcomes[in_bin == index], scores[in_bin == index]) for index in np.unique(in_bin))
    return tuple(
        CalibrationBin(float(p.min()), float(p.max()), p.size, float(p.mean()), float(o.mean())) for o, p in members
    )


def expected_calibration_error(y: ArrayLike, proba: ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Return the mean absolute gap between predicted and observed rate over `calibration_table`, weighted by rows."""
    table = calibration_table(y, proba, bins)
    rows = sum(part.rows for part in table)
    return sum(part.rows * abs(part.mean_proba - part.rate) for part in table) / rows if rows else math.nan


def calibration_line(y: ArrayLike, proba: ArrayLike, steps: int = 50) -> tuple[float, float]:
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
    fitted, is_converged = logistic_fit(design, outcomes, np.array([scale, centre]), steps=steps)
    if not is_converged:
        return math.nan, math.nan
    return float(fitted[0] / scale), float(fitted[1] - fitted[0] * centre / scale)


def logistic_fit(
    design: FloatArray, outcomes: BoolArray, prior: FloatArray, *, precision: FloatArray | None = None, steps: int = 50
) -> tuple[FloatArray, bool]:
    """Fit a logistic regression of design (n, k) by Newton's method, and say whether it converged.

    The fit starts at `prior`, (k,), and with a `precision`, (k, k), it is shrunk to it.
    """
    penalty = np.zeros((len(prior), len(prior))) if precision is None else precision
    sign = np.where(outcomes, -1.0, 1.0)

    def loss(beta: FloatArray) -> float:
        away = beta - prior
        return float(np.logaddexp(0.0, sign * (design @ beta)).sum() + 0.5 * away @ penalty @ away)

    beta = prior.copy()
    for _ in range(steps):
        proba = 0.5 * (1.0 + np.tanh(0.5 * (design @ beta)))
        gradient = design.T @ (outcomes - proba) - penalty @ (beta - prior)
        curvature = (design * (proba * (1.0 - proba))[:, None]).T @ design + penalty
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
