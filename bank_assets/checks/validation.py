"""Checks of stage validation: the gate."""

import dagster as dg

from bank_assets.checks import hint, result
from bank_assets.resources.store import WarehouseResource
from bank_assets.store.lineage import passed_months

GATE = "contacts_validation"


@dg.asset_check(asset=GATE, blocking=True)
def a_month_passes_its_gate(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """At least one month may be used; if none passed, nothing that follows may run."""
    store = warehouse.open()
    passed = passed_months(store)
    return result(bool(passed), months_passed=len(passed), months=len(store.manifest(GATE)))


@dg.asset_check(asset=GATE)
def no_month_is_held(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Every month with contacts passed its gate.

    ERROR, but not blocking: readers of contacts leave a held month out, and the other months continue.
    """
    entries = warehouse.open().manifest(GATE)
    held = {month: entry.metadata["errors"][:3] for month, entry in entries.items() if not entry.metadata["passed"]}
    return result(not held, held=dict(list(held.items())[:5]), count=len(held))


@dg.asset_check(asset=GATE)
def validation_gives_no_hint(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No expectation of level WARN failed."""
    entries = warehouse.open().manifest(GATE)
    hints = {month: entry.metadata["warnings"][:3] for month, entry in entries.items() if entry.metadata["warnings"]}
    return hint(not hints, hints=dict(list(hints.items())[:5]), count=len(hints))
