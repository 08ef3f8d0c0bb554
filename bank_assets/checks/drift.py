"""Checks of stage drift: hints, never a gate."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from bank_assets.checks import hint
from bank_assets.store.warehouse import Warehouse

REPORT = "drift_report"


@dg.asset_check(asset=REPORT)
def columns_have_not_drifted(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """The latest month's columns are as in the reference, by effect size."""
    return _latest(warehouse, "drifted", lambda found: not found["drifted"])


@dg.asset_check(asset=REPORT)
def subscription_rate_has_not_moved(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """The latest month's subscription rate is as in the reference, by effect size."""
    return _latest(warehouse, "label_level", lambda found: found["label_level"] == "none")


@dg.asset_check(asset=REPORT)
def drift_reference_exists(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """There is a reference with enough contacts to compare with."""
    return _latest(warehouse, "status", lambda found: found["status"] == "ok")


def _latest(warehouse: Warehouse, name: str, is_fine: Callable[[dict[str, Any]], bool]) -> dg.AssetCheckResult:
    entries = {m: e for m, e in warehouse.manifest(REPORT).items() if e.metadata.get("message")}
    if not entries:
        return hint(True, months=0)
    month, entry = max(entries.items())
    shown = {name: entry.metadata[name], "message": entry.metadata["message"]}
    return hint(bool(is_fine(entry.metadata)), month=month, **shown)
