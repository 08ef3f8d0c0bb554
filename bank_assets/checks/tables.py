"""Checks of stage tables."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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
    found = {
        month: len(ids) - pc.count_distinct(ids).as_py()
        for month, ids in zip(warehouse.manifest(CONTACTS), _ids(warehouse, CONTACTS), strict=True)
    }
    repeated = {month: extra for month, extra in found.items() if extra}
    return result(not repeated, repeated=repeated)


def _ids(store: Warehouse, table: str) -> Iterator[pa.ChunkedArray]:
    """Identifiers month by month, since those of all months are too many for a driver's memory."""
    for month, entry in store.manifest(table).items():
        rows = store.read(table, [month], ["contact_id"]) if entry.rows else None
        yield pa.chunked_array([], pa.string()) if rows is None else rows["contact_id"]


def _spelled_alike(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Identifiers without what senders and spreadsheets change: blanks around them, case, leading zeros, accents."""
    return pc.ascii_ltrim(pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(ids, form="NFKC"))), characters="0")


def _hashed(ids: pa.ChunkedArray) -> NDArray[np.uint64]:
    """64-bit hashes, (n,). Hints count by them: among 100 million identifiers two are equal once in 3,700 times."""
    return pd.util.hash_array(ids.to_numpy(), categorize=False)


def _distinct(store: Warehouse, form: Callable[[pa.ChunkedArray], pa.ChunkedArray] = lambda ids: ids) -> NDArray[Any]:
    """Hashes of the distinct identifiers of all contacts in some form, sorted."""
    hashes = [np.array([], np.uint64), *(_hashed(form(ids)) for ids in _ids(store, CONTACTS))]
    return np.unique(np.concatenate(hashes))


@dg.asset_check(asset=CONTACTS)
def contact_ids_differ_in_more_than_spelling(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """No two identifiers differ only by blanks, case or leading zeros, as those that a spreadsheet saved do."""
    contacts = len(_distinct(warehouse))
    alike = contacts - len(_distinct(warehouse, _spelled_alike))
    return hint(alike == 0, spelled_alike=alike, contacts=contacts)


@dg.asset_check(asset=CONTACTS)
def contacts_are_delivered_in_one_month(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A contact that was delivered again with a date in another month stays in both months' tables, as history.

    Readers take its last arrival (`store.contact_store`), so it counts once in every decision. The months' row counts
    and profiles hold it twice, which is worth a look unless it is rare.
    """
    rows = sum(entry.rows for entry in warehouse.manifest(CONTACTS).values())
    repeated = rows - len(_distinct(warehouse))
    return hint(repeated == 0, contacts_in_several_months=repeated, rows=rows)


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
    known = _distinct(warehouse)
    unknown = [ids.filter(pa.array(~_is_in(_hashed(ids), known))) for ids in _ids(warehouse, OUTCOMES)]
    n_unknown, n_alike = sum(map(len, unknown)), 0
    if n_unknown:
        known = _distinct(warehouse, _spelled_alike)
        n_alike = sum(int(_is_in(_hashed(_spelled_alike(ids)), known).sum()) for ids in unknown)
    outcomes = sum(entry.rows for entry in warehouse.manifest(OUTCOMES).values())
    return hint(n_unknown == 0, unknown=n_unknown, spelled_alike=n_alike, outcomes=outcomes)


def _is_in(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each hash is among the known ones, which are sorted."""
    at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return known[at] == hashes if len(known) else np.zeros(len(hashes), bool)
