"""Contacts with their outcomes, one month at a time: memory follows the largest month and not the history.

Two things connect months: a contact that was delivered again with a date in another month, of which the last arrival
counts, and a report that lies in another month than its contact. One pass over the ids finds both; of the history it
keeps eight bytes a contact while it runs, and afterwards only what it found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray, records_at
from bank_assets.core.features.contacts import frame_from_tables, usable_from
from bank_assets.store.lineage import CONTACTS
from bank_assets.store.warehouse import Warehouse, array_of

OUTCOME_TABLES: Final = ("outcomes", "ledger_outcomes")
_REPORT: Final = ("contact_id", "is_subscribed", "arrived_on", "list_id")
SLICE_ROWS: Final = 200_000
_NEVER: Final = np.datetime64("NaT", "D")


@dataclass(frozen=True, slots=True)
class StoredMonth:
    """The contacts of a month in time order with what is known of their outcomes, each array (n,).

    `table` has `contact_id`, `contact_date` and the columns asked for. `arrived_on` is NaT without an outcome,
    `corrected_on` NaT unless another outcome was known before the latest. `called_by` names the list that called,
    "" where no report does. `weights` and `propensity` are as in
    `core.features.contacts.Contacts`.
    """

    month: str
    table: pa.Table
    arrived_on: DayArray
    is_subscribed: BoolArray
    corrected_on: DayArray
    called_by: NDArray[Any]
    weights: FloatArray | None = None
    propensity: FloatArray | None = None

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def counts(self) -> None:
        """Each row is one contact."""

    @property
    def ids(self) -> pa.Array:
        """Identifiers of the contacts."""
        return self.table.column("contact_id").combine_chunks()

    @property
    def contact_dates(self) -> DayArray:
        """Days of the contacts."""
        return days_of(self.table.column("contact_date"))

    @property
    def known_on(self) -> DayArray:
        """First day on which each outcome is usable, NaT without one."""
        return usable_from(self.contact_dates, self.arrived_on)

    def rows(self, mask: BoolArray) -> StoredMonth:
        """Select rows by mask."""
        return replace(records_at(self, mask), table=self.table.filter(pa.array(mask)))

    def slices(self) -> Iterator[slice]:
        """Consecutive rows, few enough to be in memory as Python objects."""
        return (slice(first, first + SLICE_ROWS) for first in range(0, len(self), SLICE_ROWS))

    def part(self, rows: slice) -> StoredMonth:
        """Consecutive rows."""
        return replace(records_at(self, rows), table=self.table.slice(rows.start, rows.stop - rows.start))


def days_of(column: Any) -> DayArray:
    """Arrow dates as days, NaT where there is none."""
    return column.to_numpy(zero_copy_only=False).astype("datetime64[D]")


def frame_of(rows: pa.Table, contract: Contract) -> dict[str, NDArray[Any]]:
    """Those payload columns that were read, by their delivered names, each (n,)."""
    columns = {
        one.table: array_of(rows.column(one.table)) for one in contract.payload if one.table in rows.column_names
    }
    return frame_from_tables(columns, contract)


def contact_days(warehouse: Warehouse, months: Sequence[str]) -> DayArray:
    """Days with contacts of some months, sorted and distinct; a contact that was moved has only its last day."""
    warehouse = warehouse.pinned()
    superseded, found = _connected(warehouse, months).superseded, [np.array([], "datetime64[D]")]
    for month in _stored(warehouse, months):
        dates = days_of(warehouse.read(CONTACTS, [month], ["contact_date"]).column("contact_date"))
        found.append(np.unique(np.delete(dates, superseded.get(month, []))))
    return np.unique(np.concatenate(found))


def contact_months(
    warehouse: Warehouse,
    months: Sequence[str],
    columns: Sequence[str] = (),
    as_of: np.datetime64 | None = None,
    only: Sequence[str] | None = None,
) -> Iterator[StoredMonth]:
    """The contacts of some months, ascending, each with its last arrival among them and its latest outcome.

    With `only`, those of these months among them. With `as_of`, outcomes are those that were usable on that day, even
    if they were corrected since. All are read as they are at the start, whatever other runs commit meanwhile.
    """
    warehouse = warehouse.pinned()
    wanted = _stored(warehouse, months if only is None else only)
    if not wanted:  # or what connects no months would be every report
        return
    connected = _connected(warehouse, months)
    for month in wanted:
        rows = warehouse.read(CONTACTS, [month], ["contact_id", "contact_date", *columns]).combine_chunks()
        if month in connected.superseded:
            is_last = np.ones(rows.num_rows, bool)
            is_last[connected.superseded[month]] = False
            rows = rows.filter(pa.array(is_last))
        keys = [("contact_date", "ascending"), ("contact_id", "ascending")]
        rows = rows.take(pc.sort_indices(rows, sort_keys=keys)).combine_chunks()
        if rows.num_rows:
            own = [_reports(warehouse, table, month) for table in OUTCOME_TABLES]
            yield StoredMonth(month, rows, *_latest(rows.column("contact_id"), [*own, connected.strays], as_of))


def _latest(
    ids: pa.ChunkedArray, reports: Sequence[pa.Table], as_of: np.datetime64 | None
) -> tuple[DayArray, BoolArray, DayArray, NDArray[Any]]:
    """Day of arrival and outcome of the latest report of each contact, day of correction, and its list, (n,)."""
    known = pa.concat_tables(reports, promote_options="permissive")
    at = pc.index_in(known.column("contact_id"), value_set=ids)
    known, at = known.filter(at.is_valid()), at.drop_null().to_numpy()
    day, place = days_of(known.column("arrived_on")), known.column("place").to_numpy()
    is_subscribed = known.column("is_subscribed").to_numpy(zero_copy_only=False).astype(bool)
    order = np.lexsort((place, day, at))
    if as_of is not None:
        order = order[day[order] < as_of]
    at, day, is_subscribed = at[order], day[order], is_subscribed[order]
    is_last = np.append(at[1:] != at[:-1], True)[: len(at)]
    is_change = np.insert((at[1:] == at[:-1]) & (is_subscribed[1:] != is_subscribed[:-1]), 0, False)[: len(at)]
    arrived, outcome, corrected = np.full(len(ids), _NEVER), np.zeros(len(ids), bool), np.full(len(ids), _NEVER)
    arrived[at[is_last]], outcome[at[is_last]] = day[is_last], is_subscribed[is_last]
    corrected[at[is_change]] = day[is_change]
    # What corrects a call need not name the list that the call named.
    called_by, names = np.full(len(ids), "", object), known.column("list_id").take(pa.array(order))
    called_by[at[names.is_valid().to_numpy()]] = names.drop_null().to_numpy()
    return arrived, outcome, corrected, called_by


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What `_connect` reads; equal ones have the same content."""

    root: str
    months: tuple[str, ...]
    digests: tuple[Any, ...]
    warehouse: Warehouse = field(compare=False)  # a pinned one, or the rows would not be those of the digests


