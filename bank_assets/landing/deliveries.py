"""Receives delivered files: stores their bytes, registers them, and sets unusable files aside with the reason.

Files stay in the landing folder, where the sender put them. The register knows each by name, size and times, so a scan
of unchanged files reads nothing. A refused file moves to `landing/refused/`, beside `<name>.reason.json`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bank_assets.contract.contract import Contract
from bank_assets.landing.delivery_file import DeliveryScan
from bank_assets.landing.header import KINDS, DeliveryKind, DeliveryRefused, delivery_kinds
from bank_assets.landing.register import (
    Delivery,
    FileFacts,
    append_manifest,
    object_path,
    raw_root,
    read_manifest,
    register_lock,
)
from bank_assets.store.atomic_files import publish, remove_leftovers, sync_folder, temporary_beside, write_atomic

CHUNK_BYTES: Final = 4 * 1024 * 1024
_UNFINISHED_SUFFIXES: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload")

Stamp = tuple[int, int, int]
"""Size in bytes, modification time and status-change time in ns: equal stamps mean an untouched file."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was set aside; `problem` says what was expected, what was found and what to do."""

    kind: str
    name: str
    moved_to: Path
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

    new: tuple[Delivery, ...]
    unchanged: tuple[str, ...]
    refused: tuple[Refusal, ...]
    incomplete: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def months(self) -> tuple[str, ...]:
        """Months of contacts whose content changed, ascending."""
        return tuple(sorted({month for d in self.new if d.kind == "contacts" for month in d.months}))


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _is_settled(stamp: Stamp, now: datetime, settle_seconds: float) -> bool:
    # Status-change time, because a copy may preserve old modification times.
    return settle_seconds <= 0 or now.timestamp() - stamp[2] / 1e9 >= settle_seconds


class _Seen:
    """Stamp of each landing file when it was last registered; a cache that may be deleted."""

    def __init__(self, warehouse: Path) -> None:
        self._path = raw_root(warehouse) / "landing_index.json"
        try:
            self._known = json.loads(self._path.read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            self._known = {}
        self._before = dict(self._known)

    def is_same(self, key: str, stamp: Stamp) -> bool:
        return bool(self._known.get(key) == list(stamp))

    def remember(self, key: str, stamp: Stamp) -> None:
        self._known[key] = list(stamp)

    def save(self) -> None:
        if self._known != self._before:
            write_atomic(self._path, json.dumps(self._known, sort_keys=True).encode())


def _store(path: Path, kind: DeliveryKind, warehouse: Path, now: datetime) -> FileFacts:
    """Copy a file into the object store, checking and counting it in the same pass."""
    scan = DeliveryScan(path.name, kind, (now + timedelta(days=1)).date())
    with path.open("rb") as source, temporary_beside(raw_root(warehouse) / "objects" / path.name) as (copy, temporary):
        while chunk := source.read(CHUNK_BYTES):
            scan.feed(chunk)
            copy.write(chunk)
        facts = scan.finish()
        target = object_path(warehouse, facts.sha256)
        if not (target.exists() and target.stat().st_size == facts.size_bytes):
            target.parent.mkdir(parents=True, exist_ok=True)
            publish(copy, temporary, target)
    return facts


def _refuse(path: Path, kind: DeliveryKind, landing: Path, problem: DeliveryRefused, now: datetime) -> Refusal:
    """Set a file aside; its reason is on disk before the file moves."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = landing / "refused"
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
    return Refusal(kind.name, path.name, target, str(problem))


def _candidates(landing: Path, kinds: Iterable[DeliveryKind]) -> list[tuple[DeliveryKind, Path]]:
    """Visible files, oldest first, so that within one scan arrival order follows writing order."""
    found = [
        (kind, path)
        for kind in kinds
        for path in (landing / kind.name).glob("*")
        if path.is_file() and not path.name.startswith(".")
    ]
    return sorted(found, key=lambda item: (item[1].stat().st_mtime_ns, item[0].name, item[1].name))


class _Scan:
    """One pass over the landing folders, under the register lock."""

    def __init__(self, landing: Path, warehouse: Path, now: datetime, settle_seconds: float) -> None:
        self._landing, self._warehouse, self._now, self._settle = landing, warehouse, now, settle_seconds
        self._log = list(read_manifest(warehouse))
        self._registered = len(self._log)
        self._seen = _Seen(warehouse)
        self._last_digest = {f"{d.kind}/{d.name}": d.sha256 for d in self._log}
        self._month_digest = {(d.kind, month): d.sha256 for d in self._log for month in d.months}
        self._new: list[Delivery] = []
        self._refused: list[Refusal] = []
        self._seen_as: dict[str, list[str]] = {"unchanged": [], "incomplete": [], "ignored": []}

    def take(self, kind: DeliveryKind, path: Path) -> None:
        """Register, skip or set aside one file."""
        key, stamp = f"{kind.name}/{path.name}", _stamp(path)
        if path.name.lower().endswith(_UNFINISHED_SUFFIXES) or not _is_settled(stamp, self._now, self._settle):
            self._seen_as["incomplete"].append(key)
        elif path.suffix.lower() != ".csv":
            self._seen_as["ignored"].append(key)
        elif key in self._last_digest and self._seen.is_same(key, stamp):
            self._seen_as["unchanged"].append(key)
        else:
            self._read(kind, path, key, stamp)

    def _read(self, kind: DeliveryKind, path: Path, key: str, stamp: Stamp) -> None:
        try:
            facts = _store(path, kind, self._warehouse, self._now)
        except DeliveryRefused as problem:
            self._refused.append(_refuse(path, kind, self._landing, problem, self._now))
            return
        if _stamp(path) != stamp:  # written to during the copy; the stored object is a harmless orphan
            self._seen_as["incomplete"].append(key)
            return
        self._seen.remember(key, stamp)
        if self._last_digest.get(key) == facts.sha256:
            self._seen_as["unchanged"].append(key)
            return
        arrival = Delivery(
            arrival=len(self._log) + 1,
            arrived_at=self._now.isoformat(),
            kind=kind.name,
            name=path.name,
            **{name: getattr(facts, name) for name in facts.__slots__},
        )
        # The last arrival of a content counts, so a month changes unless its last arrival had the same bytes.
        months = [(kind.name, month) for month in facts.months]
        if any(self._month_digest.get(month) != facts.sha256 for month in months):
            self._new.append(arrival)
        else:
            self._seen_as["unchanged"].append(key)
        self._month_digest |= dict.fromkeys(months, facts.sha256)
        self._log.append(arrival)
        self._last_digest[key] = facts.sha256

    def commit(self) -> None:
        """Save what was registered so far: the manifest first, then the cache."""
        append_manifest(self._warehouse, self._log[self._registered :])
        self._registered = len(self._log)
        self._seen.save()

    def result(self) -> RegisterResult:
        """What the pass found."""
        keys = {name: tuple(found) for name, found in self._seen_as.items()}
        return RegisterResult(new=tuple(self._new), refused=tuple(self._refused), **keys)


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
    with register_lock(warehouse):
        remove_leftovers(raw_root(warehouse) / "objects")
        scan, families = _Scan(landing, warehouse, now, settle_seconds), delivery_kinds(contract)
        try:
            for kind, path in _candidates(landing, [families[name] for name in kinds]):
                scan.take(kind, path)
        finally:
            scan.commit()
    return scan.result()
