"""Exact value counts per contact day in one Spark pass: the long table from which drift statistics are computed.

Executors count blocks of rows with numpy, each partition sends its counts, and Spark adds them up. No row passes
through the driver. Measured on 2 × 1 M rows, 17 columns, 2 cores,
warm: 5 CPU seconds from a frame and 2 from its Parquet files, against 9 for a groupBy over exploded values.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.fs import FileSystem
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bank_assets.contract.columns import Column, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.core.drift.daily_profiles import LONG_COLUMNS
from bank_assets.core.drift.profile import profiled_columns as columns_of

LONG_SCHEMA: Final = "contact_date date, column string, number double, category string, count bigint"
"""Spark schema of the long table."""

BLOCK_ROWS: Final = 200_000
"""Rows counted at once: Spark's default, batches of 10,000 rows, would pay numpy's overhead 20 times."""

PENDING_COUNTS: Final = 2_000_000
"""Counts a partition holds before it sends them, at most about 100 MB."""

_ARROW_SCHEMA: Final = pa.schema(
    [
        ("contact_date", pa.date32()),
        ("column", pa.string()),
        ("number", pa.float64()),
        ("category", pa.string()),
        ("count", pa.int64()),
    ]
)

Counts = tuple[NDArray[np.int32], Any, NDArray[np.int64]]
"""Days since 1970, values (float64 with NaN, or object with None) and contacts, each (n_counts,)."""


def profiled_columns(available: Sequence[str], contract: Contract) -> dict[str, str]:
    """Delivery names of the columns to count, by table name, in contract order.

    Raises `ValueError` if there is no column of the contract, or no `contact_date`.
    """
    tables = {contract.by_source[name].table: name for name in columns_of(contract)}
    columns = {table: name for table, name in tables.items() if table in available}
    if not columns or "contact_date" not in available:
        raise ValueError(
            f"profile: expected contact_date and columns of the contract in table spelling, found {list(available)}; "
            f"pass the contacts table."
        )
    return columns


def value_counts(contacts: DataFrame, contract: Contract) -> DataFrame:
    """Count every value of every column per contact day, as the long table `LONG_SCHEMA`.

    Grain in: one row per contact with a `contact_date`. Join outcomes first if they lie apart: those of contacts
    without one are counted as missing. Grain out: one row per contact day, column and value, far fewer than the
    contacts' fields.
    """
    columns = profiled_columns(contacts.columns, contract)
    counted = tuple(contract.by_source[name] for name in columns.values())

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _count_blocks(_blocks(batches), counted)

    return _summed(contacts.select("contact_date", *columns).mapInArrow(count, LONG_SCHEMA))


def value_counts_of_files(session: SparkSession, files: Sequence[str], contract: Contract) -> DataFrame:
    """The same counts straight from Parquet files of the `contacts` table, for less than half the CPU time.

    Spark distributes row groups, and Arrow reads them in the executors, so no row goes through the JVM. The driver and
    every executor must be able to read the files, which all have the columns of the first.
    """
    if not files:
        raise ValueError("profile: expected at least one Parquet file, found none; ingest contacts first.")
    with _opened(files[0]) as first:
        schema = first.schema_arrow
    names = profiled_columns(schema.names, contract)
    counted = tuple(contract.by_source[name] for name in names.values())
    texts = [table for table in names if pa.types.is_string(schema.field(table).type)]
    units = []
    for file in files:
        with _opened(file) as parquet:
            units += [(file, group) for group in range(parquet.metadata.num_row_groups)]

    def count(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        mine = [units[number] for batch in numbers for number in batch.column(0).to_pylist()]
        return _count_blocks(_row_groups(mine, ("contact_date", *names), texts), counted)

    partitions = max(1, min(len(units), session.sparkContext.defaultParallelism))
    return _summed(session.range(len(units), numPartitions=partitions).mapInArrow(count, LONG_SCHEMA))


def _summed(partial: DataFrame) -> DataFrame:
    return partial.groupBy(*LONG_COLUMNS[:-1]).agg(f.sum("count").alias("count"))


def _opened(file: str, texts: Sequence[str] = ()) -> pq.ParquetFile:
    """A Parquet file of a path or URI; the columns in `texts` stay dictionary-encoded."""
    if "://" not in file:
        return pq.ParquetFile(file, read_dictionary=texts)
    filesystem, path = FileSystem.from_uri(file)
    return pq.ParquetFile(path, filesystem=filesystem, read_dictionary=texts)


def _row_groups(
    units: Iterable[tuple[str, int]], columns: tuple[str, ...], texts: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Blocks of some row groups, columns in the given order."""
    for file, group in units:
        with _opened(file, texts) as parquet:
            for batch in parquet.iter_batches(BLOCK_ROWS, row_groups=[group], columns=columns, use_threads=False):
                yield batch.select(columns)


