"""What a call list came to: calls, subscriptions, cost and profit, what calling caused, what exploration taught.

All rows of a list enter as its draw assigned them. Rows of several lists may be joined to pool them; `person` is then
distinct for each list and customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, check_lengths, effective_size, records_at
from bank_assets.core.campaigns.life import window_end
from bank_assets.core.economics.call_plan import EXPLORATION, HELD_OUT, REASON_TEXTS, WORTH_CALLING
from bank_assets.core.economics.suppression import RULE_TEXTS
from bank_assets.core.quality.intervals import Estimate
from bank_assets.core.quality.lift import Groups, Lift, SampleRatio, measured_lift, sample_ratio
from bank_assets.core.quality.off_policy import LoggedCalls, PolicyValue, policy_value

ELIGIBLE: Final = tuple(REASON_TEXTS.keys() - RULE_TEXTS.keys())
ATTRIBUTION_DAYS: Final = 30
"""A subscription counts for a list from the planned day of the call to so many days after it (ADR 0039)."""


@dataclass(frozen=True, slots=True)
class ListResults:
    """The rows of made lists with what became of them, each array (n,).

    `reason`, `probability`, `propensity`, `cost_eur` and `value_eur` are those of the plan, `contact_date` its day of
    the call, `holdout_share` that of the row's list. `spent_eur` is what the calls that were made cost; `has_outcome`
    says that one of them taught whether the customer subscribes. `subscribed_on` is the customer's first subscription
    from the planned day on that was not cancelled, NaT without one.

    Raises:
        ValueError: lengths differ, or a customer is both called and held out, or held out of a list without a hold-out.
    """

    person: NDArray[Any]
    reason: NDArray[np.str_]
    contact_date: DayArray
    probability: FloatArray
    propensity: FloatArray
    cost_eur: FloatArray
    value_eur: FloatArray
    holdout_share: FloatArray
    is_called: BoolArray
    spent_eur: FloatArray
    has_outcome: BoolArray
    subscribed_on: DayArray

    def __post_init__(self) -> None:
        check_lengths(self, "read-out")
        n_without = int((self.is_held_out & (self.holdout_share <= 0.0)).sum())
        if n_without:
            raise ValueError(
                f"read-out: expected nobody held out of a list without a hold-out, found {n_without} rows; pass the "
                "share that the list was drawn with."
            )
        n_both = len(np.intersect1d(self.person[self.is_held_out], self.person[self.is_assigned]))
        if n_both:
            raise ValueError(
                f"read-out: expected each customer called or held out, found {n_both} that are both; pass each list's "
                "customers as persons of their own."
            )

    @property
    def is_assigned(self) -> BoolArray:
        """Whether the list says to call the row."""
        return np.isin(self.reason, (WORTH_CALLING, EXPLORATION))

    @property
    def is_held_out(self) -> BoolArray:
        """Whether the draw held the row out."""
        return self.reason == HELD_OUT

    @property
    def is_eligible(self) -> BoolArray:
        """Whether no rule excludes the row from being called."""
        return np.isin(self.reason, ELIGIBLE)

    def is_subscribed(self, days: int) -> BoolArray:
        """Whether the customer subscribed on the planned day or within so many days after it."""
        after = (self.subscribed_on - self.contact_date) / np.timedelta64(1, "D")
        return (after >= 0.0) & (after <= days)  # False for NaT

    def logged(self, days: int) -> LoggedCalls:
        """The eligible rows with what their calls brought within the attribution window."""
        is_made = self.is_assigned & self.is_called
        brought = self.is_subscribed(days) & is_made
        logged = LoggedCalls(self.propensity, is_made, brought, self.cost_eur, self.value_eur)
        return logged.rows(self.is_eligible)

    def last_day(self, days: int) -> np.datetime64 | None:
        """Last day of the attribution window of any chosen row; None without one."""
        chosen = self.contact_date[self.is_assigned | self.is_held_out]
        return None if not len(chosen) else np.datetime64(window_end(chosen.max().item(), days))

    @classmethod
    def joined(cls, parts: Sequence[ListResults]) -> ListResults:
        """The rows of several lists as one; `person` tells their customers apart."""
        return cls(*(np.concatenate([getattr(one, column.name) for one in parts]) for column in fields(cls)))

    def rows(self, at: Any) -> ListResults:
        """Select rows by mask, index or slice."""
        return records_at(self, at)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that were made, and what they brought within the attribution window."""

    calls: int
    subscriptions: int
    cost_eur: float
    profit_eur: float


@dataclass(frozen=True, slots=True)
class Explored(Calls):
    """Calls of explorers, and what they taught.

    The `outcomes` among them stand for `stand_for` contacts outside the best calls, each for the inverse of its
    propensity, and tell as much as `effective` contacts of equal weight.
    """

    outcomes: int
    stand_for: float
    effective: float


