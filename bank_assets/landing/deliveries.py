"""Receives delivered files: stores their bytes, registers them, and sets unusable files aside with the reason.

Files stay in the landing folder, where the sender put them. The register knows each by name, size and times, so a scan
of unchanged files reads nothing. No file affects another one: whatever is wrong with it, the next one is taken.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bank_assets.contract.contract import Contract
from bank_assets.contract.sent_text import SentText
from bank_assets.landing.contract_in_use import check_contract, record_contract
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.folders import WITHDRAWALS, Found, look, readable
from bank_assets.landing.formats import DeliveryUnreadable, content_of
from bank_assets.landing.from_bucket import Fetched, fetch, forget
from bank_assets.landing.header import KINDS, DeliveryKind, DeliveryRefused, delivery_kinds
from bank_assets.landing.raw_objects import RawObjects, in_lake
from bank_assets.landing.refusals import left_files, left_reason, remember_left, set_aside, stored_object
from bank_assets.landing.register import (
    Delivery,
    Withdrawal,
    append_manifest,
    append_withdrawals,
    raw_root,
    read_manifest,
    withdrawals,
)
from bank_assets.landing.withdrawals import read_withdrawals
from bank_assets.store.atomic_files import remove_abandoned, remove_leftovers, temporary_beside, write_atomic
from bank_assets.store.lake_of_home import check_lake
from bank_assets.store.locks import locked
from bank_assets.store.places import BucketPath, Place, place_of

_LOG: Final = logging.getLogger(__name__)
_COMMIT_SECONDS: Final = 1.0  # a killed scan of many files loses this much work


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that cannot be used; `problem` says what was expected, what was found and what to do."""

    kind: str
    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """Outcome of one scan. Files are named `kind/name`.

    Attributes:
        new: arrivals that change the content of at least one month.
        unchanged: files already known, or with bytes already known that change nothing.
        refused: files that this scan found unusable, moved or not.
        incomplete: files still being written; the next scan looks again.
        ignored: whatever lies in the landing folder and cannot be used; `refusals` has the reasons.
        recorded: what became of the files of feeds that were put on record after the scan, in sentences.
    """

    new: list[Delivery] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    withdrawn: list[Withdrawal] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)


class _Scan:
    """One pass over the landing folders, under the register lock."""

    def __init__(self, landing: Path, objects: RawObjects, contract: Contract, now: datetime) -> None:
        self._objects, warehouse = objects, objects.warehouse
        self._landing, self._warehouse, self._now = landing, warehouse, now
        self._contract, self._kinds = contract, delivery_kinds(contract)
        self._log = list(read_manifest(warehouse))
        self._registered = len(self._log)
        self._last = {d.key: d for d in self._log}
        self._month_digest = {(d.kind, month): d.sha256 for d in self._log for month in d.months}
        # The stamp of each file when it was last registered; a cache that may be deleted.
        self._index = raw_root(warehouse) / "landing_index.json"
        self._stamps: dict[str, list[int]] = stored_object(self._index)
        self._saved = dict(self._stamps)
        self._left_before = left_files(warehouse)
        self._left: dict[str, dict[str, Any]] = {}
        self.found = RegisterResult()

    def take(self, found: Found, settle_seconds: float) -> None:
        """Register, skip or set aside one file."""
        key, stamp = found.key, list(found.stamp)
        left = self._left_before.get(key, {})
        # Status-change time, because a copy may preserve old modification times; a wrong clock may set a time to come.
        if settle_seconds > 0 and abs(self._now.timestamp() - stamp[2] / 1e9) < settle_seconds:
            self.found.incomplete.append(key)
        elif found.problem is not None:
            self._leave(found, found.problem)
        elif (key in self._last or found.kind == WITHDRAWALS) and self._stamps.get(key) == stamp:
            self.found.unchanged.append(key)
        elif left.get("is_read") and left.get("stamp") == stamp:  # unusable, and could not be moved
            self._keep_left(key, left)
        else:
            self._read(found)

    def _read(self, found: Found) -> None:
        key, arrival = found.key, None
        try:
            if found.kind == WITHDRAWALS:
                self._withdraw(found.path)
            else:
                arrival = self._stored(self._kinds[found.kind], found.path)
        except DeliveryUnreadable as problem:
            if found.path.exists():
                self._leave(found, problem)
            return
        except DeliveryRefused as problem:
            self._refuse(found, problem)
            return
        except OSError:
            raise  # the warehouse's disk, not the file
        except Exception as error:
            _LOG.exception("%s: could not be read", readable(key))
            expected, to_do = "a file that this release can read", "report its name to those who run the platform"
            what = f"one that ends in {type(error).__name__}"
            fault = DeliveryRefused(readable(found.path.name), expected=expected, found=what, to_do=to_do)
            self._leave(found, fault, is_read=True)
            return
        if not found.is_untouched:  # written to during the copy; the stored object is a harmless orphan
            self.found.incomplete.append(key)
            return
        self._stamps[key] = list(found.stamp)
        if arrival is not None:
            self._register(found, arrival)

    def _withdraw(self, path: Path) -> None:
        """Take back what a file names; what was delivered after the file counts, so it is read once."""
        name = readable(path.name)
        content = b"".join(content_of(path, name))
        arrived = in_lake(self._objects.lake, self._log)
        made = read_withdrawals(content, name, arrived, self._now, self._contract)
        if not {one.by_sha256 for one in made} & {one.by_sha256 for one in withdrawals(self._warehouse)}:
            self.commit()  # what is taken back is on record first
            append_withdrawals(self._warehouse, made)
            self.found.withdrawn.extend(made)

    def _register(self, found: Found, arrival: Delivery) -> None:
        key, last = found.key, self._last.get(found.key)
        is_known = last is not None and last.sha256 == arrival.sha256
        is_sent_again = last is not None and is_known and self._is_sent_again(found, last)
        if is_known and not is_sent_again:
            self.found.unchanged.append(key)
            return
        # The last arrival of a content counts, so a month changes unless its last arrival had the same bytes.
        months = [(arrival.kind, month) for month in arrival.months]
        if is_sent_again or any(self._month_digest.get(month) != arrival.sha256 for month in months):
            self.found.new.append(arrival)
        else:
            self.found.unchanged.append(key)
        self._month_digest |= dict.fromkeys(months, arrival.sha256)
        self._log.append(arrival)
        self._last[key] = arrival

    def _is_sent_again(self, found: Found, last: Delivery) -> bool:
        """Whether a file was written once more after its delivery had been withdrawn."""
        named = (found.key, last.sha256)
        made = [one for one in withdrawals(self._warehouse) if one.delivery in named and one.arrival >= last.arrival]
        since = max((datetime.fromisoformat(one.at).timestamp() for one in made), default=float("inf"))
        return found.stamp[1] / 1e9 > since

    def _stored(self, kind: DeliveryKind, path: Path) -> Delivery:
        """Copy a file's content into the object store and describe the copy."""
        beside = raw_root(self._warehouse) / "objects" / "delivery"
        with temporary_beside(beside) as (copy, temporary):
            for part in content_of(path, readable(path.name), SentText.of_file(kind.contract, path.name)):
                copy.write(part)
            copy.flush()
            arrival = describe(temporary, kind, name=path.name, arrival=len(self._log) + 1, now=self._now)
            return self._objects.keep(copy, temporary, arrival)

    def _refuse(self, found: Found, problem: DeliveryRefused) -> None:
        if set_aside(self._landing, found, problem, self._now):
            self.found.refused.append(Refusal(found.kind, problem.name, str(problem)))
        else:
            self._leave(found, problem, is_read=True)

    def _leave(self, found: Found, problem: DeliveryRefused, *, is_read: bool = False) -> None:
        reason = left_reason(found, problem, self._now) | {"is_read": is_read}
        before = self._left_before.get(found.key, {})
        if before.get("digest") == reason["digest"]:
            reason["refused_at"] = before["refused_at"]
        else:
            self.found.refused.append(Refusal(found.kind, problem.name, str(problem)))
        self._keep_left(found.key, reason)

    def _keep_left(self, key: str, reason: dict[str, Any]) -> None:
        self._left[key] = reason
        self.found.ignored.append(readable(key))

    def commit(self) -> None:
        """Save what was registered so far: the manifest first, then the cache."""
        append_manifest(self._warehouse, self._log[self._registered :])
        self._registered = len(self._log)
        if self._stamps != self._saved:
            write_atomic(self._index, json.dumps(self._stamps, sort_keys=True).encode())
            self._saved = dict(self._stamps)

    def finish(self, kinds: Collection[str]) -> None:
        """Remember what is left in the folders that were looked at; what is gone from them is forgotten."""
        looked_at = {"", WITHDRAWALS, *kinds}
        others = {key: one for key, one in self._left_before.items() if one.get("kind") not in looked_at}
        remember_left(self._warehouse, others | self._left)


