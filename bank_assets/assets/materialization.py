"""Materialization results with the metadata that every asset reports.

Metadata values are plain Python numbers and text, because Dagster rejects numpy scalars.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from bank_assets.partitions import key_of, month_of
from bank_assets.store.derivations import Derived, DerivedTable, Made
from bank_assets.store.warehouse import Entry, Warehouse

OWNERS: Final = ["team:data-platform"]
ML_OWNERS: Final = ["team:decision-science"]


def identity(table: DerivedTable) -> dict[str, Any]:
    """Name and code version of the asset that makes a table."""
    return {"name": table.name, "code_version": table.code_version}


class Stopwatch:
    """Measures the seconds since it was created."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Elapsed seconds, rounded to ms."""
        return round(time.monotonic() - self._started, 3)


def result(
    entry: Entry,
    watch: Stopwatch,
    metadata: Mapping[str, Any],
    schema: pa.Schema | None = None,
    *,
    is_unchanged: bool = False,
) -> dg.MaterializeResult:
    """The result of an asset whose snapshot is stored; the schema is shown as the table's columns."""
    columns = {} if schema is None else {"dagster/column_schema": column_schema(schema)}
    return dg.MaterializeResult(
        metadata={
            "unchanged": is_unchanged,
            "dagster/row_count": entry.rows,
            "digest": entry.digest,
            "seconds": watch.seconds,
            **columns,
            **metadata,
        },
        data_version=dg.DataVersion(entry.digest or entry.fingerprint),
    )


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """Columns of a table for the Dagster UI."""
    return dg.TableSchema(columns=[dg.TableColumn(field.name, str(field.type)) for field in schema])


def _headline(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(metadata["headline"])


def derive(
    derived: Derived, work: Callable[[], Made], headline: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _headline
) -> dg.MaterializeResult:
    """Materialize an asset with one key: `work` runs only if no current result is stored.

    `headline` selects what people see of the stored metadata.
    """
    watch = Stopwatch()
    entry, made = derived.ensure(work)
    if made is None:
        return result(entry, watch, headline(entry.metadata), is_unchanged=True)
    return result(entry, watch, {**headline(entry.metadata), **made.shown}, made.rows.schema)


@contextmanager
def discarding(store: Warehouse, *staged: tuple[str, str]) -> Iterator[None]:
    """After an error, discard the staged snapshots `(table, snapshot)` that were not committed."""
    try:
        yield
    except BaseException:
        for table, snapshot in staged:
            if all(entry.snapshot != snapshot for entry in store.manifest(table).values()):
                store.discard(table, snapshot)
        raise


def months_of(context: dg.AssetExecutionContext) -> list[str]:
    """The months of a run, `YYYY-MM`, ascending."""
    return [month_of(key) for key in context.partition_keys]


def months_result(
    context: dg.AssetExecutionContext,
    wanted: Mapping[str, Derived],
    due: Sequence[str] | Mapping[str, Derived],
    watch: Stopwatch,
    *,
    of_month: Callable[[str, Entry], Mapping[str, Any]] = lambda _, entry: {"dagster/partition_row_count": entry.rows},
    metadata: Mapping[str, Any] | None = None,
) -> dg.MaterializeResult:
    """The result of an asset with a key per month, with metadata on each month; `due` are the months that were made."""
    any_month = next(iter(wanted.values()))
    entries = any_month.store.manifest(any_month.table)
    for month in wanted:
        context.add_asset_metadata(of_month(month, entries[month]), partition_key=key_of(month))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(entries[month].rows for month in wanted),
            "unchanged": not due,
            "seconds": watch.seconds,
            **(metadata or {}),
        }
    )
