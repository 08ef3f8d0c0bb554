"""Checks of stage performance: hints, never a gate."""

import dagster as dg

from bank_assets.checks import hint
from bank_assets.resources.store import WarehouseResource

REPORT = "performance_report"


@dg.asset_check(asset=REPORT)
def champion_has_not_decayed(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """On matured outcomes the champion ranks and calibrates as in its validation."""
    entry = warehouse.open().entry(REPORT, "all")
    headline = entry.metadata["headline"] if entry else {"level": "none", "message": "never measured"}
    return hint(headline["level"] == "none", level=headline["level"], message=headline["message"])
