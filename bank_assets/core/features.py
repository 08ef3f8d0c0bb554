"""From a contact and the world as it was known that day to the inputs of the model.

What lives here: the feature list, trailing subscription rates, statistics of the day's call list, assembly.
What must not: fitting, pandas, any look at an outcome that was not known on the morning of the contact's day.
Called by training, evaluation, replay, batch scoring and serving: one implementation, numpy only.

Three sources of a feature:

* the contact itself (payload columns and its calendar day);
* the *as-of state*: trailing subscription rates from outcomes known on that morning (`OutcomeHistory`);
* the *plan*: the list of candidates for that day, known when the day is planned, before any call of it.
  It tells which campaign the bank runs (measured: the largest single gain in the replay, see docs/adr/).

A frame here is a mapping from delivery column name to an array (n,).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract import BY_SOURCE, MONTHS, refuse_post_contact

Frame = Mapping[str, NDArray[Any]]
FloatArray = NDArray[np.float64]
Days = NDArray[np.datetime64]

STATE_SCHEMA_VERSION: Final = 1
OUTCOME_DELAY_DAYS: Final = 1
"""An outcome is usable from the morning after the call, unless it arrived later."""
STALE_AFTER_DAYS: Final = 30
"""A contact date further than this past the as-of day makes the answer carry `stale_features`."""

NUMERIC_PAYLOAD: Final = ("age", "balance", "campaign", "pdays", "previous")
CATEGORY_PAYLOAD: Final = ("job", "marital", "education", "default", "housing", "loan", "contact", "poutcome")
CALENDAR: Final = ("day", "month", "weekday")

RATE_WINDOWS: Final = ((7, 10.0), (30, 20.0), (90, 20.0))
"""(days, smoothing contacts): each rate is shrunk towards the next longer window by that many pseudo-contacts."""
LONG_WINDOW_DAYS: Final = 180
PRIOR_RATE: Final = 0.1
"""Rate assumed before any outcome is known: the break-even of the default economics, so it favours neither side."""
PRIOR_CONTACTS: Final = 20.0
RATE_FEATURES: Final = tuple(f"subscription_rate_{days}d" for days, _ in RATE_WINDOWS)


@dataclass(frozen=True, slots=True)
class PlanShare:
    """Share of the day's list with a property.

    Attributes:
        feature: name of the feature.
        column: delivery column.
        values: categories that count; or, for numbers, empty.
        low: smallest number that counts.
        high: largest number that counts.
    """

    feature: str
    column: str
    values: tuple[str, ...] = ()
    low: float = -np.inf
    high: float = np.inf

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Which rows have the property, (n,)."""
        column = frame[self.column]
        if self.values:
            return np.isin(column, np.asarray(self.values, dtype=column.dtype))
        numbers = column.astype(np.float64)
        return np.asarray((numbers >= self.low) & (numbers <= self.high))


PLAN_SHARES: Final = (
    PlanShare("plan_share_housing_loan", "housing", ("yes",)),
    PlanShare("plan_share_personal_loan", "loan", ("yes",)),
    PlanShare("plan_share_telephone", "contact", ("telephone",)),
    PlanShare("plan_share_cellular", "contact", ("cellular",)),
    PlanShare("plan_share_never_contacted", "poutcome", ("unknown",)),
    PlanShare("plan_share_previous_success", "poutcome", ("success",)),
    PlanShare("plan_share_first_call", "campaign", high=1),
    PlanShare("plan_share_age_60_up", "age", low=60),
    PlanShare("plan_share_age_under_30", "age", high=29),
    PlanShare("plan_share_retired_or_student", "job", ("retired", "student")),
    PlanShare("plan_share_blue_collar", "job", ("blue-collar",)),
    PlanShare("plan_share_tertiary", "education", ("tertiary",)),
    PlanShare("plan_share_single", "marital", ("single",)),
)
PLAN_COUNT: Final = "contacts_planned_that_day"
PLAN_CAMPAIGN: Final = "plan_mean_campaign"
PLAN_BALANCE: Final = "plan_mean_log_balance"
PLAN_FEATURES: Final = (PLAN_COUNT, *(share.feature for share in PLAN_SHARES), PLAN_CAMPAIGN, PLAN_BALANCE)

NUMERIC_FEATURES: Final = (*NUMERIC_PAYLOAD, "day", "weekday", *RATE_FEATURES, *PLAN_FEATURES)
CATEGORY_FEATURES: Final = (*CATEGORY_PAYLOAD, "month")
FEATURES: Final = (*NUMERIC_FEATURES, *CATEGORY_FEATURES)

GROUPS: Final[Mapping[str, str]] = {
    **{name: name for name in (*NUMERIC_PAYLOAD, *CATEGORY_PAYLOAD)},
    **dict.fromkeys(CALENDAR, "contact_date"),
    **dict.fromkeys(RATE_FEATURES, "recent_subscription_rates"),
    **dict.fromkeys(PLAN_FEATURES, "call_list_of_the_day"),
}
"""Feature -> group that people are told about in explanations."""


