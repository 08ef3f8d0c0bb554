"""`python -m bank_assets relocate`: after a home was moved or restored, register its artifacts where they lie now.

`run` does the same at its start; other MLflow programs find the artifacts only afterwards.
"""

from __future__ import annotations

import argparse

from bank_assets.settings import Settings
from bank_assets.store.relocation import relocate


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Relocate the artifacts of this home."""
    before = relocate(settings.mlflow_uri, settings.mlflow_artifacts)
    print(f"artifacts: {settings.mlflow_artifacts}, {f'before {before}' if before else 'nothing to do'}")  # noqa: T201
    return 0
