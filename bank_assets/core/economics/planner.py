"""Whom to call: the best list under a budget and a capacity, with rules, objections and a hold-out group.

What lives here: limits, checks of the list, the order of decisions about a contact.
What must not: the optimisation itself (`core.economics.knapsack`), fitting, files, clocks.
Called by batch scoring, the campaign API and the campaign page.

Money is whole cents of cost and whole millionths of EUR of profit: equal is equal on every machine, and ties go to the
smaller contact_id, so the same contacts in any order give the same list.
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
from bank_assets.core.economics.knapsack import KnapsackSelection, select
from bank_assets.core.economics.suppression import ALLOWED, FrequencyRules, SuppressionList, excluded_by_rules

CENTS: Final = 100
CURVE_POINTS: Final = 101
MAXIMUM_BUDGET_EUR: Final = MAXIMUM_EUR * 1_000
"""Larger budgets are taken for an error of unit; state no budget instead."""


class PlanError(ValueError):
    """A limit or a list is unusable; the message says what was expected, what was found and what to do."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits of a list.

    Attributes:
        budget_eur: largest total cost, EUR; 0 calls nobody, None is no limit. Fractions of a cent are cut off.
        capacity: largest number of calls; 0 calls nobody, None is no limit.
    """

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
    the limits. The hold-out group is drawn before the choice, so it is a random part of the list; its comparable part
    (`is_holdout_comparable`) is what the same cut-off would have called.

    Args:
        contact_ids: identifiers, (n_contacts,); 0 and 1 contacts are fine.
        probability: calibrated probabilities of subscription, (n_contacts,), in [0, 1].
        economics: cost, value and threshold over the rows; costs are rounded to cents, at least one.
        rows: columns of the list that economics and frequency rules read, each (n_contacts,).
        contract: says which columns the frequency rules read.
        limits: budget and capacity; default none.
        suppression: contacts that objected; absolute.
        rules: contact-frequency rules.
        list_id: identifier of the list; the seed of the hold-out group.
        holdout_share: expected share held out, in [0, 0.5].

    Returns:
        The plan: exact (see `core.economics.knapsack`), and the same for the same contacts in any order.

    Raises:
        PlanError: lengths that differ, a probability outside [0, 1] or missing.
        SuppressionError: a frequency rule without its column.
        HoldoutError: a share outside [0, 0.5].
    """
    limits = limits or CallLimits()
    ids = np.asarray([str(contact_id).strip() for contact_id in contact_ids], dtype=np.str_)
    proba = _checked_probability(probability, len(ids))
    try:
        cost, value = (np.broadcast_to(one, len(ids)) for one in (economics.cost(rows), economics.value(rows)))
    except ValueError as error:
        raise PlanError(f"economics: expected {len(ids)} contacts, found other rows: {error}.") from error
    cost_cents = np.maximum(np.rint(cost * CENTS), 1.0).astype(np.int64)
    cost_eur = cost_cents / CENTS
    profit = np.rint((proba * value - cost_eur) * MICROS).astype(np.int64)
    ranking = best_first(profit / MICROS, ids)

    reason = excluded_by_rules(ids, rows, contract, suppression or SuppressionList(), rules or FrequencyRules())
    is_lawful = reason == ALLOWED
    is_held_out = is_lawful & holdout_mask(ids, list_id, holdout_share)
    is_open = is_lawful & ~is_held_out
    is_wanted, gain = profit > 0, profit
    if economics.calls_from is not None:
        # From the model's threshold on a call is wanted whatever it earns, so limits are spent on subscriptions.
        is_wanted, gain = proba >= economics.calls_from, np.rint(proba * value * MICROS).astype(np.int64)
    candidates = ranking[is_open[ranking] & is_wanted[ranking]]
    selection = _selected(gain[candidates], cost_cents[candidates], limits)

    is_called = np.zeros(len(ids), dtype=bool)
    is_called[candidates[selection.is_taken]] = True
    reason[is_held_out] = HELD_OUT
    reason[is_open & ~is_wanted] = NOT_WORTH_CALLING
    reason[is_open & is_wanted & ~is_called] = BEYOND_LIMITS
    rank = np.zeros(len(ids), dtype=np.int64)
    order = ranking[is_called[ranking]]
    rank[order] = np.arange(1, len(order) + 1)
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
        is_holdout_comparable=is_held_out & is_wanted & (gain > margin) & _is_affordable(cost_cents, limits),
        budget_eur=limits.budget_eur,
        capacity=limits.capacity,
        binding=_binding(is_called, cost_cents, candidates, limits),
        is_exact=selection.is_exact,
        optimality_gap_eur=selection.gap / MICROS,
        called=totals_of(is_called, proba, cost_eur, profit_eur),
        everyone=totals_of(is_lawful, proba, cost_eur, profit_eur),
        curve=_curve(ranking[is_open[ranking]], proba, cost_eur, profit_eur),
    )


def _checked_probability(probability: ArrayLike, n_contacts: int) -> FloatArray:
    proba = np.asarray(probability, dtype=np.float64)
    if proba.shape != (n_contacts,):
        raise PlanError(f"probability: expected {n_contacts} values, found shape {proba.shape}.")
    wrong = ~((proba >= 0.0) & (proba <= 1.0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise PlanError(f"probability: expected values in [0, 1], found {proba[row]!r} in row {row}; score it again.")
    return proba


def _budget_cents(limits: CallLimits) -> int | None:
    # The small addition keeps 0.29 x 100 = 28.999999999999996 from losing its last cent
    return None if limits.budget_eur is None else math.floor(limits.budget_eur * CENTS + 1e-6)


def _is_affordable(cost_cents: IntArray, limits: CallLimits) -> BoolArray:
    """Contacts that a list of one could call, (n_contacts,)."""
    budget = _budget_cents(limits)
    has_capacity = limits.capacity is None or limits.capacity > 0
    return (cost_cents <= (budget if budget is not None else cost_cents)) & has_capacity


def _selected(profit: IntArray, cost_cents: IntArray, limits: CallLimits) -> KnapsackSelection:
    budget = _budget_cents(limits)
    return select(
        profit,
        cost_cents,
        int(cost_cents.sum()) if budget is None else budget,
        len(profit) if limits.capacity is None else limits.capacity,
    )


def _binding(
    is_called: BoolArray, cost_cents: IntArray, candidates: NDArray[np.intp], limits: CallLimits
) -> tuple[str, ...]:
    left_out = candidates[~is_called[candidates]]
    if not len(left_out):
        return ()
    names = []
    budget = _budget_cents(limits)
    if budget is not None and int(cost_cents[is_called].sum()) + int(cost_cents[left_out].min()) > budget:
        names.append("budget")
    if limits.capacity is not None and int(is_called.sum()) >= limits.capacity:
        names.append("capacity")
    return tuple(names)


def _curve(
    order: NDArray[np.intp], proba: FloatArray, cost_eur: FloatArray, profit_eur: FloatArray
) -> dict[str, NDArray[Any]]:
    """Cumulative totals by number of calls, at `CURVE_POINTS` points or all if the list is shorter."""
    n_calls = np.unique(np.rint(np.linspace(0, len(order), CURVE_POINTS)).astype(np.int64))

    def cumulative(values: FloatArray) -> FloatArray:
        return np.concatenate([[0.0], np.cumsum(values[order])])[n_calls]

    return {
        "n_calls": n_calls,
        "cost_eur": cumulative(cost_eur),
        "expected_subscriptions": cumulative(proba),
        "expected_profit_eur": cumulative(profit_eur),
    }