class _Connected(NamedTuple):
    """What connects months: rows of each month that arrived again later, and reports outside their contact's month."""

    superseded: Mapping[str, IntArray]
    strays: pa.Table


def _connected(warehouse: Warehouse, months: Sequence[str]) -> _Connected:
    tables = (CONTACTS, *OUTCOME_TABLES)
    digests = tuple(tuple(warehouse.digests(table).items()) for table in tables)
    return _connect(_Inputs(str(warehouse.root), tuple(_stored(warehouse, months)), digests, warehouse))


@lru_cache(maxsize=2)  # a run asks for it in several stages
def _connect(stored: _Inputs) -> _Connected:
    warehouse, months = stored.warehouse, stored.months
    strays, hashes = [_reports(warehouse, OUTCOME_TABLES[0], "")], []
    for month in months:
        ids = warehouse.read(CONTACTS, [month], ["contact_id"]).column("contact_id")
        hashes.append(pd.util.hash_array(ids.to_numpy(), categorize=False))
        for table in OUTCOME_TABLES:
            reports = _reports(warehouse, table, month)
            strays.append(reports.filter(pc.invert(pc.is_in(reports.column("contact_id"), value_set=ids))))
    for table in OUTCOME_TABLES:
        strays += [_reports(warehouse, table, key) for key in warehouse.manifest(table) if key not in months]
    superseded = _superseded(warehouse, months, hashes)
    for month, rows in superseded.items():  # reports may lie where the contact was before it moved
        moved = warehouse.read(CONTACTS, [month], ["contact_id"]).column("contact_id").take(pa.array(rows))
        for table in OUTCOME_TABLES:
            reports = _reports(warehouse, table, month)
            strays.append(reports.filter(pc.is_in(reports.column("contact_id"), value_set=moved)))
    return _Connected(superseded, pa.concat_tables(strays, promote_options="permissive"))


def _superseded(warehouse: Warehouse, months: Sequence[str], hashes: Sequence[NDArray[np.uint64]]) -> dict[str, Any]:
    """Rows of each month whose contact arrived again later, or in a later row; hashes only narrow the search."""
    every = np.sort(np.concatenate([np.array([], np.uint64), *hashes]))
    repeated = every[1:][every[1:] == every[:-1]]
    parts = []
    for month, known in zip(months, hashes, strict=True):
        rows = np.flatnonzero(np.isin(known, repeated))
        if len(rows):
            found = warehouse.read(CONTACTS, [month], ["contact_id", "delivery_arrival"]).take(pa.array(rows))
            parts.append(found.to_pandas().assign(month=month, row=rows))
    if not parts:
        return {}
    found = pd.concat(parts, ignore_index=True).sort_values("delivery_arrival", kind="stable")
    older = found[found["contact_id"].duplicated(keep="last")]
    return {month: rows["row"].to_numpy() for month, rows in older.groupby("month")}


def _reports(warehouse: Warehouse, table: str, key: str) -> pa.Table:
    """Outcomes in one key of a table, with the `place` that decides between reports of one day: the later counts."""
    stored, text = warehouse.manifest(table), pa.string()
    if key not in stored or not stored[key].rows:
        types = (text, pa.bool_(), pa.date32(), text, pa.int64())
        return pa.schema(zip((*_REPORT, "place"), types, strict=True)).empty_table()
    rows = warehouse.read(table, [key], _REPORT)
    if "list_id" not in rows.column_names:  # delivered, or of an earlier release
        rows = rows.append_column("list_id", pa.nulls(rows.num_rows, text))
    place = ((OUTCOME_TABLES.index(table) << 16 | list(stored).index(key)) << 40) + np.arange(rows.num_rows)
    return rows.append_column("place", pa.array(place)).filter(rows.column("is_subscribed").is_valid())


def _stored(warehouse: Warehouse, months: Sequence[str]) -> list[str]:
    known = warehouse.manifest(CONTACTS)
    return sorted({month for month in months if month in known})
