"""From a contact and the world as it was known that day to the inputs of the model.

What lives here: the feature list and its assembly.
What must not: fitting, pandas, any look at an outcome that was not known on the morning of the contact's day.
Called by training, evaluation, replay, batch scoring and serving: one implementation, numpy only.

Three sources of a feature: the contact itself (payload columns); the as-of state (`core.as_of`: trailing subscription
rates from outcomes known that morning); the plan (`core.plan`: the list of candidates of the day). The calendar day
and month are no features: they gained nothing, and a model may not be fitted to the dates of one file (docs/adr/).

A frame here is a mapping from delivery column name to an array (n,).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract import BY_SOURCE, refuse_post_contact
from bank_assets.core.arrays import FloatArray
from bank_assets.core.as_of import RATE_FEATURES, AsOfState, OutcomeHistory
from bank_assets.core.plan import PLAN_FEATURES, Days, Frame, plan_statistics

STALE_AFTER_DAYS: Final = 30
"""A contact date further than this past the as-of day makes the answer carry `stale_features`."""

NUMERIC_PAYLOAD: Final = ("age", "balance", "campaign", "pdays", "previous")
CATEGORY_PAYLOAD: Final = ("job", "marital", "education", "default", "housing", "loan", "contact", "poutcome")

NUMERIC_FEATURES: Final = (*NUMERIC_PAYLOAD, *RATE_FEATURES, *PLAN_FEATURES)
CATEGORY_FEATURES: Final = CATEGORY_PAYLOAD
FEATURES: Final = (*NUMERIC_FEATURES, *CATEGORY_FEATURES)

GROUPS: Final[Mapping[str, str]] = {
    **{name: name for name in (*NUMERIC_PAYLOAD, *CATEGORY_PAYLOAD)},
    **dict.fromkeys(RATE_FEATURES, "recent_subscription_rates"),
    **dict.fromkeys(PLAN_FEATURES, "call_list_of_the_day"),
}
"""Feature -> group that people are told about in explanations."""


def categories_of(feature: str) -> tuple[str, ...]:
    """Allowed values of a category feature, in the contract's order."""
    return BY_SOURCE[feature].categories


def feature_kind(feature: str) -> Literal["numeric", "category"]:
    """Kind of a feature in a bundle's signature."""
    return "category" if feature in CATEGORY_FEATURES else "numeric"


MEMO_ROWS: Final = 64
"""Up to so many rows the columns of constants are kept: a single request takes the same eighteen every time."""
_refuse_post_contact = lru_cache(maxsize=64)(refuse_post_contact)
"""The check of names that were checked before; a refusal is not kept."""


def _contact_features(frame: Frame) -> dict[str, NDArray[Any]]:
    features: dict[str, NDArray[Any]] = {name: frame[name].astype(np.float64) for name in NUMERIC_PAYLOAD}
    features |= {name: np.asarray(frame[name], dtype=object) for name in CATEGORY_PAYLOAD}
    return features


def historical_features(frame: Frame, contact_dates: Days, history: OutcomeHistory) -> dict[str, NDArray[Any]]:
    """Features of past or replayed contacts, each as of the morning of its own day, with its own day's plan.

    Args:
        frame: payload columns, each (n,).
        contact_dates: day of each call, (n,).
        history: outcomes by the day they became known.

    Returns:
        One array (n,) per name of `FEATURES`.

    Raises:
        LeakageError: the frame offers a column that is known only after the call.
    """
    refuse_post_contact(tuple(frame))
    days, plans = plan_statistics(frame, contact_dates)
    row = np.searchsorted(days, contact_dates.astype("datetime64[D]"))
    return (
        _contact_features(frame)
        | history.rates(contact_dates)
        | {name: plans[row, column] for column, name in enumerate(PLAN_FEATURES)}
    )


def current_features(frame: Frame, contact_dates: Days, state: AsOfState, *, has_plan: bool) -> dict[str, NDArray[Any]]:
    """Features of contacts to be decided now, from the published state.

    Args:
        frame: payload columns, each (n,).
        contact_dates: planned day of each call, (n,).
        state: the published as-of state.
        has_plan: True if `frame` is the whole list of its days; False for single requests, which then take the
            typical plan of the last 30 days.

    Returns:
        One array (n,) per name of `FEATURES`.

    Raises:
        LeakageError: the frame offers a column that is known only after the call.
    """
    _refuse_post_contact(tuple(frame))
    n = len(contact_dates)
    if has_plan:
        days, plans = plan_statistics(frame, contact_dates)
        row = np.searchsorted(days, contact_dates.astype("datetime64[D]"))
        plan = {name: plans[row, column] for column, name in enumerate(PLAN_FEATURES)}
    else:
        plan = _constant(state.typical_plan, PLAN_FEATURES, n)
    return _contact_features(frame) | _constant(state.rates, RATE_FEATURES, n) | plan


def _constant(values: Mapping[str, float], names: tuple[str, ...], n: int) -> dict[str, NDArray[Any]]:
    """Columns (n,) of one value each, not to be written to; made anew they cost a single request 25 us."""
    make = _columns if n <= MEMO_ROWS else _columns.__wrapped__
    return dict(zip(names, make(tuple([values[name] for name in names]), n), strict=True))


@lru_cache(maxsize=4 * MEMO_ROWS)
def _columns(values: tuple[float, ...], n: int) -> FloatArray:
    """One row of n equal numbers for each value, (n_values, n), read-only."""
    columns = np.repeat(np.array(values, dtype=np.float64)[:, np.newaxis], n, axis=1)
    columns.setflags(write=False)
    return columns


def is_stale(contact_dates: Days, state: AsOfState) -> NDArray[np.bool_]:
    """Which contacts lie more than `STALE_AFTER_DAYS` past the state, (n,)."""
    return np.asarray((contact_dates - state.as_of).astype(np.int64) > STALE_AFTER_DAYS)
