"""Stage performance: the realised value of the champion's decisions, measured on matured outcomes.

Each contact is scored by the champion of its day, with what was known on that day.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from bank_assets.assets.contact_scoring import SCORE_SCHEMA, MonthScoring
from bank_assets.assets.materialization import ML_OWNERS, OWNERS, Wanted, derive, derive_months, identity, months_of
from bank_assets.core.arrays import BoolArray
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.quality.performance import measure_performance
from bank_assets.core.quality.performance_report import Baseline, PerformanceReport
from bank_assets.landing.feeds import record_feeds
from bank_assets.partitions import FIRST_MONTH, month_of, monthly_asset
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.spark import SparkResource
from bank_assets.settings import Settings
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore, scored_months
from bank_assets.store.derivations import DerivedTable, Made
from bank_assets.store.lineage import (
    REPORTED_OUTCOMES,
    SCORES,
    outcomes_by_month,
    passed_months,
    reported_outcomes,
    scores,
    stale_scores,
    weighing,
)
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse

REPORT = DerivedTable("performance_report", "2")
OUTCOME_SCHEMA = pa.schema(
    [
        ("contact_id", pa.string()),
        ("is_subscribed", pa.bool_()),
        ("duration_seconds", pa.int64()),
        ("arrived_on", pa.date32()),
        ("list_id", pa.string()),  # by which the contact was called; earlier releases have no such column
    ]
)


@monthly_asset(
    **identity(REPORTED_OUTCOMES),
    deps=["raw_contacts"],
    kinds={"parquet", "python"},
    owners=OWNERS,
    tags={"bank/pii": "yes"},
)
def ledger_outcomes(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Outcomes on record in the ledger, by month of arrival, next to the delivered ones.

    Reads: registered dispositions and subscriptions, the ledger.
    Writes: the ledger, `ledger_outcomes`, the design of randomized answers, by which their outcomes teach, and which
    designs of lists teach nothing.
    Guarantees: late and corrected outcomes keep their arrival date; readers take the latest.
    """
    now = datetime.now(UTC)
    record_feeds(settings.landing, settings.warehouse, settings.contract, ledger.engine, now, settings.tables)
    designs = ListDesigns(warehouse.home, settings.feedback)
    designs.keep_answers(ledger.engine)
    designs.leave_out_given_up(ledger.engine)
    arrived = outcomes_by_month(ledger.engine, month_of(FIRST_MONTH))

    def make(due: Wanted) -> None:
        for month, derived in due.items():
            derived.commit(pa.Table.from_pylist(arrived.get(month, []), schema=OUTCOME_SCHEMA))

    return derive_months(context, lambda month: reported_outcomes(warehouse, month, arrived.get(month, [])), make)


@monthly_asset(
    **identity(SCORES),
    deps=["contacts", "outcomes", "contacts_validation", REPORTED_OUTCOMES.name],
    kinds={"parquet", "python"},
    owners=ML_OWNERS,
)
def contact_scores(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    registry: dg.ResourceParam[Registry],
    settings: dg.ResourceParam[Settings],
    spark: SparkResource,
) -> dg.MaterializeResult:
    """Each delivered contact scored as of its own day by the champion of its day.

    Reads: contacts, outcomes, promotions. Writes: `contact_scores`.
    Guarantees: no score uses an outcome unknown by then; contacts before the first champion have none.
    Fails when: a champion's bundle does not have its registered digest.
    """
    champions, passed = ChampionHistory.of(ledger.engine), passed_months(warehouse)
    stored = ContactStore(warehouse, settings.contract, settings.feedback)
    lists = stored.lists(passed)
    wanted = scores(warehouse, champions, months_of(context), lists)

    def make(due: Wanted) -> None:
        facts, left = {"versions": list(champions.versions)}, dict(due)
        scoring = MonthScoring(warehouse, stored, champions, registry, lambda: spark.spark_session)
        for month, table in scoring.by_month(passed, due, stale_scores(warehouse, champions, lists)):
            left.pop(month).commit(table, facts)
        for derived in left.values():  # no contacts, held, or before the first champion
            derived.commit(SCORE_SCHEMA.empty_table(), facts)

    return derive_months(context, wanted.__getitem__, make, lambda *_: {"champions": list(champions.versions[-5:])})


@monthly_asset(**identity(REPORT), deps=[SCORES.name], kinds={"json", "python"}, owners=ML_OWNERS)
def performance_report(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    registry: dg.ResourceParam[Registry],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Realised F1, average precision, profit, observed/expected by week and month, and whether the champion decayed.

    Reads: contact_scores and matured outcomes. Writes: reports/performance.json.
    Guarantees: only outcomes known by the data's own time count.
    """
    economics, champion = settings.economics, ChampionHistory.of(ledger.engine).current
    passed = set(passed_months(warehouse))
    months = [month for month in scored_months(warehouse) if month in passed]
    stored = ContactStore(warehouse, settings.contract, settings.feedback)

    def work() -> Made:
        baseline = Baseline()
        if champion is not None:
            promised = registry.scorer(champion).decision
            baseline = Baseline(promised["metrics"].get("roc_auc_mean_fold"), float(promised["thresholds"]["f1"]))

        def apart(scored: ScoredContacts) -> list[BoolArray]:
            return [economics.decide(scored.proba, scored.frame), scored.proba >= baseline.f1_threshold]

        tested, feedback, _ = stored.evidence(months, "proba", columns=economics.columns, apart=apart)
        days = tested.contact_dates
        as_of = days.max() + np.timedelta64(1, "D") if len(days) else np.datetime64("1970-01-01", "D")
        report = measure_performance(tested, as_of, economics, baseline, model=f"version {champion}")
        report = replace(report, feedback=feedback)
        write_atomic(settings.reports / "performance.json", json.dumps(report.to_dict(), indent=1).encode())
        context.log.info("%s", report.message)
        return _made(report)

    inputs = warehouse.digests(SCORES.name, months) | weighing(stored.lists(months))
    return derive(REPORT.of(warehouse, inputs=inputs, settings=economics.to_dict() | {"champion": champion}), work)


def _made(report: PerformanceReport) -> Made:
    document = report.to_dict()
    latest, by_month = document["latest"] or {}, document["months"]
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
    flat = [{name: one for name, one in month.items() if name != "everyone"} for month in by_month]
    rows = pa.Table.from_pylist(flat) if flat else pa.table({"name": pa.array([], pa.string())})
    return Made(rows, {"headline": headline, "report": document}, {"by_month": dg.MetadataValue.md(_table(by_month))})


def _table(rows: list[dict[str, Any]]) -> str:
    head = "| month | matured | F1 | AP | profit EUR | observed / expected |\n|---|---|---|---|---|---|\n"

    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    return head + "\n".join(
        f"| {row['name']} | {row['rows']} | {number(row['f1'], '.3f')} | {number(row['average_precision'], '.3f')} "
        f"| {number(row['profit_eur'], ',.0f')} | {number(row['observed_expected'], '.2f')} |"
        for row in rows[-12:]
    )
