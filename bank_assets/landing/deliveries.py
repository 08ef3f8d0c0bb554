"""Receives delivered files: stores their bytes, registers them, and sets unusable files aside with the reason.

Files stay in the landing folder, where the sender put them. The register knows each by name, size and times, so a scan
of unchanged files reads nothing. A refused file moves to `landing/refused/`, beside `<name>.reason.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from bank_assets.contract.contract import Contract
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import KINDS, DeliveryKind, DeliveryRefused, delivery_kinds
from bank_assets.landing.register import (
    Delivery,
    append_manifest,
    object_path,
    raw_root,
    read_manifest,
)
from bank_assets.store.atomic_files import (
    publish_if_changed,
    remove_leftovers,
    sha256_of,
    sync_folder,
    temporary_beside,
    write_atomic,
)
from bank_assets.store.locks import locked

CHUNK_BYTES: Final = 4 * 1024 * 1024
_UNFINISHED_SUFFIXES: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload")


class LandingError(OSError):
    """The landing folder cannot be read; the message says which part and what to do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was set aside; `problem` says what was expected, what was found and what to do."""

    kind: str
    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """Outcome of one scan. Files are named `kind/name`.

    Attributes:
        new: arrivals that change the content of at least one month.
        unchanged: `kind/name` of files already known, or with bytes already known that change nothing.
        incomplete: `kind/name` of files still being written; the next scan looks again.
        ignored: `kind/name` of files that are not CSV by name, so never silently lost.
    """

    new: list[Delivery] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def landing_is_missing(landing: Path) -> bool:
    """Whether there is no landing folder; raise `LandingError` if it or a folder in it exists and cannot be listed.

    `pathlib` lists an unreadable folder as empty, and an empty landing folder is normal, so a lost mount would go
    unnoticed.
    """
    if not landing.exists():
        return True
    for folder in (landing, *(landing / kind for kind in KINDS)):
        if folder.exists() or folder.is_symlink():
            try:
                with os.scandir(folder) as entries:
                    next(entries, None)
            except OSError as error:
                raise LandingError(
                    f"{folder}: expected a folder that this process may list, found {error.strerror or error}; "
                    "mount it again or give the right to read it. Deliveries wait there until then."
                ) from error
    return False


def _refuse(path: Path, kind: DeliveryKind, landing: Path, problem: DeliveryRefused, now: datetime) -> Refusal:
    """Set a file aside; its reason is on disk before the file moves."""
    sha256, folder = sha256_of(path), landing / "refused"
    target = folder / path.name
    if target.exists():  # a second refused file of that name must not replace the first
        target = folder / f"{path.stem}-{sha256[:12]}{path.suffix}"
    reason = {
        "name": path.name,
        "kind": kind.name,
        "sha256": sha256,
        "size_bytes": path.stat().st_size,
        "refused_at": now.isoformat(),
        "problem": str(problem),
        "expected": problem.expected,
        "found": problem.found,
        "to_do": problem.to_do,
    }
    write_atomic(folder / f"{target.name}.reason.json", json.dumps(reason, indent=2, ensure_ascii=False).encode())
    shutil.move(path, target)
    sync_folder(folder)
    return Refusal(kind.name, path.name, str(problem))


def _candidates(landing: Path, kinds: Iterable[DeliveryKind]) -> list[tuple[DeliveryKind, Path]]:
    """Visible files, oldest first, so that within one scan arrival order follows writing order."""
    found = [
        (kind, path)
        for kind in kinds
        for path in (landing / kind.name).glob("*")
        if path.is_file() and not path.name.startswith(".")
    ]
    return sorted(found, key=lambda item: (item[1].stat().st_mtime_ns, item[0].name, item[1].name))


def _stamp(path: Path) -> list[int]:
    """Size in bytes, modification time and status-change time in ns: equal stamps mean an untouched file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


