"""The contract under which a home's deliveries were registered: `raw/contract.json`, its canonical form."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from bank_assets.contract.changes import refuse_contradictions
from bank_assets.contract.contract import Contract
from bank_assets.contract.file import load_contract
from bank_assets.landing.register import raw_root, read_manifest
from bank_assets.store.atomic_files import write_atomic


def check_contract(warehouse: Path, contract: Contract) -> None:
    """Raise `ContractError` if a contract contradicts the deliveries and tables of a home."""
    recorded = _recorded(warehouse)
    if recorded == contract.canonical:
        return
    stored = Contract.from_dict(json.loads(recorded)) if recorded else _of_earlier_releases(warehouse)
    if stored is not None:
        refuse_contradictions(stored, contract, str(warehouse))


def record_contract(warehouse: Path, contract: Contract) -> None:
    """Record a contract that was checked, once there are deliveries: nothing contradicts it before."""
    if read_manifest(warehouse) and _recorded(warehouse) != contract.canonical:
        write_atomic(_path(warehouse), contract.canonical.encode())


def _recorded(warehouse: Path) -> str:
    with suppress(FileNotFoundError):
        return _path(warehouse).read_text(encoding="ascii")
    return ""


def _of_earlier_releases(warehouse: Path) -> Contract | None:
    """The contract of a home without a record: the default one if that has the columns of the deliveries."""
    delivered, default = read_manifest(warehouse, "contacts")[-1:], load_contract()
    return default if any({*one.columns} <= {*default.delivery_columns} for one in delivered) else None


def _path(warehouse: Path) -> Path:
    return raw_root(warehouse) / "contract.json"
