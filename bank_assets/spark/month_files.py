"""Writes rows into monthly Parquet files, many months and tables at once, inside a Spark task.

Each task returns the names of its own files. A failed or repeated task leaves files that nobody names, and only named
files are committed, so the tables hold every row once.
"""

import itertools
import uuid
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bank_assets.store.keyed_delta import KEY
from bank_assets.store.places import Place, arrow

COMPRESSION: Final = "zstd"
GROUP_ROWS: Final = 65_536  # rows per row group of a month: about 2 MB compressed

BUFFER_ROWS: Final = 524_288  # rows a task holds over all its months: about 100 MB, whatever the size of the input


def month_number(month: str) -> int:
    """Months since year 0 of `YYYY-MM`."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def month_text(number: int) -> str:
    """`YYYY-MM` of a month number."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file that a finished task wrote; its name is relative to the table's folder."""

    table: str
    month: str
    name: str
    rows: int


class MonthFile:
    """The growing file of one table and month, with the rows that wait for their row group."""

    def __init__(self, table: str, month: str, folder: Place) -> None:
        self.table, self.month, self.rows = table, month, 0
        self.name = f"{KEY}={month}/part-{uuid.uuid4().hex}.parquet"
        self._path = folder / self.name
        self._waiting: list[pa.Table] = []
        self.waiting_rows = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        """Add rows, to be written with their row group."""
        self._waiting.append(rows)
        self.waiting_rows += rows.num_rows

    def flush(self) -> None:
        """Write the waiting rows."""
        if not self._waiting:
            return
        group = pa.concat_tables(self._waiting).unify_dictionaries()
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Without Arrow's schema, dictionary-encoded columns are read back as plain text.
            path, filesystem = arrow(self._path)
            options = {"filesystem": filesystem, "compression": COMPRESSION, "store_schema": False}
            self._writer = pq.ParquetWriter(path, group.schema, **options)
        self._writer.write_table(group)
        self.rows += self.waiting_rows
        self._waiting, self.waiting_rows = [], 0

    def close(self) -> None:
        """Close the file, finished or not."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class MonthFiles:
    """All files of one task."""

    def __init__(self, folders: dict[str, Place]) -> None:
        self._folders = folders
        self._files: dict[tuple[str, str], MonthFile] = {}

    def add(self, table: str, months: NDArray[np.int64], rows: pa.Table) -> None:
        """Distribute rows, sorted by month number (n,), over the files of their months."""
        for number, first, last in runs_of(months):
            key = (table, month_text(number))
            if key not in self._files:
                self._files[key] = MonthFile(*key, self._folders[table])
            self._files[key].add(rows.slice(first, last - first))
        for file in self._files.values():
            if file.waiting_rows >= GROUP_ROWS:
                file.flush()
        if sum(file.waiting_rows for file in self._files.values()) >= BUFFER_ROWS:
            for file in self._files.values():
                file.flush()

    def finish(self) -> list[WrittenFile]:
        """Write and close all files, and list them."""
        for file in self._files.values():
            file.flush()
            file.close()
        return [WrittenFile(file.table, file.month, file.name, file.rows) for file in self._files.values()]

    def close(self) -> None:
        """Close open files, finished or not."""
        for file in self._files.values():
            file.close()


def runs_of(months: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """The month, first row and end (exclusive) of each run in sorted months."""
    if not len(months):
        return []
    starts = np.flatnonzero(np.diff(months)) + 1
    bounds = [0, *starts.tolist(), len(months)]
    return [(int(months[first]), first, last) for first, last in itertools.pairwise(bounds)]
