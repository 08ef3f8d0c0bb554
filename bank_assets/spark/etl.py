"""The ETL of a range of months: delivered text in, three monthly tables and the proof that no row was lost out.

What lives here: the order of the work, and the counts.
What must not: what the rows mean (`tables`, `rules`), how files are written (`fan_out`), the manifest
(`bank_assets.store.warehouse` commits).
Called by the assets `contacts`, `outcomes`, `rejected_contacts` and by `benchmarks/etl.py`.

All months of a range are one job. The text is parsed once, and rows stream from there into the files of all tables. No
row passes through the driver, and no row is shuffled but those of repeated contacts. Where several deliveries answer
for a month repetitions are likely, so they are looked for first, in two columns of the text. Else they are looked for
in the hashes that the pass leaves behind, and only if there are any is it run again.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bank_assets import contract
from bank_assets.spark import tables
from bank_assets.spark.delivery import DeliveryReadError, RawFile, read_deliveries
from bank_assets.spark.fan_out import MONTH, Output, WrittenFile, fan_out, month_number, month_text
from bank_assets.spark.session import size_shuffles
from bank_assets.spark.tables import CONTACTS, KEYS, OUTCOMES, REJECTED, UNUSABLE

CODE_VERSION: Final = "1"
"""Part of the fingerprint of every month: change it when the same input gives other rows."""

TABLES: Final = (CONTACTS, OUTCOMES, REJECTED)

ONE_TASK_BYTES: Final = 32 << 20
"""Delivered text up to which one task does it all, so that a month is one file; above, a task adds one at most."""

BROADCAST_KEYS: Final = 200_000
"""Up to so many repeated keys, a copy at every task beats a shuffle; more are left to Spark's own judgement."""


class EtlError(RuntimeError):
    """The tables of a range could not be written; nothing was committed."""


@dataclass(frozen=True, slots=True)
class Conservation:
    """Where the rows of one family of deliveries went, in one month.

    Attributes:
        rows_in: rows the register counted in the delivered bytes.
        rows_out: rows in the written files of `contacts` or `outcomes`.
        rejected: rows in the written files of `rejected_contacts`.
        superseded: usable rows that a later arrival replaced, identical ones included.
        identical: superseded rows that said the same as the one that replaced them.
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
        """Whether every row went exactly one way."""
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
        contacts: per month, where the rows of contacts deliveries went.
        outcomes: per month of arrival, where the rows of outcomes deliveries went.
    """

    files: dict[str, dict[str, tuple[str, ...]]]
    contacts: dict[str, Conservation]
    outcomes: dict[str, Conservation]


