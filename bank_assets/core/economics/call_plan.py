"""The plan of a call list: who is called, in which order, why others are not, and what it should bring.

What lives here: the result types of the planner, their totals and JSON form.
What must not: choosing (`core.economics.planner`), intervals (`core.model.forecast`), rendering.
Called by the planner, which builds it, and by batch scoring, serving and pages, which read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import FloatArray, IntArray
from bank_assets.core.economics.suppression import ALLOWED, RULE_TEXTS

HELD_OUT: Final = "held_out"
NOT_WORTH_CALLING: Final = "not_worth_calling"
BEYOND_LIMITS: Final = "beyond_limits"
REASON_TEXTS: Final[Mapping[str, str]] = {
    **RULE_TEXTS,
    HELD_OUT: "held out at random to measure what calling brings",
    NOT_WORTH_CALLING: "a call is expected to cost more than it brings",
    BEYOND_LIMITS: "worth calling, but the budget or the capacity is used up",
}
"""Reason why a contact is not called -> plain words."""
DECILES: Final = 10
MICROS: Final = 1_000_000
"""Expected profits are compared in whole millionths of a euro, so that the order does not depend on rounding."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a set of calls costs and should bring.

    Attributes:
        n_calls: number of calls.
        cost_eur: EUR for all calls.
        expected_subscriptions: sum of the probabilities.
        expected_profit_eur: EUR, value of the expected subscriptions less the cost.
    """

    n_calls: int
    cost_eur: float
    expected_subscriptions: float
    expected_profit_eur: float

    @property
    def conversion_rate(self) -> float | None:
        """Expected subscriptions per call; None without calls."""
        return self.expected_subscriptions / self.n_calls if self.n_calls else None

    @property
    def cost_per_subscription_eur(self) -> float | None:
        """EUR per expected subscription; None without expected subscriptions."""
        return self.cost_eur / self.expected_subscriptions if self.expected_subscriptions > 0.0 else None

    def to_dict(self) -> dict[str, float | int | None]:
        """JSON form, derived figures included."""
        return {
            "n_calls": self.n_calls,
            "cost_eur": self.cost_eur,
            "expected_subscriptions": self.expected_subscriptions,
            "expected_profit_eur": self.expected_profit_eur,
            "conversion_rate": self.conversion_rate,
            "cost_per_subscription_eur": self.cost_per_subscription_eur,
        }


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A planned call list; rows are in the order of the list that was given.

    Attributes:
        list_id: identifier of the list, seed of the hold-out group.
        contact_id: identifiers, (n_contacts,).
        probability: calibrated probabilities, (n_contacts,).
        cost_eur: EUR per call, rounded to cents, (n_contacts,).
        value_eur: EUR per subscription, (n_contacts,).
        expected_profit_eur: EUR if called, (n_contacts,).
        is_called: the chosen contacts, (n_contacts,).
        reason: why a contact is not called, a key of `REASON_TEXTS`; "" if called, (n_contacts,).
        rank: place in the call order from 1, highest expected profit first, ties by contact_id; 0 if not called,
            (n_contacts,).
        decile: 1 for the tenth of the whole list with the highest expected profit … 10, (n_contacts,).
        is_holdout_comparable: held-out contacts that the same plan would have called: the comparison group of the
            lift test, (n_contacts,).
        budget_eur: limit of the total cost, None for none.
        capacity: limit of the number of calls, None for none.
        binding: limits that keep worthwhile contacts off the list: a subset of ("budget", "capacity").
        is_exact: True if no list within the limits is expected to earn more.
        optimality_gap_eur: most that a better list could earn on top, EUR; 0 if exact.
        called: totals of the plan.
        everyone: totals of calling everyone that no rule excludes, hold-out included, limits ignored.
        curve: expected totals by number of calls, best first: arrays `n_calls`, `cost_eur`, `expected_subscriptions`,
            `expected_profit_eur`, each (n_points,), from 0 calls to all that rules and hold-out allow.
    """

    list_id: str
    contact_id: NDArray[np.str_]
    probability: FloatArray
    cost_eur: FloatArray
    value_eur: FloatArray
    expected_profit_eur: FloatArray
    is_called: NDArray[np.bool_]
    reason: NDArray[np.str_]
    rank: IntArray
    decile: IntArray
    is_holdout_comparable: NDArray[np.bool_]
    budget_eur: float | None
    capacity: int | None
    binding: tuple[str, ...]
    is_exact: bool
    optimality_gap_eur: float
    called: Totals
    everyone: Totals
    curve: Mapping[str, NDArray[Any]]

    @property
    def call_order(self) -> NDArray[np.intp]:
        """Rows to call, first call first, (n_called,)."""
        rows = np.flatnonzero(self.is_called)
        return rows[np.argsort(self.rank[rows], kind="stable")]

    @property
    def excluded(self) -> dict[str, int]:
        """Number of contacts not called, by reason; reasons without contacts are left out."""
        names, counts = np.unique(self.reason[~self.is_called], return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True) if name != ALLOWED}

    def summary(self) -> dict[str, Any]:
        """JSON form without the rows: totals, reasons, limits, curve."""
        return {
            "list_id": self.list_id,
            "n_contacts": len(self.contact_id),
            "called": self.called.to_dict(),
            "everyone": self.everyone.to_dict(),
            "excluded": self.excluded,
            "holdout": {
                "n_held_out": int((self.reason == HELD_OUT).sum()),
                "n_comparable": int(self.is_holdout_comparable.sum()),
            },
            "budget_eur": self.budget_eur,
            "capacity": self.capacity,
            "binding": list(self.binding),
            "is_exact": self.is_exact,
            "optimality_gap_eur": self.optimality_gap_eur,
            "curve": {name: points.tolist() for name, points in self.curve.items()},
        }


def totals_of(mask: NDArray[np.bool_], probability: FloatArray, cost_eur: FloatArray, profit_eur: FloatArray) -> Totals:
    """Totals of calling the contacts of a mask; all arguments (n_contacts,)."""
    return Totals(
        int(mask.sum()), float(cost_eur[mask].sum()), float(probability[mask].sum()), float(profit_eur[mask].sum())
    )


def best_first(expected_profit_eur: FloatArray, contact_id: NDArray[np.str_]) -> NDArray[np.intp]:
    """The order of a list: by expected profit, and by the contact's id where it is equal.

    Args:
        expected_profit_eur: of each contact, (n_contacts,).
        contact_id: (n_contacts,).

    Returns:
        Rows, the best first, (n_contacts,).
    """
    return np.lexsort((contact_id, -np.rint(expected_profit_eur * MICROS).astype(np.int64)))


def deciles(ranking: NDArray[np.intp]) -> IntArray:
    """Decile of each row, (n_contacts,): 1 for the tenth of the whole list with the highest expected profit … 10.

    Args:
        ranking: rows, the best first; with fewer than ten contacts some deciles stay empty.
    """
    n_contacts = len(ranking)
    decile = np.zeros(n_contacts, dtype=np.int64)
    decile[ranking] = 1 + np.arange(n_contacts) * DECILES // max(n_contacts, 1)
    return decile
