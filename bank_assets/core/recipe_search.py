"""The search rung: compare recipes out of time, and take another one only if its lead is no luck.

What lives here: fold fits of several recipes and the choice between them.
What must not: the deployment fit (`core.challenger.fit_deployment`), MLflow (the training assets log each candidate).
Called by the platform loop of the replay; production does the same, asset by asset, through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bank_assets.core.candidate_folds import (
    CandidatePredictions,
    candidate_metrics,
    predict_candidates,
    resampled_fold,
)
from bank_assets.core.candidates import Recipe
from bank_assets.core.challenger import Choice, choose_recipe, pooled_rows
from bank_assets.core.contacts import LearningData
from bank_assets.core.economics import Economics
from bank_assets.core.objective import PROFIT
from bank_assets.core.splits import time_folds


def search_recipes(
    recipes: Sequence[Recipe],
    incumbent: Recipe,
    data: LearningData,
    economics: Economics,
    clock: Callable[[], float],
    *,
    minimum_rows: int,
    seed: int,
    n_jobs: int = 1,
    objective: str = PROFIT,
) -> tuple[Recipe, Choice, CandidatePredictions]:
    """Compare recipes over time-ordered folds.

    Args:
        recipes: candidates; the incumbent is added if it is not among them.
        incumbent: the champion's recipe, or the default one before the first champion.
        data: contacts with known outcomes, in time order.
        economics: cost and value.
        clock: a monotonic clock, s.
        minimum_rows: out-of-time rows wanted for the choice.
        seed: seed of the bootstrap.
        n_jobs: threads of a fit.
        objective: `profit` or `f1`.

    Returns:
        The recipe, why, and its out-of-time predictions.

    Raises:
        SplitError: the history is too short.
    """
    candidates = {recipe.name: recipe for recipe in (*recipes, incumbent)}
    folds = time_folds(data.contact_dates, data.as_of)
    resampled = resampled_fold(data)
    found = predict_candidates(list(candidates.values()), data, folds, resampled, clock, n_jobs=n_jobs)
    predicted = {one.recipe.name: one for one in found}
    results = {name: candidate_metrics(found.calibrated, data, folds, economics) for name, found in predicted.items()}
    starts = [fold.test_start for fold in folds if fold.is_reported]
    rows = pooled_rows(predicted[incumbent.name].calibrated, data.contact_dates, starts, minimum_rows)
    choice = choose_recipe(
        results,
        {name: found.calibrated[rows] for name, found in predicted.items()},
        data.is_subscribed[rows],
        data.contact_dates[rows],
        incumbent.name,
        economics,
        seed=seed,
        objective=objective,
    )
    return candidates[choice.name], choice, predicted[choice.name]


def reported_from(data: LearningData) -> np.datetime64:
    """First day of the out-of-time rows that are reported and judged."""
    return next(fold.test_start for fold in time_folds(data.contact_dates, data.as_of) if fold.is_reported)
