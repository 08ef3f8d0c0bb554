"""Which lake belongs to a home, so that an empty or a foreign one is not taken for it.

A folder that is not mounted, a bucket that was emptied or a wrong address look like a lake without tables: everything
would be made and promoted again. A lake outside its home holds `lake.json` with an identifier that the home has too.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any, Final, NamedTuple

from bank_assets.store.home_json import UNREADABLE
from bank_assets.store.lake import explained, put_whole
from bank_assets.store.locks import locked
from bank_assets.store.places import Place, WarehouseError, place_of

NAME: Final = "lake.json"
_SCHEMA_VERSION: Final = 1


class LakeError(WarehouseError):
    """The lake is not the one of this home; the message says what was expected, what was found, what to do."""


class _Identity(NamedTuple):
    id: str
    address: str  # "" in the home until its lake has the identifier, too


def check_lake(warehouse: Path, lake: str | Place) -> None:
    """Make sure that a lake is that of the home with this folder; the first one outside the home becomes it.

    Raises:
        LakeError: it is empty, of another home, at another release, or not the one that the home had.
        WarehouseError: it cannot be reached.
    """
    place, record = place_of(lake), warehouse / "raw" / NAME
    if (ours := _read(record)) and ours.address:
        _compare(warehouse, place, record)
    elif place != warehouse:
        with locked(record.with_name(".lake.lock")):  # processes that start together make one identifier
            _compare(warehouse, place, record)


def _compare(warehouse: Path, place: Place, record: Path) -> None:
    ours = _read(record)
    with explained(place, f"read {NAME}"):
        found = _read(place / NAME)
    has_lake = ours is not None and ours.address != ""
    to_do = f"set BANK_LAKE to it; if it is lost, remove {record} and make the tables again from the deliveries"
    if ours and has_lake and found is None:
        raise LakeError(
            f"{place}: expected the lake of this home, which was at {ours.address}, found no {NAME} there: it is not "
            f"mounted, empty or another place. Mount it, copy the whole lake there, or {to_do}."
        )
    if found and (ours is None or ours.id != found.id):
        raise LakeError(
            f"{place}: expected a lake of this home, found that of another one ({found.id}); two pipelines would undo "
            f"each other's tables. Give each its own folder or prefix; if this home takes the other's place, "
            f"remove {place / NAME}."
        )
    if not has_lake and (warehouse / "raw" / "manifest.jsonl").is_file() and not (place / "raw" / "objects").is_dir():
        raise LakeError(
            f"{place}: expected the tables and the delivered text of this home, found none; they are in {warehouse}. "
            f"Stop the processes, copy that folder there, and start again, or unset BANK_LAKE."
        )
    identity = _Identity(ours.id if ours else uuid.uuid4().hex, str(place))
    if found is None:
        # If this process is killed after the lake's write, the next one knows by this that the lake is ours.
        _write(record, identity._replace(address=""))
        with explained(place, f"write {NAME}"):
            _write(place / NAME, identity)
    if ours != identity:
        _write(record, identity)


def _read(place: Place) -> _Identity | None:
    def parse(found: Any) -> _Identity:
        if found["schema_version"] != _SCHEMA_VERSION:
            raise ValueError(f"schema_version {found['schema_version']}")
        return _Identity(str(found["id"]), str(found["address"]))

    try:
        content = place.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return parse(json.loads(content))
    except UNREADABLE as error:
        raise LakeError(
            f"{place}: expected the identity of a lake, schema_version {_SCHEMA_VERSION}, found {error}; use the "
            f"release that wrote it, or restore it from a backup."
        ) from error


def _write(place: Place, identity: _Identity) -> None:
    put_whole(place, json.dumps({"schema_version": _SCHEMA_VERSION, **identity._asdict()}).encode())
