"""What the tables of a month are made from.

What lives here: their fingerprint, the same for all three. What must not: making them (`spark.etl`).
Called by the tables stage and by the loop, which asks for the months that are due.
"""

from pathlib import Path

from bank_assets.contract.contract import Contract
from bank_assets.landing.register import month_digest, month_manifest
from bank_assets.spark.etl import CODE_VERSION, TABLES
from bank_assets.store.derivations import Derived
from bank_assets.store.lineage import contract_setting
from bank_assets.store.warehouse import Warehouse, fingerprint


def month_fingerprint(warehouse: Path, month: str, contract: Contract) -> str:
    """Fingerprint of a month's tables: its deliveries of both kinds, the contract and the code.

    Args:
        warehouse: the warehouse folder.
        month: `YYYY-MM`.
        contract: that rows are read and judged by.
    """
    inputs = {kind: month_digest(month_manifest(warehouse, month, kind)) for kind in ("contacts", "outcomes")}
    return fingerprint(inputs=inputs, code_version=CODE_VERSION, settings=contract_setting(contract))


def month_tables(store: Warehouse, warehouse: Path, month: str, contract: Contract) -> dict[str, Derived]:
    """The tables of a month by name.

    Args:
        store: the tables.
        warehouse: the warehouse folder.
        month: `YYYY-MM`.
        contract: that rows are read and judged by.
    """
    made_from = month_fingerprint(warehouse, month, contract)
    return {table: Derived(store, table, month, made_from) for table in TABLES}
