"""`python -m bank_assets pull`: deliver the new contacts of the database that `BANK_SOURCE` names."""

from __future__ import annotations

import argparse

from rich.console import Console

from bank_assets.settings import Settings
from bank_assets.sources.database import is_database, pull
from bank_assets.sources.source import claim_landing, resolve_source
from bank_assets.sources.uci import SourceError


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """`pull` has no arguments."""


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Pull once; returns 1 if the database or the home cannot be used, 2 if `BANK_SOURCE` names none."""
    told, errors = Console(markup=False, soft_wrap=True), Console(stderr=True, markup=False, soft_wrap=True)
    if not is_database(settings.source):
        errors.print("BANK_SOURCE: expected the address of a database, such as postgresql://user@host/bank.")
        return 2
    try:
        claim_landing(resolve_source(settings), settings.landing)
        pulled = pull(settings)
    except SourceError as error:
        errors.print(str(error))
        return 1
    told.print(f"pulled {pulled.rows:,} new rows" + (f" into {pulled.path}" if pulled.path else ""))
    return 0
