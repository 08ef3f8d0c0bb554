"""Whom to call: the best list under a budget and a capacity, with objections, rules and a hold-out group.

Costs are whole cents and profits whole millionths of EUR, and ties go to the smaller contact_id, so the same contacts
give the same list in any order and on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, FloatArray, IntArray, Rows
from bank_assets.core.economics.call_plan import (
    BEYOND_LIMITS,
    HELD_OUT,
    MICROS,
    NOT_WORTH_CALLING,
    CallPlan,
    ranked,
)
from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.core.economics.holdout import holdout_mask
from bank_assets.core.economics.knapsack import select
from bank_assets.core.economics.suppression import (
    ALLOWED,
    FrequencyRules,
    SuppressionList,
    excluded_by_rules,
    persons_of,
)

CENTS: Final = 100
MAXIMUM_BUDGET_EUR: Final = MAXIMUM_EUR * 1_000  # more is an error of unit


class PlanError(ValueError):
    """A limit or a list is unusable."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Largest total cost, EUR (fractions of a cent are cut off), and largest number of calls; None is no limit."""

    budget_eur: float | None = None
    capacity: int | None = None

    def __post_init__(self) -> None:
        budget, capacity = self.budget_eur, self.capacity
        if budget is not None:
            is_number = isinstance(budget, (int, float, np.integer, np.floating)) and not isinstance(budget, bool)
            if not is_number or not 0.0 <= float(budget) <= MAXIMUM_BUDGET_EUR:  # NaN fails the comparison too
                raise PlanError(
                    f"budget: expected 0 to {MAXIMUM_BUDGET_EUR:,.0f} EUR or nothing, found {budget!r}; correct it."
                )
            object.__setattr__(self, "budget_eur", float(budget))
        if capacity is not None:
            if isinstance(capacity, bool) or not isinstance(capacity, (int, np.integer)) or capacity < 0:
                raise PlanError(f"capacity: expected a whole number of calls from 0 or nothing, found {capacity!r}.")
            object.__setattr__(self, "capacity", int(capacity))

    def of(self, cost_cents: IntArray) -> tuple[int, int]:
        """Budget in whole cents and number of calls for a list; without a limit, enough for all of it."""
        # The small addition keeps 0.29 x 100 = 28.999999999999996 from losing its last cent
        budget = int(cost_cents.sum()) if self.budget_eur is None else math.floor(self.budget_eur * CENTS + 1e-6)
        return budget, len(cost_cents) if self.capacity is None else self.capacity


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What a plan is made under.

    The hold-out share lies in [0, 0.5]. The subscription rate without a call, in (0, 1), is assumed for the size of the
    hold-out test only; None for half of the expected rate.
    """

    economics: Economics
    limits: CallLimits = CallLimits()
    rules: FrequencyRules = FrequencyRules()
    holdout_share: float = 0.0
    rate_without: float | None = None
    suppression: SuppressionList = SuppressionList()


def plan_calls(
    contact_ids: Sequence[str] | NDArray[Any],
    probability: ArrayLike,
    rows: Rows,
    contract: Contract,
    settings: PlanSettings,
    list_id: str = "",
) -> CallPlan:
    """Plan a call list.

    A contact is left out by the first of: objection, duplicate, frequency rules, hold-out, a call that does not pay,
    the limits. The hold-out group, seeded by `list_id`, is drawn before the choice: a random part of the list.

    `probability` is calibrated, (n_contacts,); `rows` are the columns that economics and rules read, `customer_id` for
    contacts that are not persons of their own among them. The plan is exact (see `core.economics.knapsack`).

    Raises:
        PlanError, SuppressionError, HoldoutError: a probability, a column of a rule or the share is unusable.
    """
    economics, limits = settings.economics, settings.limits
    ids = np.asarray([str(contact_id).strip() for contact_id in contact_ids], dtype=np.str_)
    proba = _checked_probability(probability, len(ids))
    cost_cents, value = _priced(economics, rows, len(ids))
    cost_eur = cost_cents / CENTS
    budget, capacity = limits.of(cost_cents)
    profit = np.rint((proba * value - cost_eur) * MICROS).astype(np.int64)

    reason = excluded_by_rules(ids, rows, contract, settings.suppression, settings.rules)
    is_held_out = (reason == ALLOWED) & holdout_mask(persons_of(ids, rows), list_id, settings.holdout_share)
    is_open = (reason == ALLOWED) & ~is_held_out
    is_wanted, gain = profit > 0, profit
    if economics.calls_from is not None:  # then limits are spent on subscriptions, whatever a call earns
        is_wanted, gain = proba >= economics.calls_from, np.rint(proba * value * MICROS).astype(np.int64)
    ranking = ranked(profit / MICROS, ids)
    candidates = ranking[(is_open & is_wanted)[ranking]]
    selection = select(gain[candidates], cost_cents[candidates], budget, capacity)

    is_called = np.zeros(len(ids), dtype=bool)
    is_called[candidates[selection.is_taken]] = True
    reason[is_held_out] = HELD_OUT
    reason[is_open & ~is_wanted] = NOT_WORTH_CALLING
    reason[is_open & is_wanted & ~is_called] = BEYOND_LIMITS
    is_within = (cost_cents <= budget) & (capacity > 0)
    is_within &= gain > selection.price_of_cost * cost_cents + selection.price_of_call
    return CallPlan(
        list_id,
        ids,
        proba,
        cost_eur,
        value,
        profit / MICROS,
        is_called,
        reason,
        is_held_out & is_wanted & is_within,
        limits.budget_eur,
        limits.capacity,
        _binding(is_called, cost_cents, candidates[~selection.is_taken], budget, capacity),
        selection.is_exact,
        selection.gap / MICROS,
    )


def _priced(economics: Economics, rows: Rows, n_contacts: int) -> tuple[IntArray, FloatArray]:
    """Cost per call in whole cents, at least one, and value per subscription in EUR."""
    try:
        cost, value = (np.broadcast_to(one, n_contacts) for one in (economics.cost(rows), economics.value(rows)))
    except ValueError as error:
        raise PlanError(f"economics: expected {n_contacts} contacts, found other rows: {error}.") from error
    return np.maximum(np.rint(cost * CENTS), 1.0).astype(np.int64), value


def _checked_probability(probability: ArrayLike, n_contacts: int) -> FloatArray:
    proba = np.asarray(probability, dtype=np.float64)
    if proba.shape != (n_contacts,):
        raise PlanError(f"probability: expected {n_contacts} values, found shape {proba.shape}.")
    wrong = ~((proba >= 0.0) & (proba <= 1.0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise PlanError(f"probability: expected values in [0, 1], found {proba[row]!r} in row {row}; score it again.")
    return proba


def _binding(
    is_called: BoolArray, cost_cents: IntArray, left_out: NDArray[np.intp], budget: int, capacity: int
) -> tuple[str, ...]:
    if not len(left_out):
        return ()
    is_spent = int(cost_cents[is_called].sum()) + int(cost_cents[left_out].min()) > budget
    is_full = int(is_called.sum()) >= capacity
    return (("budget",) if is_spent else ()) + (("capacity",) if is_full else ())
