"""A bounded learning set: which rows a fit uses if there are more than `BANK_LEARNING_ROWS`.

Each customer has one permanent random number, a hash. A fit takes customers by number / weight, smallest first, until
the rows are used up (priority sampling: Duffield, Lund, Thorup 2007, J. ACM 54(6), with customers as units). Given
what the others drew, a customer is in the sample with probability min(1, weight x threshold), so dividing weights by it
leaves every weighted sum unbiased. Numbers do not change, so a new delivery or a later fit changes few rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, FloatArray, IntArray
from bank_assets.core.economics.holdout import hash_draws
from bank_assets.core.economics.suppression import CUSTOMER_ID, persons_of
from bank_assets.core.features.contacts import LearningData

LARGEST_PERSON: Final = 100
"""An id with more contacts is no person but a blank or a default, and its contacts are drawn one by one."""


def permanent_numbers(
    contact_ids: NDArray[Any], customer_ids: NDArray[Any] | None = None, salt: str = ""
) -> FloatArray:
    """Random numbers in (0, 1] by contact, (n,), equal for all contacts of a person."""
    numbers = numbers_of(persons_of(contact_ids, {} if customer_ids is None else {CUSTOMER_ID: customer_ids}), salt)
    is_crowd = crowds(numbers)
    numbers[is_crowd] = numbers_of(contact_ids[is_crowd], salt)
    return numbers


def numbers_of(keys: Any, salt: str = "") -> FloatArray:
    """Random numbers in (0, 1] by key, (n,)."""
    return (hash_draws(keys, salt, b"learning").astype(np.float64) + 0.5) / 2.0**64


def crowds(numbers: FloatArray) -> BoolArray:
    """Which numbers belong to more contacts than a person has, (n,): these contacts take the numbers of their ids."""
    known, size = np.unique(numbers, return_counts=True)
    return np.isin(numbers, known[size > LARGEST_PERSON])


def bounded(
    data: LearningData, limit: int, contact_ids: NDArray[Any], customer_ids: NDArray[Any] | None = None
) -> LearningData:
    """The same rows, of which a fit uses at most `limit`; below the limit nothing changes."""
    if len(data) <= limit:
        return data
    return replace(data, numbers=permanent_numbers(contact_ids, customer_ids), fit_rows=limit)


def draw(weights: FloatArray, numbers: FloatArray, limit: int) -> tuple[IntArray, FloatArray]:
    """Draw at most `limit` rows by weight, whole persons only: rows in order, and inverse inclusion probabilities.

    The largest weight of a person counts for all its rows. Equal `numbers` mean one person; there are more rows than
    `limit`.
    """
    bound = 2.0 * limit * weights.max() / weights.sum()
    near = np.flatnonzero(numbers <= bound)
    if limit < len(near) < len(numbers):  # of many rows, most numbers are too large for any weight, and need no sorting
        rows, inverse, threshold = _drawn(weights[near], numbers[near], limit)
        if threshold * weights.max() <= bound:
            return near[rows], inverse
    return _drawn(weights, numbers, limit)[:2]


def _drawn(weights: FloatArray, numbers: FloatArray, limit: int) -> tuple[IntArray, FloatArray, float]:
    persons, person, size = np.unique(numbers, return_inverse=True, return_counts=True)
    largest = np.zeros(len(persons))
    np.maximum.at(largest, person, weights)
    priority = persons / largest
    order = np.argsort(priority)
    threshold = priority[order[np.searchsorted(np.cumsum(size[order]), limit, side="right")]]
    rows = np.flatnonzero((priority < threshold)[person])
    return rows, 1.0 / np.minimum(1.0, largest * threshold)[person[rows]], float(threshold)
