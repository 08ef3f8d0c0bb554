"""The ETL of a range of months: from delivered text to three monthly tables and the proof that no row was lost.

Spark divides the bytes of the deliveries into tasks. A task reads its lines block by block, judges them by the rules of
the contract, and writes Parquet files of its own. No row passes through the driver or the JVM, and nothing is shuffled.
Then one task per month, which sees the hashes of all its keys, rewrites files with repeated contacts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bank_assets.contract.columns import is_text_encoding
from bank_assets.contract.contract import Contract
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.landing.register import Delivery, manifest_of, month_digest
from bank_assets.spark.intake import Facts, IntakeTask, tasks_of
from bank_assets.spark.month_files import WrittenFile
from bank_assets.spark.repeats import MonthPart, Settled, settle_month
from bank_assets.spark.tables import TABLES, Family
from bank_assets.store.derivations import Derived, fingerprint
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REJECTED, contract_setting
from bank_assets.store.places import Place, remove_tree
from bank_assets.store.warehouse import Warehouse

# In a delivery, fewer rows that another one of the same contact replaced are a series of corrections.
FEWEST_COLLAPSED: Final = 10
# Facts of a month that are counted by name.
COUNTED: Final = ("usable", "violations", "contradictions", "empty", "values", "mapped")
CODE_VERSION: Final = "1"  # part of the fingerprint of every month: change it when the same input gives different rows


class DeliveryReadError(ValueError):
    """A registered delivery cannot be read; the message says what was expected and what was found."""


class EtlError(RuntimeError):
    """The tables could not be written; nothing was committed."""


@dataclass(frozen=True, slots=True)
class Conservation:
    """Where the rows of one kind of deliveries went, in one month.

    Attributes:
        rows_in: rows the register counted in the delivered bytes.
        superseded: usable rows that a later arrival replaced, identical ones included.
        identical: superseded rows with the same content as the one that replaced them.
        withdrawn: rows of contacts that were taken back.
        codes: broken rules and how many rows broke each.
        mapped: columns and the rows whose text a sender's mapping changed.
    """

    rows_in: int = 0
    rows_out: int = 0
    rejected: int = 0
    superseded: int = 0
    identical: int = 0
    withdrawn: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    mapped: dict[str, int] = field(default_factory=dict)

    @property
    def is_conserved(self) -> bool:
        """Whether every row is accounted for exactly once."""
        return self.rows_in == self.rows_out + self.rejected + self.superseded + self.withdrawn


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


def month_fingerprint(warehouse: Path, month: str, contract: Contract) -> str:
    """Fingerprint of a month's tables: its deliveries, the contract and the code."""
    inputs = {kind: month_digest(manifest_of(warehouse, [month], kind)) for kind in ("contacts", "outcomes")}
    return fingerprint(inputs=inputs, code_version=CODE_VERSION, settings=contract_setting(contract))


def month_tables(store: Warehouse, warehouse: Path, month: str, contract: Contract) -> dict[str, Derived]:
    """The tables of a month by name."""
    made_from = month_fingerprint(warehouse, month, contract)
    return {table: Derived(store, table, month, made_from) for table in TABLES}


