"""`python -m bank_assets adopt`: draft a contract from a bank's own file, or check a file against a contract.

It trains nothing, lands nothing and asks nothing: what the file does not tell stands as a comment in the draft.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from bank_assets.adoption.check import FileCheck, check_file
from bank_assets.adoption.draft import draft_contract
from bank_assets.adoption.findings import study
from bank_assets.adoption.table import read_table
from bank_assets.contract.errors import ContractError
from bank_assets.contract.file import SUFFIX, write_contract
from bank_assets.core.words import pct
from bank_assets.settings import Settings

_SHOWN: Final = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `adopt`."""
    parser.add_argument("file", type=Path, help="CSV or Parquet file of contacts whose outcomes are known")
    parser.add_argument(
        "--check", action="store_true", help="check the file against the contract of BANK_CONTRACT; write nothing"
    )
    parser.add_argument("--target", default="", help="column that says whether a contact subscribed (default: guessed)")
    parser.add_argument("--output", type=Path, help=f"contract file to write (default: the file's name with {SUFFIX})")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write a draft, or check a file; returns 1 if the file cannot be used or does not fit."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if arguments.check:
        return _check(arguments.file, settings, console)
    _draft(arguments, console)
    return 0


def _draft(arguments: argparse.Namespace, console: Console) -> None:
    path: Path = arguments.output or Path(arguments.file.name.partition(".")[0] + SUFFIX)
    if path.exists():
        raise ContractError(f"{path}: expected no file, found one; remove it, or name another one by --output.")
    found = study(read_table(arguments.file), today=datetime.now(UTC).date(), target=arguments.target)
    draft = draft_contract(found)
    path.write_text(write_contract(draft.contract, draft.comments), "utf-8")
    console.print(f"{path}: {len(draft.contract.columns)} columns; the reasons stand in its comments.")
    for line in draft.comments[""]:
        if line.startswith("To decide"):
            console.print(line)
    console.print(f"Then: BANK_CONTRACT={path} python -m bank_assets adopt --check {arguments.file}")


def _check(path: Path, settings: Settings, console: Console) -> int:
    contract, limit = settings.contract, settings.reject_rate_limit
    found = check_file(read_table(path), contract)
    for line in _described(found, contract.name):
        console.print(line)
    if not found.fits(limit):
        console.print(
            f"{path.name} does not fit: expected the columns of the contract and at most {pct(limit, 0)} rejected "
            "rows; correct the file where a value is wrong, or the contract where it is right."
        )
        return 1
    console.print(f"{path.name} fits the contract {contract.name}: {found.n_rows - found.n_rejected:,} usable rows.")
    return 0


def _described(found: FileCheck, name: str) -> list[str]:
    """What does not fit, in lines."""
    lines = [f"missing: {one}; add the column to the file, or remove it from {name}" for one in found.missing]
    lines += [f"extra: {one}; remove the column from the file, or add it to {name}" for one in found.extra]
    if found.implied:
        names = ", ".join(found.implied)
        lines.append(f"not in the file: {names}; the order of its rows implies them, add them to deliver it")
    for one in found.violations[:_SHOWN]:
        lines.append(f"{one.rule.code}: {one.n_rows:,} of {found.n_rows:,} rows")
        lines += [f"  {sentence}" for sentence in one.sentences]
    if found.n_rejected:
        lines.append(
            f"rejected: {found.n_rejected:,} of {found.n_rows:,} rows ({pct(found.n_rejected / found.n_rows)})"
        )
    return lines
