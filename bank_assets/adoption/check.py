"""Judges a file as if it had arrived, by the code that judges arrivals, without landing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import blocks, codec_of
from bank_assets.contract.rows import RowVerdicts
from bank_assets.contract.sent_text import SentText
from bank_assets.core.words import pct
from bank_assets.landing.delivery_file import check_first_line, describe
from bank_assets.landing.formats import unpack
from bank_assets.landing.header import check_header, delivery_kinds
from bank_assets.sources.undated import completed_head, completed_rows, is_undated, source_head
from bank_assets.spark.tables import Family
from bank_assets.spark.text_block import read_block
from bank_assets.store.lineage import CONTACTS

_RULES: Final = 20
_SENTENCES: Final = 3
_OF_BLOCK: Final = 100  # values of a block that may be among the most frequent of a file


@dataclass
class FileCheck:
    """What of a file does not fit a contract.

    Attributes:
        codes: rows that break each rule.
        sentences: how rows break a rule: sentences with their rows.
        repeated: rows that a later row of the same contact replaces.
        mapped: rows whose text the sender's mapping changes, by column.
    """

    n_rows: int = 0
    n_rejected: int = 0
    repeated: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    sentences: dict[str, Counter[str]] = field(default_factory=dict)
    mapped: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> Iterator[str]:
        """The findings in words."""
        for code, n_rows in self.codes.most_common(_RULES):
            yield f"{code}: {n_rows:,} of {self.n_rows:,} rows"
            for sentence, count in self.sentences[code].most_common(_SENTENCES):
                yield f"  {sentence} ({count:,} times)"
        if self.mapped:
            changed = ", ".join(f"{column} in {n_rows:,} rows" for column, n_rows in self.mapped.items())
            yield f"read by the sender's mapping: {changed}"
        if self.repeated:
            yield f"repeated: {self.repeated:,} rows have the contact id of a later row, which replaces them"
        if self.n_rejected:
            yield f"rejected: {self.n_rejected:,} of {self.n_rows:,} rows ({pct(self.n_rejected / self.n_rows)})"


def check_file(path: Path, contract: Contract) -> FileCheck:
    """Judge every row of a contacts file by a contract.

    Raises:
        DeliveryRefused: the landing would refuse the whole file.
        SourceError: the order of its rows should date them, and does not.
    """
    found, family, ids = FileCheck(), Family(contract, CONTACTS), list[pa.Array]()
    with TemporaryDirectory() as folder:
        text = unpack(path, Path(folder), SentText.of_file(contract, path.name))
        check_first_line(text, path.name)
        kind = delivery_kinds(contract)["contacts"]
        if is_undated(text, contract):  # landed with the ids and days that the order of its rows implies
            head = completed_head(source_head(text, contract), contract)
            check_header(head, kind, path.name)
            rows = [row for _, _, row in completed_rows(text, contract)]
            text.write_bytes(b"\n".join([head.text.encode(codec_of(head.encoding)), *rows]))
        file = describe(text, kind, name=path.name, arrival=0, now=datetime.now(UTC))
        for lines in blocks(text, 0, file.size_bytes):
            if (block := read_block(lines, file, family.identifier)) is None:
                continue
            verdict, changed = family.judge(block, file)
            found.n_rows += len(verdict.is_kept)
            found.n_rejected += int((~verdict.is_kept).sum())
            found.mapped.update({name: int(rows.sum()) for name, rows in changed.items()})
            found.codes.update({rule.code: int(rows.sum()) for rule, rows in verdict.broken.items()})
            found.codes.update(code for code, *_ in block.misfits.values())
            for code, sentence, n_rows in (*_said(verdict), *((*fault[:2], 1) for fault in block.misfits.values())):
                found.sentences.setdefault(code, Counter())[sentence] += n_rows
            ids.append(block.identifiers.filter(pa.array(verdict.is_kept)))
    found.repeated = found.n_rows - found.n_rejected - pc.count_distinct(pa.chunked_array(ids, pa.string())).as_py()
    return found


def _said(verdict: RowVerdicts) -> Iterator[tuple[str, str, int]]:
    """Code of each broken rule, a sentence for each of its most frequent values, and the rows with it."""
    for rule, is_broken in verdict.broken.items():
        rows = np.flatnonzero(is_broken)
        _, first, counts = np.unique(verdict.columns[rule.column].codes[rows], return_index=True, return_counts=True)
        for at in np.argsort(-counts, kind="stable")[:_OF_BLOCK].tolist():
            row = int(rows[first[at]])
            stated = verdict.text(rule.stated, row) if rule.stated else ""
            yield rule.code, rule.sentence(verdict.text(rule.column, row), stated), int(counts[at])
