"""Stage tables: typed Parquet from raw deliveries, by Spark, one pass for all months of a run.

The rules are in `contract.rows`, the tables' columns in `spark.tables`, the order of work in `spark.etl`; here is the
choice of months that need work, and the commit.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from bank_assets.assets.materialization import OWNERS, Stopwatch, months_of
from bank_assets.contract.contract import Contract
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.landing.register import Delivery, month_manifest, object_path
from bank_assets.partitions import key_of, months
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.spark.delivery import RawFile
from bank_assets.spark.etl import CODE_VERSION, TABLES, Conservation, build_tables
from bank_assets.spark.months import month_tables
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
    seconds = watch.seconds  # of the work; Dagster then writes one event per table and month
    for table in TABLES:
        entries = store.manifest(table)
        rows = {month: entries[month].rows for month in requested}
        for month in requested:
            context.add_asset_metadata(
                {
                    "dagster/partition_row_count": rows[month],
                    "unchanged": month not in due,
                    **_counts(entries[month].metadata),
                },
                asset_key=table,
                partition_key=key_of(month),
            )
        digest = hashlib.sha256("".join(entries[month].digest for month in requested).encode()).hexdigest()
        yield dg.MaterializeResult(
            asset_key=table,
            data_version=dg.DataVersion(digest),
            metadata={
                "dagster/row_count": sum(rows.values()),
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

    `rejected_contacts` is committed first and `contacts` last: whoever reads contacts finds the rest.
    """
    files = {kind: _raw_files(warehouse, list(due), kind) for kind in ("contacts", "outcomes")}
    staged = {table: store.staging(table) for table in TABLES}
    try:
        made = None
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
            entries = {}
            for month in due:
                names = made.files[table].get(month, ()) if made else ()
                counts = {
                    "contacts": _conservation(made.contacts if made else {}, month),
                    "outcomes": _conservation(made.outcomes if made else {}, month),
                }
                if table == CONTACTS:
                    profile = made.profiles.get(month, MonthProfile(month)) if made else MonthProfile(month)
                    counts["profile"] = asdict(profile)
                entries[month] = StagedEntry(names, due[month][table].fingerprint, counts)
            store.commit(table, staged[table][0], entries)
    except BaseException:
        for table, (snapshot, _) in staged.items():
            _discard_uncommitted(store, table, snapshot)
        raise


def _discard_uncommitted(store: Warehouse, table: str, snapshot: str) -> None:
    if all(entry.snapshot != snapshot for entry in store.manifest(table).values()):
        store.discard(table, snapshot)


def _conservation(counts: dict[str, Conservation], month: str) -> dict[str, Any]:
    return asdict(counts.get(month, Conservation()))


def _raw_files(warehouse: Path, due: Sequence[str], kind: str) -> list[RawFile]:
    found: dict[str, Delivery] = {}
    for month in due:
        for delivery in month_manifest(warehouse, month, kind):
            if delivery.sha256 not in found or found[delivery.sha256].arrival < delivery.arrival:
                found[delivery.sha256] = delivery
    return [
        RawFile.of(object_path(warehouse, d.sha256), d.arrival, d)
        for d in sorted(found.values(), key=lambda d: d.arrival)
    ]
