"""From a contact and what was known on its day to the inputs of the model: one implementation for past and present.

A feature comes from the contact itself (payload columns), from the as-of state (trailing subscription rates), or from
the plan (the day's list of candidates). Calendar day and month are not features: they gained nothing, and a model must
not fit the dates of one file (docs/adr/). A frame is a mapping from delivery column name to an array (n,).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.core.arrays import DayArray, FloatArray, Rows
from bank_assets.core.features.as_of import (
    RATE_FEATURES,
    AsOfState,
    OutcomeHistory,
    StateError,
    plan_features,
    plan_statistics,
)

STALE_AFTER_DAYS: Final = 30
"""Answers for contact dates further than this past the as-of day are marked `stale_features`."""

RATES_GROUP: Final = "recent_subscription_rates"
PLAN_GROUP: Final = "call_list_of_the_day"


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The inputs of a model under a contract; `numeric` holds payload columns, rates and plan statistics."""

    contract: Contract
    plan: tuple[str, ...]
    numeric: tuple[str, ...]
    category: tuple[str, ...]

    @classmethod
    @lru_cache(maxsize=32)
    def of(cls, contract: Contract) -> FeatureSet:
        """Return the inputs that a contract defines."""
        plan = plan_features(contract)
        return cls(contract, plan, (*contract.numeric_columns, *RATE_FEATURES, *plan), contract.category_columns)

    @property
    def names(self) -> tuple[str, ...]:
        """All features, numbers first."""
        return (*self.numeric, *self.category)

    @property
    def groups(self) -> dict[str, str]:
        """Group of each feature in explanations."""
        return (
            {name: name for name in self.contract.payload_columns}
            | dict.fromkeys(RATE_FEATURES, RATES_GROUP)
            | dict.fromkeys(self.plan, PLAN_GROUP)
        )

    def categories_of(self, feature: str) -> tuple[str, ...]:
        """Return the allowed values of a category feature, in the contract's order."""
        return self.contract.by_source[feature].categories

    def kind_of(self, feature: str) -> Literal["numeric", "category"]:
        """Return the kind of a feature in a bundle's signature."""
        return "category" if feature in self.category else "numeric"


MEMO_ROWS: Final = 64
"""Columns of constants are cached up to this many rows: a single request uses the same eighteen every time."""


@lru_cache(maxsize=64)
def _refuse_post_contact(contract: Contract, names: tuple[str, ...]) -> None:
    """The check of names that were checked before; a refusal is not kept."""
    contract.refuse_post_contact(names)


def payload_features(frame: Rows, contract: Contract) -> dict[str, NDArray[Any]]:
    """Return the features that describe the customer."""
    try:
        numbers = {name: np.asarray(frame[name], np.float64) for name in contract.numeric_columns}
        return numbers | {name: np.asarray(frame[name], dtype=object) for name in contract.category_columns}
    except KeyError:
        missing = [name for name in contract.payload_columns if name not in frame]
        raise ContractError(
            f"contacts: expected the columns of contract {contract.name} {contract.version}, found none of the name "
            f"{', '.join(missing)}; read them by that contract, or use a model made under theirs."
        ) from None


@dataclass(frozen=True, slots=True)
class DayTable:
    """What all contacts of a day share: its rates and the statistics of its list. One row a day, however many contacts.

    `days` (n_days,) are sorted and unique; `values` is (n_days, n_rates + n_statistics).
    """

    contract: Contract
    days: DayArray
    values: FloatArray

    @classmethod
    def of(cls, history: OutcomeHistory, plans: tuple[DayArray, FloatArray], contract: Contract) -> DayTable:
        """The days of `plan_statistics`, each with the rates that were known on it."""
        days, statistics = plans
        return cls(contract, days, np.column_stack([*history.rates(days).values(), statistics]))

    def features(self, frame: Rows, contact_dates: DayArray) -> dict[str, NDArray[Any]]:
        """Features of contacts of these days, each as of its own day; any part of a day's contacts has the same."""
        row = np.searchsorted(self.days, contact_dates.astype("datetime64[D]"))
        names = (*RATE_FEATURES, *FeatureSet.of(self.contract).plan)
        shared = {name: self.values[row, column] for column, name in enumerate(names)}
        return payload_features(frame, self.contract) | shared


def plan_of_the_day(
    frame: Rows, contact_dates: DayArray, contract: Contract, known: tuple[DayArray, FloatArray] | None = None
) -> dict[str, FloatArray]:
    """Return the statistics of each contact's own list; `frame` holds whole days unless they are `known`."""
    days, plans = known or plan_statistics(frame, contact_dates, contract)
    row = np.searchsorted(days, contact_dates.astype("datetime64[D]"))
    return {name: plans[row, column] for column, name in enumerate(FeatureSet.of(contract).plan)}


def plans_by_day(frame: Rows, contact_dates: DayArray, contract: Contract) -> dict[str, dict[str, float]]:
    """Return the statistics of each day's list by ISO day, as `AsOfState.typical_plan` holds those of a typical day.

    A state with them gives each contact of that day alone the features that it has on the whole list.
    """
    return named_plans(plan_statistics(frame, contact_dates, contract), contract)


def named_plans(known: tuple[DayArray, FloatArray], contract: Contract) -> dict[str, dict[str, float]]:
    """Return what `plans_by_day` does, from the days and their statistics."""
    days, plans = known
    names = FeatureSet.of(contract).plan
    return {str(day): dict(zip(names, row, strict=True)) for day, row in zip(days, plans.tolist(), strict=True)}


def current_features(
    frame: Rows,
    contact_dates: DayArray,
    state: AsOfState,
    contract: Contract,
    *,
    has_plan: bool,
    known: tuple[DayArray, FloatArray] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return features of contacts to be decided now, from the published state.

    `has_plan` says that `frame` is the whole list of its days, or a part of one whose `plan_statistics` are `known`;
    single requests take the typical plan of the last 30 days. `contract` is that of the model that scores them.
    """
    _refuse_post_contact(contract, tuple(frame))
    n = len(contact_dates)
    plan = (
        plan_of_the_day(frame, contact_dates, contract, known)
        if has_plan
        else _constant(state.typical_plan, FeatureSet.of(contract).plan, n)
    )
    return payload_features(frame, contract) | _constant(state.rates, RATE_FEATURES, n) | plan


def _constant(values: Mapping[str, float], names: tuple[str, ...], n: int) -> dict[str, NDArray[Any]]:
    """Columns (n,) of one value each, read-only; building them anew costs a single request 25 us."""
    make = _columns if n <= MEMO_ROWS else _columns.__wrapped__
    try:
        row = tuple([values[name] for name in names])
    except KeyError as error:
        raise StateError(
            f"as-of state: expected the statistic {error.args[0]}, which the model takes, found a state published "
            "without it; run the pipeline once, it publishes the state anew."
        ) from error
    return dict(zip(names, make(row, n), strict=True))


@lru_cache(maxsize=4 * MEMO_ROWS)
def _columns(values: tuple[float, ...], n: int) -> FloatArray:
    """One row of n equal numbers for each value, (n_values, n), read-only."""
    columns = np.repeat(np.array(values, dtype=np.float64)[:, np.newaxis], n, axis=1)
    columns.setflags(write=False)
    return columns


def is_stale(contact_dates: DayArray, state: AsOfState) -> NDArray[np.bool_]:
    """Which contacts lie more than `STALE_AFTER_DAYS` past the state, (n,)."""
    return np.asarray((contact_dates - state.as_of).astype(np.int64) > STALE_AFTER_DAYS)
