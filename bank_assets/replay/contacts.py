"""The history of a replay, read straight from the source without a warehouse or Spark.

Rows outside the contract are left out and counted; validating deliveries is the main job's task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bank_assets.contract.columns import YES_NO
from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.contract.rows import ColumnRule, Encoded, RowRules
from bank_assets.core.features.contacts import Contacts, frame_from_deliveries, usable_from
from bank_assets.settings import Settings
from bank_assets.sources.source import Source
from bank_assets.sources.uci import SourceError
from bank_assets.sources.undated import contact_id_of, implied_dates, is_undated


@dataclass(frozen=True, slots=True)
class History:
    """The contacts of a replay in time order, their source and digest, and the number of unusable rows."""

    contacts: Contacts
    source: Source
    digest: str
    left_out: int


def read_history(source: Source, settings: Settings) -> History:
    """Read all contacts of a source; of a contact that occurs twice the last row counts.

    Raises:
        SourceError: the source has no usable contact.
    """
    rows = _rows(source, settings)
    good = _is_usable(rows, settings.contract)
    kept = rows[good].drop_duplicates(settings.contract.contact_id.source, keep="last")
    if kept.empty:
        raise SourceError(f"{source.label}: expected contacts to replay, found none that is usable; check the file.")
    contacts = _contacts(kept, settings.contract)
    return History(contacts, source, _digest(contacts), len(rows) - len(kept))


def _rows(source: Source, settings: Settings) -> pd.DataFrame:
    if source.path is None:  # simulated
        from bank_assets.simulator.simulator import simulate

        return simulate(rows=settings.simulated_rows, seed=settings.seed)
    with source.path.open("rb") as stream:
        head, rows = read_rows(stream, encoding_of(stream, settings.contract.encoding))
        good = [(number, row.fields) for number, row in enumerate(rows, start=1) if row.fault is None]
        text = pd.DataFrame([fields for _, fields in good], columns=list(head.columns), dtype=str)
    contract = settings.contract
    if is_undated(source.path, contract):
        text[contract.contact_date.source] = implied_dates(
            contract, {name: text[name] for name in contract.calendar_columns}
        )
        text[contract.contact_id.source] = [contact_id_of(row, contract) for row, _ in good]
    for name in contract.optional_columns:
        if name not in text.columns:
            text[name] = str(contract.by_source[name].default)
    missing = [name for name in contract.delivery_columns if name not in text.columns]
    if missing:
        raise SourceError(
            f"{source.label}: expected the columns {list(contract.delivery_columns)}, missing {missing}; deliver them."
        )
    return text


def _is_usable(rows: pd.DataFrame, contract: Contract) -> NDArray[np.bool_]:
    """Rows with a date and a payload inside the contract's bounds, (n,)."""
    columns = (contract.contact_date, *contract.payload)
    encoded = {column.source: Encoded.of(rows[column.source].astype(str)) for column in columns}
    return RowRules(tuple(ColumnRule(column) for column in columns)).judge(encoded).is_kept


def _contacts(rows: pd.DataFrame, contract: Contract) -> Contacts:
    dates = pd.to_datetime(rows[contract.contact_date.source]).to_numpy().astype("datetime64[D]")
    columns: Mapping[str, Any] = {
        column.source: pd.to_numeric(rows[column.source]).to_numpy()
        if column.is_number
        else rows[column.source].astype(str).to_numpy(dtype=object)
        for column in contract.payload
    }
    outcome = rows[contract.target.source].astype(str).to_numpy()
    arrived = np.where(np.isin(outcome, YES_NO), dates, np.datetime64("NaT", "D"))
    contacts = Contacts(
        rows[contract.contact_id.source].astype(str).to_numpy(dtype=object),
        frame_from_deliveries(columns, contract),
        dates,
        usable_from(dates, arrived.astype("datetime64[D]")),
        outcome == "yes",
        contract,
    )
    return contacts.in_time_order()


def _digest(contacts: Contacts) -> str:
    content = hashlib.sha256()
    parts = [contacts.contact_dates, contacts.known_on, contacts.is_subscribed, *contacts.frame.values()]
    for part in parts:
        content.update("\x1f".join(part).encode() if part.dtype == object else np.ascontiguousarray(part).tobytes())
        content.update(b"\x1e")
    return content.hexdigest()
