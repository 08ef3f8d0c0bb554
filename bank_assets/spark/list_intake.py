"""Reads campaign files, lists of customers to be called, and checks every row against the contract.

A range of a file's bytes is read block by block, by the rules of contacts, wherever the range is worked on: in this
process or in a Spark task. A refused row is reported by line number and reason; the raw bytes stay in the object store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_assets.contract.column_rules import PLANNED, BoolArray, ColumnRule
from bank_assets.contract.columns import Column
from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import blocks, head_of, is_blank
from bank_assets.contract.rows import Calendar, RowRules, RowVerdicts
from bank_assets.contract.sent_text import SentText
from bank_assets.core.arrays import IntArray
from bank_assets.core.economics.suppression import CUSTOMER_ID
from bank_assets.landing.campaign_file import Campaign
from bank_assets.landing.register import Delivery
from bank_assets.spark.text_block import read_block
from bank_assets.store.campaign_files import campaign_of

SHOWN_REJECTIONS: Final = 100  # number of refused rows listed in the metadata; all are counted
ID, DAY, LINE = "#contact_id", "#contact_date", "#line"
"""Columns of usable rows beside the payload, whose names have no such sign."""


@dataclass(slots=True)
class Refused:
    """The refused rows of a part of a file, and what a sender's mapping changed in it.

    Attributes:
        lines: lines of the part, so that those of the next one can be numbered.
        shown: line, from 0 at the part's first, and reasons of the first refused rows.
        mapped: rows whose text the mapping changed, by column.
    """

    lines: int = 0
    n_rows: int = 0
    shown: list[tuple[int, str]] = field(default_factory=list)
    mapped: Counter[str] = field(default_factory=Counter)

    def add(self, other: Refused) -> None:
        """Append what follows directly."""
        self.shown = [*self.shown, *((self.lines + line, why) for line, why in other.shown)][:SHOWN_REJECTIONS]
        self.lines += other.lines
        self.n_rows += other.n_rows
        self.mapped += other.mapped


class ListReader:
    """Reads the rows of one campaign file; a file of an earlier contract may lack the optional columns."""

    def __init__(self, delivery: Delivery, contract: Contract) -> None:
        # The rules of a contact, but the day is that of a planned call.
        inputs = (column for column in contract.columns if column.is_input)
        rules = tuple(ColumnRule(column, days=PLANNED, signs=contract.signs(column)) for column in inputs)
        self._delivery, self._contract = delivery, contract
        self._rules = RowRules(rules, calendar=Calendar.of(contract))
        self._sent = SentText.of_file(contract, delivery.name)

    def read(self, first: int, last: int) -> Iterator[tuple[pa.Table, Refused]]:
        """The rows that begin in a range of bytes, block by block: the usable ones and their lines, and the others."""
        before = 0
        for text in blocks(self._delivery.path, first, last):
            rows, refused = self._judged(text)
            if rows.num_rows and before:
                at = rows.schema.get_field_index(LINE)
                rows = rows.set_column(at, LINE, pc.add(rows.column(LINE), before))
            before += refused.lines
            yield rows, refused

    def _judged(self, text: bytes) -> tuple[pa.Table, Refused]:
        refused = Refused(_n_lines(text))
        block = read_block(text, self._delivery, self._contract.contact_id.source)
        if block is None:
            return pa.table({}), refused
        columns, changed = self._sent.columns(block.columns)
        verdict = self._rules.judge(columns, block.misfits)
        lines = _lines_of_rows(text, refused.lines, len(verdict.is_kept))
        refused.mapped.update({name: int(rows.sum()) for name, rows in changed.items()})
        refused.n_rows = int((~verdict.is_kept).sum())
        if refused.n_rows:
            is_shown = ~verdict.is_kept & (np.cumsum(~verdict.is_kept) <= SHOWN_REJECTIONS)
            reasons = {row: [sentence for _, sentence in of_row] for row, of_row in verdict.reasons(is_shown).items()}
            reasons |= {row: [sentence] for row, (_, sentence, _) in block.misfits.items() if is_shown[row]}
            refused.shown = [(int(lines[row]), "; ".join(reasons[row])) for row in sorted(reasons)]
        return self._usable(verdict, block.identifiers, lines), refused

    def _usable(self, verdict: RowVerdicts, identifiers: pa.StringArray, lines: IntArray) -> pa.Table:
        kept, contract = verdict.is_kept, self._contract
        rows = {
            ID: identifiers.filter(pa.array(kept)),
            DAY: pa.array(verdict.typed(contract.contact_date.source)[kept], pa.date32()),
            LINE: pa.array(lines[kept]),
        }
        rows |= {column.source: _plain(verdict, column, kept) for column in contract.payload}
        if CUSTOMER_ID in contract.identifiers:
            rows[CUSTOMER_ID] = _plain(verdict, contract.customer_id, kept)
        return pa.table(rows)


def _plain(verdict: RowVerdicts, column: Column, rows: BoolArray) -> pa.Array:
    """Values of some rows as models take them: numbers as floats, everything else as text."""
    encoded = verdict.columns[column.source]
    codes = encoded.codes[rows]
    if column.is_number:
        return pa.array(verdict.values[column.source].typed.astype(np.float64)[codes])
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(list(encoded.texts), pa.string()))


def _n_lines(text: bytes) -> int:
    ends = text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
    return ends + (not text.endswith((b"\n", b"\r")))


def _lines_of_rows(text: bytes, n_lines: int, n_rows: int) -> IntArray:
    """Line of each row in a block, from 0; blank lines are no rows."""
    if n_lines == n_rows:
        return np.arange(n_rows)
    return np.flatnonzero([not is_blank(line) for line in text.splitlines()])


def frame_of(rows: pa.Table) -> dict[str, NDArray[Any]]:
    """The payload of usable rows and `customer_id`, as columns (n,): numbers as floats, everything else as objects."""
    frame = {}
    for name in rows.column_names:
        if name in {ID, DAY, LINE}:
            continue
        column = rows.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.unify_dictionaries().combine_chunks()
            texts = np.array(column.dictionary.to_pylist(), dtype=object)
            frame[name] = texts[column.indices.to_numpy()]
        else:
            frame[name] = column.to_numpy()
    return frame


def is_first(ids: pa.Array | pa.ChunkedArray) -> BoolArray:
    """Whether each id is named for the first time, (n,)."""
    codes = pc.dictionary_encode(ids)
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    numbers = codes.indices.to_numpy()  # given in the order of the first appearance
    return np.diff(np.maximum.accumulate(numbers), prepend=-1) > 0


def refusals(
    delivery: Delivery, contract: Contract, refused: Refused, repeated: Sequence[int]
) -> tuple[tuple[str, ...], int]:
    """The first refused rows by line and reason, and how many there are; `repeated` are lines from 0."""
    again = f"{contract.contact_id.source}: expected once in a campaign, found again"
    found = sorted([*refused.shown, *((line, again) for line in sorted(repeated)[:SHOWN_REJECTIONS])])
    first = head_of(delivery.path).line + 1 if found else 0
    shown = tuple(f"line {first + line}: {reasons}" for line, reasons in found[:SHOWN_REJECTIONS])
    return shown, refused.n_rows + len(repeated)


def read_campaign(delivery: Delivery, contract: Contract) -> Campaign:
    """Read and check a campaign file into memory."""
    tables, refused = [], Refused()
    for rows, of_block in ListReader(delivery, contract).read(0, delivery.path.stat().st_size):
        if rows.num_rows:
            tables.append(rows)
        refused.add(of_block)
    if not tables:
        rejected, n_rejected = refusals(delivery, contract, refused, ())
        nothing = np.array([], dtype=object)
        mapped = dict(refused.mapped)
        return Campaign(campaign_of(delivery.name), delivery.sha256, nothing, nothing, {}, rejected, n_rejected, mapped)
    rows = pa.concat_tables(tables)
    kept = is_first(rows.column(ID))
    rejected, n_rejected = refusals(delivery, contract, refused, rows.column(LINE).to_numpy()[~kept].tolist())
    if not kept.all():
        rows = rows.filter(pa.array(kept))
    return Campaign(
        campaign_of(delivery.name),
        delivery.sha256,
        rows.column(ID).to_numpy(zero_copy_only=False),
        rows.column(DAY).to_numpy(),
        frame_of(rows),
        rejected,
        n_rejected,
        dict(refused.mapped),
    )
