"""A file that nobody has described yet, as text by column, read as every delivery is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bank_assets.contract.errors import ContractError
from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.contract.rows import Encoded
from bank_assets.landing.formats import content_of


@dataclass(frozen=True)
class FileTable:
    """A whole file by column.

    Attributes:
        columns: the text of each column by its name, (n_rows,) each.
        spelling: encoding and delimiter, in words.
        faults: (line, message) of rows whose fields cannot be told apart; they are not in the columns.
    """

    name: str
    columns: Mapping[str, Encoded]
    n_rows: int
    spelling: str
    faults: tuple[tuple[int, str], ...]


def read_table(path: Path) -> FileTable:
    """Read a file; raise `ContractError` if it is of no delivered format, or no table with names and rows."""
    stream = io.BytesIO(b"".join(content_of(path, str(path))))
    encoding = encoding_of(stream)
    head, rows = read_rows(stream, encoding)
    places: list[dict[str, int]] = [{} for _ in head.columns]
    codes: list[list[int]] = [[] for _ in head.columns]
    faults = []
    for row in rows:
        if row.fault is not None:
            faults.append((row.line, row.fault[1]))
            continue
        for place, of_column, field in zip(places, codes, row.fields, strict=True):
            of_column.append(place.setdefault(field, len(place)))
    n_rows = len(codes[0]) if codes else 0
    if len(head.columns) < 2 or not n_rows:
        raise ContractError(
            f"{path}: expected a header, several columns and rows, found {len(head.columns)} columns and "
            f"{n_rows} rows; deliver a CSV file with the names in the first line, or Parquet."
        )
    if odd := sorted({name for name in head.columns if not name or head.columns.count(name) > 1}):
        raise ContractError(
            f"{path}: expected a name of its own for each column, found {', '.join(map(repr, odd))} repeatedly or "
            "without a name; correct the header."
        )
    columns = {
        name: Encoded(np.array(of_column, dtype=np.int32), list(place))
        for name, place, of_column in zip(head.columns, places, codes, strict=True)
    }
    return FileTable(path.name, columns, n_rows, f"{encoding}, fields separated by {head.delimiter!r}", tuple(faults))
