"""Which recipe to fit when the loop calls for a model, and what the gates say of it.

`Selection` decides for both. The replay selects in one step (`select_recipe`); production's assets store the candidates
before one of them is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bank_assets.core.arrays import FloatArray
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
from bank_assets.core.quality.objective import PROFIT, Cohort
from bank_assets.core.training.challenger import Choice, calibrator_of, choose_recipe, cohort_of, pooled_rows
from bank_assets.core.training.folds import Fold, candidate_metrics, predict_candidates, resampled_fold, time_folds
from bank_assets.core.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class SelectedRecipe:
    """The recipe to fit on all known outcomes, why, and which gate judges it.

    `gate` is the verdict on out-of-time rows; None for a refit, which only its guards judge. `calibrator` holds the
    steps for decision.json.
    """

    recipe: Recipe
    kind: str
    reason: str
    gate: GateVerdict | None
    calibrator: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a recipe is selected under.

    `incumbent` is the champion's recipe, or the default one before the first champion. With `probation`, the setting,
    the incumbent's recipe decides if the gate of a first model refuses; a search does not repeat that while it already
    decides.
    """

    incumbent: Recipe
    economics: Economics
    has_model: bool
    is_on_probation: bool
    is_search: bool
    probation: bool
    seed: int
    objective: str = PROFIT

    @property
    def has_passed(self) -> bool:
        """Whether the champion passed a gate."""
        return self.has_model and not self.is_on_probation

    def choose(
        self,
        metrics: Mapping[str, Mapping[str, float]],
        calibrated: Mapping[str, FloatArray],
        data: LearningData,
        folds: Sequence[Fold],
    ) -> tuple[Choice, Cohort, dict[str, FloatArray]]:
        """Choose among candidates and the incumbent by their out-of-time probabilities, (n,), NaN outside the folds.

        Returns also the latest out-of-time cohort and the probabilities of its rows.
        """
        rows = pooled_rows(calibrated[self.incumbent.name], data, folds, LIMITS.minimum_rows)
        cohort = cohort_of(data.rows(rows), self.economics, self.seed)
        proba = {name: values[rows] for name, values in calibrated.items()}
        return choose_recipe(metrics, proba, cohort, self.incumbent.name, self.objective), cohort, proba

    def first_gate(
        self, chosen: str, cohort: Cohort, proba: FloatArray, f1_threshold: float
    ) -> tuple[str, str, GateVerdict | None]:
        """Judge the chosen recipe as a first model if it is one.

        Returns the name of the recipe to fit, its kind, and the verdict; None for other kinds. On probation the
        incumbent's recipe is fitted although the verdict is a refusal.
        """
        kind = kind_of_fit(chosen, self.incumbent.name, has_passed=self.has_passed)
        if kind != FIRST:
            return chosen, kind, None
        gate = first_model_gate(cohort, proba, objective=self.objective, f1_threshold=f1_threshold)
        if not gate.is_promoted and self.probation and not (self.has_model and self.is_search):
            return self.incumbent.name, PROBATION, gate
        return chosen, FIRST, gate


def select_recipe(
    candidates: Sequence[Recipe], selection: Selection, data: LearningData, clock: Callable[[], float]
) -> SelectedRecipe:
    """Compare recipes over time-ordered folds, and judge the chosen one by its gate.

    `data` holds contacts with known outcomes in time order; `clock` is a monotonic clock in seconds.

    Raises:
        SplitError: the history is too short.
    """
    incumbent = selection.incumbent.name
    recipes = {recipe.name: recipe for recipe in (*candidates, selection.incumbent)}
    folds = time_folds(data.contact_dates, data.as_of)
    resampled = cache(resampled_fold(data))  # one resampling for all algorithms
    predicted = {
        one.recipe.name: one for one in predict_candidates(list(recipes.values()), data, folds, resampled, clock)
    }
    calibrated = {name: found.calibrated for name, found in predicted.items()}
    metrics = {name: candidate_metrics(proba, data, folds, selection.economics) for name, proba in calibrated.items()}
    choice, cohort, proba = selection.choose(metrics, calibrated, data, folds)
    chosen = proba[choice.name]
    name, kind, gate = selection.first_gate(choice.name, cohort, chosen, choice.f1_threshold)
    if kind == RECIPE:
        thresholds = (metrics[incumbent]["f1_threshold"], choice.f1_threshold)
        gate = recipe_gate(cohort, chosen, proba[incumbent], objective=selection.objective, f1_thresholds=thresholds)
    calibrator = calibrator_of(recipes[name], predicted[name].raw, data)
    return SelectedRecipe(recipes[name], kind, choice.reason, gate, calibrator)
