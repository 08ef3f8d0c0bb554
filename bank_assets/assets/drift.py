"""Stage drift: value counts of each month, and the comparison of each month with the reference.

Spark counts (`spark.profile`), `core.drift.verdict` compares, `reports` draws the pages.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as f

from bank_assets.assets.materialization import OWNERS, derive_months, discarding, identity
from bank_assets.assets.report_pages import DRIFT_FOLDER, page_metadata, remove_drift_files, write_drift_files
from bank_assets.contract.contract import Contract
from bank_assets.contract.file import contract_on_record
from bank_assets.core.arrays import weights_or_ones
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.profile import Profile
from bank_assets.core.drift.report import DriftReport, LabelRate
from bank_assets.core.drift.verdict import DriftPolicy, choose_default_reference, compare_profiles
from bank_assets.core.features.contacts import Contacts
from bank_assets.partitions import monthly_asset
from bank_assets.reports.drift_words import effects_table
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.spark import SparkResource
from bank_assets.settings import Settings
from bank_assets.spark.profile import rows_of_files, value_counts, value_counts_of_files, write_months
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.derivations import Derived
from bank_assets.store.lineage import CONTACTS, DRIFT_REPORT, OUTCOMES, PROFILES, passed_months, weighing
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import StagedEntry, Warehouse

STATISTICS = ("psi", "ks_distance", "ks_p_value", "total_variation", "effect")
COLUMNS_SCHEMA = pa.schema(
    [("column", pa.string()), ("level", pa.string()), *((name, pa.float64()) for name in STATISTICS)]
)


@monthly_asset(
    **identity(PROFILES),
    deps=["contacts", "outcomes", "contacts_validation"],
    kinds={"parquet", "spark"},
    owners=OWNERS,
    pool="spark",
)
def contact_profiles(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Exact counts of every value of every column per contact day.

    Reads: contacts, outcomes. Writes: `contact_profiles`, one file a month.
    Guarantees: one Spark pass counts all months of a run; the profile of any window of days follows from the counts.
    """
    contacts, outcomes = warehouse.manifest(CONTACTS), warehouse.manifest(OUTCOMES)
    return derive_months(
        context,
        lambda month: PROFILES.of(warehouse, month, inputs=[contacts[month].digest, outcomes[month].digest]),
        lambda due: count_months(warehouse, spark, due, settings.contract),
        lambda _, made: {"months_made": len(made)},
        lambda month, entry: {"dagster/partition_row_count": entry.rows, "contacts": contacts[month].rows},
    )


def count_months(store: Warehouse, spark: SparkResource, due: Mapping[str, Derived], contract: Contract) -> None:
    """Count some months in one Spark pass and commit them together."""
    filled = [month for month in due if store.manifest(CONTACTS)[month].rows]
    snapshot, folder = store.staging(PROFILES.name)
    staged: dict[str, StagedEntry] = {month: StagedEntry((), derived.fingerprint) for month, derived in due.items()}
    with discarding(store, [(PROFILES.name, snapshot)]):
        if filled:
            long = _long_table(store, spark.spark_session, filled, contract)
            for month, files in write_months(long, PROFILES.name, folder).items():
                staged[month] = StagedEntry(files, due[month].fingerprint)
        store.commit(PROFILES.name, snapshot, staged)


def _long_table(store: Warehouse, session: SparkSession, filled: Sequence[str], contract: Contract) -> DataFrame:
    """Counts of the contacts' own columns read from their files; those known after the call need a join."""
    contact_files, outcome_files = (
        [str(path) for path in paths] for paths in (store.files("contacts", filled), store.files("outcomes"))
    )
    counts = value_counts_of_files(session, contact_files, contract)
    days = rows_of_files(session, contact_files, ("contact_id", "contact_date"))
    if outcome_files:
        outcome = ("is_subscribed", *(contract.by_source[name].table for name in contract.post_contact_columns))
        columns = ("contact_id", *outcome, "arrived_on", "delivery_arrival")
        arrived = rows_of_files(session, outcome_files, columns)
        latest = Window.partitionBy("contact_id").orderBy(f.desc("arrived_on"), f.desc("delivery_arrival"))
        known = arrived.withColumn("place", f.row_number().over(latest)).where("place = 1")
        joined = days.join(known.select("contact_id", *outcome), "contact_id", "left")
        counts = counts.unionByName(value_counts(joined.drop("contact_id"), contract))
    return counts


