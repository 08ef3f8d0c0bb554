"""Stage performance: what the champion's decisions were worth, on matured outcomes.

Scores are made as of each contact's own morning by the champion in force on its date, before its outcome is read.
Measurement is in `core.performance`.
"""

import json
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from bank_assets.assets.materialization import ML_OWNERS, OWNERS, Stopwatch, combined_digest, result, unchanged
from bank_assets.assets.score_marks import (
    EXPORTED,
    SCORES,
    SCORES_VERSION,
    outcome_mark,
    outcomes_by_month,
    score_marks,
)
from bank_assets.assets.tables import passed_months
from bank_assets.core.calibration import recalibrated_day_by_day
from bank_assets.core.contacts import Contacts
from bank_assets.core.economics import Economics
from bank_assets.core.performance import ScoredContacts, measure_performance
from bank_assets.core.performance_report import Baseline
from bank_assets.core.scorer import apply_calibrator
from bank_assets.partitions import key_of, month_of, months
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.champion_history import Reign
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse, fingerprint

CODE_VERSION = "1"
REPORT_VERSION = "2"
REPORT = "performance_report"
SCORE_SCHEMA = pa.schema(
    [
        ("contact_id", pa.string()),
        ("contact_date", pa.date32()),
        ("model_version", pa.string()),
        ("unshifted_proba", pa.float64()),
        ("proba", pa.float64()),
    ]
)
OUTCOME_SCHEMA = pa.schema(
    [
        ("contact_id", pa.string()),
        ("is_subscribed", pa.bool_()),
        ("duration_seconds", pa.int64()),
        ("arrived_on", pa.date32()),
    ]
)


@dg.asset(
    name=EXPORTED,
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version=CODE_VERSION,
    kinds={"parquet", "python"},
    owners=OWNERS,
    tags={"bank/pii": "yes"},
)
def ledger_outcomes(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, ledger: LedgerResource
) -> dg.MaterializeResult:
    """Outcomes reported to the web app, by month of arrival, next to the delivered ones.

    Reads: the ledger. Writes: `ledger_outcomes`.
    Guarantees: late and corrected outcomes are kept with their arrival; readers take the latest.
    """
    watch, store = Stopwatch(), warehouse.open()
    total, made = 0, 0
    arrived = outcomes_by_month(ledger.engine)
    for key in context.partition_keys:
        month = month_of(key)
        rows = arrived.get(month, [])
        mark = outcome_mark(rows)
        total += len(rows)
        if not store.is_unchanged(EXPORTED, month, mark):
            store.write(EXPORTED, month, pa.Table.from_pylist(rows, schema=OUTCOME_SCHEMA), mark)
            made += 1
        context.add_asset_metadata({"dagster/partition_row_count": len(rows)}, partition_key=key_of(month))
    return dg.MaterializeResult(metadata={"dagster/row_count": total, "unchanged": made == 0, "seconds": watch.seconds})


@dg.asset(
    name=SCORES,
    deps=["contacts", "outcomes", "contacts_validation", EXPORTED],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version=SCORES_VERSION,
    kinds={"parquet", "python"},
    owners=ML_OWNERS,
)
def contact_scores(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    registry: RegistryResource,
) -> dg.MaterializeResult:
    """Each delivered contact scored as of its own morning by the champion in force on its date.

    Reads: contacts, outcomes, promotions. Writes: `contact_scores`.
    Guarantees: no score uses an outcome unknown on its morning; contacts before the first champion have none.
    Fails when: a champion's bundle does not have its registered digest.
    """
    watch, store = Stopwatch(), warehouse.open()
    asked = [month_of(key) for key in context.partition_keys]
    reign = Reign.of(ledger.engine)
    passed = passed_months(store)
    marks = score_marks(store, reign, asked)
    due = [month for month in asked if not store.is_unchanged(SCORES, month, marks[month])]
    if due:
        table = _scores(store, reign, registry.open(), passed)
        in_month = np.datetime_as_string(table.column("contact_date").to_numpy().astype("datetime64[M]"))
        for month in due:
            rows = table.filter(pa.array(in_month == month))
            store.write(SCORES, month, rows, marks[month], {"versions": list(reign.versions)})
    entries = store.manifest(SCORES)
    for month in asked:
        context.add_asset_metadata({"dagster/partition_row_count": entries[month].rows}, partition_key=key_of(month))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(entries[month].rows for month in asked),
            "champions": list(reign.versions[-5:]),
            "unchanged": not due,
            "seconds": watch.seconds,
        }
    )


