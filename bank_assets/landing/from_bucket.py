"""Deliveries that senders put into a bucket (`BANK_LANDING`): each change is fetched once into the landing folder.

The bucket is only read. A file whose bytes are registered is removed from the landing folder again, because the bucket
has it; an unusable one is set aside there, as every other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from bank_assets.landing.folders import WITHDRAWALS, Found, readable
from bank_assets.landing.formats import DeliveryUnreadable, is_leftover
from bank_assets.landing.refusals import stored_object
from bank_assets.landing.register import raw_root
from bank_assets.store.atomic_files import publish, temporary_beside, write_atomic
from bank_assets.store.lake import DELIVERIES, explained
from bank_assets.store.places import BucketPath, WarehouseError

_CHUNK_BYTES: Final = 8 << 20
_TIME_SECONDS: Final = 3.0  # a bucket tells times in seconds, so an object this young may change unnoticed: look again
_NAME_BYTES: Final = 200  # a temporary file has a longer name
_MOST_CHARACTERS: Final = 200


class Fetched(NamedTuple):
    """What lies in the landing folder now, as `kind/name`, and the objects that could not be fetched, each with why."""

    there: set[str]
    left: list[Found]


def fetch(bucket: BucketPath, landing: Path, warehouse: Path, kinds: Collection[str], now: datetime) -> Fetched:
    """Fetch what is new in the folders of some kinds; an object that cannot be read does not hold up the others.

    An object appears whole, so its copy is complete. `raw/fetched.json` remembers what was fetched; without it,
    everything is fetched again, and the register knows it. The caller holds the lock of the register.

    Raises:
        WarehouseError: the bucket cannot be listed, or the disk is full.
    """
    index = raw_root(warehouse) / "fetched.json"
    known: dict[str, list[int]] = stored_object(index)
    before, fetched = dict(known), Fetched(set(), [])
    try:
        with explained(bucket, "fetch deliveries", named=DELIVERIES):
            _check(bucket)
            for kind in (*kinds, WITHDRAWALS):
                for source, status in (bucket / kind).files():
                    key, stamp = f"{kind}/{source.name}", [status.st_size, status.st_mtime_ns]
                    if is_leftover(source.name):
                        continue
                    try:
                        if known.get(key) != stamp:
                            _copy(source, landing / key, status.st_mtime_ns)
                            if abs(now.timestamp() - status.st_mtime_ns / 1e9) > _TIME_SECONDS:
                                known[key] = stamp
                    except DeliveryUnreadable as problem:
                        _check(bucket)
                        fetched.left.append(Found(kind, landing / key, (*stamp, 0), problem))
                    if (landing / key).exists():
                        fetched.there.add(key)
    finally:
        if known != before:
            write_atomic(index, json.dumps(known, sort_keys=True).encode())
    return fetched


def forget(landing: Path, fetched: Collection[str], registered: Collection[str]) -> None:
    """Remove the copies of what is registered."""
    for key in set(fetched).intersection(registered):
        (landing / key).unlink(missing_ok=True)


def _check(bucket: BucketPath) -> None:
    """Make sure that there is a bucket that answers."""
    if not BucketPath(bucket.key.partition("/")[0]).is_dir():
        raise WarehouseError(f"{bucket}: expected the bucket that BANK_LANDING names, found none; correct it.")


def _copy(source: BucketPath, target: Path, changed_at: int) -> None:
    name = readable(source.name)
    if len(source.name.encode()) > _NAME_BYTES:
        raise DeliveryUnreadable(
            name, expected=f"a name of at most {_NAME_BYTES} bytes", found="a longer one", to_do="rename the object"
        )
    with temporary_beside(target) as (copy, temporary):
        for part in _parts(source, name):
            copy.write(part)
        copy.flush()
        os.utime(temporary, ns=(changed_at, changed_at))
        publish(copy, temporary, target)  # lasting before the index says that it was fetched


def _parts(source: BucketPath, name: str) -> Iterator[bytes]:
    """The content of an object; whatever goes wrong here is a fault of the object and not of our disk."""
    try:
        with source.open("rb") as stream:
            while part := stream.read(_CHUNK_BYTES):
                yield part
    except OSError as error:
        found = str(error).strip().splitlines()[0][:_MOST_CHARACTERS]
        expected, to_do = "an object that the platform may read", "give it the right to read it, or deliver it again"
        raise DeliveryUnreadable(name, expected=expected, found=found, to_do=to_do) from error
