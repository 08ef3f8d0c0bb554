"""`python -m bank_assets adopt`: draft a contract from a bank's own file, or check a file against a contract.

It trains nothing, lands nothing and asks nothing: what the file does not tell stands as a comment in the draft.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from bank_assets.adoption.check import check_file
from bank_assets.adoption.draft import draft_contract
from bank_assets.adoption.findings import study
from bank_assets.adoption.table import read_table
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.file import SUFFIX, load_contract
from bank_assets.contract.file_writing import write_contract
from bank_assets.core.words import pct
from bank_assets.landing.header import DeliveryRefused
from bank_assets.settings import Settings
from bank_assets.sources.uci import SourceError

_CONSOLE: Final = Console(markup=False, highlight=False, soft_wrap=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `adopt`."""
    parser.add_argument("contract", nargs="?", default="", help="with --check: contract (default: BANK_CONTRACT)")
    parser.add_argument("file", type=Path, help="CSV or Parquet file of contacts whose outcomes are known")
    parser.add_argument("--check", action="store_true", help="check the file against a contract; write nothing")
    parser.add_argument("--target", default="", help="column that says whether a contact subscribed (default: guessed)")
    parser.add_argument("--output", type=Path, help=f"contract file to write (default: the file's name with {SUFFIX})")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write a draft, or check a file; returns 1 if the file cannot be used or does not fit."""
    limit = settings.reject_rate_limit
    if arguments.check:
        contract = load_contract(arguments.contract) if arguments.contract else settings.contract
        return 0 if _fits(arguments.file, contract, limit) else 1
    if arguments.contract:
        raise ContractError(f"adopt: expected one file, found {arguments.contract} too; check it by adopt --check.")
    path: Path = arguments.output or Path(arguments.file.name.partition(".")[0] + SUFFIX)
    if path.exists():
        raise ContractError(f"{path}: expected no file, found one; remove it, or name another one by --output.")
    found = study(read_table(arguments.file), today=datetime.now(UTC).date(), target=arguments.target)
    draft = draft_contract(found)
    try:
        path.write_text(write_contract(draft.contract, draft.comments), "utf-8")
    except OSError as error:
        found_there = error.strerror or error
        raise ContractError(
            f"{path}: expected a folder that can be written, found {found_there}; correct it."
        ) from error
    _CONSOLE.print(f"{path}: {len(draft.contract.columns)} columns; the reasons stand in its comments.")
    for line in draft.comments[""]:
        if line.startswith("To decide"):
            _CONSOLE.print(line)
    try:
        _fits(arguments.file, draft.contract, limit)
    except (DeliveryRefused, SourceError) as error:
        _CONSOLE.print(f"It cannot be landed as it is. {error}")
    _CONSOLE.print(f"Then: python -m bank_assets adopt --check {path} {arguments.file}")
    return 0


def _fits(path: Path, contract: Contract, limit: float) -> bool:
    """Say what of a file does not fit, and whether it can be landed."""
    found = check_file(path, contract)
    for line in found.lines:
        _CONSOLE.print(line)
    fits = found.n_rejected <= limit * found.n_rows
    _CONSOLE.print(
        f"{path.name} fits the contract {contract.name}: {found.n_rows - found.n_rejected:,} usable rows."
        if fits
        else f"{path.name} does not fit: expected at most {pct(limit, 0)} rejected rows; correct the file where a "
        "value is wrong, or the contract where it is right."
    )
    return fits
