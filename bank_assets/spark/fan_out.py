"""Writes one frame into several monthly Parquet tables in a single pass.

What lives here: the writer that runs inside Spark's tasks, and the hand-over of what it wrote.
What must not: what the tables mean (`tables`), commits (`bank_assets.store.warehouse`).
Called by `bank_assets.spark.etl`.

Spark writes one schema per job, so three tables would cost three passes over the text, or a scratch copy of all rows;
a copy in Parquet was measured at 1.6 times the CPU of this writer for 2.3 M rows. Each task streams Arrow batches to
files of its own and returns their names. A failed or repeated task leaves files that nobody names: only what is
returned is committed, so the tables hold every row once.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

MONTH: Final = "month"
"""Partition of every table: `YYYY-MM` in the folder's name, not in the file; a number in frames, which is cheaper."""

COMPRESSION: Final = "zstd"
GROUP_ROWS: Final = 65_536
"""Rows of a month that become one row group: about 2 MB compressed, enough to skip and to read columns alone."""

BUFFER_ROWS: Final = 524_288
"""Rows a task holds over all its months: about 100 MB, whatever the size of the input."""

_WRITTEN_SCHEMA: Final = "table_name string, month string, file string, n_rows long"


def month_number(month: str) -> int:
    """Months since year 0 of `YYYY-MM`."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def month_text(number: int) -> str:
    """`YYYY-MM` of a month number."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


@dataclass(frozen=True, slots=True)
class Output:
    """Which rows and columns of the frame make one table.

    Attributes:
        table: name of the table.
        where: boolean column, true for the rows that belong to it.
        columns: name in the table → column of the frame.
    """

    table: str
    where: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file that a finished task wrote.

    Attributes:
        table: name of the table.
        month: `YYYY-MM`.
        name: path relative to the table's folder.
        rows: number of rows.
    """

    table: str
    month: str
    name: str
    rows: int


def fan_out(frame: DataFrame, outputs: Sequence[Output], folders: Mapping[str, Path]) -> list[WrittenFile]:
    """Write the rows of a frame to the tables they belong to.

    Args:
        frame: `month` (a number) and every column that the outputs name. Flat ones: structs were measured to cost 1.2
            times the CPU.
        outputs: the tables.
        folders: folder of each table, reachable from every task.

    Returns:
        The files, one per table, month and task at most; a few values per file, so bounded on the driver.
    """
    needed = {MONTH: None} | {name: None for output in outputs for name in (output.where, *output.columns.values())}
    targets = [(output, str(folders[output.table])) for output in outputs]
    written = frame.select(*needed).mapInArrow(_writer(targets), _WRITTEN_SCHEMA).collect()
    return sorted(
        (WrittenFile(row.table_name, row.month, row.file, int(row.n_rows)) for row in written),
        key=lambda file: (file.table, file.month, file.name),
    )


def _writer(targets: list[tuple[Output, str]]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function each task runs over its batches."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        task = _Task(targets)
        try:
            for batch in batches:
                task.take(batch)
            yield task.finish()
        finally:
            task.close()

    return write


class _MonthFile:
    """The growing file of one table and month, with the rows that wait for their row group."""

    def __init__(self, table: str, month: str, folder: Path) -> None:
        self.table, self.month, self.rows = table, month, 0
        self.name = f"{MONTH}={month}/part-{uuid.uuid4().hex}.parquet"
        self._path = folder / self.name
        self._waiting: list[pa.Table] = []
        self.waiting_rows = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self.waiting_rows += rows.num_rows

    def flush(self) -> None:
        if not self._waiting:
            return
        group = pa.concat_tables(self._waiting)
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, group.schema, compression=COMPRESSION)
        self._writer.write_table(group)
        self.rows += self.waiting_rows
        self._waiting, self.waiting_rows = [], 0

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _Task:
    """All files of one task."""

    def __init__(self, targets: list[tuple[Output, str]]) -> None:
        self._targets = [(output, Path(folder)) for output, folder in targets]
        self._files: dict[tuple[str, str], _MonthFile] = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Spread one batch over tables and months."""
        for output, folder in self._targets:
            is_here = batch.column(output.where)
            if is_here.true_count == 0:
                continue
            arrays = [batch.column(name) for name in (MONTH, *output.columns.values())]
            if is_here.true_count < len(is_here):
                arrays = [array.filter(is_here) for array in arrays]
            months, rows = arrays[0], pa.Table.from_arrays(arrays[1:], names=list(output.columns))
            for month in months.unique().to_pylist():
                is_month = pc.equal(months, month)
                part = rows if is_month.true_count == len(is_month) else rows.filter(is_month)
                self._file(output.table, month_text(month), folder).add(part)
        self._make_room()

    def _file(self, table: str, month: str, folder: Path) -> _MonthFile:
        key = (table, month)
        if key not in self._files:
            self._files[key] = _MonthFile(table, month, folder)
        return self._files[key]

    def _make_room(self) -> None:
        for file in self._files.values():
            if file.waiting_rows >= GROUP_ROWS:
                file.flush()
        if sum(file.waiting_rows for file in self._files.values()) >= BUFFER_ROWS:
            for file in self._files.values():
                file.flush()

    def finish(self) -> pa.RecordBatch:
        """Close all files and say what they are."""
        for file in self._files.values():
            file.flush()
            file.close()
        files = list(self._files.values())
        return pa.RecordBatch.from_pydict(
            {
                "table_name": pa.array([file.table for file in files], pa.string()),
                "month": pa.array([file.month for file in files], pa.string()),
                "file": pa.array([file.name for file in files], pa.string()),
                "n_rows": pa.array([file.rows for file in files], pa.int64()),
            }
        )

    def close(self) -> None:
        """Let go of open files, finished or not."""
        for file in self._files.values():
            file.close()