@dataclass(frozen=True, slots=True)
class _Family:
    """One family of deliveries: its header, what identifies its rows, how they are judged and where they go."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    table: str
    table_key: tuple[str, ...]
    outputs: Callable[[], tuple[Output, ...]]
    judge: Callable[[DataFrame], DataFrame]
    reject: Callable[[DataFrame], DataFrame]


_CONTACTS: Final = _Family(
    contract.DELIVERY_COLUMNS,
    tables.CONTACT_KEY,
    CONTACTS,
    ("contact_id",),
    tables.contact_outputs,
    tables.judge_contacts,
    tables.rejected_contacts,
)
_OUTCOMES: Final = _Family(
    contract.OUTCOME_COLUMNS,
    tables.OUTCOME_KEY,
    OUTCOMES,
    ("contact_id", tables.ARRIVED_ON),
    tables.outcome_outputs,
    tables.judge_outcomes,
    tables.rejected_outcomes,
)


def build_tables(
    session: SparkSession,
    months: Sequence[str],
    staging: Mapping[str, Path],
    *,
    contact_files: Sequence[RawFile],
    outcome_files: Sequence[RawFile] = (),
) -> EtlResult:
    """Make the tables of a range of months from every delivery that answers for one of them.

    A month's result depends on its own deliveries alone, so a single month and a range that holds it agree.

    Args:
        session: the Spark session.
        months: months to make, `YYYY-MM`; rows of others in the same files are left to their own runs.
        staging: an empty folder per table of `TABLES`, reachable from every task; the caller commits or discards it.
        contact_files: contacts deliveries of these months.
        outcome_files: outcomes deliveries that arrived in these months.

    Returns:
        Files and counts. A month without rows has no files. Nothing is visible before the caller commits it.

    Raises:
        DeliveryReadError: no delivery is given, or one is missing.
        EtlError: a task failed, as when the disk is full.
    """
    given = (*contact_files, *outcome_files)
    if not given:
        raise DeliveryReadError(f"deliveries of {', '.join(months)}: expected at least one file, found none.")
    input_bytes = sum(file.path.stat().st_size for file in given if file.path.is_file())
    size_shuffles(session, input_bytes)
    written: list[WrittenFile] = []
    counts: dict[str, dict[str, Conservation]] = {CONTACTS: {}, OUTCOMES: {}}
    try:
        for family, files in ((_CONTACTS, contact_files), (_OUTCOMES, outcome_files)):
            if files:
                work = _Work(session, family, files, months, staging, one_task=input_bytes <= ONE_TASK_BYTES)
                written += work.run()
                counts[family.table] = work.conservation()
    except PySparkException as error:
        raise _explained(error) from error
    return EtlResult({table: _by_month(written, table) for table in TABLES}, counts[CONTACTS], counts[OUTCOMES])


class _Work:
    """One family of deliveries on its way into the tables."""

    def __init__(
        self,
        session: SparkSession,
        family: _Family,
        files: Sequence[RawFile],
        months: Sequence[str],
        staging: Mapping[str, Path],
        *,
        one_task: bool,
    ) -> None:
        self._session, self._family, self._files = session, family, files
        self._months, self._staging, self._one_task = months, staging, one_task
        self._superseded: dict[str, tuple[int, int]] = {}
        self._codes: dict[str, dict[str, int]] = {}
        self._written: list[WrittenFile] = []

    def run(self) -> list[WrittenFile]:
        """Judge, choose and write; returns the files of this family."""
        delivered = read_deliveries(self._session, self._files, self._family.columns)
        key = tables.key_hash(self._family.key, self._family.columns).alias(tables.KEY)
        repeated = self._repeated(delivered.select(key)) if self._may_overlap() else None
        written = self._pass(delivered, repeated)
        if repeated is None and not self._may_overlap():
            keys = self._session.read.schema(f"{tables.KEY} long").parquet(str(self._scratch(KEYS)))
            repeated = self._repeated(keys) if any(file.table == KEYS for file in written) else None
            if repeated is not None:
                for file in written:
                    (self._folders()[file.table] / file.name).unlink()
                written = self._pass(delivered, repeated)
        self._written = [file for file in written if file.table in TABLES]
        if any(file.table == UNUSABLE for file in written):
            self._written += self._quarantine()
        shutil.rmtree(self._scratch(), ignore_errors=True)
        return self._written

    def _may_overlap(self) -> bool:
        """Whether a month has several deliveries, as after a correction."""
        months = Counter(month for file in self._files for month in file.months if month in self._months)
        return any(count > 1 for count in months.values())

    def _scratch(self, table: str = "") -> Path:
        return self._staging[REJECTED] / f"_{self._family.table}" / table

    def _folders(self) -> dict[str, Path]:
        return {**self._staging, UNUSABLE: self._scratch(UNUSABLE), KEYS: self._scratch(KEYS)}

    def _repeated(self, keys: DataFrame) -> DataFrame | None:
        """The repeated keys, or None."""
        repeated = tables.repeated_keys(keys).persist(StorageLevel.DISK_ONLY)
        n_repeated = repeated.count()
        if not n_repeated:
            repeated.unpersist()
            return None
        return f.broadcast(repeated) if n_repeated <= BROADCAST_KEYS else repeated

    def _pass(self, delivered: DataFrame, repeated: DataFrame | None) -> list[WrittenFile]:
        """One pass over the text into all files."""
        judged, ranked = self._in_range(self._family.judge(delivered)), None
        if repeated is not None:
            judged, ranked = self._without_replaced(judged, repeated)
        frame = judged.coalesce(1) if self._one_task else judged
        written = fan_out(frame, self._family.outputs(), self._folders())
        if ranked is not None:
            ranked.unpersist()
        return written

    def _without_replaced(self, judged: DataFrame, repeated: DataFrame) -> tuple[DataFrame, DataFrame]:
        """The rows that go somewhere: all but the replaced ones, which are counted; and the cached part of them."""
        again = judged.join(repeated, tables.KEY, "left_semi")
        ranked = tables.rank_repeated(again, self._family.table_key).persist(StorageLevel.DISK_ONLY)
        same = f.sum(f.col(tables.IS_IDENTICAL).cast("int"))
        replaced = ranked.where(f"{tables.PLACE} > 1").groupBy(MONTH).agg(f.count("*").alias("n"), same.alias("same"))
        for row in replaced.collect():
            self._superseded[month_text(row[MONTH])] = (int(row.n), int(row.same))
        latest = ranked.where(f"{tables.PLACE} is null or {tables.PLACE} = 1")
        return judged.join(repeated, tables.KEY, "left_anti").unionByName(latest.select(*judged.columns)), ranked

    def _in_range(self, judged: DataFrame) -> DataFrame:
        return judged.where(f.col(MONTH).isin(*map(month_number, self._months)))

    def _quarantine(self) -> list[WrittenFile]:
        """Put the reasons of the rejected rows into words, count them by month and rule, and write them."""
        unusable = self._session.read.schema(f"{tables.RAW} string, {MONTH} string")
        rejected = self._family.reject(unusable.parquet(str(self._scratch(UNUSABLE))))
        codes = rejected.select(MONTH, f.explode("codes").alias("code")).groupBy(MONTH, "code").count()
        for row in codes.orderBy(MONTH, "code").collect():
            self._codes.setdefault(month_text(row[MONTH]), {})[row.code] = int(row["count"])
        return fan_out(rejected.coalesce(1), [tables.rejected_output()], self._staging)

    def conservation(self) -> dict[str, Conservation]:
        """Where the rows went, by month: delivered by the register's count, the rest by the files' own counts."""
        return {month: counts for month in self._months if (counts := self._of_month(month)) != Conservation()}

    def _of_month(self, month: str) -> Conservation:
        superseded, identical = self._superseded.get(month, (0, 0))
        return Conservation(
            rows_in=sum(file.months.get(month, 0) for file in self._files),
            rows_out=_rows(self._written, self._family.table, month),
            rejected=_rows(self._written, REJECTED, month),
            superseded=superseded,
            identical=identical,
            codes=self._codes.get(month, {}),
        )


def _rows(files: Iterable[WrittenFile], table: str, month: str) -> int:
    return sum(file.rows for file in files if (file.table, file.month) == (table, month))


def _by_month(files: Iterable[WrittenFile], table: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for file in files:
        if file.table == table:
            found.setdefault(file.month, []).append(file.name)
    return {month: tuple(sorted(found[month])) for month in sorted(found)}


def _explained(error: PySparkException) -> EtlError:
    """Say what is safe and what to do; the message of a Spark task is a page of stack."""
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text or "File too large" in text:
        return EtlError(
            "ETL: expected room for the new snapshot, found the disk or quota full; the previous snapshot is "
            "untouched. Free space under BANK_HOME and run again."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    cause = next(
        (line for line in reversed(lines) if "Error" in line or "Exception" in line), lines[0] if lines else ""
    )
    return EtlError(
        f"ETL: expected every Spark task to finish, found {cause[:300]}; the previous snapshot is untouched."
    )
