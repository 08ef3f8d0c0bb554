"""The platform's own policy as one loop that is driven morning by morning.

What lives here: `Platform`: evidence, rung, refit or search with its gate, the morning's intercept, scores.
What must not: outcomes that a morning does not know (the caller hands over what is known), files, clocks, schedules.
Called by the replay. Production runs the same steps as assets and a sensor, through the same functions: evidence and
rung (`core.response`), fit (`core.challenger.fit_deployment`), gates (`core.promotion`),
intercept (`core.calibration.intercept_as_of`), decisions (`core.scorer.Scorer` on the bundle's files). One guard of
refits is left out, whether what was delivered has become worse (`core.refit_comparison`): a replay's history stands
still.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import FloatArray
from bank_assets.core.bundle import NO_RANGES, BundleParts, Lineage, bundle_files
from bank_assets.core.candidate_folds import CandidatePredictions
from bank_assets.core.candidates import Recipe
from bank_assets.core.challenger import GUARD_ROWS, DeploymentFit, fit_deployment
from bank_assets.core.contacts import LearningData
from bank_assets.core.covariate_shift import Reference
from bank_assets.core.daily_profiles import DailyProfiles
from bank_assets.core.economics import Economics
from bank_assets.core.objective import PROFIT
from bank_assets.core.performance import ScoredContacts
from bank_assets.core.promotion import PromotionPolicy, Verdict, first_model_gate, refit_gate
from bank_assets.core.ranges import fit_ranges
from bank_assets.core.recipe_search import reported_from, search_recipes
from bank_assets.core.response.assessment import after_fit, respond
from bank_assets.core.response.evidence import gather
from bank_assets.core.response.policy import Response, ResponsePolicy, ResponseState, Rung
from bank_assets.core.scorer import Scorer, Scores, apply_calibrator
from bank_assets.core.splits import MINIMUM_SPAN_DAYS

DEFAULT_RECIPE: Final = Recipe("lightgbm")
STATE_FILE: Final = "platform.json"
MINIMUM_CLASS: Final = 20
"""Outcomes of each kind that a first fit needs; before, the trailing subscription rate decides."""
SEARCHED: Final = ("logistic_regression", "random_forest", "xgboost", "lightgbm")


@dataclass(frozen=True, slots=True)
class PlatformConfig:
    """What the platform is set to.

    Attributes:
        economics: cost and value.
        recipe: recipe of the first model.
        candidates: recipes that the search rung compares; production searches twenty, the replay the four without
            samplers, since samplers gave nothing here (docs/adr/) and each costs fits.
        response: the ladder's policy.
        promotion: limits of the gates.
        seed: of the search's bootstrap.
        objective: what a recipe is chosen by, `profit` or `f1`.
        source: where the contacts come from, for the lineage of bundles.
        is_real: True only for the pinned real file.
    """

    economics: Economics = field(default_factory=Economics)
    recipe: Recipe = DEFAULT_RECIPE
    candidates: tuple[Recipe, ...] = tuple(Recipe(algorithm) for algorithm in SEARCHED)
    response: ResponsePolicy = field(default_factory=ResponsePolicy)
    promotion: PromotionPolicy = field(default_factory=PromotionPolicy)
    seed: int = 0
    objective: str = PROFIT
    source: str = ""
    is_real: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known on a morning.

    Attributes:
        scored: contacts with a score and a learned outcome; `proba` is unshifted, as the bundle's calibrator left it.
        emitted: the probabilities that were decided with, intercept included, (n,).
        weights: inverse probability of having learned each outcome, (n,).
        daily: counts per day, column and value.
        learning: gives the contacts to learn from, with their weights; asked only if a fit is due.
    """

    scored: ScoredContacts
    emitted: FloatArray
    weights: FloatArray
    daily: DailyProfiles
    learning: Callable[[], tuple[LearningData, FloatArray]]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a morning.

    Attributes:
        day: the morning.
        kind: `model`, `refused`, `search`, `alert` or `recalibration`.
        reason: with the numbers.
    """

    day: str
    kind: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return {"day": self.day, "kind": self.kind, "reason": self.reason}


class Platform:
    """The loop.

    Attributes:
        state: state of the ladder.
        shift: intercept in force, log-odds.
        recipe: the champion's recipe.
        trainings: estimators fitted that could reach production; candidates of the first search are not counted, the
            fitted first model is, and every candidate of later searches is.
        searches: searches made.
        events: what happened, in order; recalibrations are counted there only if material.
    """

    def __init__(self, config: PlatformConfig, clock: Callable[[], float]) -> None:
        """Begin without a model.

        Args:
            config: settings.
            clock: a monotonic clock, s; times fold fits of a search, decides nothing.
        """
        self.config = config
        self._clock = clock
        self.state = ResponseState()
        self.shift = 0.0
        self.recipe = config.recipe
        self.trainings = 0
        self.searches = 0
        self.events: list[Event] = []
        self._files: Mapping[str, bytes] = {}
        self._scorer: Scorer | None = None
        self._reference = Reference({}, 0.0)

    @property
    def has_model(self) -> bool:
        """Whether a model decides."""
        return self._scorer is not None

    def morning(self, day: np.datetime64, known: Known) -> Response:
        """Judge, answer, recalibrate: everything before the first call of a day.

        Args:
            day: the morning.
            known: what is known on it.

        Returns:
            The answer of the ladder.
        """
        evidence = gather(
            known.scored,
            known.daily,
            self._reference,
            self.state,
            day,
            shift_before=self.shift,
            weights=known.weights,
            policy=self.config.response,
        )
        response = respond(self.state, evidence, self.config.response)
        self.state, self.shift = response.state, evidence.shift_now
        reason = "; ".join(response.reasons)
        if response.is_recalibrated:
            change = f"intercept from {evidence.shift_before:+.2f} to {evidence.shift_now:+.2f} log-odds"
            self._happened(day, "recalibration", change)
        if response.is_alert:
            self._happened(day, "alert", reason)
        if response.rung in (Rung.RETRAIN, Rung.SEARCH):
            data, weights = known.learning()
            if _is_learnable(data):
                if response.rung is Rung.SEARCH:
                    self._search(day, data)
                self._fit(day, reason, data, weights, known)
        return response

    def score(self, features: Mapping[str, NDArray[Any]]) -> tuple[Scores, FloatArray]:
        """Score the contacts of the morning.

        Args:
            features: one array (n,) per feature.

        Returns:
            Scores with the morning's intercept, and the unshifted probabilities that the evidence is measured on.

        Raises:
            RuntimeError: there is no model yet.
        """
        if self._scorer is None:
            raise RuntimeError("platform: expected a model, found none; call `morning` first, with enough outcomes.")
        scores = self._scorer.score(features, log_odds_shift=self.shift)
        return scores, apply_calibrator(scores.raw, self._scorer.decision["calibrator"])

    def snapshot(self) -> dict[str, bytes]:
        """Files from which `restore` goes on: state, counters, and the bundle in force."""
        content = {
            "state": self.state.to_json(),
            "shift": self.shift,
            "recipe": self.recipe.to_dict(),
            "trainings": self.trainings,
            "searches": self.searches,
            "events": [event.to_dict() for event in self.events],
        }
        return {STATE_FILE: json.dumps(content).encode(), **self._files}

    def restore(self, files: Mapping[str, bytes], daily: DailyProfiles) -> None:
        """Go on from a snapshot.

        Args:
            files: what `snapshot` gave.
            daily: counts per day; the reference is counted again.
        """
        content = json.loads(files[STATE_FILE])
        self.state = ResponseState.from_json(content["state"])
        self.shift, self.recipe = float(content["shift"]), Recipe.from_dict(content["recipe"])
        self.trainings, self.searches = int(content["trainings"]), int(content["searches"])
        self.events = [Event(**event) for event in content["events"]]
        if self.state.deployed_on is not None:
            bundle = {name: content for name, content in files.items() if name != STATE_FILE}
            self._deploy(bundle, np.datetime64(self.state.deployed_on, "D"), daily)

    def _happened(self, day: np.datetime64, kind: str, reason: str) -> None:
        self.events.append(Event(str(day), kind, reason))

    def _search(self, day: np.datetime64, data: LearningData) -> None:
        """Compare the candidates; the first search may leave the default recipe only through the first model's gate."""
        recipe, choice, found = search_recipes(
            self.config.candidates,
            self.recipe,
            data,
            self.config.economics,
            self._clock,
            minimum_rows=self.config.promotion.minimum_rows,
            seed=self.config.seed,
            objective=self.config.objective,
        )
        self.searches += 1
        reason = choice.reason
        if self.has_model:
            self.trainings += len({candidate.name for candidate in (*self.config.candidates, self.recipe)})
        else:
            verdict = self._first_gate(data, found, choice.f1_threshold)
            if not verdict.is_promoted:
                recipe = self.recipe
                self._happened(day, "refused", "; ".join(verdict.reasons))
                reason = (
                    f"{choice.reason}; but no candidate passes the gate of a first model: {recipe.name} on probation"
                )
        self.recipe = recipe
        self._happened(day, "search", reason)

    def _first_gate(self, data: LearningData, found: CandidatePredictions, f1_threshold: float) -> Verdict:
        tested = ~np.isnan(found.calibrated) & (data.contact_dates >= reported_from(data))
        return first_model_gate(
            found.calibrated[tested],
            data.features["subscription_rate_30d"][tested],
            data.is_subscribed[tested],
            data.contact_dates[tested],
            self.config.economics,
            seed=self.config.seed,
            policy=self.config.promotion,
            objective=self.config.objective,
            f1_threshold=f1_threshold,
        )

    def _fit(self, day: np.datetime64, reason: str, data: LearningData, weights: FloatArray, known: Known) -> None:
        fit = fit_deployment(self.recipe, data, n_jobs=1, parity_rows=2 * GUARD_ROWS, sample_weights=weights)
        self.trainings += 1
        verdict = refit_gate(fit.guard_raw, fit.guard_observed, fit.parity, policy=self.config.promotion)
        self.state = after_fit(self.state, day, is_promoted=verdict.is_promoted)
        if not verdict.is_promoted:
            self._happened(day, "refused", "; ".join(verdict.reasons))
            return
        self._deploy(self._bundle(fit, data, known), day, known.daily)
        self._happened(day, "model", reason)

    def _bundle(self, fit: DeploymentFit, data: LearningData, known: Known) -> dict[str, bytes]:
        table = fit_ranges(known.scored.contact_dates, known.emitted, known.scored.is_subscribed)
        ranges = {name: table[name] for name in NO_RANGES}
        lineage = Lineage(
            str(data.as_of), "", len(data), self.config.source, self.config.is_real, "", "", data.contract
        )
        economics = self.config.economics
        parts = BundleParts(fit.recipe, [], ranges, economics, economics.threshold, {}, lineage, fit.feature_ranges)
        return bundle_files(fit.graph, parts, {})

    def _deploy(self, files: Mapping[str, bytes], day: np.datetime64, daily: DailyProfiles) -> None:
        self._files = files
        self._scorer = Scorer(files)
        self._reference = Reference.of(daily, day.astype("datetime64[D]").item(), self.recipe.half_life_days)


def _is_learnable(data: LearningData) -> bool:
    """Whether there are enough outcomes of both kinds, over enough days, to split them by time."""
    yes = int(data.is_subscribed.sum())
    if min(yes, len(data) - yes) < MINIMUM_CLASS:
        return False
    return bool(data.as_of - data.contact_dates.min() >= np.timedelta64(MINIMUM_SPAN_DAYS, "D"))
