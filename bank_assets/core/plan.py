"""The plan of a day: its list of candidates, known before any call of it, and what that list tells.

What lives here: shares and means over a day's list.
What must not: outcomes of any kind.
Called by `core.as_of` and `core.features`. The list tells which campaign the bank runs; measured in the replay, it is
the largest single gain of all features (docs/adr/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import FloatArray

Frame = Mapping[str, NDArray[Any]]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class PlanShare:
    """Share of the day's list with a property.

    Attributes:
        feature: name of the feature.
        column: delivery column.
        values: categories that count; or, for numbers, empty.
        low: smallest number that counts.
        high: largest number that counts.
    """

    feature: str
    column: str
    values: tuple[str, ...] = ()
    low: float = -np.inf
    high: float = np.inf

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Which rows have the property, (n,)."""
        column = frame[self.column]
        if self.values:
            return np.isin(column, np.asarray(self.values, dtype=column.dtype))
        numbers = column.astype(np.float64)
        return np.asarray((numbers >= self.low) & (numbers <= self.high))


PLAN_SHARES: Final = (
    PlanShare("plan_share_housing_loan", "housing", ("yes",)),
    PlanShare("plan_share_personal_loan", "loan", ("yes",)),
    PlanShare("plan_share_telephone", "contact", ("telephone",)),
    PlanShare("plan_share_cellular", "contact", ("cellular",)),
    PlanShare("plan_share_never_contacted", "poutcome", ("unknown",)),
    PlanShare("plan_share_previous_success", "poutcome", ("success",)),
    PlanShare("plan_share_first_call", "campaign", high=1),
    PlanShare("plan_share_age_60_up", "age", low=60),
    PlanShare("plan_share_age_under_30", "age", high=29),
    PlanShare("plan_share_retired_or_student", "job", ("retired", "student")),
    PlanShare("plan_share_blue_collar", "job", ("blue-collar",)),
    PlanShare("plan_share_tertiary", "education", ("tertiary",)),
    PlanShare("plan_share_single", "marital", ("single",)),
)
PLAN_COUNT: Final = "contacts_planned_that_day"
PLAN_CAMPAIGN: Final = "plan_mean_campaign"
PLAN_BALANCE: Final = "plan_mean_log_balance"
PLAN_FEATURES: Final = (PLAN_COUNT, *(share.feature for share in PLAN_SHARES), PLAN_CAMPAIGN, PLAN_BALANCE)


def plan_statistics(frame: Frame, contact_dates: Days) -> tuple[Days, FloatArray]:
    """Statistics of each day's list of candidates.

    Args:
        frame: payload columns of all candidates, each (n,).
        contact_dates: planned day of each, (n,).

    Returns:
        The days, sorted and unique (n_days,), and their statistics (n_days, len(PLAN_FEATURES)).
    """
    days, inverse = np.unique(contact_dates.astype("datetime64[D]"), return_inverse=True)
    counts = np.bincount(inverse, minlength=len(days)).astype(np.float64)

    def mean(values: NDArray[Any]) -> FloatArray:
        return np.bincount(inverse, weights=values.astype(np.float64), minlength=len(days)) / np.maximum(counts, 1.0)

    balance = frame["balance"].astype(np.float64)
    columns = [
        counts,
        *(mean(share.mask(frame)) for share in PLAN_SHARES),
        mean(np.minimum(frame["campaign"].astype(np.float64), 10.0)),
        mean(np.sign(balance) * np.log1p(np.abs(balance))),
    ]
    return days, np.column_stack(columns)