@dataclass(frozen=True, slots=True)
class ReadOut:
    """What lists came to.

    Of `planned` calls some were `made`, of these some `explored`. `breaches` are held-out customers who were called all
    the same, and count as held out. `everyone` is what calling all that no rule excludes would have earned, None until
    subscriptions are known.
    """

    planned: int
    made: Calls
    explored: Explored
    breaches: int
    forecast: Estimate | None
    lift: Lift
    ratio: SampleRatio
    everyone: PolicyValue | None

    @property
    def is_measurable(self) -> bool:
        """Whether all subscriptions are known and the draw stands, so that lists can be pooled."""
        return self.everyone is not None and not self.ratio.is_broken

    @property
    def is_as_forecast(self) -> bool | None:
        """Whether the profit lies within the interval of its forecast; None without a forecast."""
        return None if self.forecast is None else self.forecast.low <= self.made.profit_eur <= self.forecast.high


@dataclass(frozen=True, slots=True)
class Attribution:
    """How subscriptions are counted: within `days` of the planned day, from books known up to `covered_to`.

    Without such books (None) nobody is known to subscribe without a call. `assumes_none` takes that as a fact, which
    only sources where it is one may say: history that holds calls alone, and simulations without a spontaneous rate.
    """

    days: int = ATTRIBUTION_DAYS
    covered_to: np.datetime64 | None = None
    assumes_none: bool = False

    @property
    def is_assumed(self) -> bool:
        """Whether it is assumed that nobody subscribes without a call."""
        return self.assumes_none and self.covered_to is None

    def __post_init__(self) -> None:
        if isinstance(self.days, bool) or not isinstance(self.days, int) or not 1 <= self.days <= 366:
            raise ValueError(f"attribution window: expected 1 to 366 days, found {self.days!r}; correct it.")


def read_out(rows: ListResults, attribution: Attribution, forecast: Estimate | None = None) -> ReadOut:
    """Read out one list, or several joined. `forecast` is of the profit of all planned calls."""
    is_subscribed, is_made = rows.is_subscribed(attribution.days), rows.is_assigned & rows.is_called
    groups = _groups(rows, is_subscribed)
    made, ratio, not_yet = _calls(rows, is_made, is_subscribed), sample_ratio(groups), _not_yet(rows, attribution)
    lift = measured_lift(groups, float(rows.spent_eur[rows.is_assigned & (rows.holdout_share > 0.0)].sum()))
    if attribution.is_assumed and not not_yet:
        lift = lift.assuming_none(made.calls, made.subscriptions, made.profit_eur)
    elif len(groups.value_eur) and (not_yet or ratio.is_broken):
        lift = lift.without_estimates(not_yet or ratio.reason)
    logged = rows.logged(attribution.days)
    return ReadOut(
        planned=int(rows.is_assigned.sum()),
        made=made,
        explored=_explored(rows, is_made & (rows.reason == EXPLORATION), is_subscribed),
        breaches=int((rows.is_held_out & rows.is_called).sum()),
        forecast=forecast,
        lift=lift,
        ratio=ratio,
        everyone=None if not_yet else policy_value(logged, np.ones(len(logged.propensity), dtype=bool)),
    )


def _not_yet(rows: ListResults, attribution: Attribution) -> str:
    """Why no effect can be measured yet; "" if it can."""
    last = rows.last_day(attribution.days)
    if last is None:
        return "Nobody was chosen: expected calls or held-out customers, found none; there is nothing to compare."
    if attribution.is_assumed or (attribution.covered_to is not None and attribution.covered_to >= last):
        return ""
    found = "none" if attribution.covered_to is None else f"them up to {attribution.covered_to}"
    return (
        f"Not yet measurable: expected subscriptions from the bank's books up to {last}, found {found}; deliver the "
        "subscriptions of all customers, called or not."
    )


def _groups(rows: ListResults, is_subscribed: BoolArray) -> Groups:
    """The chosen customers of lists with a hold-out; two contacts of a customer fall into one group by design."""
    chosen = np.flatnonzero((rows.is_assigned | rows.is_held_out) & (rows.holdout_share > 0.0))
    persons, first, of = np.unique(rows.person[chosen], return_index=True, return_inverse=True)
    subscribed = np.bincount(of, is_subscribed[chosen], minlength=len(persons)) > 0
    at = chosen[first]
    return Groups(rows.is_held_out[at], rows.holdout_share[at], rows.probability[at], rows.value_eur[at], subscribed)


def _calls(rows: ListResults, at: BoolArray, is_subscribed: BoolArray) -> Calls:
    subscribed = np.flatnonzero(at & is_subscribed)
    first = subscribed[np.unique(rows.person[subscribed], return_index=True)[1]]  # one subscription, whatever the calls
    cost = float(rows.spent_eur[at].sum())
    return Calls(int(at.sum()), len(first), cost, float(rows.value_eur[first].sum()) - cost)


def _explored(rows: ListResults, at: BoolArray, is_subscribed: BoolArray) -> Explored:
    weights = 1.0 / rows.propensity[at & rows.has_outcome]
    calls = asdict(_calls(rows, at, is_subscribed))
    return Explored(**calls, outcomes=len(weights), stand_for=float(weights.sum()), effective=effective_size(weights))