def _scores(store: Warehouse, reign: Reign, registry: Registry, passed: list[str]) -> pa.Table:
    if not reign.versions:
        return SCORE_SCHEMA.empty_table()
    contacts = ContactStore(store).read(passed)
    features = contacts.features()
    versions = reign.version_on(contacts.contact_dates)
    unshifted = np.full(len(contacts), np.nan)
    for version in dict.fromkeys(reign.versions):
        mine = versions == version
        if mine.any():
            scorer = registry.scorer(version)
            raw = scorer.raw_probability({name: column[mine] for name, column in features.items()})
            unshifted[mine] = apply_calibrator(raw, scorer.decision["calibrator"])
    scored = ~np.isnan(unshifted)
    days = np.unique(contacts.contact_dates[scored])
    proba = recalibrated_day_by_day(unshifted, contacts.is_subscribed, contacts.known_on, contacts.contact_dates, days)
    return pa.table(
        {
            "contact_id": contacts.contact_ids[scored],
            "contact_date": contacts.contact_dates[scored],
            "model_version": versions[scored],
            "unshifted_proba": unshifted[scored],
            "proba": proba[scored],
        },
        schema=SCORE_SCHEMA,
    )


@dg.asset(
    name=REPORT,
    deps=[SCORES],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version=REPORT_VERSION,
    kinds={"json", "python"},
    owners=ML_OWNERS,
)
def performance_report(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    registry: RegistryResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Realised F1, average precision, profit, observed/expected by week and month, and whether the champion decayed.

    Reads: contact_scores and matured outcomes. Writes: reports/performance.json.
    Guarantees: only outcomes known by the data's own time count.
    """
    watch, store = Stopwatch(), warehouse.open()
    economics = Economics(settings.cost_eur, settings.value_eur)
    months_scored = [month for month, entry in store.manifest(SCORES).items() if entry.rows]
    reign = Reign.of(ledger.engine)
    mark = fingerprint(
        inputs=combined_digest(store, SCORES, months_scored),
        code_version=REPORT_VERSION,
        settings=economics.to_dict() | {"champion": reign.current},
    )
    entry = store.entry(REPORT, "all")
    if entry is not None and store.is_unchanged(REPORT, "all", mark):
        return unchanged(entry, watch, dict(entry.metadata["headline"]))
    contacts, scored = scored_contacts(store, months_scored)
    as_of = np.datetime64(_after_last(contacts), "D")
    baseline = _baseline(registry.open(), reign.current)
    report = measure_performance(scored, as_of, economics, baseline, model=f"version {reign.current}")
    document = report.to_dict()
    write_atomic(settings.reports / "performance.json", json.dumps(document, indent=1).encode())
    context.log.info("%s", report.message)
    latest = document["latest"] or {}
    headline = {
        "message": report.message,
        "level": str(report.level),
        "status": str(latest.get("status", "outcomes_missing")),
        "as_of": report.as_of,
        "matured": report.matured,
        **{
            key: float(latest[key])
            for key in ("profit_eur", "f1", "average_precision", "observed_expected")
            if latest.get(key) is not None
        },
    }
    windows = (
        pa.Table.from_pylist(document["months"])
        if document["months"]
        else pa.table({"name": pa.array([], pa.string())})
    )
    entry = store.write(REPORT, "all", windows, mark, {"headline": headline, "report": document})
    return result(entry, watch, {**headline, "by_month": dg.MetadataValue.md(_table(document["months"]))})


def scored_contacts(store: Warehouse, months_scored: list[str]) -> tuple[Contacts, ScoredContacts]:
    """All contacts of the scored months, and their scores with what became of them."""
    contacts = ContactStore(store).read(months_scored)
    scores = store.read(SCORES, months_scored) if months_scored else SCORE_SCHEMA.empty_table()
    position = {contact: row for row, contact in enumerate(scores.column("contact_id").to_pylist())}
    rows = np.asarray([position.get(contact, -1) for contact in contacts.contact_ids], dtype=np.int64)
    proba = np.append(scores.column("proba").to_numpy(), np.nan)[rows] if len(rows) else np.zeros(0)
    return contacts, ScoredContacts(contacts.contact_dates, proba, contacts.is_subscribed, contacts.known_on)


def _after_last(contacts: Contacts) -> str:
    if len(contacts) == 0:
        return "1970-01-01"
    return str(contacts.contact_dates.max() + np.timedelta64(1, "D"))


def _baseline(registry: Registry, version: str | None) -> Baseline:
    if version is None:
        return Baseline()
    decision = registry.scorer(version).decision
    promised = decision["metrics"].get("roc_auc_mean_fold")
    return Baseline(promised, float(decision["thresholds"]["f1"]))


def _table(rows: list[dict[str, Any]]) -> str:
    head = "| month | matured | F1 | AP | profit EUR | observed / expected |\n|---|---|---|---|---|---|\n"

    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    return head + "\n".join(
        f"| {row['name']} | {row['rows']} | {number(row['f1'], '.3f')} | {number(row['average_precision'], '.3f')} "
        f"| {number(row['profit_eur'], ',.0f')} | {number(row['observed_expected'], '.2f')} |"
        for row in rows[-12:]
    )
