"""Tables that are derived from others: whether their content is current, and how it is made and committed.

The fingerprint covers inputs, code version and settings, and equal fingerprints mean that no work is needed. A run that
was killed therefore continues where it stopped, and an upgrade recomputes only what a new code version affects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from bank_assets.store.warehouse import Entry, StagedEntry, Warehouse, WarehouseError

ALL: Final = "all"  # the key of a table that has only one


def fingerprint(*, inputs: Sequence[Any] | Mapping[str, Any], code_version: str, settings: Mapping[str, Any]) -> str:
    """Hash of what a result depends on, in hexadecimal; equal fingerprints mean that it need not be recomputed.

    The order of inputs counts if they are a sequence (the last arrival wins), not if they are a mapping. Settings hold
    JSON types only.
    """
    document = {"inputs": inputs, "code_version": code_version, "settings": settings}
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Made:
    """The result of the work for one key."""

    rows: pa.Table
    metadata: Mapping[str, Any] = field(default_factory=dict)  # small JSON facts that are stored with it
    shown: Mapping[str, Any] = field(default_factory=dict)  # facts for the run that made it; not stored


@dataclass(frozen=True, slots=True)
class Derived:
    """One key of a table and the fingerprint that its content must have."""

    store: Warehouse
    table: str
    key: str
    fingerprint: str

    @property
    def is_current(self) -> bool:
        """Whether the stored content has this fingerprint and all its files."""
        return self.store.is_unchanged(self.table, self.key, self.fingerprint)

    @property
    def entry(self) -> Entry:
        """What is stored; raise `WarehouseError` if the key was never made."""
        found = self.store.entry(self.table, self.key)
        if found is None:
            raise WarehouseError(f"{self.table} {self.key}: expected it stored, found none; materialize {self.table}.")
        return found

    def commit(self, rows: pa.Table | pa.RecordBatchReader, metadata: Mapping[str, Any] | None = None) -> Entry:
        """Store the key's content."""
        return self.store.write(self.table, self.key, rows, self.fingerprint, metadata)

    def commit_files(self, snapshot: str, files: Sequence[str], metadata: Mapping[str, Any] | None = None) -> Entry:
        """Make staged Parquet files, named relative to their staging folder, the key's content."""
        staged = StagedEntry(tuple(files), self.fingerprint, metadata or {})
        return self.store.commit(self.table, snapshot, {self.key: staged})[self.key]

    def ensure(self, work: Callable[[], Made]) -> tuple[Entry, Made | None]:
        """Do the work unless its result is stored; returns what is stored now, and what was made, if anything."""
        if self.is_current:
            return self.entry, None
        made = work()
        return self.commit(made.rows, made.metadata), made


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A table that follows from others; a new code version recomputes all of it."""

    name: str
    code_version: str

    def of(
        self,
        store: Warehouse,
        key: str = ALL,
        *,
        inputs: Sequence[Any] | Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
    ) -> Derived:
        """One key with its fingerprint; settings hold JSON types only.

        See `fingerprint` for the inputs.
        """
        made_from = fingerprint(inputs=inputs, code_version=self.code_version, settings=settings or {})
        return Derived(store, self.name, key, made_from)


def stale(wanted: Mapping[str, Derived]) -> dict[str, Derived]:
    """The keys whose content is missing or outdated, in the order given."""
    return {key: derived for key, derived in wanted.items() if not derived.is_current}
