"""The platform in a replay: the ports through which a history drives `core.response.loop`.

Unlike production it fits at once and keeps everything in memory. It leaves out one refit guard, whether the champion's
training data has become worse (`core.promotion.refit_guard`): a replay's history never changes, so that guard always
passes, which a test proves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bank_assets.core.arrays import DayArray
from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.features.contacts import LearningData, ScoredContacts
from bank_assets.core.model.bundle import NO_RANGES
from bank_assets.core.model.calibration import intercept_as_of
from bank_assets.core.model.ranges import fit_ranges
from bank_assets.core.model.scorer import apply_calibrator
from bank_assets.core.promotion.gates import PROBATION, REFIT, judged, refit_gate
from bank_assets.core.promotion.recipe_search import SelectedRecipe, Selection, select_recipe
from bank_assets.core.quality.metrics import best_f1_threshold
from bank_assets.core.response.loop import Assessment, KnownFacts, Position, advance, after_verdict
from bank_assets.core.response.policy import ResponseAction, ResponseState
from bank_assets.core.training.challenger import GUARD_ROWS, fit_deployment
from bank_assets.core.training.recipes import Recipe, named_recipes
from bank_assets.replay.policies import Policy, Rows
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import ReplaySettings, World


class PlatformReplay(Policy):
    """The product's own policy. It implements the loop's `LoopPorts`.

    `f1_threshold` is the same policy, but calls by the best F1 on the outcomes known so far. `assessments` are the days
    judged by this object, in order.
    """

    def __init__(self, name: str, settings: ReplaySettings) -> None:
        super().__init__(name, settings)
        self._response, self._shift = ResponseState(), 0.0
        self._recipe = Recipe(seed=settings.seed)
        self._reference = Reference({}, 0.0)
        self._requested: Assessment | None = None
        self.assessments: list[Assessment] = []

    def _score(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        """Judge the days since the last one, and score. Before the first model the trailing rate decides."""
        self._as_of, self._world, self._trace = as_of, world, trace
        advance(self)
        features = world.features_of(rows, as_of)
        scored = world.scored(trace.unshifted, as_of)
        if self._scorer is None:
            trace.proba[rows] = features["subscription_rate_30d"]
        else:
            shift = intercept_as_of(scored, as_of)
            scores = self._scorer.score(features, log_odds_shift=shift)
            trace.unshifted[rows] = apply_calibrator(scores.raw, self._scorer.decision["calibrator"])
            trace.proba[rows], trace.low[rows], trace.high[rows] = scores.probability, scores.low, scores.high
        decided = self._decided(as_of) if self.name == "f1_threshold" else None
        if decided is not None and bool(decided.is_subscribed.any()):
            threshold = best_f1_threshold(decided.is_subscribed, decided.proba, decided.weights)
            self._economics = replace(self._economics, calls_from=threshold)

    def _learning(self) -> LearningBudget:
        """Until a first model stands there is nobody to tell apart, so a bank that explores calls everybody."""
        usual = super()._learning()
        return LearningBudget(1.0) if self._scorer is None and usual != LearningBudget() else usual

    # Scores

    def days(self) -> DayArray:
        """Days with contacts; with a coarser step the last day of each step that has some."""
        return self._world.delivered_days

    def reached(self) -> np.datetime64:
        """The day that is being decided."""
        return self._as_of

    def known(self, day: np.datetime64) -> KnownFacts:
        """Scores as they were used for decisions, with the outcomes learned so far."""
        scored = self._world.scored(self._trace.unshifted, day)
        return KnownFacts(scored, self._world.daily, self._reference)

    # Fits

    def settle(self, requested: Assessment) -> bool:
        """Select a recipe, fit and judge it immediately."""
        self._requested = None
        day, reason = requested.day, "; ".join(requested.response.reasons)
        data = self._world.learning_data(day)
        selected = self._selected(requested, data)
        fit = fit_deployment(selected.recipe, data, parity_rows=2 * GUARD_ROWS)
        self.counts.trainings += 1
        calibrated = apply_calibrator(fit.guard_raw, selected.calibrator)
        guards = refit_gate(calibrated, fit.guard_observed, fit.parity, weights=fit.guard_weights)
        verdict = judged(selected.kind, selected.gate, guards)
        is_on_probation = selected.kind == PROBATION
        self._response = after_verdict(
            self._response, str(day), is_promoted=verdict.is_promoted, is_on_probation=is_on_probation
        )
        if not verdict.is_promoted:
            self._happened(day, "refused", "; ".join(verdict.reasons))
            return True
        self._recipe = selected.recipe
        self._deploy_fit(fit, data, selected.calibrator, self._ranges(day))
        self._compare_with(day, self._world)
        self._happened(day, "model", f"{reason}; {verdict.reasons[0]}" if is_on_probation else reason)
        return True

    def _selected(self, requested: Assessment, data: LearningData) -> SelectedRecipe:
        settings, is_search = self._settings, requested.response.action is ResponseAction.SEARCH
        selection = Selection(
            self._recipe,
            settings.economics,
            has_model=self._scorer is not None,
            is_on_probation=self._response.is_on_probation,
            is_search=is_search,
            probation=settings.probation,
            seed=settings.seed,
            objective=settings.objective,
        )
        if not is_search and selection.has_passed and self._recipe.sampler == "none":
            return SelectedRecipe(self._recipe, REFIT, "", None, [])
        candidates = named_recipes(settings.candidates, settings.seed) if is_search else ()
        found = select_recipe(candidates, selection, data, time.monotonic)
        if is_search:
            self.counts.searches += 1
            trained = len({one.name for one in (*candidates, self._recipe)})
            self.counts.trainings += trained if selection.has_passed else 0
            self._happened(requested.day, "search", found.reason)
        return found

    def _ranges(self, day: np.datetime64) -> dict[str, Any]:
        decided = self._decided(day)
        table = fit_ranges(decided.contact_dates, decided.proba, decided.is_subscribed, decided.weights)
        return {name: table[name] for name in NO_RANGES}

    def _decided(self, day: np.datetime64) -> ScoredContacts:
        """Contacts that a model decided, with the probability of the decision, and whose outcome is known on a day."""
        by_model = np.where(np.isnan(self._trace.unshifted), np.nan, self._trace.proba)
        known = self._world.scored(by_model, day)
        return known.rows(~np.isnan(known.proba))

    def _compare_with(self, day: np.datetime64, world: World) -> None:
        fitted: Any = day.astype("datetime64[D]").item()
        self._reference = Reference.of(world.daily, fitted, self._recipe.half_life_days)

    # Record

    def position(self) -> Position[Assessment]:
        """The current state; nothing is ever pending between two days."""
        return Position(self._response, self._shift, self._requested)

    def keep(self, assessment: Assessment) -> None:
        """Keep the state, and record events for the report."""
        answer, evidence = assessment.response, assessment.evidence
        self._response, self._shift = answer.state, evidence.shift_now
        self._requested = assessment if assessment.calls_for_fit else None
        self.assessments.append(assessment)
        if answer.is_recalibrated:
            self.counts.recalibrations += 1
            change = f"intercept from {evidence.shift_before:+.2f} to {evidence.shift_now:+.2f} log-odds"
            self._happened(assessment.day, "recalibration", change)
        if answer.is_alert:
            self.counts.alerts += 1
            self._happened(assessment.day, "alert", "; ".join(answer.reasons))

    # Policy

    def _state(self) -> dict[str, Any]:
        return {"response": self._response.to_json(), "shift": self._shift, "recipe": self._recipe.to_dict()}

    def _resume(self, state: Mapping[str, Any], world: World) -> None:
        self._response, self._shift = ResponseState.from_json(state["response"]), float(state["shift"])
        self._recipe = Recipe.from_dict(state["recipe"])
        if self._response.deployed_on is not None:
            self._compare_with(np.datetime64(self._response.deployed_on, "D"), world)
