"""The register of deliveries: the log `raw/manifest.jsonl` beside the raw bytes, one line per arrival, append-only.

Bytes that arrive again get another line that points to the same object. The last arrival of each content counts, so a
repeated file changes nothing, and a file that returns to an earlier content replaces the correction in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec

from bank_assets.store.home_json import append_json_lines, read_json_lines
from bank_assets.store.places import Place

SCHEMA_VERSION: Final = 1
FOLDER_OF: Final = {"dispositions": "outcomes"}
"""Kinds of files that lie in the folder of another kind, and are told from it by their header."""

P = TypeVar("P", bound=Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One arrival of one file."""

    sha256: str  # of the bytes as delivered; names the raw object
    size_bytes: int
    rows: int  # lines that are neither header nor blank
    encoding: str  # `utf-8`, `utf-8-sig` (with byte order mark) or `latin-1`
    delimiter: str
    columns: tuple[str, ...]  # header in file order
    months: dict[str, int]  # rows per month `YYYY-MM`, strays counted in the home month; the sum is `rows`
    home_month: str
    stray_rows: int  # rows without a usable date
    first_day: str  # earliest usable date, ISO
    last_day: str
    arrival: int  # 1, 2, 3, …; decides which row of a contact wins
    arrived_at: str  # ISO with zone
    kind: str  # `contacts`, `outcomes`, `campaigns`, `dispositions` or `subscriptions`
    name: str  # in the landing folder
    path: Any  # the `Place` of its bytes, a type that msgspec lacks; follows from the digest and is not stored
    without: frozenset[str] = frozenset()  # contacts in it that were taken back; follows from the withdrawals

    @property
    def key(self) -> str:
        """Its name below the landing folder."""
        return f"{FOLDER_OF.get(self.kind, self.kind)}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A delivery or a contact that no longer counts as far as it had arrived."""

    reason: str
    at: str  # ISO with zone
    delivery: str = ""  # `kind/name`, or the sha256 of a content under any name; "" for a contact
    contact_id: str = ""
    arrival: int = 0  # the last one that is taken back
    contents: tuple[str, ...] = ()  # sha256 of the contents in which the contact had arrived
    by: str = ""  # who took it back by the API, or
    by_sha256: str = ""  # the file that takes it back
    schema_version: int = SCHEMA_VERSION

    @property
    def what(self) -> str:
        """What is taken back, for people."""
        return self.delivery or f"contact {self.contact_id}"


def raw_root(warehouse: Path) -> Path:
    """Folder of raw objects and their manifest."""
    return warehouse / "raw"


def manifest_path(warehouse: Path) -> Path:
    """The log of arrivals."""
    return raw_root(warehouse) / "manifest.jsonl"


def object_path(lake: P, sha256: str) -> P:
    """Place of the raw bytes with this sha256."""
    return cast("P", lake / "raw" / "objects" / sha256[:2] / f"{sha256}.csv")


def read_manifest(warehouse: Path, kind: str | None = None) -> tuple[Delivery, ...]:
    """All arrivals, oldest first, or those of one kind; raise `DamagedFileError` if a line cannot be read."""
    deliveries = _parsed(warehouse, _version(manifest_path(warehouse)))
    return deliveries if kind is None else tuple(delivery for delivery in deliveries if delivery.kind == kind)


def _version(path: Path) -> tuple[int, ...]:
    """What identifies a version of a log, which is a file of its own; empty without one."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _parsed(warehouse: Path, _version: tuple[int, ...]) -> tuple[Delivery, ...]:
    """All arrivals."""

    def parse(record: Any) -> Delivery:
        if record["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version {record['schema_version']}")
        path = object_path(warehouse, record["sha256"])
        return msgspec.convert({**record, "path": path}, Delivery, dec_hook=lambda _, value: value)

    to_do = (
        "restore the file from a backup or use the release that wrote it, or remove it to register the landing folder "
        "again"
    )
    expected = f"one delivery record of schema_version {SCHEMA_VERSION}"
    return tuple(read_json_lines(manifest_path(warehouse), parse, expected, to_do))


def latest_of(warehouse: Path, kind: str) -> dict[str, Delivery]:
    """The last arrival of each file of a kind, by name in order."""
    newest = {delivery.name: delivery for delivery in standing(warehouse, kind)}
    return dict(sorted(newest.items()))


def withdrawals(warehouse: Path) -> list[Withdrawal]:
    """All withdrawals, oldest first; raise `DamagedFileError` if a line cannot be read."""
    to_do = "restore the file from a backup, or remove the line and take the same back again"
    return read_json_lines(
        _withdrawals_path(warehouse), lambda one: msgspec.convert(one, Withdrawal), "one withdrawal", to_do
    )


def standing(warehouse: Path, kind: str) -> tuple[Delivery, ...]:
    """The arrivals of a kind that nobody withdrew, oldest first, without the contacts that were withdrawn."""
    return _standing(warehouse, kind, _version(manifest_path(warehouse)), _version(_withdrawals_path(warehouse)))


@lru_cache(maxsize=16)
def _standing(warehouse: Path, kind: str, *_versions: tuple[int, ...]) -> tuple[Delivery, ...]:
    made = withdrawals(warehouse)
    taken_back = {one.delivery: one.arrival for one in made if one.delivery}
    contacts = [one for one in made if one.contact_id]
    found = (
        one
        for one in read_manifest(warehouse, kind)
        if all(one.arrival > taken_back.get(name, 0) for name in (one.key, one.sha256))
    )
    if not contacts:
        return tuple(found)

    def without(delivery: Delivery) -> frozenset[str]:
        ours = (one for one in contacts if delivery.sha256 in one.contents and delivery.arrival <= one.arrival)
        return frozenset(one.contact_id for one in ours)

    return tuple(replace(delivery, without=without(delivery)) for delivery in found)


def append_manifest(warehouse: Path, arrivals: Iterable[Delivery]) -> None:
    """Append arrivals, all or none. The caller holds the lock of the register."""
    records = [{"schema_version": SCHEMA_VERSION, **asdict(arrival)} for arrival in arrivals]
    for record in records:
        del record["path"], record["without"]
    append_json_lines(manifest_path(warehouse), records)


def append_withdrawals(warehouse: Path, made: Iterable[Withdrawal]) -> None:
    """Append withdrawals, all or none, unless the log is damaged. The caller holds the lock of the register."""
    withdrawals(warehouse)
    records = [{name: value for name, value in asdict(one).items() if value} for one in made]
    append_json_lines(_withdrawals_path(warehouse), records)


def _withdrawals_path(warehouse: Path) -> Path:
    return raw_root(warehouse) / "withdrawals.jsonl"


def manifest_of(warehouse: Path, months: Collection[str], kind: str = "contacts") -> tuple[Delivery, ...]:
    """The deliveries that make up some months, each content once, at its last arrival.

    They come in the order of arrival, in which later rows replace earlier ones.
    """
    last = {one.sha256: one for one in standing(warehouse, kind) if not one.months.keys().isdisjoint(months)}
    return tuple(sorted(last.values(), key=lambda delivery: delivery.arrival))


def month_digest(deliveries: Iterable[Delivery]) -> str:
    """Identity of a month's input: sha256 over its deliveries in order, and the contacts taken back from them."""
    parts = (part for one in deliveries for part in (one.sha256, *sorted(one.without)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def delivered_months(warehouse: Path, kind: str = "contacts") -> tuple[str, ...]:
    """Months `YYYY-MM` with delivered rows, ascending, also those whose deliveries were all withdrawn."""
    return tuple(sorted({month for delivery in read_manifest(warehouse, kind) for month in delivery.months}))
