"""Reads contacts, their outcomes and their scores from the Parquet tables into memory.

An outcome comes with the contact, in an outcomes delivery, or through the app (`ledger_outcomes`). The latest arrival
of a contact's outcome counts; earlier ones stay in their tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import DayArray, FloatArray
from bank_assets.core.economics.suppression import CUSTOMER_ID
from bank_assets.core.features.contacts import Contacts, frame_from_tables, usable_from
from bank_assets.core.features.feedback import FULL, Feedback, feedback_of
from bank_assets.store.lineage import CONTACTS, SCORES
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.warehouse import Warehouse, WarehouseError

OUTCOME_TABLES: Final = ("outcomes", "ledger_outcomes")
# The campaign that came with the source is open while its first day is at most this many days before the last contact.
OPEN_CAMPAIGN_DAYS: Final = 31


class ContactStore:
    """Reads contacts, their outcomes and what these teach under a feedback of `core.features.feedback.FEEDBACKS`."""

    def __init__(self, warehouse: Warehouse, contract: Contract, feedback: str = FULL) -> None:
        self._warehouse = warehouse
        self._contract = contract
        self._designs = ListDesigns(warehouse.home, feedback)

    def read(
        self, months: Sequence[str], as_of: np.datetime64 | None = None, *, with_persons: bool = False
    ) -> Contacts:
        """Contacts of some months with their latest outcomes and weights, in time order.

        A contact that was delivered in two months counts once, at its last arrival. With `as_of`, outcomes are those
        that were usable on that day, even if they were corrected since. The persons are read on request.
        """
        return self.read_with_feedback(months, as_of, with_persons=with_persons)[0]

    def read_with_feedback(
        self, months: Sequence[str], as_of: np.datetime64 | None = None, *, with_persons: bool = False
    ) -> tuple[Contacts, Feedback]:
        """Contacts as in `read`, and where their outcomes come from."""
        payload = [column.table for column in self._contract.payload]
        designs, has_persons = self._designs.read(), CUSTOMER_ID in self._contract.identifiers
        persons = [CUSTOMER_ID] if has_persons and (designs or with_persons) else []
        rows = self._last_arrivals([*payload, *persons], months)
        outcomes = self._reports()
        if as_of is not None:
            outcomes = outcomes[pd.to_datetime(outcomes["arrived_on"]) < pd.Timestamp(as_of)]
        # What corrects a call need not name the list that the call named.
        named = outcomes.groupby("contact_id")["list_id"].ffill()
        outcomes = outcomes.assign(list_id=named).drop_duplicates("contact_id", keep="last")
        joined = rows.merge(outcomes, on="contact_id", how="left")
        dates = joined["contact_date"].to_numpy().astype("datetime64[D]")
        # pandas holds Arrow dates as objects, with NaN for contacts without an outcome
        arrived = pd.to_datetime(joined["arrived_on"]).to_numpy().astype("datetime64[D]")
        columns: dict[str, Any] = {name: joined[name].to_numpy() for name in payload}
        contacts = Contacts(
            joined["contact_id"].to_numpy(dtype=object),
            frame_from_tables(columns, self._contract),
            dates,
            usable_from(dates, arrived),
            joined["is_subscribed"].eq(True).to_numpy(dtype=bool),
            self._contract,
        )
        customers = joined[CUSTOMER_ID].fillna("").to_numpy(dtype=object) if persons else None
        called_by = joined["list_id"].fillna("").to_numpy(dtype=object)
        weights, chance, feedback = feedback_of(
            contacts.contact_ids, dates, arrived, designs, as_of, customers, called_by
        )
        contacts = replace(contacts, weights=weights, propensity=chance, customer_ids=customers)
        return contacts.in_time_order(), feedback

    def lists(self, months: Sequence[str]) -> list[str]:
        """Names of the lists that weigh outcomes of some months, for fingerprints; none if every outcome weighs 1."""
        known = self._designs.names()
        return self._designs.names(until=self.days(months).max()) if known and months else []

    def last_correction(self) -> np.datetime64:
        """The last day on which an outcome arrived that contradicts an earlier one of its contact; NaT if none did."""
        known = self._reports()
        known = known[known["contact_id"].duplicated(keep=False)]
        before = known.groupby("contact_id")["is_subscribed"].shift()
        corrections = known[before.notna() & (before != known["is_subscribed"])]
        return pd.to_datetime(corrections["arrived_on"]).max().to_numpy().astype("datetime64[D]")

    def _reports(self) -> pd.DataFrame:
        """Every report of an outcome, in the order of arrival."""
        names = ["contact_id", "is_subscribed", "arrived_on", "list_id"]
        parts = [self._frame(table, names, None) for table in OUTCOME_TABLES if self._warehouse.manifest(table)]
        if not parts:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in names})
        known = pd.concat(parts, ignore_index=True).reindex(columns=names)
        known = known[known["is_subscribed"].notna()]
        return known.sort_values("arrived_on", kind="stable")

    def _frame(self, table: str, columns: Sequence[str], months: Sequence[str] | None) -> pd.DataFrame:
        stored = self._warehouse.manifest(table)
        keys = list(stored) if months is None else [month for month in months if month in stored]
        return self._warehouse.read(table, keys, columns).to_pandas()

    def _last_arrivals(self, columns: Sequence[str], months: Sequence[str]) -> pd.DataFrame:
        rows = self._frame(CONTACTS, ["contact_id", "contact_date", *columns, "delivery_arrival"], months)
        return rows.sort_values("delivery_arrival", kind="stable").drop_duplicates("contact_id", keep="last")

    def days(self, months: Sequence[str]) -> DayArray:
        """Days with contacts of some months, sorted and distinct; a contact that was moved has only its last day."""
        return np.unique(self._last_arrivals([], months)["contact_date"].to_numpy().astype("datetime64[D]"))


def learning_as_of(days: DayArray, open_from: str = "") -> np.datetime64:
    """First day that training leaves out, given the days with contacts: the day after the last one.

    While the campaign that came with the source is open, it is that campaign's first day, ISO: its customers are still
    to be called. No list of customers moves it.

    Raises:
        WarehouseError: there are no contacts.
    """
    if not len(days):
        raise WarehouseError(
            "contacts: expected a month that passed its validation gate, found none; correct the deliveries first."
        )
    if open_from and np.datetime64(open_from, "D") + np.timedelta64(OPEN_CAMPAIGN_DAYS, "D") >= days.max():
        return np.datetime64(open_from, "D")
    return np.datetime64(days.max() + np.timedelta64(1, "D"), "D")


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
