"""Checks of stage evaluation."""

import dagster as dg

from bank_assets.checks import hint, result
from bank_assets.core.features.contacts import WEIGHT
from bank_assets.core.promotion.gates import LIMITS
from bank_assets.core.quality import metrics
from bank_assets.core.training.export import PARITY_LIMIT
from bank_assets.store.warehouse import Warehouse, arrays_of

TABLE = "challenger"
SLOPE_RANGE = (0.7, 1.3)


@dg.asset_check(asset=TABLE, blocking=True)
def onnx_graph_equals_estimator(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """On every training row the graph gives the estimator's probability, within 1e-5."""
    parity = float(warehouse.manifest(TABLE)["all"].metadata["parity"])
    return result(parity <= PARITY_LIMIT, largest_difference=parity, limit=PARITY_LIMIT)


@dg.asset_check(asset=TABLE, blocking=True)
def challenger_shows_no_leak(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """The challenger's out-of-time AUC is not too good to be true."""
    auc = float(warehouse.manifest(TABLE)["all"].metadata["headline"]["roc_auc"])
    return result(auc <= LIMITS.leak_auc, roc_auc=auc, limit=LIMITS.leak_auc)


@dg.asset_check(asset=TABLE)
def challenger_is_calibrated(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """The slope of the outcomes on the log-odds is near one on the out-of-time rows."""
    rows = arrays_of(warehouse.read(TABLE, ["all"]))
    slope, intercept = metrics.calibration_line(rows["is_subscribed"], rows["proba"], weights=rows.get(WEIGHT))
    low, high = SLOPE_RANGE
    return hint(bool(low <= slope <= high), slope=float(slope), intercept=float(intercept), low=low, high=high)
