"""Whom to call: a randomized policy over a list, with the probability of each contact to be called.

Rules leave contacts out, a learning budget is set aside, the best calls fill what remains of budget and capacity,
explorers are drawn from the others, and a hold-out group is drawn from both. Costs are whole cents and profits whole
millionths of EUR, and ties go to the smaller contact_id, so the same contacts give the same list in any order and on
any machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray, Rows, mapped, texts_of
from bank_assets.core.economics.call_plan import (
    BEYOND_LIMITS,
    EXPLORATION,
    HELD_OUT,
    MICROS,
    NOT_WORTH_CALLING,
    OUT_OF_REACH,
    WORTH_CALLING,
    CallPlan,
    ranked,
)
from bank_assets.core.economics.contact_policy import ContactHistory, ContactPolicy, Exclusions
from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.core.economics.exploration import (
    CENTS,
    EXPLORATION_SCORE,
    ROUNDING,
    LearningBudget,
    Reserve,
    draw,
)
from bank_assets.core.economics.holdout import holdout_mask
from bank_assets.core.economics.knapsack import KnapsackSelection, select
from bank_assets.core.economics.suppression import (
    ALLOWED,
    CONTACT_DATE,
    FrequencyRules,
    SuppressionList,
    excluded_by_rules,
    persons_of,
)

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

    @property
    def budget_cents(self) -> int | None:
        """The budget in whole cents; None is no limit."""
        return None if self.budget_eur is None else math.floor(self.budget_eur * CENTS + ROUNDING)

    def of(self, cost_cents: IntArray) -> tuple[int, int]:
        """Budget in whole cents and number of calls for a list; without a limit, enough for all of it."""
        budget = self.budget_cents
        budget = int(cost_cents.sum()) if budget is None else budget
        return budget, len(cost_cents) if self.capacity is None else self.capacity

    def without(self, reserve: Reserve) -> CallLimits:
        """What remains for the best calls; what has no limit keeps none."""
        budget = None if self.budget_cents is None else (self.budget_cents - reserve.cents) / CENTS
        return CallLimits(budget, None if self.capacity is None else self.capacity - reserve.calls)


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What a plan is made under.

    The hold-out share lies in [0, 0.5]. The subscription rate without a call, in (0, 1), is assumed for the size of the
    hold-out test only; None for half of the expected rate. Without a learning budget nobody is explored. The history is
    that of the persons on the list.
    """

    economics: Economics
    limits: CallLimits = CallLimits()
    rules: FrequencyRules = FrequencyRules()
    holdout_share: float = 0.0
    rate_without: float | None = None
    suppression: SuppressionList = SuppressionList()
    learning: LearningBudget = LearningBudget()
    policy: ContactPolicy = ContactPolicy()
    history: ContactHistory = ContactHistory()

    def exploring_each_day(self, rows: Rows, contact_dates: DayArray) -> PlanSettings:
        """The same with the learning budget of `LearningBudget.for_days`, for contacts with these columns and days."""
        cost_cents, _ = _priced(self.economics, rows, len(contact_dates))
        limits = self.limits.budget_cents, self.limits.capacity
        return replace(self, learning=self.learning.for_days(contact_dates, cost_cents, *limits))


def plan_calls(
    contact_ids: Sequence[str] | NDArray[Any],
    probability: ArrayLike,
    rows: Rows,
    contract: Contract,
    settings: PlanSettings,
    list_id: str = "",
) -> CallPlan:
    """Plan a call list.

    The best calls are a function of the list, the explorers a sample of the other eligible contacts, and the hold-out
    group a random part of both, whose calls nobody else gets. `list_id` seeds the draws; the propensities are exact
    over all seeds (ADR 0032).

    `probability` is calibrated, (n_contacts,); `rows` are the columns that economics and rules read, `customer_id` for
    contacts that are not persons of their own, `CONTACT_DATE` and `EXPLORATION_SCORE` among them. The best calls are
    exact (see `core.economics.knapsack`).

    Raises:
        PlanError, SuppressionError, HoldoutError, ExplorationError: a probability, a column of a rule, a share or a
            score is unusable.
    """
    ids = np.strings.strip(texts_of(contact_ids))
    offers = _offers(ids, probability, rows, settings.economics)
    persons = texts_of(persons_of(ids, rows))
    reason, until = _excluded(ids, persons, rows, contract, settings)
    is_eligible = reason == ALLOWED
    design = _design(offers, is_eligible, rows.get(EXPLORATION_SCORE), settings)
    is_explored = draw(design.inclusion, persons, ids, list_id)
    is_called = design.is_best | is_explored
    held_out = np.flatnonzero(is_called)
    held_out = held_out[holdout_mask(persons[held_out], list_id, settings.holdout_share)]
    is_called[held_out] = False
    reason[is_eligible & offers.is_wanted], reason[is_eligible & ~offers.is_wanted] = BEYOND_LIMITS, NOT_WORTH_CALLING
    if design.is_exploring:
        reason[is_eligible & (design.inclusion == 0.0)] = OUT_OF_REACH
    reason[design.is_best], reason[is_explored], reason[held_out] = WORTH_CALLING, EXPLORATION, HELD_OUT
    is_kept = 1.0 - settings.holdout_share
    plan = CallPlan(
        list_id,
        ids,
        offers.probability,
        mapped(offers.cost_cents, lambda cents: cents / CENTS),
        offers.value,
        offers.profit / MICROS,
        is_called,
        reason,
        until,
        (design.is_best + design.inclusion) * is_kept,
        settings.limits.budget_eur,
        settings.limits.capacity,
        design.binding,
        len(design.candidates) - int((offers.is_wanted & (design.is_best | is_explored)).sum()),
        design.selection.is_exact,
        design.selection.gap / MICROS,
        design.reserve,
        design.loss(offers, settings.limits) * is_kept / MICROS,
    )
    plan.__dict__["ranking"] = offers.ranking  # the same order, which takes as long as all the rest
    return plan


