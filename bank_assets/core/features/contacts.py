"""Contacts in memory: in the delivery's own names, as rows to learn from, and with their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import YES_NO, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, Rows, records_at, rows_at, weights_or_ones
from bank_assets.core.features.as_of import OUTCOME_DELAY_DAYS, OutcomeHistory, Outcomes, plan_statistics
from bank_assets.core.features.feature_set import DayTable, FeatureSet

PREFIX: Final = "feature."
"""Features carry a prefix in the training snapshot, since some have the name of a key column's source."""
LEARNING_ROWS, MINIMUM_LEARNING_ROWS = 200_000, 1_000
"""How many rows a fit uses at most, and the least limit: 1,000 contacts hold ten subscribers if 1 % subscribe."""
WEIGHT: Final = "weight"
"""Column of the training snapshot that only weighted contacts have."""
NUMBER, FIT_ROWS = "number", "fit_rows"
"""Columns of the training snapshot that only a bounded one has, so that its digest names the sample."""
STANDS_FOR, ELIGIBLE = "stands_for", "eligible"
"""Columns of a training snapshot that holds a sample itself."""


@dataclass(frozen=True, slots=True)
class LearningData:
    """Contacts with known outcomes, ready to learn from; rows in time order, each array (n,).

    Features are as of each contact's own day. `as_of` is the first day after the data; nothing known later is in it.
    `weights` are as in `Contacts`, without zeros. Of more than `fit_rows` rows a fit uses a sample, drawn by `numbers`
    (`core.training.learning_sample`); None stands for no limit. Of a history beyond several times that limit the
    snapshot is a sample itself (`core.training.snapshot_sample`): each row `stands_for` so many of the `eligible`
    contacts, and has a weight by it.
    """

    features: Mapping[str, NDArray[Any]]
    contact_dates: DayArray
    known_on: DayArray
    is_subscribed: BoolArray
    as_of: np.datetime64
    contract: Contract
    weights: FloatArray | None = None
    numbers: FloatArray | None = None
    fit_rows: int | None = None
    stands_for: FloatArray | None = None
    eligible: int | None = None

    def __len__(self) -> int:
        return len(self.contact_dates)

    @property
    def w(self) -> FloatArray:
        """The weights, ones if there are none, (n,)."""
        return weights_or_ones(self.weights, len(self))

    def rows(self, mask: NDArray[Any]) -> LearningData:
        """Select rows by mask or index."""
        return records_at(self, mask)

    def to_columns(self, contact_ids: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the columns of the table `training_set`; no feature is known only after the call."""
        self.contract.refuse_post_contact(self.features)
        keys = {
            "contact_id": contact_ids,
            "contact_date": self.contact_dates,
            "known_on": self.known_on,
            "is_subscribed": self.is_subscribed,
        }
        if self.weights is not None:
            keys[WEIGHT] = self.weights
        if self.numbers is not None:
            keys |= {NUMBER: self.numbers, FIT_ROWS: np.full(len(self), self.fit_rows)}
        if self.stands_for is not None:
            keys |= {STANDS_FOR: self.stands_for, ELIGIBLE: np.full(len(self), self.eligible)}
        return keys | {PREFIX + name: self.features[name] for name in FeatureSet.of(self.contract).names}

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, NDArray[Any]], as_of: np.datetime64, contract: Contract
    ) -> LearningData:
        """Read what `to_columns` made."""
        contract.refuse_post_contact(name.removeprefix(PREFIX) for name in columns if name.startswith(PREFIX))
        feature_set = FeatureSet.of(contract)
        features = {
            name: columns[PREFIX + name].astype(object if name in feature_set.category else np.float64, copy=False)
            for name in feature_set.names
        }
        dates, known_on = (columns[name].astype("datetime64[D]") for name in ("contact_date", "known_on"))
        weights = columns[WEIGHT].astype(np.float64) if WEIGHT in columns else None
        sample: tuple[Any, ...] = (columns[NUMBER], int(columns[FIT_ROWS][0])) if NUMBER in columns else ()
        sample += (columns[STANDS_FOR], int(columns[ELIGIBLE][0])) if STANDS_FOR in columns else ()
        return cls(features, dates, known_on, columns["is_subscribed"].astype(bool), as_of, contract, weights, *sample)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredContacts:
    """Contacts with the score they had on their day, and their outcomes; rows in any order, each array (n,).

    `proba` is NaN where there was no champion, and `known_on` NaT where no outcome is known. `frame` holds the
    columns that the economics read. `weights` and `propensity` are as in `Contacts`. Of days with many contacts a row
    may be `counts` alike contacts (`core.features.score_bins`); None stands for ones, and weighted rows have none.
    """

    contact_dates: DayArray
    proba: FloatArray
    is_subscribed: BoolArray
    known_on: DayArray
    frame: Rows = field(default_factory=dict)
    weights: FloatArray | None = None
    propensity: FloatArray | None = None
    counts: FloatArray | None = None

    def __post_init__(self) -> None:
        parts = (self.contact_dates, self.proba, self.is_subscribed, self.known_on)
        lengths = {len(part) for part in parts}
        if len(lengths) > 1:
            raise ValueError(f"scored contacts: expected columns of one length, found {sorted(lengths)}.")

    @property
    def w(self) -> FloatArray:
        """The weights, ones if there are none, (n,)."""
        return weights_or_ones(self.weights, len(self.proba))

    @property
    def mass(self) -> FloatArray:
        """What each row counts in a sum, (n,): its weight times its contacts."""
        return self.w if self.counts is None else self.w * self.counts

    @property
    def n_contacts(self) -> int:
        """How many contacts the rows are."""
        return len(self.proba) if self.counts is None else int(self.counts.sum())

    def rows(self, mask: NDArray[Any]) -> ScoredContacts:
        """Select rows by mask."""
        return records_at(self, mask)

    def known_as_of(self, as_of: np.datetime64) -> BoolArray:
        """Which contacts were called before `as_of` and have an outcome that was learned and is usable then, (n,)."""
        return known_as_of(self, as_of)


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts with what is known of their outcomes; rows in time order, each array (n,).

    `frame` holds payload columns in delivery names and values. `known_on` is the first day on which the outcome is
    usable; NaT, with `is_subscribed` False, where there is none yet. `weights` are inverse probabilities of having
    learned each outcome, 0 for never; None stands for ones. `propensity` is the probability of being called by a
    list: 0 for contacts that it could not choose, NaN for those on no list or excluded by a rule, None without lists.
    `customer_ids` name the persons, "" for nobody; None if they were not read or each contact is its own.
    """

    contact_ids: NDArray[Any]
    frame: Rows
    contact_dates: DayArray
    known_on: DayArray
    is_subscribed: BoolArray
    contract: Contract
    weights: FloatArray | None = None
    propensity: FloatArray | None = None
    customer_ids: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        w = self.weights
        if w is not None and (len(w) != len(self) or not bool(np.isfinite(w).all()) or bool((w < 0.0).any())):
            raise ValueError(
                f"weights of contacts: expected {len(self)} inverse probabilities, 0 for outcomes never learned, found "
                f"{len(w)} with a minimum of {w.min(initial=np.inf)}; read the lists' propensities again."
            )

    def __len__(self) -> int:
        return len(self.contact_dates)

    @property
    def counts(self) -> None:
        """Each row is one contact."""

    @property
    def has_outcome(self) -> BoolArray:
        """Which outcomes exist, (n,)."""
        return ~np.isnat(self.known_on)

    def rows(self, mask: NDArray[Any]) -> Contacts:
        """Select rows by mask or index."""
        return records_at(self, mask)

    def in_time_order(self) -> Contacts:
        """Sort by day, then by id: fits that draw rows depend on the order, and files keep none."""
        return self.rows(np.lexsort((self.contact_ids.astype(str), self.contact_dates)))

    def known_as_of(self, as_of: np.datetime64) -> BoolArray:
        """Which contacts were called before `as_of` and have an outcome that was learned and is usable then, (n,)."""
        return known_as_of(self, as_of)

    def history(self, plans: tuple[DayArray, FloatArray] | None = None) -> OutcomeHistory:
        """Outcomes and plans by day; an outcome known on the day of its own call, or before it, is refused.

        `plans` are the contacts' `plan_statistics`, for a caller that asks often.
        """
        history = OutcomeHistory(
            *(plans or plan_statistics(self.frame, self.contact_dates, self.contract)), self.contract
        )
        history.learn(self)
        return history

    def scored(self, proba: FloatArray) -> ScoredContacts:
        """The contacts with the probabilities that they were given, (n,)."""
        known = (self.is_subscribed, self.known_on)
        return ScoredContacts(self.contact_dates, proba, *known, self.frame, self.weights, self.propensity)

    def features(self) -> dict[str, NDArray[Any]]:
        """Features of every contact, each as of its own day with its own day's plan."""
        self.contract.refuse_post_contact(self.frame)
        plans = plan_statistics(self.frame, self.contact_dates, self.contract)
        days = DayTable.of(self.history(plans), plans, self.contract)
        return days.features(self.frame, self.contact_dates)

    def learning_data(self, as_of: np.datetime64) -> LearningData:
        """Return contacts whose outcome is known on a day, with features; the contacts must be in time order.

        Later contacts and outcomes do not enter, not even through a rate. The list of a day is all its contacts, as it
        was scored, and not only those who were called.
        """
        if (np.diff(self.contact_dates) < np.timedelta64(0, "D")).any():
            raise ValueError("contacts: expected them in time order, on which fits depend; sort them first.")
        visible = self.rows(self.contact_dates < as_of)
        is_known = visible.known_as_of(as_of)
        known, features = visible.rows(is_known), rows_at(visible.features(), is_known)
        learned = (known.contact_dates, known.known_on, known.is_subscribed)
        return LearningData(features, *learned, as_of, self.contract, known.weights)


def known_as_of(contacts: Outcomes, as_of: np.datetime64) -> BoolArray:
    """Which contacts were called before `as_of` and have an outcome that was learned and is usable then, (n,)."""
    known = (contacts.contact_dates < as_of) & (contacts.known_on <= as_of)  # False for NaT
    return np.asarray(known if contacts.weights is None else known & (contacts.weights > 0.0))


def usable_from(contact_dates: DayArray, arrived_on: DayArray) -> DayArray:
    """Return the first day on which each outcome is usable, (n,); NaT where none arrived.

    This is the day after it arrived, and never before the day after the call.
    """
    earliest = np.maximum(contact_dates, arrived_on) + np.timedelta64(OUTCOME_DELAY_DAYS, "D")
    return np.where(np.isnat(arrived_on), np.datetime64("NaT", "D"), earliest).astype("datetime64[D]")


def frame_from_tables(columns: Mapping[str, NDArray[Any]], contract: Contract) -> dict[str, NDArray[Any]]:
    """Convert columns of the `contacts` table to payload columns in delivery names and values, those that there are.

    Numbers come as float64 with sentinels restored for NaN, categories and yes/no as text objects.
    """
    frame: dict[str, NDArray[Any]] = {}
    for column in (one for one in contract.payload if one.table in columns):
        values = columns[column.table]
        if column.kind is ColumnKind.BOOLEAN:
            frame[column.source] = np.where(values.astype(bool), YES_NO[1], YES_NO[0]).astype(object)
        elif column.is_number:
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
        dtype: Any = np.float64 if column.is_number else object
        if column.is_optional and column.source not in columns:
            frame[column.source] = np.full(n, column.default, dtype)
        else:
            frame[column.source] = np.asarray(columns[column.source], dtype)
    return frame
