"""Checks of stage performance: hints, never a gate."""

from typing import Final

import dagster as dg
import msgspec

from bank_assets.checks import hint
from bank_assets.core.features.feedback import Feedback
from bank_assets.store.warehouse import Warehouse

REPORT = "performance_report"
MOST_APART: Final = 0.1
"""Share of outcomes that may teach nothing; more are a sign of calls outside the lists, or of ids that do not match."""


@dg.asset_check(asset=REPORT)
def champion_has_not_decayed(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """On matured outcomes the champion ranks and calibrates as in its validation."""
    entry = warehouse.entry(REPORT, "all")
    headline = entry.metadata["headline"] if entry else {"level": "none", "message": "never measured"}
    return hint(headline["level"] == "none", level=headline["level"], message=headline["message"])


@dg.asset_check(asset=REPORT)
def outcomes_teach(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Outcomes come from a history called in full, or from calls of lists, explorers among them."""
    entry = warehouse.entry(REPORT, "all")
    found = msgspec.convert(entry.metadata.get("report", {}).get("feedback", {}) if entry else {}, Feedback)
    calls = {name: getattr(found, name) for name in ("calls_due", "calls_made", "explored", "on_two_lists")}
    is_explained = sum(found.apart.values()) <= MOST_APART * sum(found.outcomes.values())
    is_blind = found.calls_made > 0 and not found.explored
    return hint(is_explained and not is_blind, taught=found.n_taught, **calls, **found.apart)
