"""Out-of-time evidence of a recipe, and the bundle made from it; search and refit share both."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bank_assets.assets.features import TrainingSnapshot
from bank_assets.core.arrays import FloatArray
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.profile import Profile
from bank_assets.core.economics.economics import COST_COLUMN, VALUE_COLUMN
from bank_assets.core.features.contacts import WEIGHT
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.bundle import BundleParts, ModelLineage, bundle_files
from bank_assets.core.model.explanations import Explainer, build_background, global_importance
from bank_assets.core.model.ranges import fit_ranges
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.model.shift import estimate_shift
from bank_assets.core.promotion.gates import LIMITS
from bank_assets.core.quality import metrics as scores
from bank_assets.core.quality.bootstrap import paired_bootstrap_statistic
from bank_assets.core.quality.comparison import profit_curve
from bank_assets.core.quality.fairness import fairness_report
from bank_assets.core.quality.objective import Cohort
from bank_assets.core.training.challenger import DeploymentFit, calibrator_of, cohort_of, pooled_rows
from bank_assets.core.training.folds import (
    CandidatePredictions,
    candidate_metrics,
    predict_folds,
    resampled_fold,
    time_folds,
)
from bank_assets.core.training.recipes import Recipe, sample_facts
from bank_assets.revision import git_revision
from bank_assets.settings import Settings
from bank_assets.store.warehouse import Warehouse

RESAMPLES = 500
IMPORTANCE_ROWS = 200


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """A recipe's results on rows after each of its fits.

    Attributes:
        recipe: the chosen recipe.
        reason: why it was chosen.
        raw: uncalibrated probabilities, (n_snapshot,); NaN outside the folds.
        calibrated: after rolling calibration, (n_snapshot,).
        metrics: pooled over the folds.
        intervals: 90 % intervals of the main metrics on the latest cohort.
        rows: mask of the latest out-of-time cohort, (n_snapshot,).
        cohort: that cohort.
        proba: probabilities of the recipe on the cohort, (n_cohort,).
        incumbent_proba: those of the incumbent's recipe, (n_cohort,).
        f1_thresholds: the best F1 thresholds before the cohort, of the incumbent's recipe and of this one.
    """

    recipe: Recipe
    reason: str
    raw: FloatArray
    calibrated: FloatArray
    metrics: Mapping[str, float]
    intervals: Mapping[str, Any]
    rows: NDArray[np.bool_]
    cohort: Cohort
    proba: FloatArray
    incumbent_proba: FloatArray
    f1_thresholds: tuple[float, float]


def out_of_time(
    recipe: Recipe, incumbent: Recipe, snapshot: TrainingSnapshot, settings: Settings, *, reason: str
) -> OutOfTime:
    """Fit a recipe and the incumbent's over time-ordered folds and measure both on the rows after each fit."""
    data, economics = snapshot.data, settings.economics
    folds, resampled = time_folds(data.contact_dates, data.as_of), resampled_fold(data)

    def tested(one: Recipe) -> tuple[CandidatePredictions, dict[str, float]]:
        found = predict_folds(one, data, folds, resampled, time.monotonic)
        return found, candidate_metrics(found.calibrated, data, folds, economics)

    predicted, metrics = tested(recipe)
    other, former = (predicted, metrics) if incumbent == recipe else tested(incumbent)
    rows = pooled_rows(predicted.calibrated, data, folds, LIMITS.minimum_rows)
    threshold, cohort = float(metrics["f1_threshold"]), cohort_of(data.rows(rows), economics, settings.seed)
    return OutOfTime(
        recipe,
        reason,
        predicted.raw,
        predicted.calibrated,
        metrics,
        intervals_of(cohort, predicted.calibrated[rows], threshold),
        rows,
        cohort,
        predicted.calibrated[rows],
        other.calibrated[rows],
        (float(former["f1_threshold"]), threshold),
    )


