"""Checks of stage tables."""

from collections import Counter

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.checks import hint, result
from bank_assets.contract.columns import ColumnKind
from bank_assets.landing.register import read_manifest
from bank_assets.settings import Settings
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REJECTED
from bank_assets.store.places import open_parquet
from bank_assets.store.warehouse import Warehouse

ARROW_KINDS = {
    ColumnKind.INTEGER: ("int32", "int64"),
    ColumnKind.DECIMAL: ("double",),
    ColumnKind.BOOLEAN: ("bool",),
    ColumnKind.DATE: ("date32[day]",),
    ColumnKind.CATEGORY: ("string", "large_string"),
    ColumnKind.STRING: ("string", "large_string"),
}


@dg.asset_check(asset=CONTACTS, blocking=True)
def rows_in_equal_rows_out_plus_rejected(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """No delivered row is lost: rows in = rows out + rejected + superseded + withdrawn, month by month."""
    broken = {}
    delivered: Counter[str] = Counter()
    for months in {one.sha256: one.months for one in read_manifest(settings.warehouse, "contacts")}.values():
        delivered.update(months)
    stored = warehouse.manifest(CONTACTS)
    rows_in = {month: entry.metadata["contacts"]["rows_in"] for month, entry in stored.items()}
    for month, entry in stored.items():
        rejected, counted = _rejected_contacts(warehouse, month), entry.metadata["contacts"]
        if rows_in[month] != entry.rows + rejected + counted["superseded"] + counted.get("withdrawn", 0):
            broken[month] = f"{rows_in[month]} in, {entry.rows} out, {rejected} rejected"
        elif month in delivered and rows_in[month] > delivered[month]:
            broken[month] = f"{delivered[month]} delivered, {rows_in[month]} read"
    rows_out = sum(entry.rows for entry in stored.values())
    return result(not broken, rows_in=sum(rows_in.values()), rows_out=rows_out, broken_months=broken)


def _rejected_contacts(store: Warehouse, month: str) -> int:
    entry = store.entry(REJECTED, month)
    if entry is None or not entry.rows:
        return 0
    return int(pc.sum(pc.equal(store.read(REJECTED, [month], ["kind"]).column("kind"), "contacts")).as_py() or 0)


@dg.asset_check(asset=CONTACTS, blocking=True)
def contact_ids_are_unique_in_a_month(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A contact appears once in its month."""
    repeated = {}
    for month, entry in warehouse.manifest(CONTACTS).items():
        if entry.rows and (extra := entry.rows - pc.count_distinct(_ids(warehouse, CONTACTS, [month])).as_py()):
            repeated[month] = extra
    return result(not repeated, repeated=repeated)


def _ids(store: Warehouse, table: str, months: list[str] | None = None) -> pa.ChunkedArray:
    if not store.files(table):
        return pa.chunked_array([], pa.string())
    return store.read(table, months, ["contact_id"]).column("contact_id")


def _spelled_alike(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Identifiers without what senders and spreadsheets change: blanks around them, case, leading zeros, accents."""
    return pc.ascii_ltrim(pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(ids, form="NFKC"))), characters="0")


@dg.asset_check(asset=CONTACTS)
def contact_ids_differ_in_more_than_spelling(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """No two identifiers differ only by blanks, case or leading zeros, as those that a spreadsheet saved do."""
    ids = pc.unique(_ids(warehouse, CONTACTS))
    alike = len(ids) - pc.count_distinct(_spelled_alike(ids)).as_py()
    return hint(alike == 0, spelled_alike=alike, contacts=len(ids))


@dg.asset_check(asset=CONTACTS)
def contacts_are_delivered_in_one_month(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A contact that was delivered again with a date in another month stays in both months' tables, as history.

    Readers take its last arrival (`store.contact_store`), so it counts once in every decision. The months' row counts
    and profiles hold it twice, which is worth a look unless it is rare.
    """
    ids = _ids(warehouse, CONTACTS)
    repeated = len(ids) - pc.count_distinct(ids).as_py()
    return hint(repeated == 0, contacts_in_several_months=repeated, rows=len(ids))


@dg.asset_check(asset=CONTACTS, blocking=True)
def contact_columns_have_contract_types(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """Stored columns are those of the contract, with its types, and none that is known only after the call."""
    problems: dict[str, str] = {}
    for path in warehouse.files(CONTACTS)[-1:]:
        types = {field.name: str(field.type) for field in open_parquet(path).schema_arrow}
        for column in settings.contract.columns:
            found = types.get(column.table)
            if column.is_input and found not in ARROW_KINDS[column.kind]:
                problems[column.table] = f"expected {ARROW_KINDS[column.kind]}, found {found}"
            if not column.is_input and found is not None:
                problems[column.table] = f"expected not to be in contacts, found {found}"
    return result(not problems, problems=problems)


@dg.asset_check(asset=REJECTED)
def no_row_is_rejected(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """No delivered row had to be quarantined."""
    entries = warehouse.manifest(REJECTED)
    total = sum(entry.rows for entry in entries.values())
    codes: Counter[str] = Counter()
    for entry in entries.values():
        codes.update(entry.metadata["contacts"]["codes"])
    return hint(total == 0, rejected=total, reasons=dict(codes.most_common(5)))


@dg.asset_check(asset=OUTCOMES)
def outcomes_belong_to_contacts(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Every delivered outcome names a contact that was delivered; some may be the same but for their spelling."""
    if not warehouse.files(CONTACTS):
        return hint(True, unknown=0)
    given, known = _ids(warehouse, OUTCOMES), pc.unique(_ids(warehouse, CONTACTS))
    unknown = given.filter(pc.invert(pc.is_in(given, known)))
    alike = pc.sum(pc.is_in(_spelled_alike(unknown), _spelled_alike(known))).as_py() or 0
    return hint(len(unknown) == 0, unknown=len(unknown), spelled_alike=alike, outcomes=len(given))
