"""The out-of-time evidence of a recipe, and the bundle made of it: shared by search and refit.

What lives here: evidence through the production scorer, calibrator, ranges, background, importance, fairness.
What must not: assets, gates, the registry.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.assets.snapshot import TrainingSnapshot
from bank_assets.core.arrays import FloatArray, Rows, rows_at
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.profile import Profile
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.background import build_background
from bank_assets.core.model.bundle import BundleParts, ModelLineage, bundle_files
from bank_assets.core.model.explanations import Explainer, global_importance
from bank_assets.core.model.ranges import fit_ranges
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.model.shift import estimate_shift
from bank_assets.core.promotion.gates import PromotionPolicy
from bank_assets.core.quality import metrics as scores
from bank_assets.core.quality.bootstrap import paired_bootstrap, paired_bootstrap_statistic
from bank_assets.core.quality.curves import profit_curve
from bank_assets.core.quality.fairness import fairness_report
from bank_assets.core.training.challenger import DeploymentFit, calibrator_of, pooled_rows
from bank_assets.core.training.folds import CandidatePredictions, candidate_metrics, predict_folds, resampled_fold
from bank_assets.core.training.recipes import Recipe
from bank_assets.core.training.splits import time_folds
from bank_assets.revision import git_revision
from bank_assets.settings import Settings
from bank_assets.store.warehouse import Warehouse

RESAMPLES = 500
IMPORTANCE_ROWS = 200


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """What a recipe did on rows after its fits.

    Attributes:
        recipe: the recipe.
        reason: why it was chosen.
        raw: the estimators' probabilities, (n_snapshot,); NaN outside the folds.
        calibrated: after rolling calibration, (n_snapshot,).
        metrics: pooled metrics.
        intervals: 90 % intervals of the main metrics on the latest cohort.
        rows: mask of the latest out-of-time cohort, (n_snapshot,).
        proba: the recipe on the cohort, (n_cohort,).
        incumbent_proba: the incumbent's recipe on the cohort, (n_cohort,).
        f1_thresholds: thresholds of the best F1 before the cohort, of the incumbent's recipe and of this one.
    """

    recipe: Recipe
    reason: str
    raw: FloatArray
    calibrated: FloatArray
    metrics: Mapping[str, float]
    intervals: Mapping[str, Any]
    rows: NDArray[np.bool_]
    proba: FloatArray
    incumbent_proba: FloatArray
    f1_thresholds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class AssembledBundle:
    """A bundle with the evidence that goes into the promotion.

    Attributes:
        files: content by file name.
        fairness: evidence by protected column.
    """

    files: Mapping[str, bytes]
    fairness: Mapping[str, Any]


def out_of_time(
    recipe: Recipe, incumbent: Recipe, snapshot: TrainingSnapshot, settings: Settings, *, reason: str
) -> OutOfTime:
    """Fit a recipe and the incumbent's over time-ordered folds, and judge them on the rows after each fit.

    Args:
        recipe: the chosen recipe.
        incumbent: the champion's recipe, or the default one.
        snapshot: the training snapshot.
        settings: economics and seed.
        reason: why the recipe was chosen.
    """
    data, economics = snapshot.data, settings.economics
    folds, resampled = time_folds(data.contact_dates, data.as_of), resampled_fold(data)

    def tested(one: Recipe) -> tuple[CandidatePredictions, dict[str, float]]:
        found = predict_folds(one, data, folds, resampled, time.monotonic)
        return found, candidate_metrics(found.calibrated, data, folds, economics)

    predicted, metrics = tested(recipe)
    other, former = (predicted, metrics) if incumbent == recipe else tested(incumbent)
    rows = pooled_rows(predicted.calibrated, data.contact_dates, folds, PromotionPolicy().minimum_rows)
    threshold, columns = float(metrics["f1_threshold"]), rows_at(data.features, rows)
    cohort = (predicted.calibrated[rows], data.is_subscribed[rows], data.contact_dates[rows])
    return OutOfTime(
        recipe,
        reason,
        predicted.raw,
        predicted.calibrated,
        metrics,
        intervals_of(*cohort, threshold, economics, columns, seed=settings.seed),
        rows,
        predicted.calibrated[rows],
        other.calibrated[rows],
        (float(former["f1_threshold"]), threshold),
    )


def intervals_of(
    proba: FloatArray,
    observed: NDArray[np.bool_],
    days: NDArray[np.datetime64],
    f1_threshold: float,
    economics: Economics,
    rows: Rows,
    *,
    seed: int,
) -> dict[str, Any]:
    """Bootstrap intervals (90 %) of the metrics on a cohort.

    Args:
        proba: probabilities, (n,).
        observed: outcomes, (n,).
        days: day of each row, (n,); whole days are resampled where the metric is a mean over rows.
        f1_threshold: probability above which F1 says yes, chosen on earlier rows.
        economics: cost and value.
        rows: columns of the contacts that the economics read, each (n,).
        seed: seed.
    """
    profit = economics.profit(economics.decide(proba, rows), observed, rows)
    of_the_whole = {
        "roc_auc": lambda at: scores.roc_auc(observed[at], proba[at]),
        "average_precision": lambda at: scores.average_precision(observed[at], proba[at]),
        "f1": lambda at: scores.f1(observed[at], proba[at], f1_threshold),
    }
    of_rows = {
        "brier": (proba - observed) ** 2,
        "log_loss": scores.log_loss_rows(observed, proba),
        "profit_eur": profit * len(proba),  # a mean of it is the sum
    }
    found = {
        name: paired_bootstrap_statistic(statistic, len(proba), seed=seed, resamples=RESAMPLES)
        for name, statistic in of_the_whole.items()
    } | {name: paired_bootstrap(rows, seed=seed, clusters=days, resamples=RESAMPLES) for name, rows in of_rows.items()}
    return {name: [one.low, one.gain, one.high] for name, one in found.items()} | {"rows": len(proba)}


def curves_of(tested: OutOfTime, snapshot: TrainingSnapshot, economics: Economics) -> dict[str, Any]:
    """Calibration and profit curves of the latest out-of-time cohort, for the model page."""
    observed = snapshot.data.is_subscribed[tested.rows]
    days, columns = snapshot.data.contact_dates[tested.rows], rows_at(snapshot.data.features, tested.rows)
    return {
        "calibration": [asdict(part) for part in scores.calibration_table(observed, tested.proba)],
        "profit": profit_curve(tested.proba, observed, economics, columns, day=days).to_dict(),
    }


def profile_of(store: Warehouse, snapshot: TrainingSnapshot) -> Profile:
    """The training profile, cut from the stored daily counts: the reference of drift."""
    months = [month for month in snapshot.metadata["months"] if store.entry("contact_profiles", month)]
    daily = DailyProfiles.from_table(store.read("contact_profiles", months), snapshot.data.contract)
    first, last = (np.datetime64(snapshot.metadata[key], "D").astype(object) for key in ("first_day", "last_day"))
    return daily.window(first, last)


def assemble_bundle(
    fit: DeploymentFit,
    tested: OutOfTime,
    snapshot: TrainingSnapshot,
    reference: Profile,
    settings: Settings,
    *,
    run_id: str,
    is_on_probation: bool = False,
) -> AssembledBundle:
    """Build the bundle of a deployment fit.

    Args:
        fit: the recipe fitted on all known outcomes.
        tested: its out-of-time evidence.
        snapshot: the training snapshot.
        reference: profile of the training rows.
        settings: economics, seed and revision.
        run_id: MLflow run.
        is_on_probation: whether it decides although the gate of a first model refused.
    """
    data, economics, predicted = snapshot.data, settings.economics, ~np.isnan(tested.raw)
    known = (data.contact_dates[predicted], tested.calibrated[predicted], data.is_subscribed[predicted])
    inputs = FeatureSet.of(data.contract)
    parts = BundleParts(
        recipe=fit.recipe,
        calibrator=calibrator_of(fit.recipe, tested.raw, data),
        ranges=fit_ranges(*known),
        shift=estimate_shift(*known, as_of=data.as_of).to_dict(),
        economics=economics,
        f1_threshold=float(tested.metrics["f1_threshold"]),
        metrics={**tested.metrics, "intervals": tested.intervals, "curves": curves_of(tested, snapshot, economics)},
        lineage=lineage_of(snapshot, run_id, git_revision(settings.revision)),
        feature_ranges=fit.feature_ranges,
        is_on_probation=is_on_probation,
        background=build_background({name: data.features[name] for name in inputs.names}, inputs, seed=settings.seed),
    )
    document, cohort = reference.to_dict(), rows_at(data.features, tested.rows)
    explainer = Explainer(Scorer(bundle_files(fit.graph, parts, document)))
    complete = replace(parts, importance=global_importance(explainer, cohort, max_rows=IMPORTANCE_ROWS))
    called, observed = economics.decide(tested.proba, cohort), data.is_subscribed[tested.rows]
    fairness = fairness_report(tested.proba, observed, called, cohort, data.contract, economics)
    return AssembledBundle(bundle_files(fit.graph, complete, document), fairness.evidence())


def lineage_of(snapshot: TrainingSnapshot, run_id: str, revision: str) -> ModelLineage:
    """What a model was made from, by which run and code."""
    data, source = snapshot.data, snapshot.metadata
    return ModelLineage(
        str(data.as_of),
        snapshot.digest,
        len(data),
        str(source["source"]),
        bool(source["is_real"]),
        run_id,
        revision,
        data.contract,
    )
