"""Which recipe to fit when the loop calls for a model, and what the gates say of it.

The replay uses it; production does the same asset by asset, through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.promotion.gates import (
    FIRST,
    LIMITS,
    PROBATION,
    RECIPE,
    GateVerdict,
    first_model_gate,
    kind_of_fit,
    recipe_gate,
)
from bank_assets.core.quality.objective import PROFIT
from bank_assets.core.training.challenger import calibrator_of, choose_recipe, cohort_of, pooled_rows
from bank_assets.core.training.folds import candidate_metrics, predict_candidates, resampled_fold, time_folds
from bank_assets.core.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class RecipeSelection:
    """The recipe to fit on all known outcomes, why, and which gate judges it.

    `gate` is the verdict on out-of-time rows; None for a refit, which only its guards judge. `calibrator` holds the
    steps for decision.json.
    """

    recipe: Recipe
    kind: str
    reason: str
    gate: GateVerdict | None
    calibrator: list[dict[str, Any]]


def select_recipe(
    candidates: Sequence[Recipe],
    incumbent: Recipe,
    data: LearningData,
    economics: Economics,
    clock: Callable[[], float],
    *,
    has_passed: bool,
    probation: bool,
    seed: int,
    objective: str = PROFIT,
) -> RecipeSelection:
    """Compare recipes over time-ordered folds, and judge the chosen one by its gate.

    `incumbent` is the champion's recipe, or the default one before the first champion; `data` holds contacts with known
    outcomes in time order; `clock` is a monotonic clock in seconds; `has_passed` is as for `kind_of_fit`. With
    `probation` the incumbent's recipe decides if the gate of a first model refuses, and its verdict is that refusal.

    Raises:
        SplitError: the history is too short.
    """
    recipes = {recipe.name: recipe for recipe in (*candidates, incumbent)}
    folds = time_folds(data.contact_dates, data.as_of)
    resampled = cache(resampled_fold(data))  # one resampling for all algorithms
    found = predict_candidates(list(recipes.values()), data, folds, resampled, clock)
    predicted = {one.recipe.name: one for one in found}
    results = {name: candidate_metrics(found.calibrated, data, folds, economics) for name, found in predicted.items()}
    rows = pooled_rows(predicted[incumbent.name].calibrated, data.contact_dates, folds, LIMITS.minimum_rows)
    proba = {name: found.calibrated[rows] for name, found in predicted.items()}
    cohort = cohort_of(data.rows(rows), economics, seed)
    choice = choose_recipe(results, proba, cohort, incumbent.name, objective)

    kind, gate = kind_of_fit(choice.name, incumbent.name, has_passed=has_passed), None
    pair = (proba[choice.name], proba[incumbent.name])
    if kind == FIRST:
        gate = first_model_gate(cohort, pair[0], objective=objective, f1_threshold=choice.f1_threshold)
    elif kind == RECIPE:
        thresholds = (results[incumbent.name]["f1_threshold"], choice.f1_threshold)
        gate = recipe_gate(cohort, *pair, objective=objective, f1_thresholds=thresholds)
    name = choice.name
    if kind == FIRST and probation and gate is not None and not gate.is_promoted:
        name, kind = incumbent.name, PROBATION
    calibrator = calibrator_of(recipes[name], predicted[name].raw, data)
    return RecipeSelection(recipes[name], kind, choice.reason, gate, calibrator)