def register_deliveries(
    landing: Path,
    warehouse: Path,
    contract: Contract,
    *,
    now: datetime,
    settle_seconds: float,
    kinds: Collection[str] = KINDS,
    lake: str | Place | None = None,
    bucket: str = "",
) -> RegisterResult:
    """Register every complete file of the landing folders; idempotent, and one process at a time.

    The bytes are stored before the manifest names them, and the cache is written last, so a process that is killed
    costs one repeated scan. A file touched less than `settle_seconds` before `now` counts as incomplete; 0 accepts all
    files, for senders that rename finished files into place. Bytes go to the lake; without one, to the home's own.
    What senders put into `bucket` is fetched into the landing folder before.

    Raises:
        ValueError: `now` has no time zone.
        ContractError: the contract contradicts what was registered before; nothing is registered.
        WarehouseError: the lake cannot be reached, or is not that of this home.
        OSError: the warehouse's disk is full or unreadable; files registered before stay so, the others are in landing.
    """
    if now.tzinfo is None:
        raise ValueError(f"now: expected a time with zone, found {now.isoformat()}; use datetime.now(UTC).")
    objects = RawObjects(warehouse, place_of(warehouse if lake is None else lake))
    with locked(raw_root(warehouse) / ".lock"):
        check_lake(warehouse, objects.lake)
        check_contract(warehouse, contract)
        remove_leftovers(raw_root(warehouse) / "objects")
        for kind in (*kinds, WITHDRAWALS):
            remove_abandoned(landing / kind, now.timestamp())
        scan, committed = _Scan(landing, objects, contract, now), time.monotonic()
        try:
            source = place_of(bucket)
            fetched = Fetched(set(), [])
            if isinstance(source, BucketPath):
                fetched = fetch(source, landing, warehouse, kinds, now)
            for found in [*fetched.left, *look(landing, kinds)]:
                scan.take(found, 0 if found.key in fetched.there else settle_seconds)
                if time.monotonic() - committed > _COMMIT_SECONDS:
                    scan.commit()
                    committed = time.monotonic()
        finally:
            scan.commit()
        scan.finish(kinds)
        forget(landing, fetched.there, [*(one.key for one in scan.found.new), *scan.found.unchanged])
        record_contract(warehouse, contract)
    return scan.found
