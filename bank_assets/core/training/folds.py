"""Time-ordered folds, the out-of-time predictions of recipes over them, and the metrics and ranking of candidates.

Calibration is rolling. The calibrator of a fold is fitted on the out-of-time predictions of the folds before it; then
each day's intercept follows the outcomes known by then, exactly as in production. So no fit is spent on calibration,
and no fold sees its own outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray, effective_size, rows_at
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import LearningData, ScoredContacts
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.calibration import fit_affine, recalibrated_day_by_day
from bank_assets.core.model.scorer import apply_calibrator
from bank_assets.core.quality import metrics
from bank_assets.core.quality.objective import METRIC, PROFIT, TIE_SHARE
from bank_assets.core.training.recipes import (
    Estimator,
    Recipe,
    encode,
    encode_compact,
    fit_encoded,
    load_libraries,
    resample,
    rows_to_fit,
)

N_REPORTED_FOLDS: Final = 3
"""Folds whose pooled metrics are reported; one warm-up fold before them feeds the first calibrator."""

PREDICTED_ROWS: Final = 50_000  # at a time: a fold of a million contacts would need a gigabyte as float64

MINIMUM_SPAN_DAYS: Final = 8
"""Shorter histories cannot be split into four parts of whole days."""
Resampled = tuple[FloatArray, BoolArray, FloatArray]
ResampledFold = Callable[[str, "Fold", float, int], Resampled]
"""(sampler, fold, half-life days, seed) -> resampled rows; an implementation may cache."""


class SplitError(ValueError):
    """The history is too short to be split by time."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold: train on contacts before `test_start`, the as-of day of the fit, and test on [test_start, test_end).

    The first fold, `warm_up`, is not reported: its predictions do not enter the pooled metrics.
    """

    name: str
    test_start: np.datetime64
    test_end: np.datetime64
    is_reported: bool

    def train_mask(self, contact_dates: DayArray, known_on: DayArray) -> BoolArray:
        """Rows whose call and outcome lie before the fold's test rows, (n,)."""
        return np.asarray((contact_dates < self.test_start) & (known_on <= self.test_start))

    def test_mask(self, contact_dates: DayArray) -> BoolArray:
        """Rows of the test span, (n,)."""
        return np.asarray((contact_dates >= self.test_start) & (contact_dates < self.test_end))


