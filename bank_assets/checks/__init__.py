"""Asset checks, one file per stage that has them; this file is their registry.

What lives here: loading. What must not: checks. A check states the truth it tests; ERROR blocks what follows in the
same run, WARN is a hint.
"""

from importlib import import_module
from typing import Final

import dagster as dg

CHECKED_STAGES: Final = (
    "raw",
    "tables",
    "validation",
    "drift",
    "performance",
    "features",
    "training",
    "evaluation",
    "promotion",
    "scoring",
)


def load_stage_checks() -> list[dg.AssetChecksDefinition]:
    """All checks, in the order of the stages."""
    modules = [import_module(f"bank_assets.checks.{stage}") for stage in CHECKED_STAGES]
    return list(dg.load_asset_checks_from_modules(modules))
