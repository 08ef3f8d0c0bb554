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
    best_first,
    deciles,
    totals_of,
)
from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.core.economics.holdout import holdout_mask
from bank_assets.core.economics.knapsack import select
from bank_assets.core.economics.suppression import ALLOWED, FrequencyRules, SuppressionList, excluded_by_rules

CENTS: Final = 100
CURVE_POINTS: Final = 101
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


def plan_calls(
    contact_ids: Sequence[str] | NDArray[Any],
    probability: ArrayLike,
    economics: Economics,
    rows: Rows,
    contract: Contract,
    *,
    limits: CallLimits | None = None,
    suppression: SuppressionList | None = None,
    rules: FrequencyRules | None = None,
    list_id: str = "",
    holdout_share: float = 0.0,
) -> CallPlan:
    """Plan a call list.

    A contact is left out by the first of: objection, duplicate, frequency rules, hold-out, a call that does not pay,
    the limits. The hold-out group, seeded by `list_id`, is drawn before the choice: a random part of the list.

    `probability` is calibrated, (n_contacts,); `rows` are the columns that economics and frequency rules read. The
    plan is exact (see `core.economics.knapsack`).

    Raises:
        PlanError: lengths that differ, or a probability that is missing or outside [0, 1].
        SuppressionError: a frequency rule lacks its column.
        HoldoutError: the share is outside [0, 0.5].
    """
    limits = limits or CallLimits()
    ids = np.asarray([str(contact_id).strip() for contact_id in contact_ids], dtype=np.str_)
    proba = _checked_probability(probability, len(ids))
    cost_cents, value = _priced(economics, rows, len(ids))
    cost_eur = cost_cents / CENTS
    # The small addition keeps 0.29 x 100 = 28.999999999999996 from losing its last cent
    budget = int(cost_cents.sum()) if limits.budget_eur is None else math.floor(limits.budget_eur * CENTS + 1e-6)
    capacity = len(ids) if limits.capacity is None else limits.capacity
    profit = np.rint((proba * value - cost_eur) * MICROS).astype(np.int64)
    ranking = best_first(profit / MICROS, ids)

    reason = excluded_by_rules(ids, rows, contract, suppression or SuppressionList(), rules or FrequencyRules())
    is_lawful = reason == ALLOWED
    is_held_out = is_lawful & holdout_mask(ids, list_id, holdout_share)
    is_open = is_lawful & ~is_held_out
    is_wanted, gain = profit > 0, profit
    if economics.calls_from is not None:
        # Above the model's threshold a call is wanted whatever it earns, so limits are spent on subscriptions
        is_wanted, gain = proba >= economics.calls_from, np.rint(proba * value * MICROS).astype(np.int64)
    candidates = ranking[is_open[ranking] & is_wanted[ranking]]
    selection = select(gain[candidates], cost_cents[candidates], budget, capacity)

    is_called = np.zeros(len(ids), dtype=bool)
    is_called[candidates[selection.is_taken]] = True
    reason[is_held_out] = HELD_OUT
    reason[is_open & ~is_wanted] = NOT_WORTH_CALLING
    reason[is_open & is_wanted & ~is_called] = BEYOND_LIMITS
    rank = np.zeros(len(ids), dtype=np.int64)
    rank[ranking[is_called[ranking]]] = np.arange(1, is_called.sum() + 1)
    profit_eur = profit / MICROS
    margin = selection.price_of_cost * cost_cents + selection.price_of_call
    return CallPlan(
        list_id=list_id,
        contact_id=ids,
        probability=proba,
        cost_eur=cost_eur,
        value_eur=value,
        expected_profit_eur=profit_eur,
        is_called=is_called,
        reason=reason,
        rank=rank,
        decile=deciles(ranking),
        is_holdout_comparable=is_held_out & is_wanted & (gain > margin) & (cost_cents <= budget) & (capacity > 0),
        budget_eur=limits.budget_eur,
        capacity=limits.capacity,
        binding=_binding(is_called, cost_cents, candidates[~selection.is_taken], budget, capacity),
        is_exact=selection.is_exact,
        optimality_gap_eur=selection.gap / MICROS,
        called=totals_of(is_called, proba, cost_eur, profit_eur),
        everyone=totals_of(is_lawful, proba, cost_eur, profit_eur),
        curve=_curve(ranking[is_open[ranking]], proba, cost_eur, profit_eur),
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


def _curve(
    order: NDArray[np.intp], proba: FloatArray, cost_eur: FloatArray, profit_eur: FloatArray
) -> dict[str, NDArray[Any]]:
    """Cumulative totals by number of calls, at `CURVE_POINTS` points, or all if the list is shorter."""
    n_calls = np.unique(np.rint(np.linspace(0, len(order), CURVE_POINTS)).astype(np.int64))

    def cumulative(values: FloatArray) -> FloatArray:
        return np.concatenate([[0.0], np.cumsum(values[order])])[n_calls]

    return {
        "n_calls": n_calls,
        "cost_eur": cumulative(cost_eur),
        "expected_subscriptions": cumulative(proba),
        "expected_profit_eur": cumulative(profit_eur),
    }
