"""A Delta table whose files each hold rows of one key, such as a month; the key is the partition and not in the files.

The log names each file with its key, size and number of rows: no statistics and no predicates, which would keep
identifiers of persons who were removed since.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple
from urllib.parse import quote, unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions

from bank_assets.store import lake
from bank_assets.store.lake import explained
from bank_assets.store.places import BucketPath, Place, WarehouseError, delta_options, remove_tree

KEY: Final = "partition_key"
SNAPSHOTS: Final = "snapshots"
_OURS: Final = re.compile(f"{SNAPSHOTS}/([0-9]{{19}}-[0-9a-f]{{8}})/")  # what else lies in the folder is left alone
Files = Mapping[str, Mapping[str, int]]  # by key, the size of each file by its path below the table's folder

_RETENTION: Final = "interval 7 days"  # as long, former versions can be read, if `prune` keeps as much
_PROPERTIES: Final = {
    "delta.logRetentionDuration": _RETENTION,
    "delta.deletedFileRetentionDuration": _RETENTION,
    "delta.dataSkippingNumIndexedCols": "0",  # other writers shall keep no statistics either
}
# delta-rs would not flush a checkpoint before it removes the entries that the checkpoint replaces.
_NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_CHECKPOINT_EVERY: Final = 50  # commits
_ATTEMPTS: Final = 20
_BUCKET_GRACE_SECONDS: Final = 86_400.0  # longer than any run: in a bucket nothing shows that a writer still lives


class SupersededError(WarehouseError):
    """Another writer replaced the same keys since the caller looked."""


class DataFile(NamedTuple):
    """A whole Parquet file to be committed; its path is relative to the table's folder."""

    path: str
    size: int
    rows: int


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


