"""Contacts in memory, in the delivery's own names: where learning and replay start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import YES_NO, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, DayArray, records_at
from bank_assets.core.features.as_of import OUTCOME_DELAY_DAYS, OutcomeHistory
from bank_assets.core.features.day_plan import Frame
from bank_assets.core.features.feature_set import historical_features


@dataclass(frozen=True, slots=True)
class LearningData:
    """Contacts with known outcomes, ready to learn from; rows in time order, each array (n,).

    Features are as of each contact's own day. `as_of` is the first day after the data; nothing known later is in it.
    """

    features: Mapping[str, NDArray[Any]]
    contact_dates: DayArray
    known_on: DayArray
    is_subscribed: BoolArray
    as_of: np.datetime64
    contract: Contract

    def __len__(self) -> int:
        return len(self.contact_dates)

    def rows(self, mask: NDArray[Any]) -> LearningData:
        """Select rows by mask or index."""
        return records_at(self, mask)


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts with what is known of their outcomes; rows in time order, each array (n,).

    `frame` holds payload columns in delivery names and values. `known_on` is the first day on which the outcome is
    usable; NaT, with `is_subscribed` False, where there is none yet.
    """

    contact_ids: NDArray[Any]
    frame: Frame
    contact_dates: DayArray
    known_on: DayArray
    is_subscribed: BoolArray
    contract: Contract

    def __len__(self) -> int:
        return len(self.contact_dates)

    @property
    def has_outcome(self) -> BoolArray:
        """Which outcomes exist, (n,)."""
        return ~np.isnat(self.known_on)

    def rows(self, mask: NDArray[Any]) -> Contacts:
        """Select rows by mask or index."""
        return records_at(self, mask)

    def in_time_order(self) -> Contacts:
        """Sort by day, then by id: fits that draw rows depend on the order, and tables keep no order of arrival."""
        return self.rows(np.lexsort((self.contact_ids.astype(str), self.contact_dates)))

    def known_as_of(self, as_of: np.datetime64) -> BoolArray:
        """Which contacts were called before `as_of` and have an outcome usable on that day, (n,)."""
        return np.asarray(self.has_outcome & (self.contact_dates < as_of) & (self.known_on <= as_of))

    def history(self) -> OutcomeHistory:
        """Outcomes and plans by day."""
        return OutcomeHistory.from_contacts(
            self.frame, self.contact_dates, self.is_subscribed, self.known_on, contract=self.contract
        )

    def features(self) -> dict[str, NDArray[Any]]:
        """Features of every contact, each as of its own day."""
        return historical_features(self.frame, self.contact_dates, self.history(), self.contract)

    def learning_data(self, as_of: np.datetime64) -> LearningData:
        """Return contacts whose outcome is known on a day, with features, in time order.

        Later contacts and outcomes do not enter, not even through a rate.
        """
        known = self.rows(self.known_as_of(as_of)).in_time_order()
        return LearningData(
            known.features(), known.contact_dates, known.known_on, known.is_subscribed, as_of, self.contract
        )


def usable_from(contact_dates: DayArray, arrived_on: DayArray) -> DayArray:
    """Return the first day on which each outcome is usable, (n,); NaT where none arrived.

    This is the day after it arrived, and never before the day after the call.
    """
    earliest = np.maximum(contact_dates, arrived_on) + np.timedelta64(OUTCOME_DELAY_DAYS, "D")
    return np.where(np.isnat(arrived_on), np.datetime64("NaT", "D"), earliest).astype("datetime64[D]")


def frame_from_tables(columns: Mapping[str, NDArray[Any]], contract: Contract) -> dict[str, NDArray[Any]]:
    """Convert columns of the `contacts` table to payload columns in delivery names and values.

    Numbers come as float64 with sentinels restored for NaN, categories and yes/no as text objects.
    """
    frame: dict[str, NDArray[Any]] = {}
    for column in contract.payload:
        values = columns[column.table]
        if column.kind is ColumnKind.BOOLEAN:
            frame[column.source] = np.where(values.astype(bool), YES_NO[1], YES_NO[0]).astype(object)
        elif column.kind is ColumnKind.INTEGER:
            numbers = values.astype(np.float64)
            frame[column.source] = np.where(np.isnan(numbers), float(column.sentinel or 0), numbers)
        else:
            frame[column.source] = values.astype(object)
    return frame


def frame_from_deliveries(columns: Mapping[str, NDArray[Any]], contract: Contract) -> dict[str, NDArray[Any]]:
    """Convert checked delivery columns to payload columns: numbers as float64, categories as text objects.

    Deliveries of an earlier version of the contract lack its optional columns; these get their defaults.
    """
    n = max((len(values) for values in columns.values()), default=0)
    frame: dict[str, NDArray[Any]] = {}
    for column in contract.payload:
        dtype: Any = np.float64 if column.kind is ColumnKind.INTEGER else object
        if column.is_optional and column.source not in columns:
            frame[column.source] = np.full(n, column.default, dtype)
        else:
            frame[column.source] = np.asarray(columns[column.source], dtype)
    return frame