@monthly_asset(**identity(DRIFT_REPORT), deps=[PROFILES.name], kinds={"json", "python"}, owners=OWNERS)
def drift_report(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    registry: dg.ResourceParam[Registry],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """What moved between the champion's training profile and each month, by effect size.

    Reads: contact_profiles, weighted outcomes, the champion's reference profile. Writes: `drift_report` and, by month,
    `reports/drift/YYYY-MM.json` and `.html`.
    Guarantees: exact statistics computed from counts; every report names its reference.
    """
    champion = ChampionHistory.of(ledger.engine).current
    # A month that its gate holds, because of a wrong year for example, is neither compared nor a reference.
    passed, contacts = passed_months(warehouse), warehouse.manifest(CONTACTS)
    first_months = choose_default_reference({month: contacts[month].rows for month in passed})
    counted = warehouse.digests(PROFILES.name, passed)
    lists = ContactStore(warehouse, settings.contract, settings.feedback).lists(passed)

    def of_month(month: str) -> Derived:
        inputs = {one: digest for one, digest in counted.items() if one <= month or one in first_months}
        inputs |= weighing([name for name in lists if name[:7] <= month])
        return DRIFT_REPORT.of(warehouse, month, inputs=inputs, settings={"champion": champion})

    return derive_months(
        context,
        of_month,
        lambda due: compare_months(warehouse, settings, due, champion, registry, first_months),
        lambda _, made: summary(warehouse, settings, is_unchanged=not made),
        lambda _, entry: {key: value for key, value in entry.metadata.items() if value is not None},
    )


def compare_months(
    store: Warehouse,
    settings: Settings,
    due: Mapping[str, Derived],
    champion: str | None,
    registry: Registry,
    reference_months: Sequence[str],
) -> None:
    """Compare some months with the reference and write their reports."""
    counted, stored = store.manifest(PROFILES.name), ContactStore(store, settings.contract, settings.feedback)
    passed = [month for month in passed_months(store) if month in counted]
    weighted = stored.read(passed) if stored.lists(passed) else None
    daily = DailyProfiles.from_table(store.read(PROFILES.name, passed), settings.contract)
    name, reference, importance = reference_of(daily, champion, registry, reference_months)
    for month, derived in due.items():
        if month not in daily.months:
            derived.commit(COLUMNS_SCHEMA.empty_table(), {"message": ""})  # no contacts, or held
            remove_drift_files(settings, month)
            continue
        window = daily.month_or_trailing(month, DriftPolicy().minimum_rows)
        labels = None if weighted is None else weighted_rates(weighted, reference, window)
        report = compare_profiles(reference, window, reference_name=name, labels=labels)
        write_drift_files(settings, month, report, reference, window, importance)
        store_report(derived, report)


def weighted_rates(contacts: Contacts, reference: Profile | None, window: Profile) -> tuple[LabelRate, LabelRate]:
    """The subscription rates of the days of both profiles, from outcomes and their weights."""
    known = contacts.rows(contacts.has_outcome)

    def rate_of(profile: Profile | None) -> LabelRate:
        ends = (profile.first_day, profile.last_day) if profile else (None, None)
        first, last = (np.datetime64(day, "D") for day in ends)  # NaT, and so no contact, without a day
        inside = known.rows((known.contact_dates >= first) & (known.contact_dates <= last))
        weights = weights_or_ones(inside.weights, len(inside))
        return LabelRate.weighted(inside.is_subscribed, weights, DriftPolicy().confidence)

    return rate_of(reference), rate_of(window)


def reference_of(
    daily: DailyProfiles, champion: str | None, registry: Registry, months: Sequence[str]
) -> tuple[str, Profile | None, Mapping[str, float]]:
    """Name and profile of the reference, and the importance of each column.

    The reference is the champion's training profile; without a champion, the first months with enough contacts.
    """
    if champion is not None:
        bundle = registry.bundle(champion)
        decision = json.loads(bundle["decision.json"])
        contract = contract_on_record(decision.get("contract"))
        profile = Profile.from_dict(json.loads(bundle["reference_profile.json"]), contract)
        return f"champion v{champion}", profile, decision.get("importance", {})
    return f"first months ({', '.join(months)})", daily.of_months(months) if months else None, {}


def store_report(derived: Derived, report: DriftReport) -> None:
    """Store a month's report as rows, with its verdict."""
    document = report.to_dict()
    rows = [
        {name: column.get(name) for name in COLUMNS_SCHEMA.names} | {"effect": found.effect}
        for column, found in zip(document["columns"], report.columns, strict=True)
    ]
    derived.commit(
        pa.Table.from_pylist(rows, schema=COLUMNS_SCHEMA),
        {
            "message": report.message,
            "status": str(report.status),
            "level": str(report.level),
            "label_level": str(report.label_level),
            "drifted": list(report.drifted_columns),
            "reference": report.reference_name,
            "label_rate": report.label_current.rate,
            "last_day": report.last_day,
            "rows": report.rows_current,
        },
    )


def summary(store: Warehouse, settings: Settings, *, is_unchanged: bool) -> dict[str, Any]:
    """Metadata of the run: the latest month's verdict and a table of all months."""
    stored = store.manifest(DRIFT_REPORT.name)
    entries = {month: entry for month, entry in stored.items() if entry.metadata.get("message")}
    if not entries:
        return {}
    last = max(entries)
    latest = entries[last].metadata
    found: dict[str, Any] = {
        "month": last,
        **{key: latest[key] for key in ("message", "status", "level", "label_level", "drifted", "reference")},
        "drifted_columns": len(latest["drifted"]),
        "last_day": latest["last_day"] or "",
        "label_rate": float(latest["label_rate"] or 0.0),
        **page_metadata(settings, f"/reports/{DRIFT_FOLDER}/{last}.html"),
    }
    if not is_unchanged:
        effects = {
            month: {row["column"]: row["effect"] for row in store.read(DRIFT_REPORT.name, [month]).to_pylist()}
            for month in entries
        }
        found["drift_by_month"] = dg.MetadataValue.md(effects_table(effects))
    return found
