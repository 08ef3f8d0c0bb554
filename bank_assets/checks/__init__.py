"""Asset checks, one file per stage. A check states the truth that it tests; ERROR may block, WARN is a hint."""

from collections.abc import Mapping
from importlib import import_module
from itertools import islice
from typing import Any

import dagster as dg

from bank_assets.contract.names import STAGES

MOST_SHOWN = 5


def load_stage_checks() -> list[dg.AssetChecksDefinition]:
    """All checks, in the order of the stages."""
    modules = [import_module(f"bank_assets.checks.{stage}") for stage in STAGES]
    return list(dg.load_asset_checks_from_modules(modules))


def result(passed: bool, **metadata: Any) -> dg.AssetCheckResult:
    """A result of severity ERROR, with metadata by name.

    What failed is a list of names, or a mapping of names to reasons: alerts quote the names alone, because reasons may
    hold delivered values.
    """
    return _checked(passed, dg.AssetCheckSeverity.ERROR, metadata)


def hint(passed: bool, **metadata: Any) -> dg.AssetCheckResult:
    """A result of severity WARN, which blocks nothing."""
    return _checked(passed, dg.AssetCheckSeverity.WARN, metadata)


def _checked(passed: bool, severity: dg.AssetCheckSeverity, metadata: Mapping[str, Any]) -> dg.AssetCheckResult:
    shown = {name: _few(value) for name, value in metadata.items()}
    return dg.AssetCheckResult(passed=passed, severity=severity, metadata=shown)


def _few(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(islice(value.items(), MOST_SHOWN))
    return value[:MOST_SHOWN] if isinstance(value, list) else value
