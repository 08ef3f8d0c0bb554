"""Reads contacts, their outcomes and their scores from the Parquet tables into memory.

An outcome comes with the contact, in an outcomes delivery, or through the app (`ledger_outcomes`). The latest arrival
of a contact's outcome counts; earlier ones stay in their tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.contract.rows import days
from bank_assets.core.arrays import DayArray, FloatArray
from bank_assets.core.features.contacts import Contacts, frame_from_tables, usable_from
from bank_assets.store.campaign_files import example_path
from bank_assets.store.lineage import CONTACTS, SCORES
from bank_assets.store.warehouse import Warehouse

OUTCOME_TABLES: Final = ("outcomes", "ledger_outcomes")
# The example campaign is open while its first day is at most this many days before the last contact.
OPEN_CAMPAIGN_DAYS: Final = 31


class ContactStore:
    """Reads contacts and their outcomes."""

    def __init__(self, warehouse: Warehouse, contract: Contract) -> None:
        self._warehouse = warehouse
        self._contract = contract

    def read(self, months: Sequence[str]) -> Contacts:
        """Contacts of some months with their latest outcomes, in time order.

        A contact that was delivered in two months counts once, at its last arrival.
        """
        payload = [column.table for column in self._contract.payload]
        rows = self._frame(CONTACTS, ["contact_id", "contact_date", *payload, "delivery_arrival"], months)
        rows = rows.sort_values("delivery_arrival", kind="stable").drop_duplicates("contact_id", keep="last")
        # Ids break ties within a day, so that the order does not depend on files.
        rows = rows.sort_values(["contact_date", "contact_id"], kind="stable")
        outcomes = self._outcomes()
        joined = rows.merge(outcomes, on="contact_id", how="left")
        dates = joined["contact_date"].to_numpy().astype("datetime64[D]")
        # pandas holds Arrow dates as objects, with NaN for contacts without an outcome
        arrived = pd.to_datetime(joined["arrived_on"]).to_numpy().astype("datetime64[D]")
        columns: dict[str, Any] = {name: joined[name].to_numpy() for name in payload}
        return Contacts(
            joined["contact_id"].to_numpy(dtype=object),
            frame_from_tables(columns, self._contract),
            dates,
            usable_from(dates, arrived),
            joined["is_subscribed"].eq(True).to_numpy(dtype=bool),
            self._contract,
        )

    def _outcomes(self) -> pd.DataFrame:
        names = ["contact_id", "is_subscribed", "arrived_on"]
        parts = [self._frame(table, names, None) for table in OUTCOME_TABLES if self._warehouse.manifest(table)]
        if not parts:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in names})
        known = pd.concat(parts, ignore_index=True)
        known = known[known["is_subscribed"].notna()]
        return known.sort_values("arrived_on", kind="stable").drop_duplicates("contact_id", keep="last")

    def _frame(self, table: str, columns: Sequence[str], months: Sequence[str] | None) -> pd.DataFrame:
        stored = self._warehouse.manifest(table)
        keys = list(stored) if months is None else [month for month in months if month in stored]
        return self._warehouse.read(table, keys, columns).to_pandas()

    def learning_as_of(self, landing: Path, months: Sequence[str]) -> np.datetime64:
        """First day that training leaves out.

        That is the first day of the open example campaign, whose customers are still to be called, or else the day
        after the last contact.
        """
        dates = self._frame(CONTACTS, ["contact_date"], months)["contact_date"].to_numpy().astype("datetime64[D]")
        after = dates.max() + np.timedelta64(1, "D")
        path = example_path(landing)
        if path.is_file():
            planned = _planned_days(path, self._contract.contact_date.source)
            if len(planned) and planned.min() + np.timedelta64(OPEN_CAMPAIGN_DAYS, "D") >= dates.max():
                return np.datetime64(planned.min(), "D")
        return np.datetime64(after, "D")


def _planned_days(path: Path, column: str) -> DayArray:
    """Days of the planned calls of a campaign file, (n,); rows whose day cannot be read are left out."""
    with path.open("rb") as stream:
        head, rows = read_rows(stream, encoding_of(stream))
        at = head.columns.index(column) if column in head.columns else None
        texts = [row.fields[at] for row in rows if row.fault is None] if at is not None else []
    found, is_day = days(texts)
    return found[is_day]


def scored_months(store: Warehouse) -> list[str]:
    """Months with at least one score."""
    return [month for month, entry in store.manifest(SCORES.name).items() if entry.rows]


def stored_scores(
    store: Warehouse, contact_ids: Iterable[str], column: str = "proba", *, version: str | None = None
) -> FloatArray:
    """A column of the scores by contact, (n,); NaN for contacts without a score (of that model version)."""
    known: dict[str, float] = {}
    if months := scored_months(store):
        scores = store.read(SCORES.name, months, ["contact_id", "model_version", column])
        if version is not None:
            scores = scores.filter(pc.equal(scores["model_version"], version))
        known = dict(zip(scores["contact_id"].to_pylist(), scores[column].to_pylist(), strict=True))
    return np.array([known.get(contact, np.nan) for contact in contact_ids], dtype=np.float64)
