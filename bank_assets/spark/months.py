"""The inputs of a month's tables, and so whether they are current."""

from pathlib import Path

from bank_assets.contract.contract import Contract
from bank_assets.landing.register import month_digest, month_manifest
from bank_assets.spark.etl import CODE_VERSION, TABLES
from bank_assets.store.derivations import Derived
from bank_assets.store.lineage import contract_setting
from bank_assets.store.warehouse import Warehouse, fingerprint


def month_fingerprint(warehouse: Path, month: str, contract: Contract) -> str:
    """Fingerprint of a month's tables: its deliveries, the contract and the code."""
    inputs = {kind: month_digest(month_manifest(warehouse, month, kind)) for kind in ("contacts", "outcomes")}
    return fingerprint(inputs=inputs, code_version=CODE_VERSION, settings=contract_setting(contract))


def month_tables(store: Warehouse, warehouse: Path, month: str, contract: Contract) -> dict[str, Derived]:
    """The tables of a month by name."""
    made_from = month_fingerprint(warehouse, month, contract)
    return {table: Derived(store, table, month, made_from) for table in TABLES}
