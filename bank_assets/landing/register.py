"""The register of everything that was ever delivered: an ordered log beside the raw bytes.

What lives here: the `Delivery` record, the log `warehouse/raw/manifest.jsonl`, where raw bytes lie, and which
deliveries make up a month.
What must not: reading landing folders (see `deliveries`), row contents.
Called by the register, the assets `raw_contacts`, `contacts`, `outcomes`, and lineage pages.

One line per arrival, in arrival order, never changed or removed. Bytes that arrive again are a further line that
points to the same object; `month_manifest` keeps the last arrival of each object, so the same file twice changes
nothing, and a file that goes back to a former content wins again over the correction between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.locks import locked

SCHEMA_VERSION: Final = 1


class ManifestError(ValueError):
    """The register of deliveries cannot be read; the message names the file and line."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One arrival of one file.

    Attributes:
        arrival: 1, 2, 3, …; the order that decides which row of a contact wins.
        arrived_at: time of registration, ISO with zone.
        kind: `contacts`, `outcomes` or `campaigns`.
        name: file name in the landing folder.
        sha256: hex digest of the bytes; names the raw object.
        size_bytes: length of the bytes.
        rows: lines that are neither header nor blank.
        encoding: `utf-8`, `utf-8-sig` or `latin-1`.
        delimiter: `;` or `,`.
        columns: header in file order.
        months: rows per month this delivery answers for; the sum is `rows`.
        home_month: the month that answers for rows without a usable date.
        stray_rows: how many those are.
        first_day: earliest usable date, ISO.
        last_day: latest usable date, ISO.
    """

    arrival: int
    arrived_at: str
    kind: str
    name: str
    sha256: str
    size_bytes: int
    rows: int
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    months: dict[str, int]
    home_month: str
    stray_rows: int
    first_day: str
    last_day: str


def raw_root(warehouse: Path) -> Path:
    """Folder of raw objects and their manifest."""
    return warehouse / "raw"


def manifest_path(warehouse: Path) -> Path:
    """The log of arrivals."""
    return raw_root(warehouse) / "manifest.jsonl"


def object_path(warehouse: Path, sha256: str) -> Path:
    """Where the raw bytes with a digest lie.

    Args:
        warehouse: the warehouse folder.
        sha256: hex digest of the bytes.

    Returns:
        `raw/objects/<first two digits>/<digest>.csv`.
    """
    return raw_root(warehouse) / "objects" / sha256[:2] / f"{sha256}.csv"


def register_lock(warehouse: Path) -> AbstractContextManager[None]:
    """The right to append to the manifest; a second process waits."""
    return locked(raw_root(warehouse) / ".lock")


def _parse(line: str, where: str) -> Delivery:
    try:
        record = json.loads(line)
        version = record.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise ManifestError(
                f"{where}: expected schema_version {SCHEMA_VERSION}, found {version}; "
                f"use the release that wrote this warehouse or migrate it."
            )
        record["columns"] = tuple(record["columns"])
        return Delivery(**record)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"{where}: expected one delivery record, found {line[:80]!r} ({error}); restore the file "
            f"from a backup, or remove it to register the landing folder again."
        ) from error


def read_manifest(warehouse: Path, kind: str | None = None) -> tuple[Delivery, ...]:
    """Read all arrivals in order.

    Args:
        warehouse: the warehouse folder; nothing registered yet gives an empty tuple.
        kind: keep only `contacts`, `outcomes` or `campaigns`; None for all.

    Returns:
        Arrivals, oldest first.

    Raises:
        ManifestError: a line is not a record.
    """
    path = manifest_path(warehouse)
    if not path.exists():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    deliveries = (_parse(line, f"{path}:{number}") for number, line in enumerate(lines, start=1))
    return tuple(delivery for delivery in deliveries if kind in (None, delivery.kind))


def append_manifest(warehouse: Path, arrivals: Iterable[Delivery]) -> None:
    """Add arrivals to the log, all or none of them. The caller holds `register_lock`.

    Args:
        warehouse: the warehouse folder.
        arrivals: records with arrival numbers that continue the log.
    """
    records = [{"schema_version": SCHEMA_VERSION, **asdict(arrival)} for arrival in arrivals]
    lines = [json.dumps(record, separators=(",", ":"), ensure_ascii=False) for record in records]
    if lines:
        path = manifest_path(warehouse)
        # Rewritten whole: a torn append would need repair at every reader. 10,000 deliveries are 6 MB.
        before = path.read_bytes() if path.exists() else b""
        write_atomic(path, before + "".join(line + "\n" for line in lines).encode())


def latest_per_object(deliveries: Iterable[Delivery]) -> tuple[Delivery, ...]:
    """Keep the last arrival of each content, in arrival order."""
    last = {delivery.sha256: delivery for delivery in deliveries}
    return tuple(sorted(last.values(), key=lambda delivery: delivery.arrival))


def month_manifest(warehouse: Path, month: str, kind: str = "contacts") -> tuple[Delivery, ...]:
    """The deliveries that make up a month, in the order in which later rows of a contact win.

    Args:
        warehouse: the warehouse folder.
        month: `YYYY-MM`.
        kind: family of deliveries.

    Returns:
        Each content once, at its last arrival; empty if the month was never delivered.
    """
    return latest_per_object(d for d in read_manifest(warehouse, kind) if month in d.months)


def month_digest(deliveries: Iterable[Delivery]) -> str:
    """Identity of a month's input: sha256 over the ordered digests of its deliveries."""
    return hashlib.sha256("\n".join(delivery.sha256 for delivery in deliveries).encode()).hexdigest()


def delivered_months(warehouse: Path, kind: str = "contacts") -> tuple[str, ...]:
    """All months that have rows, ascending, `YYYY-MM`."""
    return tuple(sorted({month for delivery in read_manifest(warehouse, kind) for month in delivery.months}))
