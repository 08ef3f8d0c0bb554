"""`python -m bank_assets prune`: remove old snapshots of tables that nothing refers to.

Raw deliveries (everything can be made again from them), training sets (decision records name them by digest), the
ledger, the registry and reports are never touched. docs/operations.md describes what else grows.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from bank_assets.commands import number, whole
from bank_assets.settings import Settings
from bank_assets.store.warehouse import Warehouse

KEPT_TABLES: Final = frozenset({"raw", "training_set"})
DAYS: Final = 7.0
SECONDS_OF_DAY: Final = 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `prune`."""
    parser.add_argument("--days", type=number(), default=DAYS, help=f"leave younger snapshots (default: {DAYS:g} days)")
    parser.add_argument(
        "--keep", type=whole(), default=1, help="old snapshots to leave per table, for readers (default: 1)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, remove nothing")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Prune every table that may be pruned."""
    store, console, total = Warehouse(settings.warehouse), Console(markup=False), 0
    for table in prunable_tables(settings.warehouse):
        before = {path.name: _size(path) for path in (settings.warehouse / table / "snapshots").glob("*")}
        removed = store.collect_garbage(
            table, arguments.keep, arguments.days * SECONDS_OF_DAY, is_dry_run=arguments.dry_run
        )
        freed = sum(before[name] for name in removed)
        total += freed
        if removed:
            console.print(f"{table}: {len(removed)} snapshots, {freed:,} bytes")
    console.print(f"{'would free' if arguments.dry_run else 'freed'} {total:,} bytes")
    return 0


def prunable_tables(warehouse: Path) -> list[str]:
    """Tables with snapshots that can be made again, in order of their names."""
    found = (path.parent.name for path in warehouse.glob("*/snapshots"))
    return sorted(name for name in found if name not in KEPT_TABLES)


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, which a run may be deleting."""
    size = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += Path(base, name).stat().st_size
    return size
