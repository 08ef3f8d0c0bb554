"""Tunes an algorithm's hyper-parameters by Optuna, on the part of the history that no reported fold tests.

A study that saw the reported folds would report its own luck. It minimises log loss, which uses every row; profit at
one threshold is too coarse for some hundred trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from bank_assets.core.features.contacts import LearningData
from bank_assets.core.quality import metrics
from bank_assets.core.training.algorithms import ALGORITHMS, Parameters, Range
from bank_assets.core.training.folds import predict_folds, resampled_fold, time_folds
from bank_assets.core.training.recipes import Recipe

MAXIMUM_TRIALS: Final = 200


def before_reported_folds(data: LearningData) -> LearningData:
    """Return the part of the history that a study may see: known before the first reported fold begins."""
    start = next(fold.test_start for fold in time_folds(data.contact_dates, data.as_of) if fold.is_reported)
    seen = data.rows((data.contact_dates < start) & (data.known_on <= start))
    return replace(seen, as_of=start)


def _drawn(trial: Any, space: Mapping[str, Range]) -> dict[str, float | int]:
    return {
        name: trial.suggest_int(name, one.low, one.high, step=one.step, log=one.is_log)
        if isinstance(one.low, int)
        else trial.suggest_float(name, one.low, one.high, log=one.is_log)
        for name, one in space.items()
    }


def tune(
    algorithm: str,
    data: LearningData,
    *,
    seconds: float,
    seed: int,
    clock: Callable[[], float],
    trials: int = MAXIMUM_TRIALS,
) -> dict[str, float | int | str]:
    """Search hyper-parameters within a time limit in seconds; empty if the defaults, which are always tried, were best.

    Only what lies before the reported folds is used. The trial running at the limit is finished. The same trials give
    the same result, but their number depends on the machine. `clock` is a monotonic clock in seconds.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seen = before_reported_folds(data)
    folds = time_folds(seen.contact_dates, seen.as_of)
    resampled = resampled_fold(seen)

    def loss(parameters: Parameters) -> float:
        recipe = Recipe(algorithm, parameters=parameters, seed=seed)
        proba = predict_folds(recipe, seen, folds, resampled, clock).calibrated
        tested = ~np.isnan(proba)
        rows = seen.rows(tested)
        return metrics.log_loss(rows.is_subscribed, proba[tested], rows.weights)

    best = loss({})
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(lambda trial: loss(_drawn(trial, ALGORITHMS[algorithm].space)), n_trials=trials, timeout=seconds)
    return dict(study.best_params) if study.best_value < best else {}
