"""Stage tables: typed Parquet tables from raw deliveries, made by Spark in one pass for all months of a run.

This module chooses the months that need work and commits the tables. `spark.etl` does the transformation.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from bank_assets.assets.materialization import OWNERS, Stopwatch, discarding, months_of
from bank_assets.contract.contract import Contract
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.landing.register import manifest_of
from bank_assets.partitions import key_of, months
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.spark.etl import CODE_VERSION, TABLES, Conservation, EtlResult, build_tables, month_tables
from bank_assets.store.derivations import Derived, stale
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REJECTED
from bank_assets.store.warehouse import StagedEntry, Warehouse

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
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> Any:
    """Typed Parquet tables of the run's months, made in one Spark pass."""
    watch, store = Stopwatch(), warehouse.open()
    requested = months_of(context)
    wanted = {month: month_tables(store, settings.warehouse, month, settings.contract) for month in requested}
    due = {month: wanted[month] for month in requested if stale(wanted[month])}
    if due:
        make_months(store, spark, settings.warehouse, due, settings.contract)
        context.log.info("made %d of %d months", len(due), len(requested))
    seconds = watch.seconds  # without the time in which Dagster writes one event per table and month
    for table in TABLES:
        stored = store.manifest(table)
        entries = {month: stored[month] for month in requested}
        for month, entry in entries.items():
            facts = {
                "dagster/partition_row_count": entry.rows,
                "unchanged": month not in due,
                **_counts(entry.metadata),
            }
            context.add_asset_metadata(facts, asset_key=table, partition_key=key_of(month))
        digest = hashlib.sha256("".join(entry.digest for entry in entries.values()).encode()).hexdigest()
        yield dg.MaterializeResult(
            asset_key=table,
            data_version=dg.DataVersion(digest),
            metadata={
                "dagster/row_count": sum(entry.rows for entry in entries.values()),
                "months": len(requested),
                "months_made": len(due),
                "unchanged": not due,
                "seconds": seconds,
            },
        )


def _counts(metadata: dict[str, Any]) -> dict[str, int]:
    counts = metadata.get("contacts", {})
    return {name: int(counts[name]) for name in ("rows_in", "rejected", "superseded") if name in counts}


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
    files = {kind: manifest_of(warehouse, list(due), kind) for kind in ("contacts", "outcomes")}
    staged = {table: store.staging(table) for table in TABLES}
    made = EtlResult({table: {} for table in TABLES}, {}, {}, {})
    with discarding(store, *((table, snapshot) for table, (snapshot, _) in staged.items())):
        if files["contacts"] or files["outcomes"]:
            made = build_tables(
                spark.session,
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
    facts = {
        "contacts": asdict(made.contacts.get(month, Conservation())),
        "outcomes": asdict(made.outcomes.get(month, Conservation())),
    }
    profile = made.profiles.get(month, MonthProfile(month))
    return facts | ({"profile": asdict(profile)} if table == CONTACTS else {})