def intervals_of(cohort: Cohort, proba: FloatArray, f1_threshold: float) -> dict[str, Any]:
    """Bootstrap intervals (90 %) of the metrics on a cohort; `f1_threshold` was chosen on earlier rows.

    Whole days are resampled where the metric is a mean over rows.
    """
    observed, w, n = cohort.observed, cohort.w, len(proba)
    profit = cohort.profit(cohort.economics.decide(proba, cohort.rows))
    of_the_whole = {
        "roc_auc": lambda at: scores.roc_auc(observed[at], proba[at], w[at]),
        "average_precision": lambda at: scores.average_precision(observed[at], proba[at], w[at]),
        "f1": lambda at: scores.f1(observed[at], proba[at], f1_threshold, w[at]),
    }
    of_rows = {
        "brier": (proba - observed) ** 2,
        "log_loss": scores.log_loss_rows(observed, proba),
        "profit_eur": profit * float(w.sum()),  # a mean of it is the sum
    }
    found = {
        name: paired_bootstrap_statistic(statistic, n, seed=cohort.seed, resamples=RESAMPLES)
        for name, statistic in of_the_whole.items()
    } | {name: cohort.gain(values, RESAMPLES) for name, values in of_rows.items()}
    size = {"rows": n} if cohort.weights is None else {"rows": n, "effective_rows": cohort.effective}
    return {name: [one.low, one.gain, one.high] for name, one in found.items()} | size


def cohort_rows(tested: OutOfTime, snapshot: TrainingSnapshot) -> pa.Table:
    """The latest out-of-time cohort: both recipes' probabilities, the outcomes and the economics of each contact."""
    cohort, n = tested.cohort, len(tested.proba)
    columns = {
        "contact_id": snapshot.contact_ids[tested.rows],
        "proba": tested.proba,
        "incumbent_proba": tested.incumbent_proba,
        "base_rate": cohort.rows["subscription_rate_30d"],
        "is_subscribed": cohort.observed,
        "contact_date": cohort.contact_dates,
        COST_COLUMN: np.broadcast_to(cohort.economics.cost(cohort.rows), n),
        VALUE_COLUMN: np.broadcast_to(cohort.economics.value(cohort.rows), n),
    }
    return pa.table(columns if cohort.weights is None else columns | {WEIGHT: cohort.weights})


def curves_of(tested: OutOfTime) -> dict[str, Any]:
    """Calibration and profit curves of the latest out-of-time cohort, for the model page."""
    return {
        "calibration": [asdict(part) for part in tested.cohort.calibration(tested.proba)],
        "profit": profit_curve(tested.cohort, tested.proba),
    }


def profile_of(store: Warehouse, snapshot: TrainingSnapshot) -> Profile:
    """The training profile, cut from the stored daily counts. It is the reference of drift."""
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
) -> tuple[Mapping[str, bytes], dict[str, Any]]:
    """The files of the bundle of a recipe fitted on all known outcomes, and the fairness evidence for its promotion.

    `is_on_probation` says that the model decides although the gate of a first model refused it.
    """
    data, economics, predicted = snapshot.data, settings.economics, ~np.isnan(tested.raw)
    known = (data.contact_dates[predicted], tested.calibrated[predicted], data.is_subscribed[predicted])
    weights = data.w[predicted]
    inputs = FeatureSet.of(data.contract)
    lineage = ModelLineage(
        str(data.as_of),
        snapshot.digest,
        len(data),
        str(snapshot.metadata["source"]),
        bool(snapshot.metadata["is_real"]),
        run_id,
        git_revision(settings.revision),
        data.contract,
        sample_facts(data, fit.recipe.half_life_days),
    )
    parts = BundleParts(
        recipe=fit.recipe,
        calibrator=calibrator_of(fit.recipe, tested.raw, data),
        ranges=fit_ranges(*known, weights),
        shift=asdict(estimate_shift(*known, data.as_of, weights=weights)),
        economics=economics,
        f1_threshold=float(tested.metrics["f1_threshold"]),
        metrics={**tested.metrics, "intervals": tested.intervals, "curves": curves_of(tested)},
        lineage=lineage,
        feature_ranges=fit.feature_ranges,
        is_on_probation=is_on_probation,
        background=build_background({name: data.features[name] for name in inputs.names}, inputs, seed=settings.seed),
    )
    document, cohort = reference.to_dict(), tested.cohort
    explainer = Explainer(Scorer(bundle_files(fit.graph, parts, document)))
    complete = replace(parts, importance=global_importance(explainer, cohort.rows, max_rows=IMPORTANCE_ROWS))
    fairness = fairness_report(cohort, tested.proba, economics.decide(tested.proba, cohort.rows), data.contract)
    return bundle_files(fit.graph, complete, document), fairness.evidence()
