"""Simulated contacts as CSV in the format of the UCI file: `;` between fields, text in double quotes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.csv


def csv_header(columns: Iterable[str]) -> bytes:
    """The header line without line end."""
    return ";".join(f'"{column}"' for column in columns).encode()


def write_csv(chunk: pd.DataFrame, stream: BinaryIO) -> None:
    """Append a chunk's rows to a binary stream, without a header."""
    table = pa.Table.from_pandas(chunk, preserve_index=False)
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, column.cast(field.type.value_type))
        elif pa.types.is_timestamp(field.type):
            table = table.set_column(index, field.name, column.cast(pa.date32()))
    options = pa.csv.WriteOptions(include_header=False, delimiter=";", quoting_style="needed")
    pa.csv.write_csv(table, pa.PythonFile(stream, mode="w"), options)
