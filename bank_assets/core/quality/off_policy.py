"""What another policy would have earned on contacts of which a randomized list called only some.

Outcomes of called contacts are known. A contact that was called with probability p < 1 also stands for (1 - p) / p
contacts that were not called, and the rate among these is estimated from such contacts alone. Whatever every list calls
for certain, and whatever was called of the rest, carries no uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray, check_lengths, check_rows, effective_size, records_at
from bank_assets.core.quality.intervals import Estimate, beta_quantile
from bank_assets.core.words import pct, whole

LEVEL: Final = 0.9
MINIMUM_EFFECTIVE_SIZE: Final = 20.0
"""Of the explored calls that an estimate rests on. If none of so many subscribed, the interval of the rate ends below
10 %. A minimum of successes would select lucky draws: at a rate of 1 % it costs ten points of coverage (ADR 0033).
"""
CONTINUITY: Final = 0.25  # of a contact: totals of a few subscriptions lie between the ends of a smooth interval


@dataclass(frozen=True, slots=True)
class LoggedCalls:
    """Contacts of randomized lists with what became of them, each array (n,).

    `propensity` is the probability of having been called; NaN for contacts on no list. `is_subscribed` counts for the
    called alone.

    Raises:
        ValueError: lengths differ, an amount is no number, or a propensity is unusable.
    """

    propensity: FloatArray
    is_called: BoolArray
    is_subscribed: BoolArray
    cost_eur: FloatArray
    value_eur: FloatArray

    def __post_init__(self) -> None:
        check_lengths(self, "logged calls")
        propensity, unusable = self.propensity, self.is_called & ~(self.propensity > 0.0)
        for expected, column, is_wrong in (
            ("a cost in EUR", self.cost_eur, ~np.isfinite(self.cost_eur)),
            ("a value in EUR", self.value_eur, ~np.isfinite(self.value_eur)),
            ("a propensity in [0, 1]", propensity, (propensity < 0.0) | (propensity > 1.0)),
            ("a propensity in (0, 1] of each called contact", propensity, unusable),
        ):
            check_rows("logged calls", expected, column, is_wrong)

    def rows(self, at: Any) -> LoggedCalls:
        """Select rows by mask, index or slice."""
        return records_at(self, at)


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """What a policy would have earned, or in `reason` why nothing can be said; one of the two is empty.

    Of its `calls`, `not_called` have no outcome. The estimate rests on `explored` calls that could have been left
    out, of which `subscribed` subscribed. They say nothing about contacts `out_of_reach`.
    """

    calls: int
    not_called: int
    out_of_reach: int
    explored: int
    subscribed: int
    effective_size: float
    level: float
    reason: str
    profit_eur: Estimate | None
    subscriptions: Estimate | None

    @property
    def basis(self) -> str:
        """What the answer rests on, or why there is none, in a few words; "" where everything is known."""
        if self.profit_eur is None:
            return self.reason.partition(":")[0].lower()
        if not self.not_called:
            return ""
        ends = f"{whole(self.profit_eur.low)} to {whole(self.profit_eur.high)} EUR at {pct(self.level, 0)}"
        effective = "" if round(self.effective_size) == self.explored else f", effective {whole(self.effective_size)}"
        return f"{ends}, estimated from {self.explored:,} calls drawn at random{effective}"


def policy_value(logged: LoggedCalls, would_call: BoolArray, level: float = LEVEL) -> PolicyValue:
    """Estimate what a policy that calls `would_call`, (n,), would have earned on these contacts.

    The rate of the contacts that were not called is the weighted rate of the explored, with Jeffreys' interval at
    their effective size and that of the finite group it is for. Contacts without a chance of a call, and contacts that
    a list would have called for certain but nobody did, are out of reach.
    """
    if would_call.shape != logged.is_called.shape:
        raise ValueError(
            f"policy: expected one decision per contact, found {would_call.shape} for {logged.is_called.shape}; "
            "decide on the contacts that were logged."
        )
    wanted = logged.rows(would_call)
    called = wanted.rows(wanted.is_called)
    others = wanted.rows(~wanted.is_called)
    odds = (1.0 - called.propensity) / called.propensity
    is_explored = odds > 0.0
    size = effective_size(odds * called.value_eur)
    out_of_reach = int((~((others.propensity > 0.0) & (others.propensity < 1.0))).sum())
    reason = _reason(len(wanted.is_called), out_of_reach, size, int(is_explored.sum())) if len(others.is_called) else ""
    profit = subscriptions = None
    if not reason:
        known = called.is_subscribed
        earned = _total(called.value_eur, known, odds, others.value_eur, level)
        cost = float(wanted.cost_eur.sum())
        profit = earned.scaled(1.0, less=cost)
        subscriptions = _total(np.ones(len(known)), known, odds, np.ones(len(others.is_called)), level)
    return PolicyValue(
        calls=len(wanted.is_called),
        not_called=len(others.is_called),
        out_of_reach=out_of_reach,
        explored=int(is_explored.sum()),
        subscribed=int(called.is_subscribed[is_explored].sum()),
        effective_size=size,
        level=level,
        reason=reason,
        profit_eur=profit,
        subscriptions=subscriptions,
    )


def _reason(calls: int, out_of_reach: int, size: float, explored: int) -> str:
    if out_of_reach:
        return (
            f"Out of reach: expected a chance of a call, below certainty, for each contact that was not called, found "
            f"{out_of_reach} of {calls} without; set a learning budget, and judge later lists."
        )
    if size < MINIMUM_EFFECTIVE_SIZE:
        return (
            f"Too little evidence: expected an effective size of at least {MINIMUM_EFFECTIVE_SIZE:.0f} explored calls, "
            f"found {size:.1f} from {explored}; judge a longer window or explore more."
        )
    return ""


def _total(
    amount: FloatArray, is_subscribed: BoolArray, odds: FloatArray, missing: FloatArray, level: float
) -> Estimate:
    """Sum of the amounts of all that subscribe; `missing` are the amounts of contacts without an outcome, (m,)."""
    known, reach = float(amount[is_subscribed].sum()), float(missing.sum())
    if not reach:
        return Estimate(known, known, known)
    weight = odds * amount
    rate = float(weight[is_subscribed].sum() / weight.sum())
    size = 1.0 / (1.0 / effective_size(weight) + 1.0 / effective_size(missing))
    tail, step = (1.0 - level) / 2.0, CONTINUITY / len(missing)
    a, b = rate * size + 0.5, (1.0 - rate) * size + 0.5
    low = max(0.0, beta_quantile(tail, a, b) - step) if rate > 0.0 else 0.0
    high = min(1.0, beta_quantile(1.0 - tail, a, b) + step) if rate < 1.0 else 1.0
    return Estimate(known + reach * rate, known + reach * low, known + reach * high)
