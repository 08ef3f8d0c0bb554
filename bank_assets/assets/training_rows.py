"""The rows of a training snapshot, made month by month; memory follows the snapshot and the largest month."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_assets.core.arrays import FloatArray, records_joined, weights_or_ones
from bank_assets.core.features.as_of import OutcomeHistory
from bank_assets.core.features.contacts import LearningData, known_as_of
from bank_assets.core.training.learning_sample import crowds, numbers_of
from bank_assets.core.training.snapshot_sample import rows_of_snapshot
from bank_assets.store.contact_months import StoredMonth
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import WarehouseError

RARE = 50


class TrainingRows(NamedTuple):
    """Contacts to learn from, their ids (n,), and categories with fewer contacts than a model can learn from."""

    data: LearningData
    contact_ids: NDArray[Any]
    rare: list[str]


class _Sample(NamedTuple):
    """Contacts with a known outcome in time order: their permanent numbers, and how many each stands for, (n,).

    `eligible` is the number of all; None if the snapshot holds all of them.
    """

    numbers: FloatArray
    stands_for: FloatArray
    limit: int
    eligible: int | None

    def at(self, rows: slice) -> "_Sample":
        """Some of them."""
        return self._replace(numbers=self.numbers[rows], stands_for=self.stands_for[rows])

    def of(self, data: LearningData) -> LearningData:
        """The same rows as part of a sample."""
        data = replace(data, numbers=self.numbers, fit_rows=self.limit)
        if self.eligible is None:
            return data
        weights = weights_or_ones(data.weights, len(data)) * self.stands_for
        return replace(data, weights=weights, stands_for=self.stands_for, eligible=self.eligible)


def training_rows(
    stored: ContactStore, months: Sequence[str], as_of: np.datetime64, limit: int, *, may_exceed: bool
) -> TrainingRows:
    """Contacts whose outcome is known on a day, with features as of their own days, in time order.

    `may_exceed` says that there may be more than `limit`, the rows that a fit uses at most.
    """
    sample = _sample(stored, months, as_of, limit) if may_exceed else None
    history = OutcomeHistory(*stored.plans((), np.array([], "datetime64[D]")), stored.contract)
    parts, ids, categories, at = [], [], Counter[tuple[str, str]](), 0
    for month in stored.by_month(months, stored.payload, as_of):
        visible = month.rows(month.contact_dates < as_of)
        if not len(visible):
            continue
        history.learn(visible)
        days = stored.day_table(visible, history)
        for rows in visible.slices():
            part = visible.part(rows)
            known = part.rows(known_as_of(part, as_of))
            frame, n = stored.frame(known), len(known)
            categories.update(_counted(frame))
            learned = (known.contact_dates, known.known_on, known.is_subscribed, as_of, stored.contract, known.weights)
            data, kept = LearningData(days.features(frame, known.contact_dates), *learned), np.ones(n, bool)
            if sample is not None:
                mine = sample.at(slice(at, at + n))
                data, kept = mine.of(data), mine.stands_for > 0.0
            parts.append(data.rows(kept))
            ids.append(known.ids.to_numpy(zero_copy_only=False)[kept])
            at += n
    if not at:
        raise WarehouseError(
            f"training_set: expected contacts with an outcome known on {as_of}, found none; deliver outcomes first."
        )
    rare = [f"{name}={value} ({n})" for (name, value), n in categories.items() if n < RARE]
    return TrainingRows(records_joined(parts), np.concatenate(ids), sorted(rare))


def _sample(stored: ContactStore, months: Sequence[str], as_of: np.datetime64, limit: int) -> _Sample | None:
    """The numbers by which fits draw, and what the snapshot keeps; None if no fit has to draw."""

    def known() -> Iterator[StoredMonth]:
        for month in stored.by_month(months, stored.persons, as_of):
            learned = month.rows(known_as_of(month, as_of))
            yield from (learned.part(rows) for rows in learned.slices())

    dates, known_on, numbers = [], [], []
    for part in known():
        dates.append(part.contact_dates)
        known_on.append(part.known_on)
        numbers.append(numbers_of(stored.persons_of(part)))
    n = sum(map(len, numbers))
    if n <= limit:
        return None
    number = np.concatenate(numbers)
    is_crowd = crowds(number)
    if is_crowd.any():
        own = [numbers_of(part.ids.to_numpy(zero_copy_only=False)) for part in known()]
        number = np.where(is_crowd, np.concatenate(own), number)
    stands_for = rows_of_snapshot(np.concatenate(dates), np.concatenate(known_on), number, as_of, limit)
    return _Sample(number, stands_for, limit, None if (stands_for == 1.0).all() else n)


def _counted(frame: Mapping[str, NDArray[Any]]) -> dict[tuple[str, str], int]:
    """How many rows have each category, by column and value."""
    found = {}
    for name, column in frame.items():
        if column.dtype == object:
            for row in pc.value_counts(pa.array(column, pa.string())).to_pylist():
                found[name, row["values"]] = row["counts"]
    return found