def _excluded(
    ids: NDArray[Any], persons: NDArray[Any], rows: Rows, contract: Contract, settings: PlanSettings
) -> Exclusions:
    """Who must not be called: by objections and the list's own rules, then by the contact policy."""
    reason = excluded_by_rules(ids, rows, contract, settings.suppression, settings.rules)
    until = np.broadcast_to(np.datetime64("NaT", "D"), len(ids))
    if CONTACT_DATE in rows:  # lists without days, such as those of the replay, have no history
        others: Any = reason == ALLOWED
        others = slice(None) if others.all() else np.flatnonzero(others)
        found = settings.policy.check(persons[others], rows[CONTACT_DATE][others], settings.history)
        if (found.rule != ALLOWED).any():
            until = until.copy()
            reason[others], until[others] = found
    return Exclusions(reason, until)


class _Offers(NamedTuple):
    """What each contact costs and should bring; arrays are (n_contacts,)."""

    probability: FloatArray
    cost_cents: IntArray
    value: FloatArray
    profit: IntArray  # in millionths of EUR
    gain: IntArray  # what limits are spent on
    is_wanted: BoolArray
    ranking: NDArray[np.intp]  # rows, the best first


def _offers(ids: NDArray[Any], probability: ArrayLike, rows: Rows, economics: Economics) -> _Offers:
    proba = _checked_probability(probability, len(ids))
    cost_cents, value = _priced(economics, rows, len(ids))
    profit = np.rint((proba * value - cost_cents / CENTS) * MICROS).astype(np.int64)
    is_wanted, gain = profit > 0, profit
    if economics.calls_from is not None:  # then limits are spent on subscriptions, whatever a call earns
        is_wanted, gain = proba >= economics.calls_from, np.rint(proba * value * MICROS).astype(np.int64)
    return _Offers(proba, cost_cents, value, profit, gain, is_wanted, ranked(profit / MICROS, ids))


class _Design(NamedTuple):
    """The policy of a list: what is decided before anything is drawn. Arrays are (n_contacts,)."""

    candidates: NDArray[np.intp]  # rows worth calling, the best first
    selection: KnapsackSelection  # of the candidates
    is_best: BoolArray
    inclusion: FloatArray  # probability to be drawn as an explorer
    reserve: Reserve
    needed: Reserve  # what the sample can need of the reserve
    is_exploring: bool  # False too where the reserve is no call at all
    binding: tuple[str, ...]

    def loss(self, offers: _Offers, limits: CallLimits) -> float:
        """What the list should bring less than without exploration, in millionths of EUR."""
        if not self.needed.calls:
            return 0.0
        best = self.candidates
        if not self.selection.is_taken.all():
            cost, budget_and_capacity = offers.cost_cents, limits.of(offers.cost_cents)
            best = best[select(offers.gain[best], cost[best], *budget_and_capacity).is_taken]
        return float(offers.profit[best].sum() - (self.is_best + self.inclusion) @ offers.profit)


def _design(offers: _Offers, is_eligible: BoolArray, score: NDArray[Any] | None, settings: PlanSettings) -> _Design:
    cost, limits, learning = offers.cost_cents, settings.limits, settings.learning
    candidates = offers.ranking[(is_eligible & offers.is_wanted)[offers.ranking]]
    asked = learning.reserve(cost[is_eligible], limits.budget_cents, limits.capacity)

    def under(reserve: Reserve) -> _Design:
        budget, capacity = limits.without(reserve).of(cost)
        selection = select(offers.gain[candidates], cost[candidates], budget, capacity)
        is_best, inclusion = np.zeros(len(cost), dtype=bool), np.zeros(len(cost))
        is_best[candidates[selection.is_taken]] = True
        others = np.flatnonzero(is_eligible & ~is_best)
        inclusion[others], needed = learning.inclusion(reserve, cost[others], None if score is None else score[others])
        binding = _binding(is_best, cost, candidates[~selection.is_taken], budget, capacity)
        return _Design(candidates, selection, is_best, inclusion, reserve, needed, asked.calls > 0, binding)

    design = under(asked)
    # What the explorers cannot need goes back to the best calls, once: it can change who the others are
    is_too_large = limits.without(design.needed) != limits.without(design.reserve)
    return under(design.needed) if is_too_large else design._replace(reserve=design.needed)


def _priced(economics: Economics, rows: Rows, n_contacts: int) -> tuple[IntArray, FloatArray]:
    """Cost per call in whole cents, at least one, and value per subscription in EUR."""
    try:
        cost, value = (np.broadcast_to(one, n_contacts) for one in (economics.cost(rows), economics.value(rows)))
    except ValueError as error:
        raise PlanError(f"economics: expected {n_contacts} contacts, found other rows: {error}.") from error
    return mapped(cost, lambda eur: np.maximum(np.rint(eur * CENTS), 1.0).astype(np.int64)), value


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
