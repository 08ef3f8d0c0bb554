"""What a contract may not change once rows are stored that were delivered under an earlier version of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bank_assets.contract.columns import Column, ColumnRole
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError, Problem

_NAMED: Final = 5


def contradictions(stored: Contract, contract: Contract) -> Iterator[Problem]:
    """What of a contract contradicts deliveries and tables that were stored under another one.

    A column or a category that is added, another bound, sign or wording contradict nothing: tables are made again from
    the deliveries.
    """
    now = {column.table: column for column in contract.columns}
    for before in stored.columns:
        column = now.pop(before.table, None)
        if column is None:
            yield Problem(f"expected to stay, found no column that is called {before.table} in tables", before.source)
        else:
            yield from _changes(before, column)
    for column in now.values():
        if not column.is_optional:
            default = "" if column.role is ColumnRole.CUSTOMER_ID else " and a default"
            yield Problem(
                f"expected `since` {stored.version + 1} or later{default}, as stored deliveries lack it, found "
                f"since {column.since}",
                column.source,
            )


def _changes(before: Column, column: Column) -> Iterator[Problem]:
    for name, of in (("name", "source"), ("type", "kind"), ("knownWhen", "known"), ("role", "role")):
        was, found = (getattr(one, of) or "none" for one in (before, column))
        if was != found:
            yield Problem(f"expected the {name} {was}, found {found}", before.source)
    if gone := [one for one in before.categories if one not in column.categories]:
        yield Problem(f"expected the categories {', '.join(gone)} to stay, found them gone", before.source)


def refuse_contradictions(stored: Contract, contract: Contract, where: str) -> None:
    """Raise `ContractError` if a contract contradicts what is stored; `where` says which folder that is."""
    if found := list(contradictions(stored, contract)):
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise ContractError(
            f"BANK_CONTRACT: expected a contract that agrees with {stored.name} {stored.version}, under which {where} "
            f"was filled, found {contract.name} {contract.version}: {'; '.join(map(str, found[:_NAMED]))}{more}; name "
            "the earlier contract, undo the change, or set BANK_HOME to a new folder.",
            found,
        )
