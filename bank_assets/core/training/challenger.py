"""From candidates to a challenger: choose a recipe, fit it on all known outcomes, convert and check it.

The challenger asset and the replay share it, so a refit in production and one in the replay are the same function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, FloatArray, effective_size
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.bundle import NO_RANGES, BundleParts, ModelLineage, bundle_files, observed_ranges
from bank_assets.core.model.calibration import fit_affine
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.quality.objective import F1, PROFIT, Cohort
from bank_assets.core.training.export import parity, to_onnx
from bank_assets.core.training.folds import Fold, rank_candidates
from bank_assets.core.training.recipes import Recipe, fit_recipe

GUARD_ROWS = 1_000
"""Latest contacts that the refit guard checks."""
CONFIDENCE = 0.9
"""Probability of a gain that a recipe needs to replace the incumbent."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The recipe to deploy: the candidate's name, a sentence with the numbers, and the threshold of its best F1."""

    name: str
    reason: str
    f1_threshold: float


def choose_recipe(
    results: Mapping[str, Mapping[str, float]],
    calibrated: Mapping[str, FloatArray],
    cohort: Cohort,
    incumbent: str,
    objective: str = PROFIT,
) -> Choice:
    """Take the best candidate, unless its lead over the incumbent could be luck.

    Of many candidates the best on some thousand rows is partly the luckiest. So the incumbent stays until another
    recipe is better with the required confidence, in the objective or, where that is equal, in log loss. `incumbent`
    names the champion's recipe, or the default one before the first champion; `calibrated` are probabilities of the
    cohort, (n,).
    """
    best = rank_candidates(results, objective)[0]
    thresholds = {name: float(results[name]["f1_threshold"]) for name in results}
    if best == incumbent or incumbent not in results:
        return Choice(best, f"{best} is the best of {len(results)} candidates", thresholds[best])
    if not len(cohort.observed):  # nobody was called in the test days
        return Choice(incumbent, f"nobody of the test days was called; {incumbent} stays", thresholds[incumbent])
    pair = (incumbent, best)
    lead = cohort.lead(objective, *(cohort.calls(objective, calibrated[name], thresholds[name]) for name in pair))
    loss = cohort.loss_gain(*(calibrated[name] for name in pair))
    chances = f"P({lead.word} gain) {lead.gain.probability:.2f}, P(log loss gain) {loss.probability:.2f}"
    if lead.gain.probability >= CONFIDENCE or (lead.gain.probability >= 0.5 and loss.probability >= CONFIDENCE):
        return Choice(best, f"{best} beats {incumbent}: {chances}", thresholds[best])
    unit = "in F1" if objective == F1 else "EUR a contact"
    return Choice(
        incumbent,
        f"{best} leads {incumbent} by {lead.gain.gain:+.3f} {unit}, which may be luck: {chances} "
        f"(required: {CONFIDENCE}); {incumbent} stays",
        thresholds[incumbent],
    )


@dataclass(frozen=True, slots=True)
class DeploymentFit:
    """A recipe fitted on all known outcomes, with its ONNX graph.

    `parity` is the largest |p(estimator) - p(graph)| over the checked rows. `guard_raw`, `guard_observed` and
    `guard_weights` are the graph's probabilities of the latest rows, their outcomes and weights, (n_guard,).
    """

    recipe: Recipe
    graph: bytes
    parity: float
    guard_raw: FloatArray
    guard_observed: BoolArray
    feature_ranges: Mapping[str, tuple[float, float]]
    guard_weights: FloatArray | None = None


def graph_scorer(graph: bytes, recipe: Recipe, contract: Contract) -> Scorer:
    """Return a scorer of a bare graph, without calibrator and ranges, for parity and folds."""
    lineage = ModelLineage("", "", 0, "", False, "", "", contract)
    parts = BundleParts(recipe, [], NO_RANGES, Economics(), 0.5, {}, lineage)
    return Scorer(bundle_files(graph, parts, {}))


def fit_deployment(recipe: Recipe, data: LearningData, *, parity_rows: int | None = None) -> DeploymentFit:
    """Fit a recipe on all rows and convert it to ONNX.

    `parity_rows` limits the comparison of graph and estimator to the latest rows, by default to as many as a fit uses.
    """
    feature_set = FeatureSet.of(data.contract)
    estimator = fit_recipe(recipe, data)
    graph = to_onnx(estimator, feature_set, recipe.algorithm)
    latest = parity_rows or data.fit_rows
    checked = data if latest is None else data.rows(np.arange(max(len(data) - latest, 0), len(data)))
    raw = graph_scorer(graph, recipe, data.contract).raw_probability(checked.features)
    guard = slice(max(len(checked) - GUARD_ROWS, 0), None)
    return DeploymentFit(
        recipe,
        graph,
        parity(estimator, raw, checked.features, feature_set),
        raw[guard],
        checked.is_subscribed[guard],
        observed_ranges(data.features, data.contract),
        None if checked.weights is None else checked.weights[guard],
    )


def calibrator_of(recipe: Recipe, raw: FloatArray, data: LearningData) -> list[dict[str, Any]]:
    """Return the calibrator of a deployment fit, from its recipe's out-of-time probabilities (NaN outside the folds).

    Without resampling the daily intercept does all the calibrating: a slope fitted on old folds costs 2,250 EUR in the
    replay (ADR 0007). Resampling distorts probabilities, so it needs the slope.
    """
    predicted = ~np.isnan(raw)
    if recipe.sampler == "none":
        return []
    tested = data.rows(predicted)
    return [fit_affine(raw[predicted], tested.is_subscribed, tested.weights)]


def cohort_of(data: LearningData, economics: Economics, seed: int) -> Cohort:
    """Return rows to learn from as a cohort that models are compared on."""
    return Cohort(data.is_subscribed, data.contact_dates, economics, data.features, seed, data.weights)


def pooled_rows(calibrated: FloatArray, data: LearningData, folds: Sequence[Fold], minimum_rows: int) -> BoolArray:
    """Return a mask of the latest out-of-time cohort: the last reported folds with an effective `minimum_rows`.

    All reported folds, if even they have fewer. `calibrated` is NaN outside the folds.
    """
    predicted, weights = ~np.isnan(calibrated), data.w
    for start in (fold.test_start for fold in reversed(folds) if fold.is_reported):
        mask = predicted & (data.contact_dates >= start)
        if effective_size(weights[mask]) >= minimum_rows:
            break
    return np.asarray(mask)
