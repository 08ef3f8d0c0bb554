"""Whether what is stored follows from what it is made from: asked, made and committed in one way.

What lives here: `DerivedTable` (a name and the version of the code that makes it), `Derived` (one of its keys and the
fingerprint of its inputs, code and settings), `stale`. What must not: any one table, Parquet, Dagster.
Called by `store.lineage`, which declares the tables that several rooms ask about, and by the assets.

Equal fingerprints mean that the work need not be redone, so a run that was killed goes on where it stopped, and an
upgrade redoes only what a changed code version explains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from bank_assets.store.warehouse import Entry, Warehouse, WarehouseError, fingerprint

ALL: Final = "all"
"""The key of a table that has one."""


@dataclass(frozen=True, slots=True)
class Made:
    """What the work for one key made.

    Attributes:
        rows: its content.
        metadata: small JSON facts that are stored with it.
        shown: facts for the run that made it; not stored.
    """

    rows: pa.Table
    metadata: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Derived:
    """One key of a table, and what it has to be made from.

    Attributes:
        store: the tables.
        table: its name.
        key: a month, a name or `all`.
        fingerprint: fingerprint of inputs, code version and settings.
    """

    store: Warehouse
    table: str
    key: str
    fingerprint: str

    @property
    def is_current(self) -> bool:
        """Whether the stored content was made from just this, and is all there."""
        return self.store.is_unchanged(self.table, self.key, self.fingerprint)

    @property
    def entry(self) -> Entry:
        """What is stored.

        Raises:
            WarehouseError: the key was never made.
        """
        found = self.store.entry(self.table, self.key)
        if found is None:
            raise WarehouseError(f"{self.table} {self.key}: expected it stored, found none; materialize {self.table}.")
        return found

    def commit(self, rows: pa.Table, metadata: Mapping[str, Any] | None = None) -> Entry:
        """Store the key's content."""
        return self.store.write(self.table, self.key, rows, self.fingerprint, metadata)

    def ensure(self, work: Callable[[], Made]) -> tuple[Entry, Made | None]:
        """Do the work unless its result is stored.

        Args:
            work: makes the key's content.

        Returns:
            What is stored now, and what was made for it; None if nothing had to be.
        """
        if self.is_current:
            return self.entry, None
        made = work()
        return self.commit(made.rows, made.metadata), made


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A table that follows from others.

    Attributes:
        name: its name.
        code_version: version of the code that makes it; another one makes all of it again.
    """

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
        """One key with what it has to be made from.

        Args:
            store: the tables.
            key: which.
            inputs: digests of the inputs, see `fingerprint`.
            settings: values that change the result; JSON types only.
        """
        made_from = fingerprint(inputs=inputs, code_version=self.code_version, settings=settings or {})
        return Derived(store, self.name, key, made_from)


def stale(wanted: Mapping[str, Derived]) -> dict[str, Derived]:
    """Those keys whose content is missing or was made from something else, in the order given."""
    return {key: derived for key, derived in wanted.items() if not derived.is_current}
