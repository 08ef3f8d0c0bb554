"""The tasks of the ETL: each reads ranges of delivered bytes and writes Parquet files of its own, in one pass."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_assets.contract.column_rules import BoolArray
from bank_assets.contract.reading import blocks
from bank_assets.contract.rows import RowVerdicts
from bank_assets.core.drift.month_profile import OTHER
from bank_assets.landing.register import Delivery
from bank_assets.spark.month_files import MonthFiles, WrittenFile, month_number, month_text, runs_of
from bank_assets.spark.repeats import KEY_RECORD, MonthPart
from bank_assets.spark.tables import Family, contacts_of, outcomes_of, rejected_of
from bank_assets.spark.text_block import TextBlock, read_block
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REJECTED
from bank_assets.store.places import Place

ONE_TASK_BYTES: Final = 32 << 20  # up to this much text one task does all the work, so that a month is one file

TASK_BYTES: Final = 64 << 20  # text per task of larger inputs: some 600,000 rows

_DAY_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)

# Rows by month, by what is counted of them (a field of `MonthProfile`, `rejected`, `mapped`, `withdrawn`), by rule or
# column, by category.
Facts = Counter[tuple[str, str, str, str]]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The rows of a file that begin at `first` or later, and before `last` (offsets in bytes)."""

    file: Delivery
    first: int
    last: int


@dataclass(slots=True)
class TaskResult:
    """What one task wrote and counted."""

    parts: dict[str, MonthPart] = field(default_factory=dict)
    rejected: list[WrittenFile] = field(default_factory=list)
    facts: Facts = field(default_factory=Counter)


