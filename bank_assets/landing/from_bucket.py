"""Deliveries that senders put into a bucket (`BANK_LANDING`): each change is fetched once into the landing folder.

The bucket is only read. A file whose bytes are registered is removed from the landing folder again, because the bucket
has it; an unusable one is set aside there, as every other.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Final

from bank_assets.landing.folders import WITHDRAWALS, is_leftover, readable
from bank_assets.landing.refusals import stored_object
from bank_assets.landing.register import raw_root
from bank_assets.store.atomic_files import publish, temporary_beside, write_atomic
from bank_assets.store.lake import DELIVERIES, explained
from bank_assets.store.places import BucketPath, WarehouseError

_LOG: Final = logging.getLogger(__name__)
_CHUNK_BYTES: Final = 8 << 20
_TIME_SECONDS: Final = 3.0  # a bucket tells times in seconds, so an object this young may change unnoticed: look again
_NAME_BYTES: Final = 200  # a temporary file has a longer name


def fetch(bucket: BucketPath, landing: Path, warehouse: Path, kinds: Collection[str], now: datetime) -> set[str]:
    """Fetch what is new in the folders of some kinds; returns what lies in the landing folder now, as `kind/name`.

    An object appears whole, so its copy is complete. `raw/fetched.json` remembers what was fetched; without it,
    everything is fetched again, and the register knows it. The caller holds the lock of the register.

    Raises:
        WarehouseError: the bucket cannot be read, or the disk is full.
    """
    index = raw_root(warehouse) / "fetched.json"
    known: dict[str, list[int]] = stored_object(index)
    before, there = dict(known), set()
    try:
        with explained(bucket, "fetch deliveries", named=DELIVERIES):
            if not BucketPath(bucket.key.partition("/")[0]).is_dir():
                raise WarehouseError(f"{bucket}: expected the bucket that BANK_LANDING names, found none; correct it.")
            for kind in (*kinds, WITHDRAWALS):
                for source, status in (bucket / kind).files():
                    key, stamp = f"{kind}/{source.name}", [status.st_size, status.st_mtime_ns]
                    if is_leftover(source.name):
                        continue
                    if len(source.name.encode()) > _NAME_BYTES:
                        _LOG.warning("%s: expected a name of at most %d bytes", readable(key), _NAME_BYTES)
                        continue
                    if known.get(key) != stamp:
                        _copy(source, landing / key, status.st_mtime_ns)
                        if abs(now.timestamp() - status.st_mtime_ns / 1e9) > _TIME_SECONDS:
                            known[key] = stamp
                    if (landing / key).exists():
                        there.add(key)
    finally:
        if known != before:
            write_atomic(index, json.dumps(known, sort_keys=True).encode())
    return there


def forget(landing: Path, fetched: Collection[str], registered: Collection[str]) -> None:
    """Remove the copies of what is registered."""
    for key in set(fetched).intersection(registered):
        (landing / key).unlink(missing_ok=True)


def _copy(source: BucketPath, target: Path, changed_at: int) -> None:
    with source.open("rb") as stream, temporary_beside(target) as (copy, temporary):
        shutil.copyfileobj(stream, copy, _CHUNK_BYTES)
        copy.flush()
        os.utime(temporary, ns=(changed_at, changed_at))
        publish(copy, temporary, target)  # lasting before the index says that it was fetched
