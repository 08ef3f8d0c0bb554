"""The ETL of a range of months: from delivered text to three monthly tables and the proof that no row was lost.

Spark divides the bytes of the deliveries into tasks. A task reads its lines block by block, judges them by the rules of
the contract, and writes Parquet files of its own. No row passes through the driver or the JVM, and nothing is shuffled.
Then one task per month, which sees the hashes of all its keys, rewrites files with repeated contacts.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bank_assets.contract.contract import Contract
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.spark.delivery import ByteRange, DeliveryReadError, RawFile, check_files, tasks_of
from bank_assets.spark.findings import Findings
from bank_assets.spark.intake import IntakeTask, TaskResult
from bank_assets.spark.month_files import WrittenFile, month_number
from bank_assets.spark.repeats import MonthPart, Settled, settle_month
from bank_assets.spark.tables import CONTACTS, OUTCOMES, REJECTED, TABLES, Family

CODE_VERSION: Final = "1"
"""Part of the fingerprint of every month: change it when the same input gives different rows."""


class EtlError(RuntimeError):
    """The tables could not be written; nothing was committed."""


@dataclass(frozen=True, slots=True)
class Conservation:
    """Where the rows of one kind of deliveries went, in one month.

    Attributes:
        rows_in: rows the register counted in the delivered bytes.
        superseded: usable rows that a later arrival replaced, identical ones included.
        identical: superseded rows with the same content as the one that replaced them.
        codes: broken rules and how many rows broke each.
    """

    rows_in: int = 0
    rows_out: int = 0
    rejected: int = 0
    superseded: int = 0
    identical: int = 0
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def is_conserved(self) -> bool:
        """Whether every row is accounted for exactly once."""
        return self.rows_in == self.rows_out + self.rejected + self.superseded

    @property
    def reject_rate(self) -> float:
        """Rejected rows as a share of rows read, in [0, 1]."""
        return self.rejected / self.rows_in if self.rows_in else 0.0


@dataclass(frozen=True, slots=True)
class EtlResult:
    """What was written, ready to be committed.

    Attributes:
        files: per table and month the Parquet files, relative to the table's staging folder.
        outcomes: per month of arrival, where the rows of outcomes deliveries went.
        profiles: what contacts deliveries looked like before a row was left out, for every month made.
    """

    files: dict[str, dict[str, tuple[str, ...]]]
    contacts: dict[str, Conservation]
    outcomes: dict[str, Conservation]
    profiles: dict[str, MonthProfile]


def build_tables(
    session: SparkSession,
    months: Sequence[str],
    staging: Mapping[str, Path],
    *,
    contract: Contract,
    contact_files: Sequence[RawFile],
    outcome_files: Sequence[RawFile] = (),
) -> EtlResult:
    """Make the tables of some months from every delivery that has rows in one of them.

    A month depends on its own deliveries only, so a single month and a range that includes it agree. Files go to a
    staging folder per table, which every task can reach; the caller commits or discards them. A month without rows has
    no files.

    Raises:
        DeliveryReadError: no delivery is given, or one is missing.
        EtlError: a task failed, as when the disk is full.
    """
    if not (*contact_files, *outcome_files):
        raise DeliveryReadError(f"deliveries of {', '.join(months)}: expected at least one file, found none.")
    works = [
        _Work(session, Family(contract, table), files, months, dict(staging))
        for table, files in ((CONTACTS, contact_files), (OUTCOMES, outcome_files))
        if files
    ]
    try:
        for work in works:
            work.run()
    except (PySparkException, Py4JJavaError) as error:
        raise _explained(error) from error
    counts = {work.family.table: work.conservation() for work in works}
    written = [file for work in works for file in work.written]
    return EtlResult(
        {table: _by_month(written, table) for table in TABLES},
        counts.get(CONTACTS, {}),
        counts.get(OUTCOMES, {}),
        {month: work.profile(month) for work in works if work.family.table == CONTACTS for month in months},
    )


class _Work:
    """One kind of deliveries on its way into the tables."""

    def __init__(
        self,
        session: SparkSession,
        family: Family,
        files: Sequence[RawFile],
        months: Sequence[str],
        staging: dict[str, Path],
    ) -> None:
        check_files(files)
        self.family, self.written = family, list[WrittenFile]()
        self._session, self._files, self._months = session, files, months
        self._folders, self._scratch = staging, staging[REJECTED] / f"_{family.table}"
        self._settled: dict[str, Settled] = {}
        self._findings: dict[str, Findings] = defaultdict(Findings)

    def run(self) -> None:
        """Write the files of this family."""
        context, family, folders, scratch = self._session.sparkContext, self.family, self._folders, self._scratch
        wanted = frozenset(map(month_number, self._months))
        tasks = tasks_of(self._files, parallelism=context.defaultParallelism)
        scratch.mkdir(parents=True)

        def write(ranges: Iterable[list[ByteRange]]) -> Iterable[TaskResult]:
            return (IntakeTask(family, folders, scratch, wanted).run(of_task) for of_task in ranges)

        results = context.parallelize(tasks, len(tasks)).mapPartitions(write).collect()
        parts: dict[str, list[MonthPart]] = defaultdict(list)
        for result in results:
            self.written += result.rejected
            for month, part in result.parts.items():
                parts[month].append(part)
                self.written += part.files.values()
            for month, findings in result.findings.items():
                self._findings[month].add(findings)
        self._settle(parts)
        shutil.rmtree(scratch, ignore_errors=True)

    def _settle(self, parts: dict[str, list[MonthPart]]) -> None:
        """Keep the last row of every key; months are settled in parallel."""
        context, family, folders = self._session.sparkContext, self.family, self._folders

        def settle(months: Iterable[tuple[str, list[MonthPart]]]) -> Iterable[tuple[str, Settled]]:
            return ((month, settle_month(family, of_month, folders)) for month, of_month in months)

        if parts:
            tasks = min(len(parts), 4 * context.defaultParallelism)
            self._settled = dict(context.parallelize(sorted(parts.items()), tasks).mapPartitions(settle).collect())
        removed = {(file.table, file.name) for settled in self._settled.values() for file in settled.removed}
        self.written = [file for file in self.written if (file.table, file.name) not in removed]
        self.written += [file for settled in self._settled.values() for file in settled.written]
        for table, name in removed:
            (folders[table] / name).unlink()

    def conservation(self) -> dict[str, Conservation]:
        """Where the rows went, by month: delivered by the register's count, the rest by the counts of the files."""
        return {month: counts for month in self._months if (counts := self._of_month(month)) != Conservation()}

    def profile(self, month: str) -> MonthProfile:
        """The deliveries of a month before any row is left out."""
        settled, findings = self._settled.get(month, Settled()), self._findings[month]
        return MonthProfile(
            month,
            rows=findings.rows,
            contacts=_rows(self.written, self.family.table, month),
            uncorrected=findings.rejected - settled.corrected,
            superseded=settled.superseded,
            most_rows_of_a_contact=settled.most_rows_of_a_key,
            violations=dict(sorted(findings.violations.items())),
            empty=dict(sorted(findings.empty.items())),
            values={name: dict(sorted(counts.items())) for name, counts in sorted(findings.values.items())},
        )

    def _of_month(self, month: str) -> Conservation:
        settled, findings = self._settled.get(month, Settled()), self._findings[month]
        return Conservation(
            rows_in=sum(file.months.get(month, 0) for file in self._files),
            rows_out=_rows(self.written, self.family.table, month),
            rejected=_rows(self.written, REJECTED, month),
            superseded=settled.superseded,
            identical=settled.identical,
            codes=dict(sorted(findings.violations.items())),
        )


def _rows(files: Iterable[WrittenFile], table: str, month: str) -> int:
    return sum(file.rows for file in files if (file.table, file.month) == (table, month))


def _by_month(files: Iterable[WrittenFile], table: str) -> dict[str, tuple[str, ...]]:
    names = sorted((file.month, file.name) for file in files if file.table == table)
    return {month: tuple(name for _, name in of_month) for month, of_month in groupby(names, key=itemgetter(0))}


def _explained(error: Exception) -> EtlError:
    """Say what is safe and what to do; the message of a Spark task is a page of stack trace."""
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text or "File too large" in text:
        return EtlError(
            "ETL: expected room for the new snapshot, found the disk or quota full; the previous snapshot is "
            "untouched. Free space under BANK_HOME and run again."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    python = [line for line in lines if ("Error" in line or "Exception" in line) and not line.startswith("at ")]
    cause = python[-1] if python else lines[0] if lines else ""
    return EtlError(
        f"ETL: expected every Spark task to finish, found {cause[:300]}; the previous snapshot is untouched."
    )
