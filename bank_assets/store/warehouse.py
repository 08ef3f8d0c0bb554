"""Parquet tables as immutable snapshots, committed by one manifest per table.

Layout, per table::

    <root>/<table>/snapshots/<snapshot_id>/….parquet   written once, never changed, never renamed
    <root>/<table>/manifest.json                        which snapshot holds which key; replaced atomically

A key is a month (`2008-05`), a campaign's name or `all`. Readers follow the manifest only, so a killed writer leaves an
unreferenced folder, and the old snapshot stays valid. We commit by manifest because object storage has no rename.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.home_json import read_json
from bank_assets.store.locks import locked

# For tables written from Arrow: 16 % smaller than snappy at the same write time on the 45,211 contacts (measured).
COMPRESSION: Final = "zstd"

_SCHEMA_VERSION: Final = 1
_SNAPSHOT: Final = re.compile("[0-9]{19}-[0-9a-f]{8}")  # whatever else lies in the folder is none of ours
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class WarehouseError(RuntimeError):
    """A table cannot be read or written; the message says what was expected, what was found, what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest knows about one key of a table.

    Attributes:
        files: paths relative to the table's folder; empty for a key without rows.
        digest: sha256 over the sha256 of each file, in the order of `files`.
        fingerprint: what the rows were made from (see `fingerprint`).
        metadata: small JSON facts about the key (counts, report paths).
    """

    snapshot: str
    files: tuple[str, ...]
    rows: int
    size: int
    digest: str
    fingerprint: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StagedEntry:
    """The files of a key, relative to their staging folder, to be committed."""

    files: tuple[str, ...]
    fingerprint: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Warehouse:
    """Tables under one folder.

    Many processes of one machine may write: each commit merges into the latest manifest under a kernel lock. Readers
    never wait.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    # reading

    def manifest(self, table: str) -> dict[str, Entry]:
        """Entries of a table by key, in key order; empty if the table was never written."""
        return _load_manifest(self._table_path(table) / "manifest.json")

    def entry(self, table: str, key: str) -> Entry | None:
        """The entry of one key, or None."""
        return self.manifest(table).get(key)

    def digests(self, table: str, keys: Sequence[str] | None = None) -> dict[str, str]:
        """Content digests of the stored ones among some keys (default: all), as inputs of what is derived from them."""
        entries = self.manifest(table)
        return {key: entries[key].digest for key in (entries if keys is None else keys) if key in entries}

    def is_unchanged(self, table: str, key: str, fingerprint: str) -> bool:
        """Whether a key has this fingerprint and all its files at their size."""
        entry = self.entry(table, key)
        if entry is None or entry.fingerprint != fingerprint:
            return False
        try:
            return sum((self._table_path(table) / name).stat().st_size for name in entry.files) == entry.size
        except FileNotFoundError:
            return False

    def files(self, table: str, keys: Sequence[str] | None = None) -> list[Path]:
        """Parquet files of some keys (default: all), in key order; raise `WarehouseError` if a key is missing."""
        entries = self.manifest(table)
        if keys is not None:
            missing = [key for key in keys if key not in entries]
            if missing:
                found = f"{len(entries)} keys, {min(entries)} … {max(entries)}" if entries else "no key"
                raise WarehouseError(
                    f"table {table}: expected keys {missing[:5]}, found {found}; materialize the missing ones first."
                )
            entries = {key: entries[key] for key in keys}
        folder = self._table_path(table)
        return [folder / name for entry in entries.values() for name in entry.files]

    def read(self, table: str, keys: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Read some keys and columns of a table (default: all), rows in key order.

        A selection without rows has the columns of the table's other keys.

        Raises:
            WarehouseError: a key or the table is missing, or a file is gone.
        """
        paths = self.files(table, keys)
        selected = None if columns is None else list(columns)
        try:
            if paths:
                parts = [pq.ParquetFile(path).read(columns=selected) for path in paths]
                return pa.concat_tables(parts, promote_options="default")
            others = self.files(table)
            if others:
                schema = pq.read_schema(others[0])
                return schema.empty_table() if selected is None else schema.empty_table().select(selected)
        except FileNotFoundError as error:
            raise WarehouseError(
                f"table {table}: expected {error.filename or error}, found no such file; materialize the table again."
            ) from error
        if self.manifest(table):
            return pa.table({})
        raise WarehouseError(
            f"table {table}: expected a manifest in {self._table_path(table)}, found none; materialize the table first."
        )

    # writing

    def staging(self, table: str) -> tuple[str, Path]:
        """Make an empty folder for a new snapshot: its identifier, which sorts by time, and its path."""
        snapshot = f"{time.time_ns():019d}-{secrets.token_hex(4)}"
        path = self._table_path(table) / "snapshots" / snapshot
        with _explained(path, "make a snapshot folder"):
            path.mkdir(parents=True)
        return snapshot, path

    def commit(self, table: str, snapshot: str, entries: Mapping[str, StagedEntry]) -> dict[str, Entry]:
        """Make staged files the content of their keys; other keys stay, and on failure nothing is committed.

        Data files are flushed to disk before the manifest names them, and the manifest before this returns.
        """
        committed = {key: self._seal(table, snapshot, staged) for key, staged in entries.items()}
        with self._locked(table):
            merged = {**self.manifest(table), **committed}
            _save_manifest(self._table_path(table) / "manifest.json", table, merged)
        return committed

    def write(
        self, table: str, key: str, rows: pa.Table, fingerprint: str, metadata: Mapping[str, Any] | None = None
    ) -> Entry:
        """Write an Arrow table as the content of one key and commit it."""
        snapshot, folder = self.staging(table)
        try:
            with _explained(folder, "write Parquet"):
                pq.write_table(rows, folder / "part-0.parquet", compression=COMPRESSION)
            staged = StagedEntry(("part-0.parquet",), fingerprint, metadata or {})
            return self.commit(table, snapshot, {key: staged})[key]
        except BaseException:
            self.discard(table, snapshot)
            raise

    def discard(self, table: str, snapshot: str) -> None:
        """Delete a staging folder that will not be committed; raise `WarehouseError` if the manifest refers to it."""
        with self._locked(table):
            if any(entry.snapshot == snapshot for entry in self.manifest(table).values()):
                raise WarehouseError(
                    f"table {table}: expected an uncommitted snapshot, found {snapshot} in use; "
                    f"use collect_garbage for old snapshots."
                )
            shutil.rmtree(self._table_path(table) / "snapshots" / snapshot, ignore_errors=True)

    def collect_garbage(
        self, table: str, keep: int, min_age_seconds: float = 86_400, *, is_dry_run: bool = False
    ) -> list[str]:
        """Delete snapshots that no key refers to, and return their identifiers.

        The `keep` newest stay for readers that hold their paths, and those younger than `min_age_seconds` because a
        writer may still be filling them.
        """
        folder = self._table_path(table) / "snapshots"
        with self._locked(table):
            referenced = {entry.snapshot for entry in self.manifest(table).values()}
            ours = {path.name for path in folder.glob("*") if _SNAPSHOT.fullmatch(path.name)}
            newest_first = sorted(ours - referenced, reverse=True)
            oldest_allowed = time.time_ns() - int(min_age_seconds * 1e9)
            removed = [name for name in newest_first[keep:] if int(name.split("-")[0]) <= oldest_allowed]
            for name in removed if not is_dry_run else ():
                shutil.rmtree(folder / name)
        return removed

    # inside

    def _table_path(self, table: str) -> Path:
        return self.root / table

    def _seal(self, table: str, snapshot: str, staged: StagedEntry) -> Entry:
        """Flush, count and hash staged files."""
        folder = self._table_path(table)
        names = tuple(f"snapshots/{snapshot}/{name}" for name in staged.files)
        rows, size, digest = 0, 0, hashlib.sha256()
        for name in names:
            path = folder / name
            with _explained(path, "read a staged file"):
                try:
                    rows += pq.read_metadata(path).num_rows
                except (FileNotFoundError, pa.ArrowInvalid) as error:
                    raise WarehouseError(
                        f"{path}: expected a whole Parquet file, found {error}; write it before the commit."
                    ) from error
                size += path.stat().st_size
                digest.update(_hash_and_flush(path))
        return Entry(snapshot, names, rows, size, digest.hexdigest(), staged.fingerprint, dict(staged.metadata))

    def _locked(self, table: str) -> AbstractContextManager[None]:
        """The table's writer lock."""
        return locked(self._table_path(table) / ".lock")


def arrays_of(table: pa.Table) -> dict[str, NDArray[Any]]:
    """Columns of a table by name, each (n,); text, and columns with missing values, come as objects."""
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def _hash_and_flush(path: Path) -> bytes:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").digest()
        os.fsync(handle.fileno())
    return digest


def _load_manifest(path: Path) -> dict[str, Entry]:
    """Entries by key, in key order; empty without a file. Raises `DamagedFileError` if the file cannot be read."""

    def parse(document: Any) -> dict[str, Entry]:
        if document["schema_version"] != _SCHEMA_VERSION:
            raise ValueError(f"schema_version {document['schema_version']}")
        return dict(sorted(msgspec.convert(document["entries"], dict[str, Entry]).items()))

    to_do = "restore the file from a backup, use the release that wrote it, or remove it to rebuild the table"
    with suppress(FileNotFoundError):
        return read_json(path, parse, f"a manifest of schema_version {_SCHEMA_VERSION}", to_do)
    return {}


def _save_manifest(path: Path, table: str, entries: Mapping[str, Entry]) -> None:
    """Replace a manifest in one step; on failure the old one stays."""
    document = {
        "schema_version": _SCHEMA_VERSION,
        "table": table,
        "entries": {key: asdict(entry) for key, entry in sorted(entries.items())},
    }
    with _explained(path, "write the manifest"):
        write_atomic(path, json.dumps(document, indent=1).encode())


@contextmanager
def _explained(path: Path, action: str) -> Iterator[None]:
    """Turn an operating system error into a `WarehouseError` that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise WarehouseError(
                f"{path}: could not {action}, the disk or quota is full ({error}). "
                f"The previous snapshot is untouched; free space and run again."
            ) from error
        raise WarehouseError(f"{path}: could not {action}: {error}. The previous snapshot is untouched.") from error
