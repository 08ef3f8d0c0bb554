"""`python -m bank_assets prune`: remove files that hold no rows of a table any more, and old entries of its log.

Raw deliveries (everything can be made again from them), training sets (decision records name them by digest), the
ledger, the registry and reports are never touched. docs/operations.md describes what else grows.
"""

from __future__ import annotations

import argparse
from typing import Final

from rich.console import Console

from bank_assets.commands import number
from bank_assets.settings import Settings
from bank_assets.store.keyed_delta import SNAPSHOTS
from bank_assets.store.places import Place
from bank_assets.store.warehouse import Warehouse

KEPT_TABLES: Final = frozenset({"raw", "training_set"})
DAYS: Final = 7.0
SECONDS_OF_DAY: Final = 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `prune`."""
    older = f"leave files that were replaced, or written and never committed, since then (default: {DAYS:g} days)"
    parser.add_argument("--days", type=number(), default=DAYS, help=older)
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, remove nothing")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Prune every table that may be pruned."""
    store, console, total = Warehouse(settings.tables, settings.warehouse), Console(markup=False), 0
    for table in prunable_tables(store.root):
        removed = store.collect_garbage(table, arguments.days * SECONDS_OF_DAY, is_dry_run=arguments.dry_run)
        freed = sum(removed.values())
        total += freed
        if removed:
            console.print(f"{table}: {len(removed)} files, {freed:,} bytes")
    console.print(f"{'would free' if arguments.dry_run else 'freed'} {total:,} bytes")
    return 0


def prunable_tables(lake: Place) -> list[str]:
    """Tables that can be made again, in order of their names."""
    found = lake.iterdir() if lake.is_dir() else ()
    return sorted(path.name for path in found if path.name not in KEPT_TABLES and (path / SNAPSHOTS).is_dir())
