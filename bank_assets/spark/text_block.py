"""Reads the fields of a block of delivered lines, with Arrow's CSV reader where that is safe.

Arrow splits lines at every delimiter, quoted or not, which is fast and right for nearly all lines. Lines for which it
may be wrong, because the number of fields differs or a quote stays open, are read one by one with
`contract.reading.split_fields`, which is the definition.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from bank_assets.contract.reading import ENCODINGS, is_unclosed, line_fault, rows_of, split_fields, unquoted
from bank_assets.contract.rows import BoolArray, Encoded
from bank_assets.spark.delivery import RawFile

_BLANK = bytes(range(0x21))


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Rows of a block, in the order of its lines; `identifiers` is (n,).

    Attributes:
        columns: text by delivered name; of the identifier only whether it is given.
        misfits: lines whose fields cannot be told apart, by row: code and sentence of the fault, and the whole line.
            Their fields are kept as far as they go.
    """

    columns: dict[str, Encoded]
    identifiers: pa.StringArray
    misfits: dict[int, tuple[str, str, str]]

    @property
    def is_misfit(self) -> BoolArray | None:
        """Rows whose fields cannot be told apart, (n,), or None if there are none."""
        if not self.misfits:
            return None
        found = np.zeros(len(self.identifiers), dtype=bool)
        found[list(self.misfits)] = True
        return found


def read_block(block: bytes, file: RawFile, identifier: str) -> TextBlock | None:
    """Read the fields of whole lines below the header; None if all of them are blank.

    Nearly all values of `identifier` are distinct, so that column is kept as plain text.
    """
    if not block.strip(_BLANK):
        return None
    codec = ENCODINGS[file.encoding]
    text = block if codec == "utf-8" else block.decode(codec).encode()
    table, has_misfits = _cut_plainly(text, file, identifier)
    columns: dict[str, Encoded] = {}
    is_open = np.zeros(table.num_rows, dtype=bool)
    for name in file.columns:
        if name == identifier:
            continue
        column = table.column(name).combine_chunks()
        texts = column.dictionary.to_pylist()
        codes = column.indices.to_numpy(zero_copy_only=False)
        if any(text[-1:] == '"' or text[:1] == '"' or text[:1] <= " " or text[-1:] <= " " for text in texts):
            unclosed = np.array([is_unclosed(text) for text in texts], dtype=bool)
            if unclosed.any():
                is_open |= unclosed[codes]
            texts = [unquoted(text) for text in texts]
        columns[name] = Encoded(codes, texts)
    identifiers = table.column(identifier).combine_chunks()
    if _may_be_dressed(identifiers):
        plain = identifiers.to_pylist()
        is_open |= np.array([is_unclosed(text) for text in plain], dtype=bool)
        identifiers = pa.array([unquoted(text) for text in plain], pa.string())
    misfits: dict[int, tuple[str, str, str]] = {}
    if has_misfits or is_open.any():
        columns, identifiers, misfits = _with_odd_lines(block, file, columns, {identifier: identifiers}, is_open)
    columns[identifier] = Encoded((_lengths(identifiers) > 0).astype(np.int8), ("", "given"))
    return TextBlock(columns, identifiers, misfits)


def _cut_plainly(block: bytes, file: RawFile, identifier: str) -> tuple[pa.Table, bool]:
    """The lines with as many fields as the header when quotes are ordinary text, and whether there are others."""
    odd: list[None] = []

    def skip(_row: pa.csv.InvalidRow) -> str:
        odd.append(None)
        return "skip"

    encoded = pa.dictionary(pa.int32(), pa.string())
    table = pa.csv.read_csv(
        pa.BufferReader(block),
        pa.csv.ReadOptions(column_names=file.columns, use_threads=False, block_size=len(block) + 1),
        pa.csv.ParseOptions(delimiter=file.delimiter, quote_char=False, invalid_row_handler=skip),
        pa.csv.ConvertOptions(
            column_types={name: pa.string() if name == identifier else encoded for name in file.columns}
        ),
    )
    return table, bool(odd)


def _lengths(texts: pa.StringArray) -> NDArray[np.int32]:
    return np.diff(_offsets(texts))


def _offsets(texts: pa.StringArray) -> NDArray[np.int32]:
    offsets = np.frombuffer(texts.buffers()[1], np.int32) if len(texts) else np.zeros(1, np.int32)
    return offsets[texts.offset : texts.offset + len(texts) + 1]


def _bytes(texts: pa.StringArray) -> NDArray[np.uint8]:
    data = texts.buffers()[2]
    return np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)


def _may_be_dressed(texts: pa.StringArray) -> bool:
    """Whether a text may begin or end with a quote or a blank."""
    offsets, data = _offsets(texts), _bytes(texts)
    is_given = np.diff(offsets) > 0
    ends = np.concatenate([data[offsets[:-1][is_given]], data[offsets[1:][is_given] - 1]])
    return bool(((ends <= ord(" ")) | (ends == ord('"'))).any())


def text_hashes(texts: pa.StringArray) -> NDArray[np.uint64]:
    """64-bit hash of each text (FNV-1a over its length and first 64 bytes); different texts almost never collide."""
    offsets, data = _offsets(texts), _bytes(texts)
    lengths = np.diff(offsets)
    found = (lengths.astype(np.uint64) ^ np.uint64(0xCBF29CE484222325)) * np.uint64(0x100000001B3)
    rows = np.arange(len(texts))
    for place in range(64):
        rows = rows[lengths[rows] > place]
        if not len(rows):
            break
        found[rows] = (found[rows] ^ data[offsets[:-1][rows] + place]) * np.uint64(0x100000001B3)
    return found


def _with_odd_lines(
    block: bytes, file: RawFile, columns: dict[str, Encoded], identifiers: dict[str, pa.StringArray], is_open: BoolArray
) -> tuple[dict[str, Encoded], pa.StringArray, dict[int, tuple[str, str, str]]]:
    """Read the odd lines one by one and put them in their places among the others."""
    lines = rows_of(block.splitlines())
    delimiter, n_fields = file.delimiter.encode(), len(file.columns)
    is_odd = np.array([line.count(delimiter) != n_fields - 1 for line in lines], dtype=bool)
    plain = np.flatnonzero(~is_odd)
    is_odd[plain[is_open]] = True
    places = np.flatnonzero(is_odd)
    texts = [lines[place].decode(ENCODINGS[file.encoding]) for place in places]
    fields = [split_fields(text, file.delimiter) for text in texts]
    faults = [line_fault(text, file.delimiter, n_fields) for text in texts]
    misfits = {int(places[n]): (*fault, texts[n]) for n, fault in enumerate(faults) if fault is not None}
    padded = [(*found[:n_fields], *[""] * (n_fields - len(found))) for found in fields]
    by_column = {name: [row[n] for row in padded] for n, name in enumerate(file.columns)}
    plain = np.flatnonzero(~is_odd)
    merged: dict[str, Encoded] = {}
    for name, column in columns.items():
        odd = Encoded.of(by_column[name])
        codes = np.empty(len(lines), dtype=np.int32)
        codes[plain], codes[places] = column.codes[~is_open], odd.codes + len(column.texts)
        merged[name] = Encoded(codes, [*column.texts, *odd.texts])
    order = np.empty(len(lines), dtype=np.int64)
    order[plain], order[places] = np.arange(len(plain)), np.arange(len(places)) + len(plain)
    ((identifier, plain_identifiers),) = identifiers.items()
    kept = plain_identifiers.filter(pa.array(~is_open))
    together = pa.concat_arrays([kept, pa.array(by_column[identifier], pa.string())])
    return merged, together.take(pa.array(order)), misfits
