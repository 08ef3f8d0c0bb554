"""What every asset says about itself: metadata of a result, and of a result that needed no work.

What lives here: `derive` (ask, work, commit, say so), `months_result`. What must not: any asset, any stage's logic.
Metadata values are Python numbers and text only: numpy scalars raise in Dagster.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from bank_assets.partitions import key_of, month_of
from bank_assets.store.derivations import Derived, Made
from bank_assets.store.warehouse import Entry

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


def _headline(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(metadata["headline"])


def derive(
    derived: Derived,
    work: Callable[[], Made],
    headline: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _headline,
) -> dg.MaterializeResult:
    """The result of an asset with one key: its work is done unless its result is stored.

    Args:
        derived: the key.
        work: makes its content.
        headline: what people should see of the stored metadata; default the part of that name.
    """
    watch = Stopwatch()
    entry, made = derived.ensure(work)
    if made is None:
        return unchanged(entry, watch, headline(entry.metadata))
    return result(entry, watch, {**headline(entry.metadata), **made.shown}, made.rows.schema)


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
    """The result of an asset with a key per month, with metadata of each month.

    Args:
        context: of the asset.
        wanted: the run's months, at least one.
        due: those that were made.
        watch: running since the asset began.
        of_month: what people should see of a month.
        metadata: what they should see of all.
    """
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
