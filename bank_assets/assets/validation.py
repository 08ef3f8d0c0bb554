"""Stage validation: the gate that every month has to pass.

Suites and runner are in `expectations`; Great Expectations runs once for all months of a run, on the cached frame.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.assets.materialization import OWNERS, Stopwatch, months_of, months_result
from bank_assets.expectations.runner import validate_contacts
from bank_assets.expectations.summary import MonthValidation
from bank_assets.partitions import months
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.derivations import Derived, Table, stale
from bank_assets.store.lineage import CONTACTS, GATE
from bank_assets.store.warehouse import Entry, Warehouse

VALIDATION = Table(GATE, "2")
RESULT_SCHEMA = pa.schema([("month", pa.string()), ("severity", pa.string()), ("failure", pa.string())])


@dg.asset(
    name=GATE,
    deps=[CONTACTS, "rejected_contacts"],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version=VALIDATION.code_version,
    kinds={"greatexpectations", "spark"},
    owners=OWNERS,
    pool="spark",
)
def contacts_validation(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Whether each month of contacts may be used: expectations built from the contract, and the reject rate.

    Reads: contacts. Writes: `contacts_validation` and a Data Docs page.
    Guarantees: a month that fails is held, the others go on; no customer's values are in any report.
    """
    watch, store = Stopwatch(), warehouse.open()
    contacts = store.manifest(CONTACTS)
    wanted = {
        month: VALIDATION.of(
            store,
            month,
            inputs=[contacts[month].digest],
            settings={"reject_rate_limit": settings.reject_rate_limit},
        )
        for month in months_of(context)
    }
    due = stale(wanted)
    docs = judge_months(spark, settings, due) if due else None
    verdicts = store.manifest(GATE)
    return months_result(
        context,
        wanted,
        due,
        watch,
        of_month=_verdict_of,
        metadata={
            "dagster/row_count": sum(contacts[month].rows for month in wanted),
            "months": len(wanted),
            "held": [month for month in wanted if not verdicts[month].metadata["passed"]],
            **({"data_docs": dg.MetadataValue.path(docs)} if docs else {}),
        },
    )


def judge_months(spark: SparkResource, settings: Settings, due: Mapping[str, Derived]) -> str | None:
    """Judge some months in one pass of Great Expectations, and store their verdicts.

    Returns:
        The page of its Data Docs; None if no month had a contact.
    """
    store = next(iter(due.values())).store
    filled = [month for month in due if store.manifest(CONTACTS)[month].rows]
    found: dict[str, MonthValidation] = {}
    docs = None
    if filled:
        frame = spark.session.read.parquet(*map(str, store.files(CONTACTS, filled)))
        summary = validate_contacts(frame, filled, settings.reports / "data_docs")
        found, docs = dict(summary.months), str(summary.data_docs)
    for month, derived in due.items():
        hold(derived, found.get(month), settings.reject_rate_limit)
    return docs


def _verdict_of(_month: str, entry: Entry) -> dict[str, Any]:
    found = entry.metadata
    return {"passed": found["passed"], "errors": found["errors"][:5], "warnings": found["warnings"][:5]}


def hold(derived: Derived, found: MonthValidation | None, limit: float) -> None:
    """Store a month's verdict; a month without contacts passes, unless all its rows were rejected.

    A rejected row whose contact was delivered again in a usable form is corrected: it stays in `rejected_contacts` and
    no longer holds the month. Otherwise no correction could ever bring the rate of a spoiled month down.
    """
    store, month = derived.store, derived.key
    entry = store.manifest(CONTACTS)[month]
    counts = entry.metadata["contacts"]
    errors = list(found.errors) if found else []
    left = uncorrected(store, month) if counts["rejected"] else 0
    rows = entry.rows + left
    rate = left / rows if rows else 0.0
    if rate > limit:
        errors.append(
            f"reject rate: expected at most {limit:.1%} of the month's rows, found {rate:.1%} "
            f"({left} of {rows}); correct the delivery or raise the limit"
        )
    warnings = list(found.warnings) if found else []
    failures = [{"month": month, "severity": "error", "failure": text} for text in errors] + [
        {"month": month, "severity": "warning", "failure": text} for text in warnings
    ]
    derived.commit(
        pa.Table.from_pylist(failures, schema=RESULT_SCHEMA),
        {
            "passed": not errors,
            "errors": errors,
            "warnings": warnings,
            "contacts_digest": entry.digest,
            "reject_rate": rate,
        },
    )


def uncorrected(store: Warehouse, month: str) -> int:
    """Rejected rows of a month whose contact was never delivered in a usable form."""
    rejected = store.read("rejected_contacts", [month], ["kind", "contact_id"])
    rows = rejected.filter(pc.equal(rejected.column("kind"), "contacts")).column("contact_id").cast(pa.string())
    if not store.manifest(CONTACTS)[month].rows:
        return len(rows)
    usable = store.read(CONTACTS, [month], ["contact_id"]).column("contact_id").cast(pa.string())
    return len(rows) - int(pc.sum(pc.is_in(rows, value_set=usable.combine_chunks())).as_py() or 0)