def categories_of(feature: str) -> tuple[str, ...]:
    """Allowed values of a category feature, in the contract's order."""
    return MONTHS if feature == "month" else BY_SOURCE[feature].categories


def feature_kind(feature: str) -> Literal["numeric", "category"]:
    """Kind of a feature in a bundle's signature."""
    return "category" if feature in CATEGORY_FEATURES else "numeric"


@dataclass(frozen=True, slots=True)
class AsOfState:
    """What the platform knew on the morning of `as_of`.

    Attributes:
        as_of: the day; outcomes known on its morning are in, nothing later.
        rates: trailing subscription rates by feature name, each in [0, 1].
        typical_plan: mean plan statistics of the last 30 days with contacts; used where a contact has no plan.
        log_odds_shift: recalibration from the outcomes known that morning; the scorer adds it to the log-odds.
    """

    as_of: np.datetime64
    rates: Mapping[str, float]
    typical_plan: Mapping[str, float]
    log_odds_shift: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON form that is published for serving and recorded with decisions."""
        return {
            "schema_version": STATE_SCHEMA_VERSION,
            "as_of": str(self.as_of),
            "rates": dict(self.rates),
            "typical_plan": dict(self.typical_plan),
            "log_odds_shift": self.log_odds_shift,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AsOfState:
        """Read the JSON form.

        Raises:
            ValueError: another schema version; publish the state again with this program.
        """
        if content.get("schema_version") != STATE_SCHEMA_VERSION:
            raise ValueError(
                f"as-of state: expected schema_version {STATE_SCHEMA_VERSION}, found "
                f"{content.get('schema_version')!r}; run the pipeline once with this version."
            )
        return cls(
            np.datetime64(content["as_of"], "D"),
            dict(content["rates"]),
            dict(content["typical_plan"]),
            float(content["log_odds_shift"]),
        )


def _window_sums(daily: FloatArray, days: int) -> FloatArray:
    """Sums over the trailing window that ends with each day, (n_days,)."""
    total = np.concatenate([[0.0], np.cumsum(daily)])
    end = np.arange(1, len(daily) + 1)
    return np.asarray(total[end] - total[np.maximum(end - days, 0)])


class OutcomeHistory:
    """Outcomes by the day on which they became known, and plans by their day; answers for any morning.

    The rate of `w` days on the morning of day d counts outcomes known on d-w+1 .. d. An outcome of a call on day c is
    known on c + delay at the earliest, so a call's own outcome is never in its own features.
    """

    def __init__(self, known_on: Days, is_subscribed: NDArray[np.bool_], plan_days: Days, plans: FloatArray) -> None:
        """Build the history.

        Args:
            known_on: day from whose morning each outcome is usable, (n_outcomes,), datetime64[D].
            is_subscribed: outcomes, (n_outcomes,).
            plan_days: days with a plan, sorted and unique, (n_plans,).
            plans: plan statistics, (n_plans, len(PLAN_FEATURES)).
        """
        candidates = [days for days in (known_on, plan_days) if len(days)]
        self._origin = min((days.min() for days in candidates), default=np.datetime64("1970-01-01", "D"))
        index = (known_on - self._origin).astype(np.int64)
        length = int(index.max()) + 1 if len(index) else 1
        self._contacts = np.bincount(index, minlength=length).astype(np.float64)
        self._subscribed = np.bincount(index, weights=is_subscribed.astype(np.float64), minlength=length)
        self._plan_days = plan_days
        self._plans = plans

    @classmethod
    def from_contacts(
        cls,
        frame: Frame,
        contact_dates: Days,
        is_subscribed: NDArray[np.bool_],
        known_on: Days | None = None,
        *,
        has_outcome: NDArray[np.bool_] | None = None,
        delay_days: int = OUTCOME_DELAY_DAYS,
    ) -> OutcomeHistory:
        """Build the history from contacts.

        Args:
            frame: payload columns, each (n,).
            contact_dates: day of each call, (n,).
            is_subscribed: outcomes, (n,); ignored where `has_outcome` is False.
            known_on: day from whose morning each outcome is usable; default contact date + delay.
            has_outcome: which outcomes exist, (n,); default all.
            delay_days: outcome delay used when `known_on` is not given, days.

        Raises:
            ValueError: an outcome is said to be known on the morning of its own call or before it.
        """
        usable = contact_dates + np.timedelta64(int(delay_days), "D") if known_on is None else known_on
        mask = np.ones(len(contact_dates), bool) if has_outcome is None else has_outcome
        if bool(np.any(usable[mask] <= contact_dates[mask])):
            worst = int(np.flatnonzero(mask & (usable <= contact_dates))[0])
            raise ValueError(
                f"outcome of row {worst}: expected to be known after its call on {contact_dates[worst]}, found "
                f"{usable[worst]}; a model may not see the future, correct the arrival date."
            )
        plan_days, plans = plan_statistics(frame, contact_dates)
        return cls(usable[mask].astype("datetime64[D]"), is_subscribed[mask], plan_days, plans)

    def rates(self, days: Days) -> dict[str, FloatArray]:
        """Trailing subscription rates on the mornings of `days`.

        Args:
            days: any days, (n,), datetime64[D].

        Returns:
            One array (n,) in [0, 1] per name of `RATE_FEATURES`.
        """
        unique, inverse = np.unique(days, return_inverse=True)
        position = (unique - self._origin).astype(np.int64)
        length = max(len(self._contacts), int(position.max(initial=0)) + 1)
        contacts: FloatArray = np.pad(self._contacts, (0, length - len(self._contacts)))
        subscribed: FloatArray = np.pad(self._subscribed, (0, length - len(self._subscribed)))
        inside = np.clip(position, 0, length - 1)
        known = position >= 0

        def window(days_back: int, prior: FloatArray, weight: float) -> FloatArray:
            n = np.where(known, _window_sums(contacts, days_back)[inside], 0.0)
            s = np.where(known, _window_sums(subscribed, days_back)[inside], 0.0)
            return np.asarray((s + weight * prior) / (n + weight))

        longer = window(LONG_WINDOW_DAYS, np.full(len(unique), PRIOR_RATE), PRIOR_CONTACTS)
        result: dict[str, FloatArray] = {}
        for days_back, weight in reversed(RATE_WINDOWS):
            longer = window(days_back, longer, weight)
            result[f"subscription_rate_{days_back}d"] = longer[inverse]
        return {name: result[name] for name in RATE_FEATURES}

    def state(self, as_of: np.datetime64) -> AsOfState:
        """The state on the morning of a day; plans of that day and later are not in it."""
        rates = self.rates(np.asarray([as_of], "datetime64[D]"))
        recent = (self._plan_days < as_of) & (self._plan_days >= as_of - np.timedelta64(30, "D"))
        if not recent.any():
            earlier = np.flatnonzero(self._plan_days < as_of)[-20:]
            recent = np.zeros(len(self._plan_days), bool)
            recent[earlier] = True
        plans = self._plans[recent]
        weight = plans[:, 0] if len(plans) else np.ones(0)
        typical = np.average(plans, axis=0, weights=weight) if len(plans) else np.zeros(len(PLAN_FEATURES))
        return AsOfState(
            as_of.astype("datetime64[D]"),
            {name: float(values[0]) for name, values in rates.items()},
            {name: float(value) for name, value in zip(PLAN_FEATURES, typical, strict=True)},
        )


def plan_statistics(frame: Frame, contact_dates: Days) -> tuple[Days, FloatArray]:
    """Statistics of each day's list of candidates.

    Args:
        frame: payload columns of all candidates, each (n,).
        contact_dates: planned day of each, (n,).

    Returns:
        The days, sorted and unique (n_days,), and their statistics (n_days, len(PLAN_FEATURES)).
    """
    days, inverse = np.unique(contact_dates.astype("datetime64[D]"), return_inverse=True)
    counts = np.bincount(inverse, minlength=len(days)).astype(np.float64)

    def mean(values: NDArray[Any]) -> FloatArray:
        return np.bincount(inverse, weights=values.astype(np.float64), minlength=len(days)) / np.maximum(counts, 1.0)

    balance = frame["balance"].astype(np.float64)
    columns = [
        counts,
        *(mean(share.mask(frame)) for share in PLAN_SHARES),
        mean(np.minimum(frame["campaign"].astype(np.float64), 10.0)),
        mean(np.sign(balance) * np.log1p(np.abs(balance))),
    ]
    return days, np.column_stack(columns)


def _calendar(contact_dates: Days) -> dict[str, NDArray[Any]]:
    days = contact_dates.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    return {
        "day": ((days - months).astype(np.int64) + 1).astype(np.float64),
        "weekday": ((days.astype(np.int64) + 3) % 7).astype(np.float64),
        "month": np.asarray(MONTHS, dtype=object)[months.astype(np.int64) % 12],
    }


def _contact_features(frame: Frame, contact_dates: Days) -> dict[str, NDArray[Any]]:
    features: dict[str, NDArray[Any]] = {name: frame[name].astype(np.float64) for name in NUMERIC_PAYLOAD}
    features |= {name: np.asarray(frame[name], dtype=object) for name in CATEGORY_PAYLOAD}
    return features | _calendar(contact_dates)


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
        _contact_features(frame, contact_dates)
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
    refuse_post_contact(tuple(frame))
    n = len(contact_dates)
    if has_plan:
        days, plans = plan_statistics(frame, contact_dates)
        row = np.searchsorted(days, contact_dates.astype("datetime64[D]"))
        plan = {name: plans[row, column] for column, name in enumerate(PLAN_FEATURES)}
    else:
        plan = {name: np.full(n, state.typical_plan[name]) for name in PLAN_FEATURES}
    rates = {name: np.full(n, state.rates[name]) for name in RATE_FEATURES}
    return _contact_features(frame, contact_dates) | rates | plan


def is_stale(contact_dates: Days, state: AsOfState) -> NDArray[np.bool_]:
    """Which contacts lie more than `STALE_AFTER_DAYS` past the state, (n,)."""
    return np.asarray((contact_dates - state.as_of).astype(np.int64) > STALE_AFTER_DAYS)
