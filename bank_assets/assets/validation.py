"""Stage validation: the gate that every month has to pass.

Suites and runner are in `expectations`; Great Expectations runs once for all months of a run, on the cached frame.
"""

from typing import Any

import dagster as dg
import pyarrow as pa

from bank_assets.assets.materialization import OWNERS, Stopwatch
from bank_assets.expectations.runner import validate_contacts
from bank_assets.expectations.summary import MonthValidation
from bank_assets.partitions import key_of, month_of, months
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.warehouse import Warehouse, WarehouseResource, fingerprint
from bank_assets.settings import Settings

CODE_VERSION = "1"
GATE, CONTACTS = "contacts_validation", "contacts"
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
    """Store a month's verdict; a month without contacts passes, unless all its rows were rejected."""
    entry = store.manifest(CONTACTS)[month]
    counts = entry.metadata["contacts"]
    errors = list(found.errors) if found else []
    rate = counts["rejected"] / counts["rows_in"] if counts["rows_in"] else 0.0
    if rate > limit:
        errors.append(
            f"reject rate: expected at most {limit:.1%} of the month's rows, found {rate:.1%} "
            f"({counts['rejected']} of {counts['rows_in']}); correct the delivery or raise the limit"
        )
    warnings = list(found.warnings) if found else []
    rows = [{"month": month, "severity": "error", "failure": text} for text in errors] + [
        {"month": month, "severity": "warning", "failure": text} for text in warnings
    ]
    store.write(
        GATE,
        month,
        pa.Table.from_pylist(rows, schema=RESULT_SCHEMA),
        mark,
        {
            "passed": not errors,
            "errors": errors,
            "warnings": warnings,
            "contacts_digest": entry.digest,
            "reject_rate": rate,
        },
    )
