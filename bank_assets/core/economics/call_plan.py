"""The plan of a call list: who is called, in which order, why and how probably, and what the calls should bring.

`core.economics.planner` builds it; batch scoring, the API and pages read it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.names import HELD_OUT as HELD_OUT
from bank_assets.core.arrays import SLICE_ROWS, DayArray, FloatArray, IntArray
from bank_assets.core.economics.exploration import CENTS, Reserve
from bank_assets.core.economics.suppression import RULE_TEXTS

WORTH_CALLING: Final = "worth_calling"
EXPLORATION: Final = "exploration"
OUT_OF_REACH: Final = "out_of_reach"
NOT_WORTH_CALLING: Final = "not_worth_calling"
BEYOND_LIMITS: Final = "beyond_limits"
REASON_TEXTS: Final[Mapping[str, str]] = {
    **RULE_TEXTS,
    WORTH_CALLING: "a call is expected to pay",
    EXPLORATION: "drawn at random to learn from",
    HELD_OUT: "held out at random to measure what calling brings",
    NOT_WORTH_CALLING: "a call is expected to cost more than it brings",
    BEYOND_LIMITS: "worth calling, but the budget or the capacity is used up",
    OUT_OF_REACH: "not chosen, and too dear for the learning budget, so that nothing is learned about such contacts",
}
"""Reason why a contact is called or not -> plain words."""
DECILES: Final = 10
CURVE_POINTS: Final = 101
MICROS: Final = 1_000_000
"""Expected profits are compared in whole millionths of a euro, so that the order does not depend on rounding."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a set of calls costs and should bring; the profit is the expected value less the cost."""

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
        derived = ("conversion_rate", "cost_per_subscription_eur")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}


@dataclass(frozen=True)
class CallPlan:
    """A planned call list. Arrays are (n_contacts,), in the order of the list that was given.

    Attributes:
        list_id: identifier of the list, seed of its draws.
        cost_eur: EUR per call, rounded to cents.
        value_eur: EUR per subscription.
        expected_profit_eur: EUR if called.
        reason: why a contact is called or not, a key of `REASON_TEXTS`.
        until: first day on which the contact policy allows a call again, NaT where it excludes nobody.
        propensity: probability of the contact to be called, over all seeds of the list.
        binding: limits that keep worthwhile contacts off the list: a subset of ("budget", "capacity").
        n_kept_off: contacts worth a call that the limits keep off the list.
        optimality_gap_eur: most that better calls within the limits could earn on top, EUR; 0 if they are exact.
        reserve: calls and cents that were set aside for exploration.
        learning_loss_eur: what the list should earn less, over all seeds, than without exploration.
    """

    list_id: str
    contact_id: NDArray[Any]  # `core.arrays.TEXT`
    probability: FloatArray
    cost_eur: FloatArray
    value_eur: FloatArray
    expected_profit_eur: FloatArray
    is_called: NDArray[np.bool_]
    reason: NDArray[Any]  # objects that rows share
    until: DayArray
    propensity: FloatArray
    budget_eur: float | None
    capacity: int | None
    binding: tuple[str, ...]
    n_kept_off: int
    is_exact: bool
    optimality_gap_eur: float
    reserve: Reserve
    learning_loss_eur: float

    @cached_property
    def ranking(self) -> NDArray[np.intp]:
        """All rows by expected profit, the best first, and by contact_id where it is equal, (n_contacts,)."""
        return ranked(self.expected_profit_eur, self.contact_id)

    @property
    def call_order(self) -> NDArray[np.intp]:
        """Rows to call, first call first, (n_called,)."""
        return self.ranking[self.is_called[self.ranking]]

    @cached_property
    def rank(self) -> IntArray:
        """Place in the call order from 1; 0 if not called."""
        order = self.call_order
        rank = np.zeros(len(self.contact_id), dtype=np.int64)
        rank[order] = np.arange(1, len(order) + 1)
        return rank

    @cached_property
    def decile(self) -> NDArray[np.int8]:
        """1 for the tenth of the whole list with the highest expected profit, up to 10."""
        return deciles(self.ranking).astype(np.int8)

    @cached_property
    def called(self) -> Totals:
        """Totals of the calls."""
        return self._totals(self.is_called)

    @cached_property
    def explored(self) -> Totals:
        """Totals of the explored calls among them."""
        return self._totals(self.reason == EXPLORATION)

    @cached_property
    def everyone(self) -> Totals:
        """Totals of calling everyone that no rule excludes, hold-out included, without limits."""
        return self._totals(self._is_eligible)

    @cached_property
    def curve(self) -> dict[str, NDArray[Any]]:
        """Expected totals by number of calls, best first, from 0 calls to all that the rules allow.

        Arrays `n_calls`, `cost_eur`, `expected_subscriptions` and `expected_profit_eur`, each (n_points,), at
        `CURVE_POINTS` numbers of calls, or all if the list is shorter.
        """
        order = self.ranking[self._is_eligible[self.ranking]]
        n_calls = np.unique(np.rint(np.linspace(0, len(order), CURVE_POINTS)).astype(np.int64))
        added = {
            "cost_eur": self.cost_eur,
            "expected_subscriptions": self.probability,
            "expected_profit_eur": self.expected_profit_eur,
        }
        totals = {name: np.append(0.0, np.cumsum(one[order]))[n_calls] for name, one in added.items()}
        return {"n_calls": n_calls, **totals}

    @cached_property
    def ranking_worth(self) -> list[dict[str, float]]:
        """Profit of calling the best, and of as many in random order, EUR: at a quarter, half and the given capacity.

        Each entry has `n_calls`, `best_first_eur` and `random_order_eur`; of the contacts that the rules allow.
        """
        order = self.ranking[self._is_eligible[self.ranking]]
        profit = np.append(0.0, np.cumsum(self.expected_profit_eur[order]))
        sizes = {len(order) // 4, len(order) // 2, min(self.capacity or 0, len(order))} - {0}
        return [
            {
                "n_calls": size,
                "best_first_eur": float(profit[size]),
                "random_order_eur": float(profit[-1] * size / len(order)),
            }
            for size in sorted(sizes)
        ]

    @cached_property
    def _is_eligible(self) -> NDArray[np.bool_]:
        return ~np.isin(self.reason, list(RULE_TEXTS))

    def _totals(self, mask: NDArray[np.bool_]) -> Totals:
        added = (self.cost_eur, self.probability, self.expected_profit_eur)
        return Totals(int(mask.sum()), *(float(one[mask].sum()) for one in added))

    @property
    def excluded(self) -> dict[str, int]:
        """Number of contacts not called, by reason."""
        return dict(sorted(Counter(self.reason[~self.is_called].tolist()).items()))

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
                "n_comparable": int((self.reason == HELD_OUT).sum()),
            },
            "learning": {
                "reserve": {"n_calls": self.reserve.calls, "cost_eur": self.reserve.cents / CENTS},
                "explored": self.explored.to_dict(),
                "expected_loss_eur": self.learning_loss_eur,
                "n_out_of_reach": int((self.reason == OUT_OF_REACH).sum()),
            },
            "budget_eur": self.budget_eur,
            "capacity": self.capacity,
            "binding": list(self.binding),
            "is_exact": self.is_exact,
            "optimality_gap_eur": self.optimality_gap_eur,
            "ranking_worth": self.ranking_worth,
            "curve": {name: points.tolist() for name, points in self.curve.items()},
        }


