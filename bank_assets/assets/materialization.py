"""Materialization results with the metadata that every asset reports.

Metadata values are plain Python numbers and text, because Dagster rejects numpy scalars.
"""

import ctypes
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from bank_assets.partitions import key_of, month_of
from bank_assets.store.derivations import Derived, DerivedTable, Made, stale
from bank_assets.store.warehouse import Entry, Warehouse

OWNERS: Final = ["team:data-platform"]
ML_OWNERS: Final = ["team:decision-science"]


def identity(table: DerivedTable) -> dict[str, Any]:
    """Name and code version of the asset that makes a table."""
    return {"name": table.name, "code_version": table.code_version}


def reported(started: float, rows: int, *, is_unchanged: bool, **facts: Any) -> dict[str, Any]:
    """Metadata that every materialization has; `started` is of `time.monotonic`."""
    seconds = round(time.monotonic() - started, 3)
    return {"dagster/row_count": rows, "unchanged": is_unchanged, "seconds": seconds, **facts}


def column_schema(schema: pa.Schema) -> dict[str, dg.TableSchema]:
    """Columns of a table for the Dagster UI."""
    columns = [dg.TableColumn(field.name, str(field.type)) for field in schema]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def _headline(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(metadata["headline"])


def derive(
    derived: Derived, work: Callable[[], Made], headline: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _headline
) -> dg.MaterializeResult:
    """Materialize an asset with one key: `work` runs only if no current result is stored.

    `headline` selects what people see of the stored metadata.
    """
    started = time.monotonic()
    entry, made = derived.ensure(work)
    _give_memory_back()
    facts = {"digest": entry.digest, **headline(entry.metadata)}
    if made is not None:
        facts |= {**column_schema(made.rows.schema), **made.shown}
    return dg.MaterializeResult(
        metadata=reported(started, entry.rows, is_unchanged=made is None, **facts),
        data_version=dg.DataVersion(entry.digest or entry.fingerprint),
    )


def _give_memory_back() -> None:
    """Return what an asset has freed to the system, or the next asset's arrays come on top of it."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only the GNU library has it
        ctypes.CDLL(None).malloc_trim(0)


Wanted = Mapping[str, Derived]
# What people see of the stored keys and of those that were made.
Shown = Callable[[Mapping[str, Entry], Wanted], Mapping[str, Any]]


def derive_keys(
    wanted: Wanted, make: Callable[[Wanted], object], shown: Shown = lambda _stored, _made: {}
) -> tuple[dict[str, Entry], dg.MaterializeResult]:
    """Make those keys of a table that are missing or outdated; returns what is stored of all that are wanted."""
    started, due = time.monotonic(), stale(wanted)
    if due:
        make(due)
    manifests = [derived.store.manifest(derived.table) for derived in list(wanted.values())[:1]]  # one table: one read
    entries = {key: manifests[0][derived.key] for key, derived in wanted.items()}
    facts = reported(started, sum(entry.rows for entry in entries.values()), is_unchanged=not due)
    return entries, dg.MaterializeResult(metadata={**facts, **shown(entries, due)})


def derive_months(
    context: dg.AssetExecutionContext,
    derived: Callable[[str], Derived],
    make: Callable[[Wanted], object],
    shown: Shown = lambda _stored, _made: {},
    of_month: Callable[[str, Entry], Mapping[str, Any]] = lambda _, one: {"dagster/partition_row_count": one.rows},
) -> dg.MaterializeResult:
    """`derive_keys` for the months of a run, with metadata on each month."""
    entries, result = derive_keys({month: derived(month) for month in months_of(context)}, make, shown)
    for month, entry in entries.items():
        context.add_asset_metadata(of_month(month, entry), partition_key=key_of(month))
    return result


@contextmanager
def discarding(store: Warehouse, staged: Iterable[tuple[str, str]]) -> Iterator[None]:
    """After an error, discard the staged snapshots `(table, snapshot)` that were not committed."""
    try:
        yield
    except BaseException:
        for table, snapshot in staged:
            store.discard(table, snapshot)
        raise


def months_of(context: dg.AssetExecutionContext) -> list[str]:
    """The months of a run, `YYYY-MM`, ascending."""
    return [month_of(key) for key in context.partition_keys]