def tasks_of(files: Sequence[Delivery], *, parallelism: int) -> list[list[ByteRange]]:
    """Divide the bytes of some files into tasks of about equal size, in the order of arrival.

    Later rows replace earlier ones, so the order of tasks, and of rows within them, matters.
    """
    sizes = [(file, file.path.stat().st_size) for file in sorted(files, key=lambda file: file.arrival)]
    total = sum(size for _, size in sizes)
    n_tasks = 1 if total <= ONE_TASK_BYTES else max(parallelism, -(-total // TASK_BYTES))
    share = max(-(-total // n_tasks), 1)
    tasks: list[list[ByteRange]] = [[] for _ in range(n_tasks)]
    before = 0
    for file, size in sizes:
        first = 0
        while first < size:
            task = (before + first) // share
            last = min(size, (task + 1) * share - before)
            tasks[task].append(ByteRange(file, first, last))
            first = last
        before += size
    return [task for task in tasks if task]


class IntakeTask:
    """Reads, judges and writes the rows of one task; months that are not wanted are left to their own runs."""

    def __init__(self, family: Family, folders: dict[str, Place], scratch: Place, wanted: Sequence[str]) -> None:
        self._family, self._scratch, self._wanted = family, scratch, frozenset(wanted)
        self._wanted_numbers = [month_number(month) for month in wanted]
        self._files = MonthFiles(folders)
        self._keys: dict[str, list[NDArray[np.void]]] = {}
        self._facts: Facts = Counter()

    def run(self, ranges: Sequence[ByteRange]) -> TaskResult:
        """Do the work and say what was written."""
        try:
            for one in ranges:
                for text in blocks(one.file.path, one.first, one.last):
                    block = read_block(text, one.file, self._family.identifier)
                    if block is not None and one.file.without:
                        block = self._without(block, one.file)
                    if block is not None:
                        self._take(block, one.file)
            return self._result(self._files.finish())
        finally:
            self._files.close()

    def _without(self, block: TextBlock, file: Delivery) -> TextBlock | None:
        """The rows of contacts that were not taken back; the others are counted."""
        is_gone = pc.is_in(block.identifiers, pa.array(sorted(file.without))).to_numpy(zero_copy_only=False)
        if not is_gone.any():
            return block
        verdict, _ = self._family.judge(block.keep(is_gone), file)
        months = _counted(_months(self._family, verdict, file))
        found = {month: rows for month, _, rows in months if month in self._wanted}
        self._facts.update({(month, "withdrawn", "", ""): rows for month, rows in found.items()})
        return None if is_gone.all() else block.keep(~is_gone)

    def _take(self, block: TextBlock, file: Delivery) -> None:
        family = self._family
        verdict, changed = family.judge(block, file)
        months = _months(family, verdict, file)
        is_wanted = np.isin(months, self._wanted_numbers)
        if not is_wanted.any():
            return
        facts = _facts_of(verdict, family, months, block.misfits, file.arrival)
        for name, is_changed in changed.items():
            facts.update({(month, "mapped", name, ""): count for month, _, count in _counted(months[is_changed])})
        self._facts.update({fact: rows for fact, rows in facts.items() if fact[0] in self._wanted})
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
        keys["hash"] = _hashes(block.identifiers)
        if self._family.table == OUTCOMES:  # a contact may have outcomes of several days
            keys["hash"] ^= verdict.typed(self._family.date).astype(np.int64).astype(np.uint64) * _DAY_FACTOR
        keys["is_usable"], keys["has_outcome"] = verdict.is_kept, has_outcome
        named = is_wanted & verdict.is_given(self._family.identifier)
        order, of_rows = _by_month(months[named])
        keys = keys[named] if order is None else keys[named][order]
        for month, first, last in runs_of(of_rows):
            self._keys.setdefault(month_text(month), []).append(keys[first:last])

    def _result(self, files: list[WrittenFile]) -> TaskResult:
        result = TaskResult(rejected=[file for file in files if file.table == REJECTED], facts=self._facts)
        for month, keys in self._keys.items():
            path = self._scratch / f"{month}-{uuid.uuid4().hex}.npy"
            with path.open("wb") as stream:
                np.save(stream, np.concatenate(keys))
            of_month = {file.table: file for file in files if file.month == month and file.table != REJECTED}
            result.parts[month] = MonthPart(path, of_month)
        return result


def _facts_of(
    verdict: RowVerdicts,
    family: Family,
    months: NDArray[np.int64],
    misfits: Mapping[int, tuple[str, ...]],
    arrival: int,
) -> Facts:
    """Count a block of judged rows of one arrival, (n,) month numbers; misfits count by the code of their fault only.

    Only counts and categories of the contract leave a task, so nothing about a customer does.
    """
    found: Facts = Counter()
    counted = [("rows", "", months), ("rejected", "", months[~verdict.is_kept])]
    counted.append(("usable", str(arrival), months[verdict.is_kept]))
    counted += [("violations", rule.code, months[broken]) for rule, broken in verdict.broken.items()]
    if family.table == CONTACTS:
        counted += [("contradictions", code, months[rows]) for code, rows in verdict.contradictions(family.contract)]
    for fact, name, of_rows in counted:
        for month, _, count in _counted(of_rows):
            found[month, fact, name, ""] += count
    for row, (code, *_) in misfits.items():
        found[month_text(int(months[row])), "violations", code, ""] += 1
    fit: BoolArray | slice = slice(None)
    if misfits:
        fit = np.ones(len(months), dtype=bool)
        fit[list(misfits)] = False
    for column in family.columns:
        encoded = verdict.columns[column.source]
        if not column.categories and verdict.values[column.source].is_given.all():
            continue
        labels = ["", *column.categories, OTHER]
        label = {text: number for number, text in enumerate(labels)}
        codes = np.array([label.get(text, len(labels) - 1) for text in encoded.texts], dtype=np.int64)
        for month, text, count in _counted(months[fit], codes[encoded.codes][fit], labels):
            if not text or column.categories:
                found[month, "values" if text else "empty", column.source, text] += count
    return found


def _counted(
    months: NDArray[np.int64], codes: Any = 0, labels: Sequence[str] = ("",)
) -> Iterator[tuple[str, str, int]]:
    """Month, label and number of some rows; both arrays are (n,)."""
    if not len(months):
        return
    first = int(months.min())
    cells = np.bincount((months - first) * len(labels) + codes)
    for cell in np.flatnonzero(cells).tolist():
        month, label = divmod(cell, len(labels))
        yield month_text(first + month), labels[label], int(cells[cell])


def _hashes(texts: pa.StringArray) -> NDArray[np.uint64]:
    """64-bit hash of each text; different texts almost never collide."""
    return pd.util.hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)


def _months(family: Family, verdict: RowVerdicts, file: Delivery) -> NDArray[np.int64]:
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
