"""Columns of files of any size: parts come as plain values, whole columns without an object for each row."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.core.arrays import TEXT
from bank_assets.store.stored_columns import StoredColumn, StoredTable, compact

DAYS = np.arange(np.datetime64("2010-11-01"), np.datetime64("2010-11-11"))
ROWS = pa.table(
    {"id": [f"c{n}" for n in range(10)], "age": range(10), "person": [None, "k"] * 5, "day": pa.array(DAYS)}
)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    pq.write_table(ROWS.slice(0, 7), paths[0], row_group_size=3)
    pq.write_table(ROWS.slice(7), paths[1], row_group_size=2)
    return paths


def test_any_part_of_a_column_is_that_of_the_whole(files):
    for name in ROWS.column_names:
        column, whole = StoredColumn(files, name), ROWS[name].to_pylist()
        assert len(column) == 10
        for first, last in ((0, 10), (2, 8), (3, 6), (6, 7), (9, 99), (4, 4)):
            assert column[first:last] == whole[first:last]


def test_a_table_reads_the_columns_that_are_asked_for(files):
    stored = StoredTable(files)
    assert stored.column_names == ROWS.column_names
    assert stored.column("age").to_pylist() == list(range(10))
    assert StoredTable([]).column_names == []


def test_a_compact_column_has_no_object_for_each_row():
    ids, persons = compact(ROWS["id"]), compact(ROWS["person"])
    assert (ids.dtype, ids.tolist(), persons.tolist()) == (TEXT, ROWS["id"].to_pylist(), ["", "k"] * 5)
    assert compact(ROWS["day"]).tolist() == DAYS.tolist()
    same = compact(pa.chunked_array([[5.0] * 4]))
    assert (same.tolist(), same.strides) == ([5.0] * 4, (0,))
