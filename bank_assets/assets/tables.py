"""Stage tables: typed Parquet tables from raw deliveries, made by Spark in one pass for all months of a run.

This module chooses the months that need work and commits the tables. `spark.etl` does the transformation.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from bank_assets.assets.materialization import OWNERS, discarding, months_of, reported
from bank_assets.contract.contract import Contract
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.landing.raw_objects import in_lake
from bank_assets.landing.register import manifest_of
from bank_assets.partitions import key_of, months
from bank_assets.resources.spark import SparkResource
from bank_assets.settings import Settings
from bank_assets.spark.etl import CODE_VERSION, TABLES, Conservation, EtlResult, build_tables, month_tables
from bank_assets.store.derivations import Derived, stale
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REJECTED
from bank_assets.store.warehouse import Entry, StagedEntry, Warehouse

DESCRIPTIONS = {
    CONTACTS: "One row per contact: what was known before the call, typed, with explicit sentinels.\n\n"
    "Reads: raw_contacts. Writes: Parquet, one snapshot for all months of a run.\n"
    "Guarantees: rows in = rows out + rejected + superseded; a killed run leaves the old snapshot.\n"
    "Fails when: Spark or the disk fails; bad rows never fail it, they are quarantined with reasons.",
    OUTCOMES: "One row per arrival of an outcome: subscribed or not, length of the call, and the day it arrived.\n\n"
    "Reads: raw_contacts. Writes: Parquet by month of arrival. History is kept; readers take the latest.",
    REJECTED: "Delivered rows that cannot be used, with every reason and their original text.\n\n"
    "Reads: raw_contacts. Writes: Parquet. Nothing delivered is lost.",
}

_IF_ANY = ("mapped", "withdrawn")  # counts that are stored only where there are some


def _spec(table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table,
        deps=["raw_contacts"],
        description=DESCRIPTIONS[table],
        kinds={"parquet", "spark"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        partitions_def=months,
        tags={"bank/pii": "yes"},
    )


@dg.multi_asset(
    name="tables",
    specs=[_spec(table) for table in TABLES],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="spark",
)
def tables(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
) -> Any:
    """Typed Parquet tables of the run's months, made in one Spark pass."""
    started, requested = time.monotonic(), months_of(context)
    wanted = {month: month_tables(warehouse, settings.warehouse, month, settings.contract) for month in requested}
    due = {month: derived for month, derived in wanted.items() if stale(derived)}
    if due:
        make_months(warehouse, spark, settings.warehouse, due, settings.contract)
        context.log.info("made %d of %d months", len(due), len(requested))
    facts = reported(started, 0, is_unchanged=not due)  # before Dagster writes one event per table and month
    facts |= {"months": len(requested), "months_made": len(due)}
    for table in TABLES:
        stored = warehouse.manifest(table)
        for month in requested:
            shown = {"unchanged": month not in due, **_counts(stored[month])}
            context.add_asset_metadata(shown, asset_key=table, partition_key=key_of(month))
        digests = "".join(stored[month].digest for month in requested)
        yield dg.MaterializeResult(
            asset_key=table,
            data_version=dg.DataVersion(hashlib.sha256(digests.encode()).hexdigest()),
            metadata={**facts, "dagster/row_count": sum(stored[month].rows for month in requested)},
        )


def _counts(entry: Entry) -> dict[str, int]:
    stored = entry.metadata.get("contacts", {})
    counts = {name: stored.get(name) for name in ("rows_in", "rejected", "superseded", "withdrawn")}
    counts |= {f"mapped/{column}": rows for column, rows in stored.get("mapped", {}).items()}
    known = {name: int(count) for name, count in counts.items() if count is not None}
    return {"dagster/partition_row_count": entry.rows, **known}


def make_months(
    store: Warehouse,
    spark: SparkResource,
    warehouse: Path,
    due: Mapping[str, Mapping[str, Derived]],
    contract: Contract,
) -> None:
    """Run the ETL for some months and commit all three tables.

    `rejected_contacts` is committed first and `contacts` last: a reader who finds contacts also finds the other two.
    """
    files = {kind: in_lake(store.root, manifest_of(warehouse, list(due), kind)) for kind in ("contacts", "outcomes")}
    staged = {table: store.staging(table) for table in TABLES}
    made = EtlResult({table: {} for table in TABLES}, {}, {}, {})
    with discarding(store, [(table, snapshot) for table, (snapshot, _) in staged.items()]):
        if files["contacts"] or files["outcomes"]:
            made = build_tables(
                spark.spark_session,
                list(due),
                {table: path for table, (_, path) in staged.items()},
                contract=contract,
                contact_files=files["contacts"],
                outcome_files=files["outcomes"],
            )
        for table in (REJECTED, OUTCOMES, CONTACTS):
            entries = {
                month: StagedEntry(
                    made.files[table].get(month, ()), derived[table].fingerprint, _facts(made, table, month)
                )
                for month, derived in due.items()
            }
            store.commit(table, staged[table][0], entries)


def _facts(made: EtlResult, table: str, month: str) -> dict[str, Any]:
    """What is stored with a month of a table: where its delivered rows went and, with contacts, their profile."""
    nothing = Conservation()
    facts = {
        kind: {n: value for n, value in asdict(of_kind.get(month, nothing)).items() if value or n not in _IF_ANY}
        for kind, of_kind in (("contacts", made.contacts), ("outcomes", made.outcomes))
    }
    return facts | ({"profile": asdict(made.profiles.get(month, MonthProfile(month)))} if table == CONTACTS else {})
