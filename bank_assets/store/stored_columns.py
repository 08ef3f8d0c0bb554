"""Columns of Parquet files of any size: as many rows are in memory as are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bank_assets.core.arrays import SLICE_ROWS, TEXT
from bank_assets.store.places import Place, open_parquet


class StoredTable:
    """The rows of some files in their order; a column is read when it is asked for."""

    def __init__(self, files: Sequence[Place]) -> None:
        self._files = files
        self.schema: pa.Schema = open_parquet(files[0]).schema_arrow if files else pa.schema([])

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema.names)

    def column(self, name: str) -> pa.ChunkedArray:
        """A whole column."""
        parts = [open_parquet(one).read([name]).column(0) for one in self._files]
        return pa.chunked_array([chunk for one in parts for chunk in one.chunks], self.schema.field(name).type)


class StoredColumn:
    """A column whose parts come as plain Python values; one row group of the files is in memory."""

    def __init__(self, files: Sequence[Place], name: str) -> None:
        self._name, self._held = name, (-1, pa.nulls(0))
        self._groups: list[tuple[Place, int]] = []
        sizes = []
        for file in files:
            footer = open_parquet(file).metadata
            self._groups += [(file, number) for number in range(footer.num_row_groups)]
            sizes += [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, part: slice) -> list[Any]:
        first, last, _ = part.indices(len(self))
        found: list[Any] = []
        while first < last:
            number = bisect_right(self._starts, first) - 1
            start, end = self._starts[number], min(self._starts[number + 1], last)
            found += self._group(number).slice(first - start, end - first).to_pylist()
            first = end
        return found

    def _group(self, number: int) -> pa.ChunkedArray:
        if self._held[0] != number:
            file, of_file = self._groups[number]
            self._held = number, open_parquet(file).read_row_group(of_file, columns=[self._name]).column(0)
        return self._held[1]


def compact(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as an array, (n,), without an object for each row: text as `TEXT`, one value for all as a view of it."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts, at = np.empty(len(column), TEXT), 0
        for chunk in column.fill_null("").chunks:
            for first in range(0, len(chunk), SLICE_ROWS):
                part = chunk.slice(first, SLICE_ROWS)
                texts[at : at + len(part)] = part.to_numpy(zero_copy_only=False)
                at += len(part)
        return texts
    values = column.to_numpy(zero_copy_only=False)
    if pa.types.is_date(column.type):
        return values.astype("datetime64[D]")
    if len(values) and values.dtype.kind == "f" and (values == values[0]).all():
        return np.broadcast_to(values[0], len(values))
    return values
