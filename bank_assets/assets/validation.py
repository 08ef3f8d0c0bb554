"""Stage validation: the gate that every month has to pass.

Suites and runner are in `expectations`; Great Expectations runs once for all months of a run, on the cached frame.
"""

from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.assets.materialization import OWNERS, Stopwatch
from bank_assets.expectations.runner import validate_contacts
from bank_assets.expectations.summary import MonthValidation
from bank_assets.partitions import key_of, month_of, months
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.lineage import CONTACTS, GATE
from bank_assets.store.warehouse import Warehouse, fingerprint

CODE_VERSION = "2"
RESULT_SCHEMA = pa.schema([("month", pa.string()), ("severity", pa.string()), ("failure", pa.string())])


@dg.asset(
    name=GATE,
    deps=[CONTACTS, "rejected_contacts"],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version=CODE_VERSION,
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
    asked = [month_of(key) for key in context.partition_keys]
    contacts = store.manifest(CONTACTS)
    marks = {
        month: fingerprint(
            inputs=[contacts[month].digest],
            code_version=CODE_VERSION,
            settings={"reject_rate_limit": settings.reject_rate_limit},
        )
        for month in asked
    }
    due = [month for month in asked if not store.is_unchanged(GATE, month, marks[month])]
    docs = ""
    filled = [month for month in due if contacts[month].rows]
    verdicts: dict[str, MonthValidation] = {}
    if filled:
        frame = spark.session.read.parquet(*map(str, store.files(CONTACTS, filled)))
        summary = validate_contacts(frame, filled, settings.reports / "data_docs")
        verdicts, docs = dict(summary.months), str(summary.data_docs)
    for month in due:
        hold(store, month, verdicts.get(month), settings.reject_rate_limit, marks[month])
    entries = store.manifest(GATE)
    for month in asked:
        found = entries[month].metadata
        context.add_asset_metadata(
            {"passed": found["passed"], "errors": found["errors"][:5], "warnings": found["warnings"][:5]},
            partition_key=key_of(month),
        )
    held = [month for month in asked if not entries[month].metadata["passed"]]
    metadata: dict[str, Any] = {
        "dagster/row_count": sum(contacts[month].rows for month in asked),
        "months": len(asked),
        "held": held,
        "unchanged": not due,
        "seconds": watch.seconds,
    }
    return dg.MaterializeResult(metadata={**metadata, **({"data_docs": dg.MetadataValue.path(docs)} if docs else {})})


def hold(store: Warehouse, month: str, found: MonthValidation | None, limit: float, mark: str) -> None:
    """Store a month's verdict; a month without contacts passes, unless all its rows were rejected.

    A rejected row whose contact was delivered again in a usable form is corrected: it stays in `rejected_contacts` and
    no longer holds the month. Otherwise no correction could ever bring the rate of a spoiled month down.
    """
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
    store.write(
        GATE,
        month,
        pa.Table.from_pylist(failures, schema=RESULT_SCHEMA),
        mark,
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