def build_tables(
    session: SparkSession,
    months: Sequence[str],
    staging: Mapping[str, Place],
    *,
    contract: Contract,
    contact_files: Sequence[Delivery],
    outcome_files: Sequence[Delivery] = (),
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
    counts = {
        work.family.table: {month: found for month in months if (found := work.conservation(month)) != Conservation()}
        for work in works
    }
    files: dict[str, dict[str, tuple[str, ...]]] = {table: {} for table in TABLES}
    for file in sorted((file for work in works for file in work.written), key=attrgetter("name")):
        of_table = files[file.table]
        of_table[file.month] = (*of_table.get(file.month, ()), file.name)
    return EtlResult(
        files,
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
        files: Sequence[Delivery],
        months: Sequence[str],
        staging: dict[str, Place],
    ) -> None:
        _check_files(files)
        self.family, self.written = family, list[WrittenFile]()
        self._session, self._files, self._months = session, files, months
        self._folders, self._scratch = staging, staging[REJECTED] / f"_{family.table}"
        self._settled: dict[str, Settled] = {}
        self._facts: dict[str, dict[str, Any]] = defaultdict(
            lambda: {"rows": 0, "rejected": 0, "withdrawn": 0} | {name: {} for name in COUNTED}
        )

    def run(self) -> None:
        """Write the files of this family."""
        context, family, folders, scratch = self._session.sparkContext, self.family, self._folders, self._scratch
        months = self._months
        tasks = tasks_of(self._files, parallelism=context.defaultParallelism)
        scratch.mkdir(parents=True)
        made = context.parallelize(tasks, len(tasks)).map(
            lambda one: IntakeTask(family, folders, scratch, months).run(one)
        )
        parts: dict[str, list[MonthPart]] = defaultdict(list)
        facts: Facts = Counter()
        for result in made.collect():
            facts.update(result.facts)
            self.written += result.rejected
            for month, part in result.parts.items():
                parts[month].append(part)
                self.written += part.files.values()
        for (month, fact, name, category), count in sorted(facts.items()):
            of_month = self._facts[month]
            if not name:
                of_month[fact] = count
            elif not category:
                of_month[fact][name] = count
            else:
                of_month[fact].setdefault(name, {})[category] = count
        self._settle(parts)
        remove_tree(scratch)

    def _settle(self, parts: dict[str, list[MonthPart]]) -> None:
        """Keep the last row of every key; months are settled in parallel."""
        context, family, folders = self._session.sparkContext, self.family, self._folders
        if parts:
            of_months = context.parallelize(sorted(parts.items()), min(len(parts), 4 * context.defaultParallelism))
            self._settled = dict(of_months.mapValues(lambda one: settle_month(family, one, folders)).collect())
        removed = {file for settled in self._settled.values() for file in settled.removed}
        self.written = [file for file in self.written if file not in removed]
        self.written += [file for settled in self._settled.values() for file in settled.written]
        for file in removed:
            (folders[file.table] / file.name).unlink()

    def profile(self, month: str) -> MonthProfile:
        """The deliveries of a month before any row is left out."""
        settled, facts = self._settled.get(month, Settled()), dict(self._facts[month])
        usable, _, _ = facts.pop("usable"), facts.pop("mapped"), facts.pop("withdrawn")
        collapsed = [n / usable[str(arrival)] for arrival, n in settled.collapsed.items() if n >= FEWEST_COLLAPSED]
        return MonthProfile(
            month,
            contacts=_rows(self.written, self.family.table, month),
            uncorrected=facts.pop("rejected") - settled.corrected,
            superseded=settled.superseded,
            most_rows_of_a_contact=settled.most_rows_of_a_key,
            collapsed_share=max(collapsed, default=0.0),
            **facts,
        )

    def conservation(self, month: str) -> Conservation:
        """Where the rows of a month went: delivered by the register's count, the rest by the counts of the files."""
        settled = self._settled.get(month, Settled())
        return Conservation(
            rows_in=sum(file.months.get(month, 0) for file in self._files),
            rows_out=_rows(self.written, self.family.table, month),
            rejected=_rows(self.written, REJECTED, month),
            superseded=settled.superseded,
            identical=settled.identical,
            withdrawn=self._facts[month]["withdrawn"],
            codes=self._facts[month]["violations"],
            mapped=self._facts[month]["mapped"],
        )


def _check_files(files: Sequence[Delivery]) -> None:
    """Raise `DeliveryReadError` if a file is missing or repeated, or its encoding is unknown."""
    missing = [str(file.path) for file in files if not file.path.is_file()]
    if missing:
        raise DeliveryReadError(
            f"raw objects: expected {len(files)} files, found {len(missing)} missing, first {missing[0]}; "
            f"restore them from a backup, the register still lists them."
        )
    if len({file.sha256 for file in files}) < len(files):
        raise DeliveryReadError("deliveries: expected each content once, at its last arrival, found one twice.")
    for file in files:
        if not is_text_encoding(file.encoding):
            raise DeliveryReadError(f"{file.path}: expected an encoding like utf-8 or cp1252, found {file.encoding!r}.")


def _rows(files: Iterable[WrittenFile], table: str, month: str) -> int:
    return sum(file.rows for file in files if (file.table, file.month) == (table, month))


def _explained(error: Exception) -> EtlError:
    """Say what is safe and what to do; the message of a Spark task is a page of stack trace."""
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text or "File too large" in text:
        return EtlError(
            "ETL: expected room for the new snapshot, found the disk or quota full; the previous snapshot is "
            "untouched. Free space where the tables are and run again."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    python = [line for line in lines if ("Error" in line or "Exception" in line) and not line.startswith("at ")]
    cause = python[-1] if python else lines[0] if lines else ""
    return EtlError(
        f"ETL: expected every Spark task to finish, found {cause[:300]}; the previous snapshot is untouched."
    )
