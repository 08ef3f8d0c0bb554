"""What every asset says about itself: metadata of a result, and of a result that needed no work.

What lives here: `result` and `unchanged`. What must not: any asset, any stage's logic.
Metadata values are Python numbers and text only: numpy scalars raise in Dagster.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from bank_assets.store.warehouse import Entry, Warehouse

OWNERS: Final = ["team:data-platform"]
ML_OWNERS: Final = ["team:decision-science"]


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Elapsed seconds, rounded to ms."""
        return round(time.monotonic() - self._started, 3)


def unchanged(entry: Entry, watch: Stopwatch, metadata: Mapping[str, Any] | None = None) -> dg.MaterializeResult:
    """The result of an asset whose inputs, code and settings are those of the stored snapshot.

    Args:
        entry: the stored snapshot.
        watch: running since the asset began.
        metadata: further metadata, such as what the last real run reported.

    Returns:
        A result that says `unchanged: true`.
    """
    return dg.MaterializeResult(
        metadata={**(metadata or {}), "unchanged": True, "dagster/row_count": entry.rows, "seconds": watch.seconds},
        data_version=dg.DataVersion(entry.digest or entry.fingerprint),
    )


def result(
    entry: Entry,
    watch: Stopwatch,
    metadata: Mapping[str, Any],
    schema: pa.Schema | None = None,
) -> dg.MaterializeResult:
    """The result of an asset that wrote a snapshot.

    Args:
        entry: the new snapshot.
        watch: running since the asset began.
        metadata: what people should see.
        schema: Arrow schema of the table, shown as its columns.

    Returns:
        A result with row count, columns, digest and seconds.
    """
    columns = {} if schema is None else {"dagster/column_schema": column_schema(schema)}
    return dg.MaterializeResult(
        metadata={
            "unchanged": False,
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


def combined_digest(warehouse: Warehouse, table: str, keys: list[str]) -> dict[str, str]:
    """Digest by key of a table's stored months; an input of fingerprints downstream."""
    entries = warehouse.manifest(table)
    return {key: entries[key].digest for key in keys if key in entries}
