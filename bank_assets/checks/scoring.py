"""Checks of stage scoring."""

import dagster as dg
import numpy as np

from bank_assets.checks import hint, result
from bank_assets.store.warehouse import Warehouse

BATCH, LIST = "batch_scores", "call_list"
SCORE_TOLERANCE = 0.5


@dg.asset_check(asset=BATCH, blocking=True)
def probabilities_lie_between_zero_and_one(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Every score is a probability inside its range."""
    wrong = 0
    for name in _newest(warehouse):
        rows = warehouse.read(BATCH, [name])
        proba, low, high = (rows.column(c).to_numpy() for c in ("probability", "probability_low", "probability_high"))
        inside = (proba >= 0) & (proba <= 1) & (low <= proba) & (proba <= high) & (low >= 0) & (high <= 1)
        wrong += int((~inside).sum())
    return result(wrong == 0, wrong=wrong)


@dg.asset_check(asset=BATCH, blocking=True)
def every_campaign_row_is_scored_or_refused(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Rows delivered = rows scored + rows refused with a reason."""
    lost = {
        name: count
        for name, entry in warehouse.manifest(BATCH).items()
        if (count := entry.metadata["delivered"] - entry.rows - entry.metadata["n_rejected"])
    }
    return result(not lost, lost=lost)


@dg.asset_check(asset=BATCH, blocking=True)
def scores_name_their_model_version(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Every score says which model version made it."""
    unnamed = sum(
        warehouse.read(BATCH, [name], ["model_version"]).column("model_version").null_count
        for name in _newest(warehouse)
    )
    return result(unnamed == 0, unnamed=int(unnamed))


@dg.asset_check(asset=BATCH)
def scores_have_not_moved(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """The mean probability of the last two campaigns differs by less than half."""
    entries = sorted(warehouse.manifest(BATCH).items(), key=lambda item: item[1].snapshot)
    means = [
        float(np.mean(warehouse.read(BATCH, [name], ["probability"]).column("probability").to_numpy()))
        for name, entry in entries[-2:]
        if entry.rows
    ]
    moved = abs(means[-1] / means[0] - 1) if len(means) == 2 and means[0] else 0.0
    return hint(moved < SCORE_TOLERANCE, change=moved, limit=SCORE_TOLERANCE)


def _newest(warehouse: Warehouse) -> list[str]:
    """Campaigns that were scored as of the newest day; the others passed these checks when they were scored."""
    as_of = {name: str(entry.metadata.get("as_of", "")) for name, entry in warehouse.manifest(BATCH).items()}
    newest = max(as_of.values(), default="")
    return [name for name, day in as_of.items() if day == newest]
