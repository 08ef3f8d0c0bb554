"""The policies that a replay compares; the platform's own is in `replay.platform`.

All fits, conversions and scores use `core.training.challenger` and `core.model.scorer`, as in production. The policies
differ in their features and in when they refit.

| name | features | weights | refit | recalibration |
|---|---|---|---|---|
| never | the contact alone | equal | once | no |
| monthly | the contact alone | equal | first day of a month | no |
| weekly | + trailing rates, number planned | half-life 90 days | every 7 days | no |
| drift_only | as weekly | half-life 90 days | heavy drift, checked weekly | no |
| platform | all, the plan's mix too | half-life 90 days | response policy | each day |
| f1_threshold | as platform, called above the threshold of the best F1 so far | | | |
| hindsight | all | equal | cross-validation over the whole history: it sees the days it decides | no |
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import FloatArray, rows_at
from bank_assets.core.drift.report import Level
from bank_assets.core.drift.verdict import compare_profiles
from bank_assets.core.economics.call_plan import EXPLORATION
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.features.as_of import PLAN_COUNT, RATE_FEATURES, plan_features
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.bundle import NO_RANGES, BundleParts, ModelLineage, bundle_files
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.training.challenger import GUARD_ROWS, DeploymentFit, fit_deployment
from bank_assets.core.training.folds import random_folds
from bank_assets.core.training.recipes import Recipe, encode, fit_encoded
from bank_assets.replay.trace import ReplayCounts, ReplayEvent, Trace
from bank_assets.replay.world import ReplaySettings, World

Rows = NDArray[np.int64]
Features = Mapping[str, NDArray[Any]]

STATE_FILE: Final = "policy.json"
HINDSIGHT_FOLDS: Final = 5
# Subscriptions and refusals that a fit needs; until then the trailing subscription rate decides.
MINIMUM_CLASS: Final = 20
WEEK: Final = np.timedelta64(7, "D")
DRIFT_WINDOW_DAYS: Final = 28


class Policy(ABC):
    """Decides contacts day by day; `counts` are its fits, searches and events that could reach production."""

    def __init__(self, name: str, settings: ReplaySettings) -> None:
        self.name, self._settings, self.counts = name, settings, ReplayCounts()
        self._economics = settings.economics
        self._files: Mapping[str, bytes] = {}
        self._scorer: Scorer | None = None

    def decide(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        """Decide the contacts of a day: write probabilities, calls and weights of `rows` into the trace."""
        self._score(as_of, rows, world, trace)
        settings = self._settings
        plan = plan_calls(
            world.contact_ids[rows],
            trace.proba[rows],
            rows_at(world.frame, rows),
            world.contract,
            PlanSettings(self._economics, holdout_share=settings.holdout_share, learning=self._learning()),
            f"{settings.seed}/{as_of}",  # a resumed replay draws the same
        )
        trace.called[rows], trace.explored[rows] = plan.is_called, plan.is_called & (plan.reason == EXPLORATION)
        trace.weight[rows] = np.divide(plan.is_called, plan.propensity, where=plan.is_called, out=np.zeros(len(rows)))

    @abstractmethod
    def _score(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        """Write the probabilities of the contacts of a day into the trace."""

    def _learning(self) -> LearningBudget:
        """What the list of a day explores."""
        return self._settings.learning

    def snapshot(self) -> dict[str, bytes]:
        """Files from which `restore` continues: the state with the counts, and the champion's bundle."""
        content = {"counts": asdict(self.counts), **self._state()}
        return {STATE_FILE: json.dumps(content).encode(), **self._files}

    def restore(self, files: Mapping[str, bytes], world: World) -> None:
        """Continue from a snapshot."""
        content = json.loads(files[STATE_FILE])
        self.counts = msgspec.convert(content["counts"], ReplayCounts)
        self._deploy({name: one for name, one in files.items() if name != STATE_FILE})
        self._resume(content, world)

    def _state(self) -> dict[str, Any]:
        """What the policy remembers besides its counts and its model, as JSON."""
        return {}

    def _resume(self, state: Mapping[str, Any], world: World) -> None:  # noqa: B027 - stateless policies keep nothing
        """Continue from what `_state` returned."""

    def _deploy(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._scorer = Scorer(files) if files else None

    def _deploy_fit(
        self,
        fit: DeploymentFit,
        data: LearningData,
        calibrator: Sequence[Mapping[str, Any]] = (),
        ranges: Mapping[str, Sequence[float]] = NO_RANGES,
    ) -> None:
        lineage = ModelLineage(str(data.as_of), "", len(data), "", False, "", "", data.contract)
        economics = self._settings.economics
        parts = BundleParts(fit.recipe, calibrator, ranges, economics, 0.5, {}, lineage, fit.feature_ranges)
        self._deploy(bundle_files(fit.graph, parts, {}))

    def _happened(self, day: np.datetime64, kind: str, reason: str) -> None:
        self.counts.events.append(ReplayEvent(str(day), kind, reason))


class Bound(Policy):
    """Calls everyone, no one, or exactly those who will subscribe (the oracle): bounds for every model."""

    def decide(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:  # noqa: ARG002
        """Call by name. Only the oracle reads the outcomes of the contacts it decides."""
        subscribed, columns = world.outcomes_for_the_judge[rows], rows_at(world.frame, rows)
        oracle = world.settings.economics.decide_knowing(subscribed, columns)
        trace.called[rows] = oracle if self.name == "oracle" else self.name == "contact_all"
        trace.weight[rows] = trace.called[rows]

    def _score(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        """Bounds have no probabilities."""


def hide(features: Features, hidden: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The same features with some held constant, so that no model can use them."""
    return {name: np.zeros(len(column)) if name in hidden else column for name, column in features.items()}


class Scheduled(Policy):
    """Refits by the calendar or by drift and never recalibrates: `never`, `monthly`, `weekly` and `drift_only`."""

    def __init__(self, name: str, settings: ReplaySettings) -> None:
        super().__init__(name, settings)
        self._hides_rates = name in ("never", "monthly")
        self._recipe = Recipe(half_life_days=float("inf") if self._hides_rates else 90.0, seed=settings.seed)
        self._fitted_on: np.datetime64 | None = None
        self._looked_on: np.datetime64 | None = None

    def _score(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        """Refit if due, and score. Without a model the trailing rate decides."""
        reason = self._due(as_of, world)
        if reason:
            self._fit(as_of, reason, world)
        features = world.features_of(rows, as_of)
        if self._scorer is None:
            trace.proba[rows] = features["subscription_rate_30d"]
        else:
            trace.proba[rows] = self._scorer.score(hide(features, self._hidden(world))).probability
        trace.unshifted[rows] = trace.proba[rows]

    def _hidden(self, world: World) -> tuple[str, ...]:
        """Features that the policy does without: all as-of features, or the list's mix but not its length."""
        plan = plan_features(world.contract)
        return (*RATE_FEATURES, *plan) if self._hides_rates else tuple(name for name in plan if name != PLAN_COUNT)

    def _due(self, as_of: np.datetime64, world: World) -> str:
        last = self._fitted_on
        if last is None:
            return "first model"
        if self.name == "monthly":
            return "new month" if as_of.astype("datetime64[M]") > last.astype("datetime64[M]") else ""
        if self.name == "weekly":
            return "a week has passed" if as_of - last >= WEEK else ""
        return self._drift(as_of, last, world) if self.name == "drift_only" else ""

    def _drift(self, as_of: np.datetime64, fitted_on: np.datetime64, world: World) -> str:
        if self._looked_on is not None and as_of - self._looked_on < WEEK:
            return ""
        self._looked_on = as_of
        today, fitted, first = (day.astype(date) for day in (as_of, fitted_on, world.dates[0]))
        reference = world.daily.window(first, fitted - timedelta(days=1))
        window = world.daily.window(today - timedelta(days=DRIFT_WINDOW_DAYS), today - timedelta(days=1))
        report = compare_profiles(reference, window, reference_name="the training data")
        if report.level is not Level.HEAVY:
            return ""
        self.counts.alerts += 1
        self._happened(as_of, "alert", report.message)
        return report.message

    def _fit(self, as_of: np.datetime64, reason: str, world: World) -> None:
        data = world.learning_data(as_of)
        if min(int(data.is_subscribed.sum()), int((~data.is_subscribed).sum())) < MINIMUM_CLASS:
            return
        hidden = replace(data, features=hide(data.features, self._hidden(world)))
        fit = fit_deployment(self._recipe, hidden, parity_rows=GUARD_ROWS)
        self._deploy_fit(fit, data)
        self._fitted_on = self._looked_on = as_of
        self.counts.trainings += 1
        self._happened(as_of, "model", reason)

    def _state(self) -> dict[str, Any]:
        days = (self._fitted_on, self._looked_on)
        return {"days": [None if day is None else str(day) for day in days]}

    def _resume(self, state: Mapping[str, Any], world: World) -> None:  # noqa: ARG002
        days = (None if day is None else np.datetime64(day, "D") for day in state["days"])
        self._fitted_on, self._looked_on = days


class Hindsight(Policy):
    """Cross-validated over the whole history. Nobody can follow it; it shows what the features can tell."""

    _proba: FloatArray | None = None

    def _score(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        """Score with the fold that has not seen these contacts, although it has seen others of the same day."""
        if self._proba is None:
            self._proba = self._cross_validated(world, world.features_of(np.arange(len(world)), as_of))
        trace.proba[rows] = trace.unshifted[rows] = self._proba[rows]

    def _cross_validated(self, world: World, features: Features) -> FloatArray:
        X, y = encode(features, FeatureSet.of(world.contract)), world.outcomes_for_the_judge
        recipe = Recipe(half_life_days=float("inf"), seed=self._settings.seed)
        fold = random_folds(len(y), HINDSIGHT_FOLDS, self._settings.seed)
        usable = world.has_outcome
        proba = np.full(len(y), float(y[usable].mean()) if usable.any() else 0.0)
        if min(int(y[usable].sum()), int((~y[usable]).sum())) < MINIMUM_CLASS:
            return proba
        for number in range(HINDSIGHT_FOLDS):
            train, test = usable & (fold != number), fold == number
            estimator = fit_encoded(recipe, X[train], y[train], np.ones(int(train.sum())))
            proba[test] = estimator.predict_proba(X[test])[:, 1]
        return proba