class _Scan:
    """One pass over the landing folders, under the register lock."""

    def __init__(self, landing: Path, warehouse: Path, now: datetime, settle_seconds: float) -> None:
        self._landing, self._warehouse, self._now, self._settle = landing, warehouse, now, settle_seconds
        self._log = list(read_manifest(warehouse))
        self._registered = len(self._log)
        self._last_digest = {f"{d.kind}/{d.name}": d.sha256 for d in self._log}
        self._month_digest = {(d.kind, month): d.sha256 for d in self._log for month in d.months}
        # The stamp of each file when it was last registered; a cache that may be deleted.
        self._index = raw_root(warehouse) / "landing_index.json"
        try:
            self._stamps: dict[str, list[int]] = json.loads(self._index.read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            self._stamps = {}
        self._saved = dict(self._stamps)
        self.found = RegisterResult()

    def take(self, kind: DeliveryKind, path: Path) -> None:
        """Register, skip or set aside one file."""
        key, stamp = f"{kind.name}/{path.name}", _stamp(path)
        # Status-change time, because a copy may preserve old modification times.
        is_settled = self._settle <= 0 or self._now.timestamp() - stamp[2] / 1e9 >= self._settle
        if path.name.lower().endswith(_UNFINISHED_SUFFIXES) or not is_settled:
            self.found.incomplete.append(key)
        elif path.suffix.lower() != ".csv":
            self.found.ignored.append(key)
        elif key in self._last_digest and self._stamps.get(key) == stamp:
            self.found.unchanged.append(key)
        else:
            self._read(kind, path, key, stamp)

    def _read(self, kind: DeliveryKind, path: Path, key: str, stamp: list[int]) -> None:
        try:
            arrival = self._stored(kind, path)
        except DeliveryRefused as problem:
            self.found.refused.append(_refuse(path, kind, self._landing, problem, self._now))
            return
        if _stamp(path) != stamp:  # written to during the copy; the stored object is a harmless orphan
            self.found.incomplete.append(key)
            return
        self._stamps[key] = stamp
        if self._last_digest.get(key) == arrival.sha256:
            self.found.unchanged.append(key)
            return
        # The last arrival of a content counts, so a month changes unless its last arrival had the same bytes.
        months = [(kind.name, month) for month in arrival.months]
        if any(self._month_digest.get(month) != arrival.sha256 for month in months):
            self.found.new.append(arrival)
        else:
            self.found.unchanged.append(key)
        self._month_digest |= dict.fromkeys(months, arrival.sha256)
        self._log.append(arrival)
        self._last_digest[key] = arrival.sha256

    def _stored(self, kind: DeliveryKind, path: Path) -> Delivery:
        """Copy a file into the object store and describe the copy."""
        beside = raw_root(self._warehouse) / "objects" / path.name
        with path.open("rb") as source, temporary_beside(beside) as (copy, temporary):
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
            copy.flush()
            arrival = describe(temporary, kind, name=path.name, arrival=len(self._log) + 1, now=self._now)
            target = object_path(self._warehouse, arrival.sha256)
            target.parent.mkdir(parents=True, exist_ok=True)
            publish_if_changed(copy, temporary, target)
        return replace(arrival, path=target)

    def commit(self) -> None:
        """Save what was registered so far: the manifest first, then the cache."""
        append_manifest(self._warehouse, self._log[self._registered :])
        self._registered = len(self._log)
        if self._stamps != self._saved:
            write_atomic(self._index, json.dumps(self._stamps, sort_keys=True).encode())


def register_deliveries(
    landing: Path,
    warehouse: Path,
    contract: Contract,
    *,
    now: datetime,
    settle_seconds: float,
    kinds: Iterable[str] = KINDS,
) -> RegisterResult:
    """Register every complete file of the landing folders; idempotent, and one process at a time.

    The bytes are stored before the manifest names them, and the cache is written last, so a process that is killed
    costs one repeated scan. A file touched less than `settle_seconds` before `now` counts as incomplete; 0 accepts all
    files, for senders that rename finished files into place.

    Raises:
        ValueError: `now` has no time zone.
        OSError: disk full or unreadable; files registered before it stay registered, the others are still in landing.
    """
    if now.tzinfo is None:
        raise ValueError(f"now: expected a time with zone, found {now.isoformat()}; use datetime.now(UTC).")
    with locked(raw_root(warehouse) / ".lock"):
        remove_leftovers(raw_root(warehouse) / "objects")
        scan, families = _Scan(landing, warehouse, now, settle_seconds), delivery_kinds(contract)
        try:
            for kind, path in _candidates(landing, [families[name] for name in kinds]):
                scan.take(kind, path)
        finally:
            scan.commit()
    return scan.found
