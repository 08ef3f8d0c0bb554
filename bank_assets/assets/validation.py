"""Stage validation: the quality gate that every month has to pass.

The ETL counts each month's delivered rows before it drops any; Great Expectations validates these counts, one row per
month. A month that fails is held.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.assets.materialization import OWNERS, Stopwatch, months_of, months_result
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.expectations.runner import validate_contacts
from bank_assets.partitions import monthly_asset
from bank_assets.reports.validation_page import validation_page
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.derivations import Derived, DerivedTable, stale
from bank_assets.store.lineage import CONTACTS, GATE, REJECTED
from bank_assets.store.warehouse import Entry, Warehouse

CODE_VERSION = "3"
VERDICTS = DerivedTable(GATE, CODE_VERSION)
VERDICTS_ON_ROWS = DerivedTable(GATE, "2")
"""For tables from before the ETL counted profiles; such months keep their verdict."""

RESULT_SCHEMA = pa.schema([("month", pa.string()), ("severity", pa.string()), ("failure", pa.string())])


@monthly_asset(
    name=GATE, deps=[CONTACTS, REJECTED], code_version=CODE_VERSION, kinds={"greatexpectations"}, owners=OWNERS
)
def contacts_validation(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """Whether each month of contacts may be used, as Great Expectations judges the counts of its deliveries.

    Reads: the counts that the ETL stored with contacts. Writes: `contacts_validation` and a page of all months.
    Guarantees: a month that fails is held, the others go on; no report contains a customer's values.
    """
    watch, store = Stopwatch(), warehouse.open()
    requested = months_of(context)
    wanted = {month: verdict_on(store, month, settings.reject_rate_limit) for month in requested}
    due = stale(wanted)
    page = settings.reports / "validation" / "contacts.html"
    if due:
        judge_months(store, due, settings)
        write_atomic(page, page_of_all_months(store, settings).encode())
    contacts, verdicts = store.manifest(CONTACTS), store.manifest(GATE)
    reports = {"validation_page": page, "data_docs": settings.reports / "data_docs" / "index.html"}
    metadata: dict[str, Any] = {
        "dagster/row_count": sum(contacts[month].rows for month in requested),
        "months": len(requested),
        "held": [month for month in requested if not verdicts[month].metadata["passed"]],
        **{name: dg.MetadataValue.path(str(path)) for name, path in reports.items() if path.is_file()},
    }
    return months_result(context, wanted, due, watch, of_month=_shown, metadata=metadata)


def _shown(_month: str, verdict: Entry) -> dict[str, Any]:
    found = verdict.metadata
    return {"passed": found["passed"], "errors": found["errors"][:5], "warnings": found["warnings"][:5]}


def verdict_on(store: Warehouse, month: str, reject_rate_limit: float) -> Derived:
    """The key of a month's verdict, with the inputs and settings that it depends on."""
    contacts = store.manifest(CONTACTS)[month]
    table = VERDICTS if "profile" in contacts.metadata else VERDICTS_ON_ROWS
    return table.of(store, month, inputs=[contacts.digest], settings={"reject_rate_limit": reject_rate_limit})


def judge_months(store: Warehouse, due: Mapping[str, Derived], settings: Settings) -> None:
    """Validate some months with Great Expectations and store the verdicts."""
    contacts = store.manifest(CONTACTS)
    profiles = {month: profile_of(store, month, entry) for month, entry in contacts.items()}
    summary = validate_contacts(
        list(profiles.values()),
        list(due),
        settings.contract,
        reject_rate_limit=settings.reject_rate_limit,
        data_docs=settings.reports / "data_docs",
    )
    for month, verdict in due.items():
        found = summary.months[month]
        texts = [("error", text) for text in found.errors] + [("warning", text) for text in found.warnings]
        failures = [{"month": month, "severity": severity, "failure": text} for severity, text in texts]
        facts = {
            "passed": not found.errors,
            "errors": list(found.errors),
            "warnings": list(found.warnings),
            "contacts_digest": contacts[month].digest,
            "reject_rate": profiles[month].uncorrected_share,
        }
        verdict.commit(pa.Table.from_pylist(failures, schema=RESULT_SCHEMA), facts)


def profile_of(store: Warehouse, month: str, contacts: Entry) -> MonthProfile:
    """The profile of a month; tables older than profiles give what their counts contain."""
    if "profile" in contacts.metadata:
        return MonthProfile.from_dict(month, contacts.metadata["profile"])
    counts = contacts.metadata["contacts"]
    return MonthProfile(
        month,
        rows=counts["rows_in"],
        contacts=contacts.rows,
        uncorrected=_uncorrected(store, month, contacts) if counts["rejected"] else 0,
        superseded=counts["superseded"],
        violations=counts.get("codes", {}),
    )


def _uncorrected(store: Warehouse, month: str, contacts: Entry) -> int:
    """Rejected rows of a month whose contact was never delivered in a usable form."""
    rejected = store.read(REJECTED, [month], ["kind", "contact_id"])
    rows = rejected.filter(pc.equal(rejected.column("kind"), "contacts")).column("contact_id").cast(pa.string())
    if not contacts.rows:
        return len(rows)
    usable = store.read(CONTACTS, [month], ["contact_id"]).column("contact_id").cast(pa.string())
    return len(rows) - int(pc.sum(pc.is_in(rows, value_set=usable.combine_chunks())).as_py() or 0)


def page_of_all_months(store: Warehouse, settings: Settings) -> str:
    """The validation page: every judged month with its counts and findings."""
    contacts = store.manifest(CONTACTS)
    months = [
        (profile_of(store, month, contacts[month]), verdict.metadata)
        for month, verdict in store.manifest(GATE).items()
        if month in contacts
    ]
    return validation_page(months, has_data_docs=(settings.reports / "data_docs" / "index.html").is_file())
