"""Asset checks, one file per stage. A check states the truth that it tests; ERROR may block, WARN is a hint."""

from importlib import import_module
from typing import Any

import dagster as dg

from bank_assets.contract.names import STAGES


def load_stage_checks() -> list[dg.AssetChecksDefinition]:
    """All checks, in the order of the stages."""
    modules = [import_module(f"bank_assets.checks.{stage}") for stage in STAGES]
    return list(dg.load_asset_checks_from_modules(modules))


def result(passed: bool, **metadata: Any) -> dg.AssetCheckResult:
    """A result of severity ERROR, with metadata by name."""
    return dg.AssetCheckResult(passed=passed, metadata=metadata)


def hint(passed: bool, **metadata: Any) -> dg.AssetCheckResult:
    """A result of severity WARN, which blocks nothing."""
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)