class KeyedDelta:
    """One table in a folder; readers never wait, and writers of other keys are merged."""

    def __init__(self, folder: Place, column: str = KEY) -> None:
        self.folder, self._column = folder, column
        self._options = delta_options(folder)
        self._table: DeltaTable | None = None
        self._listed: tuple[int, Files] = (-1, {})
        self._staged: dict[str, tuple[Files, IO[bytes]]] = {}

    # reading

    def latest(self) -> DeltaTable | None:
        """The table as it is now; None before its first commit."""
        with explained(self.folder, "read the Delta log"):
            if self._table is None:
                if not (self.folder / lake.LOG).is_dir():
                    return None
                lake.repair(self.folder)
                with suppress(TableNotFoundError):  # `is_deltatable` would stop all threads while a bucket answers
                    self._table = self._opened()
            elif lake.entry_path(self.folder, self._table.version() + 1).is_file():
                self._table.update_incremental()
        return self._table

    def _opened(self) -> DeltaTable:
        return DeltaTable(str(self.folder), storage_options=self._options)

    def files(self) -> Files:
        """The files that hold the table's rows now."""
        table = self.latest()
        if table is None:
            return {}
        if self._listed[0] != table.version():
            found: dict[str, dict[str, int]] = {}
            added = pa.table(table.get_add_actions(flatten=True)).select(
                ["path", "size_bytes", f"partition.{self._column}"]
            )
            for path, size, key in zip(*(column.to_pylist() for column in added.columns), strict=True):
                found.setdefault(key, {})[unquote(path)] = size
            self._listed = (table.version(), found)
        return self._listed[1]

    # writing

    def stage(self) -> tuple[str, Place]:
        """Make an empty folder for new files: its identifier, which sorts by time, and its path."""
        snapshot = f"{time.time_ns():019d}-{secrets.token_hex(4)}"
        path = self.folder / SNAPSHOTS / snapshot
        with explained(path, "make a snapshot folder"):
            path.mkdir(parents=True)
            self._staged[snapshot] = (self.files(), lake.claim(path))
        return snapshot, path

    def name_for(self, key: str) -> str:
        """A name for the one file of a key; Polars reads the key from the folder's name, not from the log."""
        folder, name = f"{self._column}={quote(key, safe=' ')}", "part-0.parquet"
        return f"{folder}/{name}" if len(folder) < 256 else name

    def release(self, snapshot: str) -> None:
        """Let `prune` have a staged folder, once what it holds is committed or given up."""
        if staged := self._staged.pop(snapshot, None):
            lake.release(self.folder / SNAPSHOTS / snapshot, staged[1])

    def discard(self, snapshot: str, kept: Collection[str]) -> None:
        """Delete a staged folder, unless it holds files of the table or some of `kept`."""
        self.release(snapshot)
        inside = f"{SNAPSHOTS}/{snapshot}/"
        if not any(name.startswith(inside) for names in (*self.files().values(), kept) for name in names):
            remove_tree(self.folder / inside)

    def base(self, snapshot: str) -> Files | None:
        """The files of the table when a folder was staged here."""
        return self._staged[snapshot][0] if snapshot in self._staged else None

    def replace(
        self, wanted: Mapping[str, Sequence[DataFile]], schemas: Iterable[pa.Schema], base: Files | None = None
    ) -> int:
        """Make flushed files the content of their keys in one commit, flush it, and return the table's version.

        Raises:
            SupersededError: a key has other files than in `base`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with explained(self.folder, "commit to the Delta log"), lake.exclusive(self.folder):
            for _ in range(_ATTEMPTS):
                try:
                    return self._commit(wanted, list(schemas), base)
                except CommitFailedError as error:  # a writer without our lock was first
                    last = error
            raise last

    def _commit(
        self, wanted: Mapping[str, Sequence[DataFile]], schemas: Sequence[pa.Schema], base: Files | None
    ) -> int:
        table, now = self.latest() or self._create(), self.files()
        if base is not None and (moved := sorted(key for key in wanted if now.get(key, {}) != base.get(key, {}))):
            raise SupersededError(
                f"{self.folder}: expected {moved[:5]} as they were when this run began, found that another run "
                f"replaced them; its content stays. Run again."
            )
        changed = {
            key: files for key, files in wanted.items() if now.get(key, {}).keys() != {one.path for one in files}
        }
        if not changed:
            return int(table.version())
        is_all = bool(schemas) and now.keys() <= changed.keys()
        before = [] if is_all else [pa.schema(table.schema().to_arrow())]
        count = sum(len(now.get(key, {})) + len(files) for key, files in changed.items())
        table.create_write_transaction(
            [self._added(key, one) for key, files in changed.items() for one in files],
            mode="overwrite",
            schema=self._schema([*before, *schemas]),
            partition_by=[self._column],
            partition_filters=[(self._column, "in", sorted(changed))],
            commit_properties=CommitProperties({lake.CHANGES: count}, max_commit_retries=0),
            post_commithook_properties=_NO_HOOKS,
        )
        table.update_incremental()
        version = int(table.version())
        lake.sync([lake.entry_path(self.folder, version)], self.folder)
        if version % _CHECKPOINT_EVERY == 0:
            self._checkpoint(table)
        return version

    def _create(self) -> DeltaTable:
        try:
            create_table_with_add_actions(
                str(self.folder),
                self._schema([]),
                [],
                partition_by=[self._column],
                configuration=_PROPERTIES,
                storage_options=self._options,
                post_commithook_properties=_NO_HOOKS,
            )
        except DeltaError as error:
            if "already exists" not in str(error):  # a bucket has no lock, so another writer may have been first
                raise
        lake.sync([lake.entry_path(self.folder, 0)], self.folder)
        self._table = self._opened()
        return self._table

    def _added(self, key: str, file: DataFile) -> AddAction:
        stats = json.dumps({"numRecords": file.rows})
        return AddAction(file.path, file.size, {self._column: key}, time.time_ns() // 1_000_000, True, stats)

    def _schema(self, schemas: Iterable[pa.Schema]) -> Schema:
        """All columns; where files differ, the type of the newest counts, because older keys are then outdated."""
        types = {field.name: _plain(field.type) for schema in schemas for field in schema}
        columns = [
            pa.field(name, kind) for name, kind in types.items() if name != self._column and not pa.types.is_null(kind)
        ]
        return Schema.from_arrow(pa.schema([*columns, pa.field(self._column, pa.string())]))

    # retention

    def vacuum(self, min_age_seconds: float, kept: Collection[str], *, is_dry_run: bool) -> dict[str, int]:
        """Delete files that no version of that age or younger names, except `kept` and what a living process staged.

        Returns the size of each. Log entries older than the retention go, too.
        """
        if isinstance(self.folder, BucketPath):
            min_age_seconds = max(min_age_seconds, _BUCKET_GRACE_SECONDS)
        if (table := self.latest()) is None:
            return {}
        with explained(self.folder, "remove old files"):
            hours = math.ceil(min_age_seconds / 3_600)
            old = table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
            # In this order: who wrote one of these files either writes still, or has committed it by now.
            claimed = {path.name for path in self._folders() if lake.is_claimed(path)}
            named = {*kept, *(name for names in self.files().values() for name in names)}
            ours = [name for name in old if (found := _OURS.match(name)) and found[1] not in claimed]
            removed = {name: (self.folder / name).stat().st_size for name in ours if name not in named}
            if not is_dry_run:
                for name in removed:
                    (self.folder / name).unlink()
                self._remove_empty(time.time_ns() - int(min_age_seconds * 1e9))
                self._shorten_log(table)
        return removed

    def _folders(self) -> list[Path]:
        if isinstance(self.folder, BucketPath):
            return []
        return [path for path in (self.folder / SNAPSHOTS).iterdir() if _OURS.match(f"{SNAPSHOTS}/{path.name}/")]

    def _remove_empty(self, until: int) -> None:
        for path in self._folders():
            names = (name for _, _, files in os.walk(path) for name in files if name[0] not in "._")
            if int(path.name[:19]) <= until and not any(names) and not lake.is_claimed(path):
                shutil.rmtree(path)

    def _shorten_log(self, table: DeltaTable) -> None:
        with lake.exclusive(self.folder):
            self._checkpoint(table)
            table.cleanup_metadata()

    def _checkpoint(self, table: DeltaTable) -> None:
        log = self.folder / lake.LOG
        path = log / f"{table.version():020d}.checkpoint.parquet"
        if not path.exists():
            table.create_checkpoint()
            lake.sync([path, log / "_last_checkpoint"], self.folder)
