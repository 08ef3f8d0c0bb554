"""Checks of stage training, one set per algorithm."""

import dagster as dg

from bank_assets.checks import hint, result
from bank_assets.core.promotion.gates import LIMITS
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.store.warehouse import Warehouse

TABLE = "candidates"
LEAK_AUC = LIMITS.leak_auc
SLOW_FIT_SECONDS = 120.0


def checks_of(algorithm: str) -> list[dg.AssetChecksDefinition]:
    """The checks of one algorithm's candidates."""

    @dg.asset_check(
        asset=algorithm,
        name="candidates_are_reproducible",
        blocking=True,
        description="Every candidate carries a recipe with a seed, a snapshot digest and an MLflow run.",
    )
    def reproducible(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        metadata = warehouse.manifest(TABLE)[algorithm].metadata
        incomplete = [
            name
            for name, row in metadata["results"].items()
            if "seed" not in row["recipe"] or not row.get("mlflow_run_id") or not metadata.get("snapshot")
        ]
        return result(not incomplete, incomplete=incomplete)

    @dg.asset_check(
        asset=algorithm,
        name="candidates_show_no_leak",
        blocking=True,
        description=f"No candidate's out-of-time AUC is above {LEAK_AUC}, which would mean a leak.",
    )
    def no_leak(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        results = warehouse.manifest(TABLE)[algorithm].metadata["results"]
        auc, worst = max(((float(row["metrics"]["roc_auc"]), name) for name, row in results.items()), default=(0.0, ""))
        return result(auc <= LEAK_AUC, candidate=worst, roc_auc=auc, limit=LEAK_AUC)

    @dg.asset_check(
        asset=algorithm, name="fits_are_fast", description="No candidate's fits take longer than two minutes together."
    )
    def fast(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        results = warehouse.manifest(TABLE)[algorithm].metadata["results"]
        seconds = max((float(row["metrics"]["fit_seconds"]) for row in results.values()), default=0.0)
        return hint(seconds <= SLOW_FIT_SECONDS, slowest_seconds=seconds, limit_seconds=SLOW_FIT_SECONDS)

    return [reproducible, no_leak, fast]


algorithm_checks = [check for algorithm in ALGORITHMS for check in checks_of(algorithm)]