def time_folds(contact_dates: DayArray, as_of: np.datetime64) -> tuple[Fold, ...]:
    """Split the span into four equal parts at month starts; test on the last three, warm up on half of the first.

    On the real file the reported folds begin in January 2009. Where months are too long for the span (a few weeks of
    data), the folds start at days.
    """
    first = contact_dates.min().astype("datetime64[D]")
    days = int((as_of - first).astype(np.int64))
    if days < MINIMUM_SPAN_DAYS:
        raise SplitError(
            f"history: expected contacts over at least {MINIMUM_SPAN_DAYS} days before {as_of}, found {days}; "
            "deliver more history before training."
        )
    halves = 2 * (N_REPORTED_FOLDS + 1)
    points = [first + days * k // halves for k in (1, *range(2, halves, 2))]
    if days >= 30 * halves:
        # The next start of a month, or the day itself if it is one
        points = [((point - 1).astype("datetime64[M]") + 1).astype("datetime64[D]") for point in points]
    spans = enumerate(pairwise([*points, as_of]))
    return tuple(Fold(str(k) if k else "warm_up", start, end, k > 0) for k, (start, end) in spans)


def random_folds(n_rows: int, n_folds: int, seed: int) -> IntArray:
    """Return a shuffled fold number for each row, (n_rows,), in [0, n_folds): it hides every change in time."""
    return np.random.default_rng(seed).permutation(np.arange(n_rows) % n_folds)


def resampled_fold(data: LearningData) -> ResampledFold:
    """Return a function that resamples the training rows of a fold, without a cache."""

    def of(sampler: str, fold: Fold, half_life_days: float, seed: int) -> Resampled:
        train = np.flatnonzero(fold.train_mask(data.contact_dates, data.known_on))
        rows, weights = rows_to_fit(data, train, fold.test_start, half_life_days)
        encoded = encode(rows_at(data.features, rows), FeatureSet.of(data.contract))
        return resample(sampler, encoded, data.is_subscribed[rows], weights, seed)

    return of


@dataclass(frozen=True, slots=True)
class CandidatePredictions:
    """Out-of-time predictions of one recipe, (n,); NaN outside the folds' test rows.

    `calibrated` is after rolling calibration. `fit_seconds` excludes resampling, which recipes share.
    """

    recipe: Recipe
    raw: FloatArray
    calibrated: FloatArray
    fit_seconds: float


def calibrate_rolling(raw: FloatArray, data: LearningData, folds: Sequence[Fold]) -> FloatArray:
    """Calibrate each fold with what was known before it, then each day with what was known by then, (n,)."""
    scaled = np.full(len(raw), np.nan)
    for fold in folds:
        test = fold.test_mask(data.contact_dates)
        before = ~np.isnan(raw) & (data.contact_dates < fold.test_start) & (data.known_on <= fold.test_start)
        step = fit_affine(raw[before], data.is_subscribed[before], data.w[before])
        scaled[test] = apply_calibrator(raw[test], [step])
    days = np.unique(data.contact_dates[~np.isnan(scaled)])
    scored = ScoredContacts(data.contact_dates, scaled, data.is_subscribed, data.known_on, weights=data.weights)
    return recalibrated_day_by_day(scored, days)


def predict_candidates(
    recipes: Sequence[Recipe],
    data: LearningData,
    folds: Sequence[Fold],
    resampled: ResampledFold,
    clock: Callable[[], float],
    *,
    workers: int = 2,
) -> Iterator[CandidatePredictions]:
    """Fit each recipe on each fold and predict the fold's test rows, with one queue of fits over all workers.

    Fits run side by side with one thread each: two threads inside a fit of 40,000 rows wait for each other more than
    they work (four LightGBM fits on a busy machine: 71 s with two threads each, 2 s with one). A recipe is yielded, in
    order, as soon as its folds are done, so that the caller can log it while others are fitted. The number of workers
    does not change the predictions. `clock` is a monotonic clock in seconds.
    """
    encoded = encode_compact(data.features, FeatureSet.of(data.contract))

    def fitted(recipe: Recipe, fold: Fold) -> tuple[BoolArray, FloatArray | float, float]:
        X, y, weights = resampled(recipe.sampler, fold, recipe.half_life_days, recipe.seed)
        test = fold.test_mask(data.contact_dates)
        if bool(y.all()) or not bool(y.any()) or not bool(test.any()):
            return test, float(np.clip(y.mean(), 1e-3, 1 - 1e-3)) if len(y) else 0.1, 0.0
        started = clock()
        estimator = fit_encoded(recipe, X, y, weights)
        seconds = clock() - started
        blocks = np.array_split(at := np.flatnonzero(test), 1 + len(at) // PREDICTED_ROWS)
        return test, np.concatenate([_probability(estimator, encoded[rows]) for rows in blocks]), seconds

    load_libraries(recipes)
    # All thread pools, BLAS included: with two threads it sums in another order, and a logistic regression differs by
    # 3e-16 from run to run.
    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        # The latest fold has the most rows, so it comes first: the workers end at about the same time.
        queue = [[pool.submit(fitted, recipe, fold) for fold in reversed(folds)] for recipe in recipes]
        try:
            for recipe, tasks in zip(recipes, queue, strict=True):
                raw, seconds = np.full(len(data), np.nan), 0.0
                for task in tasks:
                    test, proba, spent = task.result()
                    raw[test] = proba
                    seconds += spent
                yield CandidatePredictions(recipe, raw, calibrate_rolling(raw, data, folds), seconds)
        finally:
            pool.shutdown(cancel_futures=True)


def _probability(estimator: Estimator, rows: NDArray[np.float32]) -> FloatArray:
    return np.asarray(estimator.predict_proba(rows.astype(np.float64))[:, 1])


def predict_folds(
    recipe: Recipe, data: LearningData, folds: Sequence[Fold], resampled: ResampledFold, clock: Callable[[], float]
) -> CandidatePredictions:
    """Fit one recipe on each fold, as `predict_candidates` does with several."""
    (found,) = predict_candidates([recipe], data, folds, resampled, clock)
    return found


def candidate_metrics(
    calibrated: FloatArray, data: LearningData, folds: Sequence[Fold], economics: Economics
) -> dict[str, float]:
    """Return metrics pooled over the reported folds, and some by fold (`roc_auc_fold_<k>`, `profit_eur_fold_<k>`, …).

    The threshold of F1 is the best on the predictions before the reported folds, so F1 is honest. With weights, sums
    stand for every contact, and `effective_rows` is the effective number of the `rows`.
    """
    reported = [fold for fold in folds if fold.is_reported]
    start = reported[0].test_start
    earlier = ~np.isnan(calibrated) & (data.contact_dates < start)
    pooled = ~np.isnan(calibrated) & (data.contact_dates >= start)
    weights = data.w
    proba, observed, w = calibrated[pooled], data.is_subscribed[pooled], weights[pooled]
    if bool(data.is_subscribed[earlier].any()):
        threshold = metrics.best_f1_threshold(data.is_subscribed[earlier], calibrated[earlier], weights[earlier])
    else:
        threshold = float(economics.threshold(data.features).mean())
    called = economics.decide(calibrated, data.features)
    profit = weights * economics.profit(called, data.is_subscribed, data.features)
    result = {
        "roc_auc": metrics.roc_auc(observed, proba, w),
        "average_precision": metrics.average_precision(observed, proba, w),
        "f1": metrics.f1(observed, proba, threshold, w),
        "f1_threshold": threshold,
        "brier": metrics.brier(observed, proba, w),
        "log_loss": metrics.log_loss(observed, proba, w),
        "profit_eur": float(profit[pooled].sum()),
        "calls": float((weights * called)[pooled].sum()),
        "mean_probability": float((w * proba).sum() / w.sum()),
        "observed_rate": float((w * observed).sum() / w.sum()),
        "rows": float(len(proba)),
    }
    if data.weights is not None:
        result["effective_rows"] = effective_size(w)
    for fold in reported:
        test = fold.test_mask(data.contact_dates)
        auc = metrics.roc_auc(data.is_subscribed[test], calibrated[test], weights[test])
        if not math.isnan(auc):
            result[f"roc_auc_fold_{fold.name}"] = auc
        result[f"rows_fold_{fold.name}"] = float(test.sum())
        result[f"profit_eur_fold_{fold.name}"] = float(profit[test].sum())
    by_fold = [result[name] for name in result if name.startswith("roc_auc_fold_")]
    if by_fold:
        result["roc_auc_mean_fold"] = float(np.mean(by_fold))
    return result


def rank_candidates(results: Mapping[str, Mapping[str, float]], objective: str = PROFIT) -> list[str]:
    """Order candidate names by objective, best first; ties (within `TIE_SHARE` of the best) by log loss.

    Profit differs by chance by about as much, while log loss uses every row. So a tie goes to the better probabilities,
    which decide at every economics.
    """
    scores = {name: result[METRIC[objective]] for name, result in results.items()}
    best = max(scores.values())
    near = best - TIE_SHARE * abs(best)
    return sorted(
        results,
        key=lambda name: (scores[name] < near, results[name]["log_loss"] if scores[name] >= near else -scores[name]),
    )