def _count_blocks(blocks: Iterable[pa.RecordBatch], columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """Counts of the blocks of one partition, sent whenever enough of them are pending, and at the end."""
    pending: list[list[Counts]] = [[] for _ in columns]
    size = 0
    for block in blocks:
        dates = block.column(0)
        if dates.null_count:
            raise ValueError(f"profile: expected a contact_date in every row, found {dates.null_count} without one.")
        days, day_codes = np.unique(dates.cast(pa.int32()).to_numpy(zero_copy_only=False), return_inverse=True)
        for index, column in enumerate(columns):
            counts = _count_block(column, block.column(index + 1), days, day_codes)
            pending[index].append(counts)
            size += counts[2].size
        if size > PENDING_COUNTS:
            yield from _sent(pending, columns)
            pending, size = [[] for _ in columns], 0
    yield from _sent(pending, columns)


def _blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in larger batches."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(part.num_rows for part in held) >= BLOCK_ROWS:
            yield pa.concat_batches(held)
            held = []
    if any(part.num_rows for part in held):
        yield pa.concat_batches(held)


def _count_block(one: Column, column: pa.Array, days: NDArray[np.int32], day_codes: NDArray[Any]) -> Counts:
    """Counts of one column in one block: day and value are encoded as one number, and numbers are counted."""
    if one.sentinel == -1:
        column = column.fill_null(one.sentinel)  # NULL means "never" here, not a missing value
    values, codes = _coded_numbers(column) if one.kind is ColumnKind.INTEGER else _coded_labels(column)
    width = len(values)
    keys = day_codes * width + codes
    if width * days.size <= 4 * keys.size:
        per_key = np.bincount(keys)
        seen = np.flatnonzero(per_key)
        counts = per_key[seen]
    else:
        seen, counts = np.unique(keys, return_counts=True)
    return days[seen // width], values[seen % width], counts.astype(np.int64)


def _coded_numbers(column: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distinct numbers, NaN for missing and last, and the code of each row."""
    present = column.drop_null().to_numpy(zero_copy_only=False)
    low, high = (int(present.min()), int(present.max())) if present.size and present.dtype.kind in "iu" else (0, -1)
    if 0 <= high - low < 4 * present.size:
        values = np.arange(low, high + 1, dtype=np.float64)
        codes_present = present.astype(np.int64) - low
    else:
        values, codes_present = np.unique(present.astype(np.float64), return_inverse=True)
    codes = np.full(len(column), values.size, dtype=np.int64)
    codes[column.is_valid().to_numpy(zero_copy_only=False)] = codes_present
    return np.append(values, np.nan), codes


def _coded_labels(column: pa.Array) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct labels, None for missing and last, and the code of each row; a boolean is yes or no."""
    if pa.types.is_boolean(column.type):
        labels: list[str | None] = ["no", "yes"]
        indices = column.cast(pa.int8())
    else:
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        labels, indices = encoded.dictionary.to_pylist(), encoded.indices
    codes = indices.fill_null(len(labels)).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.array([*labels, None], dtype=object), codes


def _sent(pending: list[list[Counts]], columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """Pending counts, added up over blocks, as batches of the long table."""
    for one, parts in zip(columns, pending, strict=True):
        if not parts:
            continue
        days, values, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        is_number = one.kind is ColumnKind.INTEGER
        field = pa.array(values, pa.float64(), from_pandas=True) if is_number else pa.array(values, pa.string())
        table = pa.table({"day": days.astype(np.int32), "value": field, "count": counts})
        # eight times fewer rows to shuffle, at a fraction of the cost of Spark's aggregation
        added = table.group_by(["day", "value"], use_threads=False).aggregate([("count", "sum")]).combine_chunks()
        for batch in added.to_batches():
            rows = batch.num_rows
            value = batch.column("value")
            arrays = [
                batch.column("day").cast(pa.date32()),
                pa.repeat(pa.scalar(one.source, pa.string()), rows),
                value if is_number else pa.nulls(rows, pa.float64()),
                pa.nulls(rows, pa.string()) if is_number else value,
                batch.column("count_sum"),
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=_ARROW_SCHEMA)
