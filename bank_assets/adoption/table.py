"""A file that nobody has described yet, as text by column, read as every delivery is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bank_assets.contract.column_rules import Encoded
from bank_assets.contract.errors import ContractError
from bank_assets.contract.reading import Head, blocks, head_of
from bank_assets.contract.values import SHOWN
from bank_assets.core.arrays import IntArray
from bank_assets.landing.delivery_file import check_first_line
from bank_assets.landing.formats import unpack
from bank_assets.landing.header import check_text
from bank_assets.spark.text_block import read_block


@dataclass(frozen=True)
class FileTable:
    """A whole file by column.

    Attributes:
        columns: the text of each column by its name, (n_rows,) each.
        faults: sentences about the lines whose fields cannot be told apart; they are not in the columns.
    """

    name: str
    head: Head
    columns: Mapping[str, Encoded]
    n_rows: int
    faults: tuple[str, ...]


def read_table(path: Path) -> FileTable:
    """Read a file; raise `ContractError` if it is of no delivered format, or no table with names and rows."""
    with TemporaryDirectory() as folder:
        text = unpack(path, Path(folder))
        check_first_line(text, path.name)
        head, size = head_of(text, "cp1252"), text.stat().st_size  # Latin-1, and what Windows adds to it
        check_text(head, path.name)
        names = head.columns
        if odd := sorted({name for name in names if not name or names.count(name) > 1}) if len(names) > 1 else []:
            raise ContractError(
                f"{path.name}: expected a name of its own for each column, found {', '.join(map(repr, odd))} "
                "repeatedly or without a name; correct the header."
            )
        block = read_block(b"".join(blocks(text, 0, size)), head, names[0]) if len(names) > 1 else None
    rows = np.delete(np.arange(len(block.identifiers)), list(block.misfits)) if block else np.arange(0)
    if block is None or not rows.size:
        found_there = f"{len(names)} columns and {rows.size} rows"
        if len(names) < 2:
            found_there = f"a first line of one field, {head.text[:SHOWN]!r}" if head.text else "an empty first line"
        raise ContractError(
            f"{path.name}: expected a header, several columns and rows, found {found_there}; write the names of the "
            "columns in the first line, separated by ; , | or tabs, and the rows below."
        )
    found = {**block.columns, names[0]: Encoded.of(block.identifiers.to_pylist())}
    columns = {name: _distinct(found[name], rows) for name in names}
    return FileTable(path.name, head, columns, rows.size, tuple(fault[1] for fault in block.misfits.values()))


def _distinct(column: Encoded, rows: IntArray) -> Encoded:
    """The column in some rows; texts with and without quotes are one."""
    plain = Encoded.of(column.texts)
    used, codes = np.unique(plain.codes[column.codes[rows]], return_inverse=True)
    return Encoded(codes, [plain.texts[place] for place in used.tolist()])
