"""Parquet tables that everyone can read: each is a Delta table, and `table_state` says what is known of its keys.

Layout, per table::

    <root>/<table>/snapshots/<snapshot_id>/….parquet   written once, never changed, never renamed
    <root>/<table>/_delta_log/                          which file holds which key, as other programs read it
    <root>/table_state/                                 facts of each key, written last, with the files they belong to

A key is a month (`2008-05`), a campaign's name or `all`. We read the files that the state names. A writer killed before
the state is written leaves the former content to us, and the next run makes exactly its keys again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bank_assets.store import lake
from bank_assets.store.atomic_files import sha256_of
from bank_assets.store.earlier_manifests import convert
from bank_assets.store.keyed_delta import KEY, SNAPSHOTS, DataFile, KeyedDelta
from bank_assets.store.lake import explained
from bank_assets.store.places import Place, WarehouseError, arrow, open_parquet, place_of
from bank_assets.store.table_state import COMPRESSION, STATE, Entry, TableState


@dataclass(frozen=True, slots=True)
class StagedEntry:
    """The files of a key, relative to their staging folder, to be committed."""

    files: tuple[str, ...]
    fingerprint: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Warehouse:
    """Tables under one place: a folder, or `s3://bucket/prefix`.

    Many processes may write: keys of others are merged, a key that another replaced meanwhile is refused. Readers never
    wait.

    Attributes:
        home: the folder of the home for what stays there, such as the designs of lists.
    """

    def __init__(self, root: str | Place, home: Path | None = None) -> None:
        self.root = place_of(root)
        self.home = home or Path(self.root)  # type: ignore[arg-type]  # a bucket is no folder: it needs a home
        self._state = TableState(self.root)
        self._tables: dict[str, KeyedDelta] = {STATE: self._state.delta}
        self._pinned: dict[str, dict[str, Entry]] | None = None

    # reading

    def pinned(self) -> "Warehouse":
        """The same tables for reading, each as it is when it is first read, whatever is committed later."""
        if self._pinned is not None:
            return self
        view = copy(self)
        view._pinned = {}  # noqa: SLF001  it is one of ours
        return view

    def manifest(self, table: str) -> dict[str, Entry]:
        """Entries of a table by key, in key order; empty if the table was never written."""
        if self._pinned is not None and table in self._pinned:
            return dict(self._pinned[table])
        self._table(table)
        entries = self._state.entries(table)
        if self._pinned is not None:
            self._pinned[table] = entries
        return dict(entries)

    def entry(self, table: str, key: str) -> Entry | None:
        """The entry of one key, or None."""
        return self.manifest(table).get(key)

    def digests(self, table: str, keys: Sequence[str] | None = None) -> dict[str, str]:
        """Content digests of the stored ones among some keys (default: all), as inputs of what is derived from them."""
        entries = self.manifest(table)
        return {key: entries[key].digest for key in (entries if keys is None else keys) if key in entries}

    def is_unchanged(self, table: str, key: str, fingerprint: str) -> bool:
        """Whether a key has this fingerprint, and its files are those that were recorded with it, at their size.

        Other files mean that another program restored, deleted or rewrote the key.
        """
        entry = self.entry(table, key)
        if entry is None or entry.fingerprint != fingerprint:
            return False
        if self._table(table).files().get(key, {}).keys() != set(entry.files):
            return False
        with explained(self.root / table, "look for its files"), suppress(FileNotFoundError):
            return sum((self.root / table / name).stat().st_size for name in entry.files) == entry.size
        return False

    def files(self, table: str, keys: Sequence[str] | None = None) -> list[Place]:
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
        folder = self.root / table
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
            with explained(self.root / table, "read the table", but=(FileNotFoundError,)):
                if paths:
                    parts = [open_parquet(path).read(columns=selected) for path in paths]
                    return pa.concat_tables(parts, promote_options="permissive")
                others = self.files(table)
                if others:
                    schema = open_parquet(others[0]).schema_arrow
                    return schema.empty_table() if selected is None else schema.empty_table().select(selected)
        except FileNotFoundError as error:
            raise WarehouseError(
                f"table {table}: expected {error.filename or error}, found no such file; materialize the table again."
            ) from error
        if self.manifest(table):
            return pa.table({})
        raise WarehouseError(
            f"table {table}: expected it in {self.root / table}, found none; materialize the table first."
        )

    # writing

    def staging(self, table: str) -> tuple[str, Place]:
        """Make an empty folder for a new snapshot: its identifier, which sorts by time, and its path."""
        return self._table(table).stage()

    def name_for(self, table: str, key: str) -> str:
        """A name in a staging folder for a file of a key; the folder in it tells other programs the key."""
        return self._table(table).name_for(key)

    def commit(self, table: str, snapshot: str, entries: Mapping[str, StagedEntry]) -> dict[str, Entry]:
        """Make staged files the content of their keys; other keys stay, and on failure the former content does.

        Data files are flushed to disk before the log names them, the log before the state, and all before this returns.

        Raises:
            WarehouseError: a file is missing or broken, the disk fails, or another run replaced a key since `staging`.
        """
        delta = self._table(table)
        sealed = {key: self._seal(table, snapshot, staged) for key, staged in entries.items()}
        with explained(delta.folder, "flush staged files"):
            lake.sync([delta.folder / name for one in sealed.values() for name in one.entry.files], delta.folder)
        schemas = [schema for one in sealed.values() for schema in one.schemas]
        version = delta.replace({key: one.files for key, one in sealed.items()}, schemas, delta.base(snapshot))
        committed = {key: replace(one.entry, version=version) for key, one in sealed.items()}
        self._state.record(table, committed)
        delta.release(snapshot)
        return committed

    def write(
        self,
        table: str,
        key: str,
        rows: pa.Table | pa.RecordBatchReader,
        fingerprint: str,
        metadata: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Write an Arrow table, or batches one after the other, as the content of one key and commit it."""
        snapshot, folder = self.staging(table)
        try:
            name = self._table(table).name_for(key)
            with explained(folder, "write Parquet"):
                (folder / name).parent.mkdir(exist_ok=True)
                target, filesystem = arrow(folder / name)
                if isinstance(rows, pa.Table):
                    pq.write_table(rows, target, filesystem=filesystem, compression=COMPRESSION)
                else:
                    with pq.ParquetWriter(target, rows.schema, filesystem=filesystem, compression=COMPRESSION) as file:
                        for batch in rows:
                            file.write_batch(batch)
            staged = StagedEntry((name,), fingerprint, metadata or {})
            return self.commit(table, snapshot, {key: staged})[key]
        except BaseException:
            self.discard(table, snapshot)
            raise

    def discard(self, table: str, snapshot: str) -> None:
        """Delete staged files unless they were committed."""
        self._table(table).discard(snapshot, self._named(table))

    def collect_garbage(
        self, table: str, min_age_seconds: float = 86_400, *, is_dry_run: bool = False
    ) -> dict[str, int]:
        """Delete files that hold no rows of the table since that time at least, and return their sizes.

        What running processes have staged stays, whatever the clock says.
        """
        return self._table(table).vacuum(min_age_seconds, self._named(table), is_dry_run=is_dry_run)

    # inside

    def _table(self, table: str) -> KeyedDelta:
        if table not in self._tables:
            delta = KeyedDelta(self.root / table)
            convert(table, delta, self._state)
            self._tables[table] = delta
        return self._tables[table]

    def _named(self, table: str) -> frozenset[str]:
        """Files of a table that the state names: ours to read, even if another program removed them from the table."""
        return frozenset(name for entry in self._state.entries(table).values() for name in entry.files)

    def _seal(self, table: str, snapshot: str, staged: StagedEntry) -> "_Sealed":
        """Count and hash staged files."""
        names = tuple(f"{SNAPSHOTS}/{snapshot}/{name}" for name in staged.files)
        files, schemas, digest = [], [], hashlib.sha256()
        for name in names:
            path = self.root / table / name
            with explained(path, "read a staged file"):
                try:
                    footer = open_parquet(path).metadata
                except (FileNotFoundError, pa.ArrowInvalid) as error:
                    raise WarehouseError(
                        f"{path}: expected a whole Parquet file, found {error}; write it before the commit."
                    ) from error
                schemas.append(footer.schema.to_arrow_schema())
                files.append(DataFile(name, path.stat().st_size, footer.num_rows))
                digest.update(bytes.fromhex(sha256_of(path)))
        rows, size = sum(one.rows for one in files), sum(one.size for one in files)
        if any(KEY in schema.names for schema in schemas):
            raise WarehouseError(f"table {table}: expected rows without a column {KEY}, found one; rename it.")
        entry = Entry(snapshot, names, rows, size, digest.hexdigest(), staged.fingerprint, dict(staged.metadata))
        return _Sealed(entry, files, schemas)


class _Sealed(NamedTuple):
    entry: Entry
    files: list[DataFile]
    schemas: list[pa.Schema]


def array_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as numpy, (n,); text, and a column with missing values, as objects.

    Equal texts are one object, or a category would take ten times the memory.
    """
    if not pa.types.is_string(column.type):
        return column.to_numpy(zero_copy_only=False)
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return coded.dictionary.to_numpy(zero_copy_only=False)[coded.indices.to_numpy()]


def arrays_of(table: pa.Table) -> dict[str, NDArray[Any]]:
    """Columns of a table by name, each (n,), as of `array_of`."""
    return {name: array_of(table.column(name)) for name in table.column_names}
