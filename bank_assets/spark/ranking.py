"""Sorts a list of any size: each task sorts the keys of a part, and each range of the order is merged by another task.

The order is `core.economics.call_plan.ranked`. The driver holds the row numbers of the result, eight bytes each, and a
sample of the keys.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from bank_assets.core.arrays import FloatArray, IntArray
from bank_assets.core.economics.call_plan import in_micros
from bank_assets.spark.workers import Workers

RANGE_ROWS: Final = 500_000  # rows that one task merges: about 100 MB
SAMPLE_KEYS: Final = 512  # keys of each part among which the ranges are divided

Key = tuple[int, str]  # falling profit in millionths of EUR, and the contact's id


@dataclass(frozen=True, slots=True)
class SortedKeys:
    """The keys of a part in their order, in files that every task can reach."""

    path: Path  # without an ending
    n_rows: int
    sample: tuple[Key, ...]

    @classmethod
    def write(cls, path: Path, expected_profit_eur: FloatArray, contact_id: pa.Array) -> SortedKeys:
        """Sort the keys of a part, each (n,)."""
        micros = in_micros(expected_profit_eur)
        order = _ranked(pa.table({"micros": micros, "id": contact_id}))
        micros = micros[order]
        ids = pa.table({"id": contact_id.take(pa.array(order)), "micros": micros, "row": order})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, ids.schema) as writer:
            writer.write_table(ids.combine_chunks())
        at = sorted(set(np.linspace(0, len(order) - 1, SAMPLE_KEYS).astype(np.int64).tolist())) if len(order) else []
        return cls(path, len(order), tuple((-int(micros[one]), ids["id"][one].as_py()) for one in at))

    def read(self) -> pa.Table:
        """The sorted keys, mapped from their file."""
        return pa.ipc.open_file(pa.memory_map(str(self.path))).read_all()


def ranking_of(parts: Sequence[SortedKeys], workers: Workers) -> IntArray:
    """Rows of all parts, numbered in the order of the parts, the best first, (n,)."""
    firsts = [0, *accumulate(one.n_rows for one in parts)]
    n_ranges = max(1, -(-firsts[-1] // RANGE_ROWS)) if len(parts) > 1 else 1
    sample = sorted(key for one in parts for key in one.sample)
    splitters = [sample[number * len(sample) // n_ranges] for number in range(1, n_ranges)]
    bounds = [_bounds(one, splitters) for one in parts]
    ranges = [[(one[place], one[place + 1]) for one in bounds] for place in range(n_ranges)]
    merged = workers.run(partial(_merged, parts, firsts), ranges)
    return np.concatenate(merged) if merged else np.empty(0, dtype=np.int64)


def _bounds(part: SortedKeys, splitters: Sequence[Key]) -> list[int]:
    """Where the ranges begin in a part, and where the last one ends."""
    keys = part.read()
    ids, micros = keys["id"], keys["micros"]

    def key(row: int) -> Key:
        return -micros[row].as_py(), ids[row].as_py()

    return [0, *(bisect_left(range(part.n_rows), one, key=key) for one in splitters), part.n_rows]


def _merged(parts: Sequence[SortedKeys], firsts: Sequence[int], of: Sequence[tuple[int, int]]) -> IntArray:
    """One range of the order: the numbers of its rows."""
    found = []
    for part, first, (start, end) in zip(parts, firsts, of, strict=False):
        if end > start:
            keys = part.read().slice(start, end - start)
            found.append(keys.set_column(2, "row", pc.add(keys["row"], first)))
    if not found:
        return np.empty(0, dtype=np.int64)
    keys = pa.concat_tables(found)
    rows: IntArray = keys["row"].to_numpy()
    return rows if len(found) == 1 else rows[_ranked(keys)]


def _ranked(keys: pa.Table) -> IntArray:
    """What `core.economics.call_plan.ranked` gives, by Arrow: a fifth of its time, and no object for each id."""
    order: IntArray = pc.sort_indices(keys, [("micros", "descending"), ("id", "ascending")]).to_numpy().astype(np.int64)
    return order
