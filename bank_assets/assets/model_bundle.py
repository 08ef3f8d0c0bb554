"""The out-of-time evidence of a recipe, and the bundle made of it: shared by search and refit.

What lives here: evidence through the production scorer, calibrator, ranges, background, importance, fairness.
What must not: assets, gates, the registry.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.assets.snapshot import TrainingSnapshot
from bank_assets.core import metrics as scores
from bank_assets.core.arrays import FloatArray, Rows, rows_at
from bank_assets.core.background import build_background
from bank_assets.core.bootstrap import paired_bootstrap, paired_bootstrap_statistic
from bank_assets.core.bundle import BundleParts, Lineage, bundle_files
from bank_assets.core.candidate_folds import candidate_metrics, predict_folds, resampled_fold
from bank_assets.core.candidates import Recipe
from bank_assets.core.challenger import DeploymentFit, calibrator_of, pooled_rows
from bank_assets.core.curves import profit_curve
from bank_assets.core.daily_profiles import DailyProfiles
from bank_assets.core.economics import Economics
from bank_assets.core.explain import Explainer, global_importance
from bank_assets.core.fairness import fairness_report
from bank_assets.core.features import FeatureSet
from bank_assets.core.profile import Profile
from bank_assets.core.promotion import PromotionPolicy
from bank_assets.core.ranges import fit_ranges
from bank_assets.core.scorer import Scorer
from bank_assets.core.shift import estimate_shift
from bank_assets.core.splits import Fold
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
    recipe: Recipe,
    incumbent: Recipe,
    snapshot: TrainingSnapshot,
    folds: Sequence[Fold],
    economics: Economics,
    settings: Settings,
    *,
    reason: str,
) -> OutOfTime:
    """Fit a recipe (and the incumbent's) before the rows and predict them.

    Args:
        recipe: the chosen recipe.
        incumbent: the champion's recipe, or the default one.
        snapshot: the training snapshot.
        folds: time-ordered folds.
        economics: cost and value.
        settings: seed.
        reason: why the recipe was chosen.

    Returns:
        Predictions and metrics.
    """
    data = snapshot.data
    resampled = resampled_fold(data)
    predicted = predict_folds(recipe, data, folds, resampled, time.monotonic)
    other = (
        predicted
        if incumbent.to_dict() == recipe.to_dict()
        else predict_folds(incumbent, data, folds, resampled, time.monotonic)
    )
    starts = [fold.test_start for fold in folds if fold.is_reported]
    rows = pooled_rows(predicted.calibrated, data.contact_dates, starts, PromotionPolicy().minimum_rows)
    found = candidate_metrics(predicted.calibrated, data, folds, economics)
    former = found if other is predicted else candidate_metrics(other.calibrated, data, folds, economics)
    proba, observed = predicted.calibrated[rows], data.is_subscribed[rows]
    return OutOfTime(
        recipe,
        reason,
        predicted.raw,
        predicted.calibrated,
        found,
        intervals_of(
            proba,
            observed,
            data.contact_dates[rows],
            float(found["f1_threshold"]),
            economics,
            rows_at(data.features, rows),
            seed=settings.seed,
        ),
        rows,
        proba,
        other.calibrated[rows],
        (float(former["f1_threshold"]), float(found["f1_threshold"])),
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
    economics: Economics,
    reference: Profile,
    *,
    run_id: str,
    revision: str,
    settings: Settings,
    is_on_probation: bool = False,
) -> AssembledBundle:
    """Build the bundle of a deployment fit.

    Args:
        fit: the recipe fitted on all known outcomes.
        tested: its out-of-time evidence.
        snapshot: the training snapshot.
        economics: cost and value the thresholds are tuned for.
        reference: profile of the training rows.
        run_id: MLflow run.
        revision: code revision.
        settings: seed and source.
        is_on_probation: whether it decides although the gate of a first model refused.

    Returns:
        Files and fairness evidence.
    """
    data = snapshot.data
    predicted = ~np.isnan(tested.raw)
    observed = data.is_subscribed[predicted]
    lineage = Lineage(
        str(data.as_of),
        snapshot.digest,
        len(data),
        str(snapshot.metadata["source"]),
        bool(snapshot.metadata["is_real"]),
        run_id,
        revision,
        data.contract,
    )
    feature_set = FeatureSet.of(data.contract)
    cohort = rows_at(data.features, tested.rows)
    parts = BundleParts(
        recipe=fit.recipe,
        calibrator=calibrator_of(fit.recipe, tested.raw, data),
        ranges=fit_ranges(data.contact_dates[predicted], tested.calibrated[predicted], observed.astype(np.float64)),
        economics=economics,
        f1_threshold=float(tested.metrics["f1_threshold"]),
        metrics={**tested.metrics, "intervals": tested.intervals, "curves": curves_of(tested, snapshot, economics)},
        lineage=lineage,
        feature_ranges=fit.feature_ranges,
        is_on_probation=is_on_probation,
        background=build_background(
            {name: data.features[name] for name in feature_set.names}, feature_set, seed=settings.seed
        ),
    )
    parts = replace(
        parts,
        shift=estimate_shift(
            data.contact_dates[predicted], tested.calibrated[predicted], observed, as_of=data.as_of
        ).to_dict(),
    )
    document = reference.to_dict()
    scorer = Scorer(bundle_files(fit.graph, parts, document))
    importance = global_importance(Explainer(scorer), cohort, max_rows=IMPORTANCE_ROWS)
    fairness = fairness_report(
        tested.proba,
        data.is_subscribed[tested.rows],
        economics.decide(tested.proba, cohort),
        cohort,
        data.contract,
        economics,
    )
    return AssembledBundle(
        bundle_files(fit.graph, replace(parts, importance=importance), document), fairness.evidence()
    )
