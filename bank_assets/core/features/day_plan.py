"""The plan of a day: statistics of its list of candidates, which is known before any call of it.

The list tells which campaign the bank runs; in the replay it is the largest single gain of all features (docs/adr/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import ListStatistic, Summary
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import DayArray, FloatArray

Frame = Mapping[str, NDArray[Any]]


PLAN_COUNT: Final = "contacts_planned_that_day"


def plan_features(contract: Contract) -> tuple[str, ...]:
    """Return the names of the statistics: the length of the list, and those that the contract defines."""
    return (PLAN_COUNT, *(statistic.feature for statistic in contract.list_statistics))


def plan_statistics(frame: Frame, contact_dates: DayArray, contract: Contract) -> tuple[DayArray, FloatArray]:
    """Summarise each day's list of candidates.

    Returns the days, sorted and unique (n_days,), and their statistics (n_days, len(plan_features(contract))).
    """
    days, inverse = np.unique(contact_dates.astype("datetime64[D]"), return_inverse=True)
    counts = np.bincount(inverse, minlength=len(days)).astype(np.float64)
    means = [
        np.bincount(inverse, weights=_summarised(frame[one.column], one), minlength=len(days)) / np.maximum(counts, 1.0)
        for one in contract.list_statistics
    ]
    return days, np.column_stack([counts, *means])


def _summarised(column: NDArray[Any], statistic: ListStatistic) -> FloatArray:
    """What each row adds to the mean, (n,)."""
    if statistic.values:
        return np.isin(column, np.asarray(statistic.values, dtype=column.dtype)).astype(np.float64)
    numbers = column.astype(np.float64)
    low = -np.inf if statistic.low is None else statistic.low
    high = np.inf if statistic.high is None else statistic.high
    if statistic.summary is Summary.SHARE:
        return ((numbers >= low) & (numbers <= high)).astype(np.float64)
    if statistic.summary is Summary.MEAN:
        return np.minimum(numbers, high)
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)))
