"""Reads contacts, their outcomes and their scores from the Parquet tables.

An outcome comes with the contact, in an outcomes delivery, or through the app (`ledger_outcomes`). The latest arrival
of a contact's outcome counts; earlier ones stay in their tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.core.arrays import DayArray, FloatArray, records_joined
from bank_assets.core.economics.suppression import CUSTOMER_ID, persons_of
from bank_assets.core.features.as_of import OutcomeHistory, PlanSums
from bank_assets.core.features.contacts import Contacts, ScoredContacts
from bank_assets.core.features.feature_set import DayTable
from bank_assets.core.features.feedback import FULL, Feedback, Origin, feedback_of
from bank_assets.core.features.score_bins import Apart, joined, merged
from bank_assets.store.contact_months import StoredMonth, contact_days, contact_months, frame_of
from bank_assets.store.lineage import SCORES
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.warehouse import Warehouse, WarehouseError

# The campaign that came with the source is open while its first day is at most this many days before the last contact.
OPEN_CAMPAIGN_DAYS: Final = 31


class StoredEvidence(NamedTuple):
    """Scored contacts, where their outcomes come from, and the last day on which an outcome was corrected, or NaT."""

    scored: ScoredContacts
    feedback: Feedback
    last_correction: np.datetime64


class ContactStore:
    """Reads contacts, their outcomes and what these teach under a feedback of `core.features.feedback.FEEDBACKS`."""

    def __init__(self, warehouse: Warehouse, contract: Contract, feedback: str = FULL) -> None:
        self._warehouse = warehouse.pinned()  # weights, scores and contacts are joined by row
        self.contract = contract
        self._designs = ListDesigns(warehouse.home, feedback)
        self._weighed = lru_cache(maxsize=1)(self._weigh)

    def read(
        self, months: Sequence[str], as_of: np.datetime64 | None = None, *, with_persons: bool = False
    ) -> Contacts:
        """Contacts of some months with their latest outcomes and weights, in time order, all in memory.

        A contact that was delivered in two months counts once, at its last arrival. With `as_of`, outcomes are those
        that were usable on that day, even if they were corrected since. The persons are read on request.
        """
        columns = [*self.payload, *(self.persons if with_persons else [])]
        parts = [self.contacts(one) for one in self.by_month(months, columns, as_of)]
        return records_joined(parts) if parts else self.contacts(self._empty(columns))

    def by_month(
        self,
        months: Sequence[str],
        columns: Sequence[str] = (),
        as_of: np.datetime64 | None = None,
        only: Sequence[str] | None = None,
    ) -> Iterator[StoredMonth]:
        """The same contacts month by month, with some columns of their table; `only` some of the months."""
        weighed, _ = self._weighed(tuple(months), as_of)
        for one in contact_months(self._warehouse, months, columns, as_of, only):
            weights, propensity = weighed.get(one.month, (None, None))
            yield replace(one, weights=weights, propensity=propensity)

    def contacts(self, month: StoredMonth) -> Contacts:
        """The contacts of a month in memory, with those payload columns that were read."""
        return Contacts(
            month.ids.to_numpy(zero_copy_only=False),
            self.frame(month),
            month.contact_dates,
            month.known_on,
            month.is_subscribed,
            self.contract,
            month.weights,
            month.propensity,
            self._customers(month),
        )

    def _customers(self, month: StoredMonth) -> Any:
        if CUSTOMER_ID not in month.table.column_names:
            return None
        return month.table.column(CUSTOMER_ID).fill_null("").to_numpy()

    def persons_of(self, month: StoredMonth) -> Any:
        """The person behind each contact, (n,), if `persons` were read: the contact itself where nobody is named."""
        customers = self._customers(month)
        rows = {} if customers is None else {CUSTOMER_ID: customers}
        return persons_of(month.ids.to_numpy(zero_copy_only=False), rows)

    def evidence(
        self,
        months: Sequence[str],
        score: str,
        as_of: np.datetime64 | None = None,
        columns: Sequence[str] = (),
        apart: Apart = lambda _: (),
    ) -> StoredEvidence:
        """Contacts with a column of their stored scores, and with some payload columns by their delivered names.

        Rows are as in `read`, those of large days merged (`core.features.score_bins`).

        Raises:
            ContractError: the contract has no such column.
        """
        tables = self._tables_of(columns)
        parts, learned, corrected = [], 0, [np.datetime64("NaT", "D")]
        for one in self.by_month(months, tables, as_of):
            parts.append(merged(self.scored(one, month_scores(self._warehouse, one, score)), apart))
            learned += int((~np.isnat(one.arrived_on)).sum())
            corrected.append(np.fmax.reduce(one.corrected_on))
        empty = self._empty(tables)
        scored = joined(parts) if parts else self.scored(empty, np.zeros(0))
        feedback = self._weighed(tuple(months), as_of)[1]
        return StoredEvidence(scored, feedback or Feedback({Origin.CALLED_IN_FULL: learned}), np.fmax.reduce(corrected))

    def scored(self, month: StoredMonth, proba: FloatArray) -> ScoredContacts:
        """The contacts of a month with probabilities, (n,)."""
        known = (month.is_subscribed, month.known_on, self.frame(month))
        return ScoredContacts(month.contact_dates, proba, *known, month.weights, month.propensity)

    def frame(self, month: StoredMonth) -> dict[str, Any]:
        """Those payload columns that were read, by their delivered names, each (n,)."""
        return frame_of(month.table, self.contract)

    def day_table(self, month: StoredMonth, history: OutcomeHistory) -> DayTable:
        """What the contacts of each day share, if the month has the columns of list statistics."""
        sums = PlanSums(self.contract)
        for part in map(month.part, month.slices()):
            sums.add(self.frame(part), part.contact_dates)
        return DayTable.of(history, sums.statistics(), self.contract)

    def plans(self, months: Sequence[str], days: DayArray) -> tuple[DayArray, FloatArray]:
        """Statistics of the lists of some days, as `core.features.as_of.plan_statistics` returns them."""
        columns = sorted({self.contract.by_source[one.column].table for one in self.contract.list_statistics})
        of_days, sums = np.unique(days.astype("datetime64[M]")).astype(str).tolist(), PlanSums(self.contract)
        for month in contact_months(self._warehouse, months, columns, only=of_days):  # lists need no weights
            part = month.rows(np.isin(month.contact_dates, days))
            sums.add(self.frame(part), part.contact_dates)
        return sums.statistics()

    def lists(self, months: Sequence[str]) -> list[str]:
        """Names of the lists that weigh outcomes of some months, for fingerprints; none if every outcome weighs 1."""
        known = self._designs.names()
        return self._designs.names(until=self.days(months).max()) if known and months else []

    def days(self, months: Sequence[str]) -> DayArray:
        """Days with contacts of some months, sorted and distinct; a contact that was moved has only its last day."""
        return contact_days(self._warehouse, months)

    def _tables_of(self, columns: Sequence[str]) -> list[str]:
        """Columns of the table, by their delivered names."""
        if unknown := [name for name in columns if name not in self.contract.by_source]:
            raise ContractError(
                f"amounts by column: expected columns of the contract ({', '.join(self.contract.by_source)}), found "
                f"{', '.join(unknown)}; name one of these columns, or state the same amount for everybody."
            )
        return [self.contract.by_source[name].table for name in columns]

    @property
    def payload(self) -> list[str]:
        """Columns of the table that describe a contact."""
        return [column.table for column in self.contract.payload]

    @property
    def persons(self) -> list[str]:
        """The column of the table that names persons, if the contract has one."""
        return [CUSTOMER_ID] if CUSTOMER_ID in self.contract.identifiers else []

    def _weigh(
        self, months: tuple[str, ...], as_of: np.datetime64 | None
    ) -> tuple[dict[str, tuple[FloatArray, FloatArray]], Feedback | None]:
        """Weights and propensities by month, and what they rest on; nothing where every outcome weighs 1.

        A list may hold anybody, so this alone needs the ids of all contacts at once.
        """
        designs = self._designs.read()
        parts = list(contact_months(self._warehouse, months, self.persons, as_of)) if designs else []
        if not parts:
            return {}, None
        every: Contacts = records_joined([self.contacts(one) for one in parts])
        arrived, called_by = (
            np.concatenate([getattr(one, name) for one in parts]) for name in ("arrived_on", "called_by")
        )
        known = (every.contact_ids, every.contact_dates, arrived)
        weights, chance, feedback = feedback_of(*known, designs, as_of, every.customer_ids, called_by)
        if weights is None or chance is None:
            return {}, feedback
        ends = np.cumsum([len(one) for one in parts])[:-1]
        found = zip(parts, np.split(weights, ends), np.split(chance, ends), strict=True)
        return {one.month: (w, p) for one, w, p in found}, feedback

    def _empty(self, columns: Sequence[str]) -> StoredMonth:
        text = pa.table({name: pa.array([], pa.string()) for name in ("contact_id", *columns)})
        table, days = text.append_column("contact_date", pa.array([], pa.date32())), np.array([], "datetime64[D]")
        return StoredMonth("", table, days, np.array([], bool), days, np.array([], object))


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


def month_scores(store: Warehouse, month: StoredMonth, column: str = "proba") -> FloatArray:
    """A column of the scores of a month's contacts, (n,); NaN where there is none."""
    entry = store.entry(SCORES.name, month.month)
    if entry is None or not entry.rows:
        return np.full(len(month), np.nan)
    scores = store.read(SCORES.name, [month.month], ["contact_id", column]).combine_chunks()
    found = scores.column(column).take(pc.index_in(month.ids, value_set=scores.column("contact_id")))
    return np.asarray(found.to_numpy(), dtype=np.float64)


def stored_scores(
    store: Warehouse, contact_ids: Iterable[str], column: str = "proba", *, version: str | None = None
) -> FloatArray:
    """A column of the scores by contact, (n,); NaN for contacts without a score (of that model version)."""
    ids = pa.array(contact_ids, pa.string())
    found = np.full(len(ids), np.nan)
    for month in scored_months(store):
        scores = store.read(SCORES.name, [month], ["contact_id", "model_version", column])
        if version is not None:
            scores = scores.filter(pc.equal(scores["model_version"], version))
        at = pc.index_in(ids, value_set=scores["contact_id"])
        known = at.is_valid().to_numpy(zero_copy_only=False)
        found[known] = scores[column].to_numpy()[at.drop_null().to_numpy()]
    return found
