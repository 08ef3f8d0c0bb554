"""The features and recipes on random folds, and whether the leak check would see a leak.

`BANK_SOURCE=<bank-full.csv> python -m benchmarks.recipes [--samplers]` prints one JSON line.

A random split hides every change in time, so these figures compare with published ones and decide nothing. Trailing
rates and the plan are as of each contact's own day. `--samplers` adds every sampler: SMOTE and Tomek links move the
probabilities, and the calibrator must bring their mean back to within 0.01 of the true rate. The peer is LightGBM with
the call's duration, which is known only after the call.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings

import numpy as np
import pandas as pd

from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.calibration import fit_affine
from bank_assets.core.model.scorer import apply_calibrator
from bank_assets.core.promotion.gates import PromotionPolicy
from bank_assets.core.quality import metrics
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.folds import random_folds
from bank_assets.core.training.recipes import SAMPLERS, Recipe, encode, fit_encoded, resample
from benchmarks.history import real_contacts

FEATURE_SET = FeatureSet.of(UCI)

FOLDS = 5
SEED = 20_081_101


def out_of_fold(recipe: Recipe, X: np.ndarray, y: np.ndarray, fold: np.ndarray, cache: dict) -> np.ndarray:
    """Raw probabilities of rows that the fit has not seen; a sampler's rows are shared between algorithms."""
    raw = np.full(len(y), np.nan)
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        if (recipe.sampler, number) not in cache:
            cache[recipe.sampler, number] = resample(recipe.sampler, X[train], y[train], np.ones(train.sum()), SEED)
        estimator = fit_encoded(recipe, *cache[recipe.sampler, number])
        raw[test] = estimator.predict_proba(X[test])[:, 1]
    return raw


def calibrated(raw: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Each fold by a calibrator fitted on the out-of-fold predictions of the others."""
    proba = np.empty(len(y))
    for number in range(FOLDS):
        proba[fold == number] = apply_calibrator(
            raw[fold == number], [fit_affine(raw[fold != number], y[fold != number])]
        )
    return proba


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samplers", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    contacts = real_contacts()
    X, y = encode(contacts.features(), FEATURE_SET), contacts.is_subscribed
    fold = random_folds(len(y), FOLDS, SEED)
    figures: dict = {"benchmark": "recipes", "rate": float(y.mean()), "candidates": {}}
    for sampler in SAMPLERS if arguments.samplers else ("none",):
        cache: dict = {}
        for algorithm in ALGORITHMS:
            raw = out_of_fold(Recipe(algorithm, sampler, half_life_days=float("inf")), X, y, fold, cache)
            proba = calibrated(raw, y, fold)
            figures["candidates"][f"{algorithm}/{sampler}"] = {
                "roc_auc": round(metrics.roc_auc(y, raw), 4),
                "mean_raw": round(float(raw.mean()), 4),
                "mean_calibrated": round(float(proba.mean()), 4),
                "is_within_0.01": bool(abs(proba.mean() - y.mean()) <= 0.01),
            }
    duration = pd.read_csv(os.environ["BANK_SOURCE"], sep=";", usecols=["duration"])["duration"].to_numpy(float)
    leaking = out_of_fold(Recipe("lightgbm"), np.column_stack([X, duration]), y, fold, {})
    limit = PromotionPolicy().leak_auc
    found = metrics.roc_auc(y, leaking)
    honest = max(row["roc_auc"] for row in figures["candidates"].values())
    figures["leak_check"] = {
        "limit": limit,
        "auc_with_duration": round(found, 4),
        "is_refused": bool(found > limit),
        "is_honest_model_let_through": bool(honest <= limit),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