def ranked(expected_profit_eur: FloatArray, contact_id: NDArray[Any]) -> NDArray[np.intp]:
    """Rows by expected profit, the best first, and by the contact's id where it is equal; all (n_contacts,).

    Ids are text, as `core.arrays.TEXT`, `np.str_` or objects. Only those of equal profits are looked at, part by part.
    """
    micros = in_micros(expected_profit_eur)
    order = np.argsort(-micros, kind="stable")
    ordered = micros[order]
    is_equal = ordered[1:] == ordered[:-1]
    tied = np.flatnonzero(np.append(is_equal, False) | np.append(False, is_equal))
    ends = np.append(np.flatnonzero(np.diff(ordered[tied])) + 1, len(tied))  # of the contacts of one profit
    first = 0
    while first < len(tied):
        end = int(ends[min(int(np.searchsorted(ends, first + SLICE_ROWS)), len(ends) - 1)])
        rows = tied[first:end]
        ids = np.array(contact_id[order[rows]].tolist(), dtype=np.str_)
        order[rows] = order[rows][np.lexsort((ids, -ordered[rows]))]
        first = end
    return order


def in_micros(eur: FloatArray) -> IntArray:
    """Amounts in whole millionths of EUR, (n,)."""
    return np.rint(eur * MICROS).astype(np.int64)


def deciles(ranking: NDArray[np.intp]) -> IntArray:
    """Decile of each row, (n_contacts,), given the rows in order, the best first: 1 for the best tenth … 10.

    With fewer than ten contacts some deciles stay empty.
    """
    n_contacts = len(ranking)
    decile = np.zeros(n_contacts, dtype=np.int64)
    decile[ranking] = 1 + np.arange(n_contacts) * DECILES // max(n_contacts, 1)
    return decile
