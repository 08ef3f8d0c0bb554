"""Reads the fields of a block of delivered lines, with Arrow's CSV reader where that is safe.

Arrow splits lines at every delimiter, quoted or not, which is fast and right for nearly all lines. Lines for which it
may be wrong, because the number of fields differs or a quote stays open, are read one by one with
`contract.reading.split_fields`, which is the definition.
"""

import codecs
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from bank_assets.contract.column_rules import BoolArray, Encoded
from bank_assets.contract.reading import (
    Head,
    codec_of,
    is_blank,
    is_unclosed,
    line_fault,
    rows_of,
    split_fields,
    unquoted,
)
from bank_assets.contract.values import IDENTIFIER_LENGTH, SPACE, is_identifier
from bank_assets.landing.register import Delivery


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Rows of a block, in the order of its lines; `identifiers` is (n,).

    Attributes:
        columns: text by delivered name; of a usable identifier only that it is given.
        misfits: lines whose fields cannot be told apart, by row: code and sentence of the fault, and the whole line.
            Their fields are kept as far as they go.
    """

    columns: dict[str, Encoded]
    identifiers: pa.StringArray
    misfits: dict[int, tuple[str, str, str]]

    def keep(self, rows: BoolArray) -> "TextBlock":
        """The block with some of its rows, (n,)."""
        place = np.cumsum(rows) - 1
        columns = {name: Encoded(column.codes[rows], column.texts) for name, column in self.columns.items()}
        misfits = {int(place[row]): fault for row, fault in self.misfits.items() if rows[row]}
        return TextBlock(columns, self.identifiers.filter(pa.array(rows)), misfits)


def read_block(block: bytes, file: Delivery | Head, identifier: str) -> TextBlock | None:
    """Read the fields of whole lines below the header; None if all of them are blank.

    Nearly all values of `identifier` are distinct, so that column is kept as plain text.
    """
    if is_blank(block):
        return None
    if file.delimiter == "\t":  # Arrow would take a line of tabs for a row
        block = b"\n".join(rows_of(block.splitlines()))
    # UTF-8 may hold a few lines of another encoding: what they say is lost, and the rules refuse it.
    text = block if block.isascii() else block.decode(codec_of(file.encoding), "replace").encode()
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
    identifiers = _without_quotes(table.column(identifier).combine_chunks())
    odd = pc.not_equal(pc.ascii_trim(identifiers, SPACE + '"'), identifiers)
    if pc.any(odd).as_py():
        texts = identifiers.filter(odd).to_pylist()
        is_open[odd.to_numpy(zero_copy_only=False)] |= np.array([is_unclosed(text) for text in texts], dtype=bool)
        identifiers = pc.replace_with_mask(identifiers, odd, pa.array([unquoted(text) for text in texts], pa.string()))
    misfits: dict[int, tuple[str, str, str]] = {}
    if has_misfits or is_open.any():
        columns, identifiers, misfits = _with_odd_lines(block, file, columns, {identifier: identifiers}, is_open)
    columns[identifier] = _judged_alone(identifiers)
    return TextBlock(columns, identifiers, misfits)


def _without_quotes(texts: pa.StringArray) -> pa.StringArray:
    """What `unquoted` makes of texts in quotes that hold no quote or blank at their ends; the others stay."""
    inner = pc.utf8_slice_codeunits(texts, 1, -1)
    is_enclosed = pc.and_(pc.starts_with(texts, '"'), pc.ends_with(texts, '"'))
    is_plain = pc.and_(pc.equal(pc.ascii_trim(inner, SPACE), inner), pc.invert(pc.match_substring(inner, '"')))
    is_plain = pc.and_(is_plain, pc.greater_equal(pc.binary_length(texts), 2))
    return pc.if_else(pc.and_(is_enclosed, is_plain), inner, texts)


def _judged_alone(identifiers: pa.StringArray) -> Encoded:
    """Identifiers as far as their rule is concerned: empty, usable, or a text that cannot name a contact."""
    codes = pc.not_equal(identifiers, "").to_numpy(zero_copy_only=False).astype(np.int32)
    is_short = pc.less_equal(pc.utf8_length(identifiers), IDENTIFIER_LENGTH)
    is_plain = pc.and_(is_short, pc.ascii_is_printable(identifiers))
    is_plain = pc.and_(is_plain, pc.equal(pc.ascii_trim_whitespace(identifiers), identifiers))
    texts = ["", "given"]
    for place in np.flatnonzero(~is_plain.to_numpy(zero_copy_only=False) & (codes > 0)).tolist():
        if not is_identifier(text := identifiers[place].as_py()):
            codes[place] = len(texts)
            texts.append(text)
    return Encoded(codes, texts)


def _cut_plainly(block: bytes, file: Delivery | Head, identifier: str) -> tuple[pa.Table, bool]:
    """The lines with as many fields as the header when quotes are ordinary text, and whether there are others."""
    odd: list[None] = []

    def skip(_row: pa.csv.InvalidRow) -> str:
        odd.append(None)
        return "skip"

    if block.startswith(codecs.BOM_UTF8):  # Arrow skips one, though a block is no file and the mark is part of its row
        block = codecs.BOM_UTF8 + block
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


def _with_odd_lines(
    block: bytes,
    file: Delivery | Head,
    columns: dict[str, Encoded],
    identifiers: dict[str, pa.StringArray],
    is_open: BoolArray,
) -> tuple[dict[str, Encoded], pa.StringArray, dict[int, tuple[str, str, str]]]:
    """Read the odd lines one by one and put them in their places among the others."""
    lines = rows_of(block.splitlines())
    delimiter, n_fields = file.delimiter.encode(), len(file.columns)
    is_odd = np.array([line.count(delimiter) != n_fields - 1 for line in lines], dtype=bool)
    plain = np.flatnonzero(~is_odd)
    is_odd[plain[is_open]] = True
    places = np.flatnonzero(is_odd)
    texts = [lines[place].decode(codec_of(file.encoding), "replace") for place in places]
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
