"""Checks of stage tables."""

from collections import Counter

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bank_assets.checks import hint, result
from bank_assets.contract.columns import ColumnKind
from bank_assets.landing.register import read_manifest
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REJECTED
from bank_assets.store.warehouse import Warehouse

ARROW_KINDS = {
    ColumnKind.INTEGER: ("int32", "int64"),
    ColumnKind.BOOLEAN: ("bool",),
    ColumnKind.DATE: ("date32[day]",),
    ColumnKind.CATEGORY: ("string", "large_string"),
    ColumnKind.STRING: ("string", "large_string"),
}


@dg.asset_check(asset=CONTACTS, blocking=True)
def rows_in_equal_rows_out_plus_rejected(
    warehouse: WarehouseResource, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """No delivered row is lost: rows in = rows out + rejected + superseded by a later arrival, month by month."""
    store = warehouse.open()
    broken = []
    rows_in = rows_out = 0
    stored = store.manifest(CONTACTS)
    for month, entry in stored.items():
        counts = entry.metadata["contacts"]
        rows_in, rows_out = rows_in + counts["rows_in"], rows_out + entry.rows
        rejected = _rejected_contacts(store, month)
        if counts["rows_in"] != entry.rows + rejected + counts["superseded"]:
            broken.append(f"{month}: {counts['rows_in']} in, {entry.rows} out, {rejected} rejected")
    delivered: Counter[str] = Counter()
    contents = {delivery.sha256: delivery.months for delivery in read_manifest(settings.warehouse, "contacts")}
    for months in contents.values():
        delivered.update(months)
    broken += [
        f"{month}: {delivered[month]} delivered, {entry.metadata['contacts']['rows_in']} read"
        for month, entry in stored.items()
        if entry.metadata["contacts"]["rows_in"] > delivered[month] and month in delivered
    ]
    return result(not broken, rows_in=rows_in, rows_out=rows_out, broken_months=broken[:5])


def _rejected_contacts(store: Warehouse, month: str) -> int:
    entry = store.entry(REJECTED, month)
    if entry is None or not entry.rows:
        return 0
    return int(pc.sum(pc.equal(store.read(REJECTED, [month], ["kind"]).column("kind"), "contacts")).as_py() or 0)


@dg.asset_check(asset=CONTACTS, blocking=True)
def contact_ids_are_unique_in_a_month(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """A contact appears once in its month."""
    store = warehouse.open()
    repeated = []
    for month, entry in store.manifest(CONTACTS).items():
        if entry.rows:
            ids = store.read(CONTACTS, [month], ["contact_id"]).column("contact_id")
            extra = entry.rows - pc.count_distinct(ids).as_py()
            if extra:
                repeated.append(f"{month}: {extra}")
    return result(not repeated, repeated=repeated[:5])


@dg.asset_check(asset=CONTACTS)
def contacts_are_delivered_in_one_month(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """A contact that was delivered again with a date in another month stays in both months' tables, as history.

    Readers take its last arrival (`store.contact_store`), so it counts once in every decision. The months' row counts
    and profiles hold it twice, which is worth a look unless it is rare.
    """
    store = warehouse.open()
    ids = (
        store.read(CONTACTS, None, ["contact_id"]).column("contact_id")
        if store.files(CONTACTS)
        else pa.array([], pa.string())
    )
    repeated = len(ids) - pc.count_distinct(ids).as_py()
    return hint(repeated == 0, contacts_in_several_months=repeated, rows=len(ids))


@dg.asset_check(asset=CONTACTS, blocking=True)
def contact_columns_have_contract_types(
    warehouse: WarehouseResource, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """Stored columns are those of the contract, with its types, and none that is known only after the call."""
    store = warehouse.open()
    files = store.files(CONTACTS)
    problems: list[str] = []
    if files:
        schema = pq.read_schema(files[-1])
        types = {field.name: str(field.type) for field in schema}
        for column in settings.contract.columns:
            if column.is_input and types.get(column.table) not in ARROW_KINDS[column.kind]:
                problems.append(f"{column.table}: expected {ARROW_KINDS[column.kind]}, found {types.get(column.table)}")
            if not column.is_input and column.table in types:
                problems.append(f"{column.table}: expected not to be in contacts, found {types[column.table]}")
    return result(not problems, problems=problems[:5])


@dg.asset_check(asset=REJECTED)
def no_row_is_rejected(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No delivered row had to be quarantined."""
    entries = warehouse.open().manifest(REJECTED)
    total = sum(entry.rows for entry in entries.values())
    codes: Counter[str] = Counter()
    for entry in entries.values():
        codes.update(entry.metadata["contacts"]["codes"])
    return hint(total == 0, rejected=total, reasons=dict(codes.most_common(5)))


@dg.asset_check(asset=OUTCOMES)
def outcomes_belong_to_contacts(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Every delivered outcome names a contact that was delivered."""
    store = warehouse.open()
    if not store.files(OUTCOMES) or not store.files(CONTACTS):
        return result(True, unknown=0)
    known = store.read(CONTACTS, None, ["contact_id"]).column("contact_id").combine_chunks()
    given = store.read(OUTCOMES, None, ["contact_id"]).column("contact_id")
    unknown = int(len(given) - (pc.sum(pc.is_in(given, known)).as_py() or 0))
    return hint(unknown == 0, unknown=unknown, outcomes=len(given))
