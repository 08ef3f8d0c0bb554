"""The contract under which a home's deliveries were registered: `raw/contract.json`, its canonical form."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bank_assets.contract.changes import refuse_contradictions
from bank_assets.contract.contract import Contract
from bank_assets.contract.file import load_contract
from bank_assets.landing.register import raw_root, read_manifest
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.home_json import read_json


def check_contract(warehouse: Path, contract: Contract) -> None:
    """Raise `ContractError` if a contract contradicts the deliveries and tables of a home."""
    if _recorded(warehouse) == contract.canonical.encode():
        return
    to_do = "restore the file from a backup, or remove it if the contract in use is that of the deliveries"
    stored: Contract | None
    try:
        stored = read_json(_path(warehouse), Contract.from_dict, "the contract of the deliveries", to_do)
    except FileNotFoundError:
        stored = _of_earlier_releases(warehouse)
    if stored is not None:
        refuse_contradictions(stored, contract, str(warehouse))


def record_contract(warehouse: Path, contract: Contract) -> None:
    """Record a contract that was checked, once there are deliveries: nothing contradicts it before."""
    if read_manifest(warehouse) and _recorded(warehouse) != contract.canonical.encode():
        write_atomic(_path(warehouse), contract.canonical.encode())


def _recorded(warehouse: Path) -> bytes:
    with suppress(FileNotFoundError):
        return _path(warehouse).read_bytes()
    return b""


def _of_earlier_releases(warehouse: Path) -> Contract | None:
    """The contract of a home without a record: the default one if that has the columns of the deliveries."""
    delivered, default = read_manifest(warehouse, "contacts")[-1:], load_contract()
    return default if any({*one.columns} <= {*default.delivery_columns} for one in delivered) else None


def _path(warehouse: Path) -> Path:
    return raw_root(warehouse) / "contract.json"
