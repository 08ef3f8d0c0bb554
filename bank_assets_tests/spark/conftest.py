"""Deliveries for the Spark tests, described by the register's own scan of their bytes."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import delivery_kinds
from bank_assets.landing.register import Delivery
from bank_assets.spark.etl import TABLES, EtlResult, build_tables
from bank_assets_tests.world.customers import delimited

ARRIVED = datetime(2010, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Built:
    """Tables of one ETL run, read back from the files it named."""

    result: EtlResult
    staging: dict[str, Path]

    def rows(self, table: str, month: str | None = None) -> list[dict]:
        months = self.result.files[table]
        names = [name for key, files in months.items() if month in (None, key) for name in files]
        parts = [pq.ParquetFile(self.staging[table] / name).read() for name in names]
        return pa.concat_tables(parts).to_pylist() if parts else []

    def one(self, table: str) -> dict:
        (row,) = self.rows(table)
        return row

    def by_id(self, table: str) -> dict[str, dict]:
        return {row["contact_id"]: row for row in self.rows(table)}


@pytest.fixture
def deliver(tmp_path: Path) -> Callable[..., Delivery]:
    """Store bytes or rows as a delivery; arrivals count up."""
    arrivals = itertools.count(1)

    def make(
        rows, *, kind: str = "contacts", delimiter: str = ";", columns=None, encoding: str = "utf-8", contract=UCI
    ) -> Delivery:
        if isinstance(rows, bytes):
            content = rows
        else:
            names = columns or (contract.delivery_columns if kind == "contacts" else contract.outcome_columns)
            content = delimited(rows, names, delimiter).encode(encoding)
        sha256 = hashlib.sha256(content).hexdigest()
        path = tmp_path / "objects" / f"{sha256}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        of = delivery_kinds(contract)[kind]
        return describe(path, of, name=path.name, arrival=next(arrivals), now=ARRIVED)

    return make


@pytest.fixture
def build(spark, tmp_path: Path) -> Callable[..., Built]:
    """Run the ETL of some months (default: all that were delivered) and assert that no row was lost."""
    runs = itertools.count()

    def run(contact_files=(), outcome_files=(), months=None) -> Built:
        staging = {table: tmp_path / f"run{next(runs)}" / table for table in TABLES}
        for folder in staging.values():
            folder.mkdir(parents=True)
        given = (*contact_files, *outcome_files)
        months = months or sorted({month for file in given for month in file.months})
        result = build_tables(
            spark, months, staging, contract=UCI, contact_files=contact_files, outcome_files=outcome_files
        )
        for family in (result.contacts, result.outcomes):
            for month, counts in family.items():
                assert counts.is_conserved, f"{month}: {counts}"
        return Built(result, staging)

    return run
