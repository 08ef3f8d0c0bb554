"""Stage training: one asset per algorithm, which fits it with each sampler over time-ordered folds.

It writes out-of-time predictions and one MLflow run per candidate; the evaluation stage compares the candidates.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from bank_assets.assets.features import TrainingSnapshot, read_snapshot
from bank_assets.assets.materialization import ML_OWNERS, derive
from bank_assets.core.arrays import FloatArray
from bank_assets.core.quality.objective import best_first
from bank_assets.core.training.algorithms import ALGORITHMS, Algorithm
from bank_assets.core.training.challenger import cohort_of
from bank_assets.core.training.folds import (
    CandidatePredictions,
    candidate_metrics,
    predict_candidates,
    resampled_fold,
    time_folds,
)
from bank_assets.core.training.recipes import Recipe, named_recipes
from bank_assets.core.training.tuning import tune
from bank_assets.reports.model_charts import candidate_page
from bank_assets.resources.tracking import Tracking
from bank_assets.revision import git_revision
from bank_assets.settings import Settings
from bank_assets.store.derivations import DerivedTable, Made
from bank_assets.store.fold_cache import FoldCache
from bank_assets.store.warehouse import Warehouse

CANDIDATES = DerivedTable("candidates", "1")


def algorithm_asset(algorithm: Algorithm) -> dg.AssetsDefinition:
    """The asset that tests the candidates of one algorithm out of time."""

    @dg.asset(
        name=algorithm.name,
        deps=["training_set"],
        code_version=CANDIDATES.code_version,
        kinds={"python", "mlflow", algorithm.kind},
        owners=ML_OWNERS,
        description=(
            f"{algorithm.description} with five samplers, out of time.\n\n"
            "Reads: training_set. Writes: out-of-time predictions and one MLflow run per candidate.\n"
            "Guarantees: every test row lies after every training row; samplers see training rows only.\n"
            "Fails when: the history is too short to be split by time."
        ),
    )
    def candidates(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        mlflow: dg.ResourceParam[Tracking],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        snapshot = read_snapshot(warehouse, settings.contract)
        changing = search_settings(algorithm.name, settings)
        return derive(
            CANDIDATES.of(warehouse, algorithm.name, inputs=[snapshot.digest], settings=changing),
            lambda: searched(context, algorithm.name, snapshot, mlflow, settings),
            lambda stored: best_of(stored["results"], settings.objective),
        )

    return candidates


def search_settings(algorithm: str, settings: Settings) -> dict[str, Any]:
    """The settings that change an algorithm's candidates."""
    return {
        "economics": settings.economics.to_dict(),
        "seed": settings.seed,
        "recipes": [recipe.to_dict() for recipe in recipes_of(algorithm, settings)],
        "search": settings.search,
        "minutes": settings.search_minutes if settings.search == "full" else None,
    }


def searched(
    context: dg.AssetExecutionContext,
    algorithm: str,
    snapshot: TrainingSnapshot,
    tracking: Tracking,
    settings: Settings,
) -> Made:
    """Fit and test every candidate of an algorithm out of time, each with a run of its own."""
    data = snapshot.data
    folds = time_folds(data.contact_dates, data.as_of)
    resampled = FoldCache(settings.home / "cache" / "folds", snapshot.digest, resampled_fold(data))
    columns: dict[str, FloatArray] = {}
    results: dict[str, Any] = {}
    tuned: dict[str, Any] = {}
    if settings.search == "full":
        limit = settings.search_minutes * 60 / len(ALGORITHMS)
        tuned = tune(algorithm, data, seconds=limit, seed=settings.seed, clock=time.monotonic)
        context.log.info("%s: the full search found %s", algorithm, tuned or "nothing better than the defaults")
    recipes = recipes_of(algorithm, settings, tuned)
    for predicted in predict_candidates(recipes, data, folds, resampled, time.monotonic):
        recipe = predicted.recipe
        metrics = candidate_metrics(predicted.calibrated, data, folds, settings.economics)
        metrics["fit_seconds"] = predicted.fit_seconds
        run_id = _log(tracking, snapshot, predicted, metrics, settings, context.run_id)
        results[recipe.name] = {"recipe": recipe.to_dict(), "metrics": metrics, "mlflow_run_id": run_id}
        columns |= {f"raw.{recipe.sampler}": predicted.raw, f"calibrated.{recipe.sampler}": predicted.calibrated}
        context.log.info("%s: AUC %.3f, profit %.0f EUR", recipe.name, metrics["roc_auc"], metrics["profit_eur"])
    shown = {"candidates": dg.MetadataValue.md(_table(results)), "mlflow_parent_run": tracking.parent_run_id}
    return Made(pa.table(columns), {"results": results, "snapshot": snapshot.digest}, shown)


def recipes_of(algorithm: str, settings: Settings, parameters: Mapping[str, Any] | None = None) -> list[Recipe]:
    """The candidates of one algorithm that `BANK_CANDIDATES` selects, with default or the given hyper-parameters."""
    chosen = named_recipes(settings.candidates, settings.seed)
    return [replace(one, parameters=dict(parameters or {})) for one in chosen if one.algorithm == algorithm]


def best_of(results: Mapping[str, Any], objective: str) -> dict[str, Any]:
    """Metrics of an algorithm's best candidate by the objective, as plain numbers that Dagster can plot."""
    if not results:
        return {"best_candidate": "none: BANK_CANDIDATES leaves this algorithm out"}
    name = min(results, key=lambda key: best_first(objective, results[key]["metrics"]))
    metrics = results[name]["metrics"]
    kept = ("roc_auc", "average_precision", "f1", "brier", "log_loss", "profit_eur", "fit_seconds")
    return {"best_candidate": name, **{key: float(metrics[key]) for key in kept}}


def _table(results: Mapping[str, Any]) -> str:
    head = "| candidate | AUC | AP | F1 | Brier | profit EUR | fit s |\n|---|---|---|---|---|---|---|\n"
    row = (
        "| {} | {roc_auc:.3f} | {average_precision:.3f} | {f1:.3f} | {brier:.4f} "
        "| {profit_eur:,.0f} | {fit_seconds:.1f} |"
    )
    return head + "\n".join(row.format(name, **found["metrics"]) for name, found in results.items())


def _log(
    tracking: Tracking,
    snapshot: TrainingSnapshot,
    predicted: CandidatePredictions,
    metrics: Mapping[str, float],
    settings: Settings,
    dagster_run_id: str,
) -> str:
    recipe, data = predicted.recipe, snapshot.data
    reported = ~np.isnan(predicted.calibrated) & (
        data.contact_dates >= time_folds(data.contact_dates, data.as_of)[1].test_start
    )
    cohort = cohort_of(data.rows(reported), settings.economics, settings.seed)
    page = candidate_page(recipe.name, predicted.calibrated[reported], cohort)
    parameters = recipe.to_dict()
    return tracking.child(
        recipe.name,
        tags={
            "dagster_run_id": dagster_run_id,
            "data_version": snapshot.digest,
            "git_sha": git_revision(settings.revision),
            "contract_version": str(settings.contract.version),
            "contract_digest": settings.contract.digest,
            "bank/as_of": str(data.as_of),
        },
        parameters=parameters | parameters.pop("parameters"),
        metrics={key: value for key, value in metrics.items() if np.isfinite(value)},
        files={"charts/candidate.html": page},
    )


algorithm_assets = [algorithm_asset(one) for one in ALGORITHMS.values()]
