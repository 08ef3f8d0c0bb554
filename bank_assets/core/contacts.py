"""Contacts in memory, in the delivery's own names: what learning and replay start from.

What lives here: `Contacts`, `LearningData` and their construction from table columns or from delivery columns.
What must not: files, Spark, Arrow (callers hand over plain arrays), features (`core.features`).
Called by the `training_set` and performance assets, batch scoring and replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract import BY_SOURCE, Kind
from bank_assets.core.arrays import BoolArray
from bank_assets.core.as_of import OUTCOME_DELAY_DAYS, OutcomeHistory
from bank_assets.core.features import CATEGORY_PAYLOAD, NUMERIC_PAYLOAD, historical_features
from bank_assets.core.plan import Frame

Days = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class LearningData:
    """Contacts with known outcomes, ready to learn from; rows in time order.

    Attributes:
        features: one array (n,) per feature, as of each contact's own morning.
        contact_dates: day of each call, (n,).
        known_on: day from whose morning each outcome is usable, (n,).
        is_subscribed: outcomes, (n,).
        as_of: first day after the data; nothing known later is in it.
    """

    features: Mapping[str, NDArray[Any]]
    contact_dates: Days
    known_on: Days
    is_subscribed: BoolArray
    as_of: np.datetime64

    def __len__(self) -> int:
        return len(self.contact_dates)

    def rows(self, mask: NDArray[Any]) -> LearningData:
        """The rows of a mask or index."""
        return LearningData(
            {name: column[mask] for name, column in self.features.items()},
            self.contact_dates[mask],
            self.known_on[mask],
            self.is_subscribed[mask],
            self.as_of,
        )


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts with what is known of their outcomes; rows in time order.

    Attributes:
        contact_ids: (n,), text.
        frame: payload columns in delivery names and values, each (n,).
        contact_dates: day of each call, (n,), datetime64[D].
        known_on: day from whose morning the outcome is usable, (n,); NaT where there is no outcome yet.
        is_subscribed: outcomes, (n,); False where there is none yet.
    """

    contact_ids: NDArray[Any]
    frame: Frame
    contact_dates: Days
    known_on: Days
    is_subscribed: BoolArray

    def __len__(self) -> int:
        return len(self.contact_dates)

    @property
    def has_outcome(self) -> BoolArray:
        """Which outcomes exist, (n,)."""
        return ~np.isnat(self.known_on)

    def rows(self, mask: NDArray[Any]) -> Contacts:
        """The rows of a mask or index."""
        return Contacts(
            self.contact_ids[mask],
            {name: column[mask] for name, column in self.frame.items()},
            self.contact_dates[mask],
            self.known_on[mask],
            self.is_subscribed[mask],
        )

    def in_time_order(self) -> Contacts:
        """Sorted by day; the order within a day is kept."""
        return self.rows(np.argsort(self.contact_dates, kind="stable"))

    def known_as_of(self, as_of: np.datetime64) -> BoolArray:
        """Which contacts were called before `as_of` and have an outcome usable on its morning, (n,)."""
        return np.asarray(self.has_outcome & (self.contact_dates < as_of) & (self.known_on <= as_of))

    def history(self) -> OutcomeHistory:
        """Outcomes and plans by day."""
        return OutcomeHistory.from_contacts(
            self.frame, self.contact_dates, self.is_subscribed, self.known_on, has_outcome=self.has_outcome
        )

    def features(self) -> dict[str, NDArray[Any]]:
        """Features of every contact, each as of the morning of its own day."""
        return historical_features(self.frame, self.contact_dates, self.history())

    def learning_data(self, as_of: np.datetime64) -> LearningData:
        """Contacts whose outcome is known on a morning, with their features.

        Args:
            as_of: the morning; later contacts and outcomes do not enter, not even through a rate.

        Returns:
            Rows to learn from, in time order.
        """
        known = self.rows(self.known_as_of(as_of)).in_time_order()
        return LearningData(known.features(), known.contact_dates, known.known_on, known.is_subscribed, as_of)


def usable_from(contact_dates: Days, arrived_on: Days) -> Days:
    """Day from whose morning an outcome is usable: the day after it arrived, and never before the day after the call.

    Args:
        contact_dates: day of each call, (n,).
        arrived_on: day on which each outcome arrived, (n,); NaT where none did.

    Returns:
        Days, (n,); NaT where there is no outcome.
    """
    earliest = np.maximum(contact_dates, arrived_on) + np.timedelta64(OUTCOME_DELAY_DAYS, "D")
    return np.where(np.isnat(arrived_on), np.datetime64("NaT", "D"), earliest).astype("datetime64[D]")


def frame_from_tables(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Payload columns in delivery names and values from columns of the `contacts` table.

    Args:
        columns: one array (n,) per table column; booleans as bool, a missing number as NaN.

    Returns:
        Numbers as float64 (sentinels restored), categories and yes/no as text objects.
    """
    frame: dict[str, NDArray[Any]] = {}
    for name in (*NUMERIC_PAYLOAD, *CATEGORY_PAYLOAD):
        column = BY_SOURCE[name]
        values = columns[column.table]
        if column.kind is Kind.BOOLEAN:
            frame[name] = np.where(values.astype(bool), "yes", "no").astype(object)
        elif column.kind is Kind.INTEGER:
            numbers = values.astype(np.float64)
            frame[name] = np.where(np.isnan(numbers), float(column.sentinel or 0), numbers)
        else:
            frame[name] = values.astype(object)
    return frame


def frame_from_deliveries(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Payload columns from delivery columns that were checked already.

    Args:
        columns: one array (n,) per delivery column.

    Returns:
        Numbers as float64, categories as text objects.
    """
    numbers = {name: np.asarray(columns[name], dtype=np.float64) for name in NUMERIC_PAYLOAD}
    return numbers | {name: np.asarray(columns[name], dtype=object) for name in CATEGORY_PAYLOAD}
