"""One task of the ETL: reads ranges of delivered bytes and writes Parquet files of its own, in one pass."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bank_assets.contract.reading import blocks
from bank_assets.contract.rows import BoolArray, Encoded, RowVerdicts
from bank_assets.spark.delivery import ByteRange, RawFile
from bank_assets.spark.findings import Findings, count_block
from bank_assets.spark.month_files import MonthFiles, WrittenFile, month_number, month_text, runs_of
from bank_assets.spark.repeats import KEY_RECORD, MonthPart
from bank_assets.spark.tables import CONTACTS, OUTCOMES, REJECTED, Family, contacts_of, outcomes_of, rejected_of
from bank_assets.spark.text_block import TextBlock, read_block, text_hashes

_DAY_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True)
class TaskResult:
    """What one task wrote and counted."""

    parts: dict[str, MonthPart] = field(default_factory=dict)
    rejected: list[WrittenFile] = field(default_factory=list)
    findings: dict[str, Findings] = field(default_factory=dict)


class IntakeTask:
    """Reads, judges and writes the rows of one task; months that are not wanted are left to their own runs."""

    def __init__(self, family: Family, folders: dict[str, Path], scratch: Path, wanted: frozenset[int]) -> None:
        self._family, self._scratch = family, scratch
        self._wanted = np.array(sorted(wanted))
        self._files = MonthFiles(folders)
        self._keys: dict[str, list[NDArray[np.void]]] = {}
        self._findings: dict[str, Findings] = {}

    def run(self, ranges: Sequence[ByteRange]) -> TaskResult:
        """Do the work and say what was written."""
        try:
            for one in ranges:
                for _, text in blocks(one.file.path, one.first, one.last):
                    block = read_block(text, one.file, self._family.identifier)
                    if block is not None:
                        self._take(block, one.file)
            return self._result(self._files.finish())
        finally:
            self._files.close()

    def _take(self, block: TextBlock, file: RawFile) -> None:
        family = self._family
        columns = block.columns
        for column in family.columns:
            if column.is_optional and column.source not in columns:  # the file is older than the column
                nowhere = np.zeros(len(block.identifiers), dtype=np.int8)
                columns[column.source] = Encoded(nowhere, (str(column.default),))
        verdict = family.rules(file).judge(columns, block.is_misfit)
        months = _months(family, verdict, file)
        is_wanted = np.isin(months, self._wanted)
        if not is_wanted.any():
            return
        for month, findings in count_block(verdict, family.columns, months, block.misfits).items():
            if month_number(month) in self._wanted:
                self._findings.setdefault(month, Findings()).add(findings)
        usable, rejected = verdict.is_kept & is_wanted, ~verdict.is_kept & is_wanted
        has_outcome = usable
        if family.table == CONTACTS:
            is_known = np.logical_or.reduce([verdict.is_given(column.source) for column in family.outcome])
            has_outcome = usable & is_known
            self._add(CONTACTS, months, usable, contacts_of(family, verdict, block, file, usable))
        if has_outcome.any():
            self._add(OUTCOMES, months, has_outcome, outcomes_of(family, verdict, block, file, has_outcome))
        if rejected.any():
            rows = rejected_of(family, verdict, block, file, np.flatnonzero(rejected).tolist())
            self._add(REJECTED, months, rejected, rows)
        self._remember(verdict, block, months, is_wanted, has_outcome)

    def _add(self, table: str, months: NDArray[np.int64], rows: BoolArray, content: pa.Table) -> None:
        """Add rows to the files of their months, in the order of the delivery within each month."""
        if content.num_rows:
            order, of_rows = _by_month(months[rows])
            self._files.add(table, of_rows, content if order is None else content.take(pa.array(order)))

    def _remember(
        self,
        verdict: RowVerdicts,
        block: TextBlock,
        months: NDArray[np.int64],
        is_wanted: BoolArray,
        has_outcome: BoolArray,
    ) -> None:
        """Keep the keys of all rows that name a contact, in the order of their month's rows."""
        keys = np.empty(len(months), dtype=KEY_RECORD)
        keys["hash"] = text_hashes(block.identifiers)
        if self._family.table == OUTCOMES:  # a contact may have outcomes of several days
            keys["hash"] ^= verdict.typed(self._family.date).astype(np.int64).astype(np.uint64) * _DAY_FACTOR
        keys["is_usable"], keys["has_outcome"] = verdict.is_kept, has_outcome
        named = is_wanted & verdict.is_given(self._family.identifier)
        order, of_rows = _by_month(months[named])
        keys = keys[named] if order is None else keys[named][order]
        for month, first, last in runs_of(of_rows):
            self._keys.setdefault(month_text(month), []).append(keys[first:last])

    def _result(self, files: list[WrittenFile]) -> TaskResult:
        result = TaskResult(rejected=[file for file in files if file.table == REJECTED], findings=self._findings)
        for month, keys in self._keys.items():
            path = self._scratch / f"{month}-{uuid.uuid4().hex}.npy"
            np.save(path, np.concatenate(keys))
            of_month = {file.table: file for file in files if file.month == month and file.table != REJECTED}
            result.parts[month] = MonthPart(path, of_month)
        return result


def _months(family: Family, verdict: RowVerdicts, file: RawFile) -> NDArray[np.int64]:
    """Month number of every row: that of its day, or else the delivery's home month."""
    values, codes = verdict.values[family.date], verdict.columns[family.date].codes
    numbers = values.typed.astype("datetime64[M]").astype(np.int64) + month_number("1970-01")
    return np.asarray(np.where(values.is_read, numbers, month_number(file.home_month))[codes])


def _by_month(months: NDArray[np.int64]) -> tuple[NDArray[np.intp] | None, NDArray[np.int64]]:
    """The order that brings rows of a month together (None if they are already), and the months in this order."""
    if not len(months) or (np.diff(months) >= 0).all():
        return None, months
    order = np.argsort(months, kind="stable")
    return order, months[order]
