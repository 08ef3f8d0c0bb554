"""Checks of stage validation: the gate."""

import dagster as dg

from bank_assets.checks import hint, result
from bank_assets.store.lineage import passed_months
from bank_assets.store.warehouse import Warehouse

GATE = "contacts_validation"


@dg.asset_check(asset=GATE, blocking=True)
def a_month_passes_its_gate(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """At least one month may be used; if none passed, nothing that follows may run."""
    passed = passed_months(warehouse)
    return result(bool(passed), months_passed=len(passed), months=len(warehouse.manifest(GATE)))


@dg.asset_check(asset=GATE)
def no_month_is_held(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Every month with contacts passed its gate.

    ERROR, but not blocking: readers of contacts leave a held month out, and the other months continue.
    """
    entries = warehouse.manifest(GATE)
    held = {month: entry.metadata["errors"][:3] for month, entry in entries.items() if not entry.metadata["passed"]}
    return result(not held, held=held, count=len(held))


@dg.asset_check(asset=GATE)
def validation_gives_no_hint(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """No expectation of level WARN failed."""
    entries = warehouse.manifest(GATE)
    hints = {month: entry.metadata["warnings"][:3] for month, entry in entries.items() if entry.metadata["warnings"]}
    return hint(not hints, hints=hints, count=len(hints))
