"""Stage validation: the quality gate that every month has to pass.

The ETL counts each month's delivered rows before it drops any; Great Expectations validates these counts, one row per
month. A month that fails is held.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.assets.materialization import OWNERS, Wanted, derive_months, identity
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.expectations.runner import validate_contacts
from bank_assets.expectations.suite import ERROR, WARNING
from bank_assets.partitions import monthly_asset
from bank_assets.reports.validation_page import validation_page
from bank_assets.settings import Settings
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.derivations import Derived, DerivedTable
from bank_assets.store.lineage import CONTACTS, GATE, REJECTED, far_from_others
from bank_assets.store.warehouse import Entry, Warehouse

VERDICTS = DerivedTable(GATE, "3")
# For tables from before the ETL counted profiles; such months keep their verdict.
VERDICTS_ON_ROWS = DerivedTable(GATE, "2")

RESULT_SCHEMA = pa.schema([("month", pa.string()), ("severity", pa.string()), ("failure", pa.string())])


@monthly_asset(**identity(VERDICTS), deps=[CONTACTS, REJECTED], kinds={"greatexpectations"}, owners=OWNERS)
def contacts_validation(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """Whether each month of contacts may be used, as Great Expectations judges the counts of its deliveries.

    Reads: the counts that the ETL stored with contacts. Writes: `contacts_validation` and a page of all months.
    Guarantees: a month that fails is held, the others go on; no report contains a customer's values.
    """
    contacts, page = warehouse.manifest(CONTACTS), settings.reports / "validation" / "contacts.html"

    def make(due: Wanted) -> None:
        judge_months(warehouse, due, settings)
        write_atomic(page, page_of_all_months(warehouse, settings).encode())

    def shown(verdicts: Mapping[str, Entry], _due: Wanted) -> dict[str, Any]:
        reports = {"validation_page": page, "data_docs": settings.reports / "data_docs" / "index.html"}
        return {
            "dagster/row_count": sum(contacts[month].rows for month in verdicts),
            "months": len(verdicts),
            "held": [month for month, verdict in verdicts.items() if not verdict.metadata["passed"]],
            **{name: dg.MetadataValue.path(str(path)) for name, path in reports.items() if path.is_file()},
        }

    def shown_of_month(_month: str, verdict: Entry) -> dict[str, Any]:
        found = verdict.metadata
        return {"passed": found["passed"], "errors": found["errors"][:5], "warnings": found["warnings"][:5]}

    limit, far = settings.reject_rate_limit, far_from_others(warehouse, settings.contract)

    def of_month(month: str) -> Derived:
        return verdict_on(warehouse, month, limit, is_far=month in far)

    return derive_months(context, of_month, make, shown, shown_of_month)


def verdict_on(store: Warehouse, month: str, reject_rate_limit: float, *, is_far: bool = False) -> Derived:
    """The key of a month's verdict, with the inputs and settings that it depends on.

    `is_far` says whether it has only a few contacts, dated far from those of all other months.
    """
    contacts = store.manifest(CONTACTS)[month]
    table = VERDICTS if "profile" in contacts.metadata else VERDICTS_ON_ROWS
    settings = {"reject_rate_limit": reject_rate_limit} | ({"is_far": True} if is_far else {})
    return table.of(store, month, inputs=[contacts.digest], settings=settings)


def judge_months(store: Warehouse, due: Mapping[str, Derived], settings: Settings) -> None:
    """Validate some months with Great Expectations and store the verdicts."""
    contacts, far = store.manifest(CONTACTS), far_from_others(store, settings.contract)
    profiles = {month: profile_of(store, month, entry) for month, entry in contacts.items()}
    judged = validate_contacts(
        list(profiles.values()),
        list(due),
        settings.contract,
        reject_rate_limit=settings.reject_rate_limit,
        data_docs=settings.reports / "data_docs",
    )
    for month, verdict in due.items():
        found = judged[month]
        texts = [(severity, text) for severity, texts in found.items() for text in texts]
        failures = [{"month": month, "severity": severity, "failure": text} for severity, text in texts]
        facts = {
            "passed": not found[ERROR],
            "errors": found[ERROR],
            "warnings": found[WARNING],
            "contacts_digest": contacts[month].digest,
            "is_far": month in far,
            "commonest_fault": profiles[month].commonest_fault(settings.contract),
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
