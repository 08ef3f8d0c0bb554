"""What was known as of a day: trailing subscription rates, typical plans, the current recalibration.

Past and present share this one implementation, and no answer uses an outcome that was unknown on its day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import ListStatistic, Summary
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import DayArray, FloatArray, IntArray, Rows, checked_version, weights_or_ones

STATE_SCHEMA_VERSION: Final = 1
OUTCOME_DELAY_DAYS: Final = 1
"""An outcome is usable from the day after the call, unless it arrived later."""
RATE_WINDOWS: Final = ((7, 10.0), (30, 20.0), (90, 20.0), (180, 20.0))
"""(days, pseudo-contacts): pseudo-contacts shrink each rate towards that of the next longer window."""
RATE_FEATURE_DAYS: Final = (7, 30)
"""Windows that are features; the longer ones only stabilise them (90 days as a feature gained nothing)."""
PRIOR_RATE: Final = 0.1
"""Rate assumed before any outcome is known: the break-even of the default economics, so it favours neither side."""
RATE_FEATURES: Final = tuple(f"subscription_rate_{days}d" for days in RATE_FEATURE_DAYS)
PLAN_COUNT: Final = "contacts_planned_that_day"


def plan_features(contract: Contract) -> tuple[str, ...]:
    """Return the names of the statistics: the length of the list, and those that the contract defines."""
    return (PLAN_COUNT, *(statistic.feature for statistic in contract.list_statistics))


def plan_statistics(frame: Rows, contact_dates: DayArray, contract: Contract) -> tuple[DayArray, FloatArray]:
    """Summarise each day's list of candidates, which is known before any call of it.

    The list tells which campaign the bank runs; in the replay it is the largest single gain of all features
    (docs/adr/). Returns the days, sorted and unique (n_days,), and their statistics
    (n_days, len(plan_features(contract))).
    """
    found = PlanSums(contract)
    found.add(frame, contact_dates)
    return found.statistics()


_FRACTION: Final = 2.0**42
"""Fractions are summed as whole numbers of units of this inverse, up to four million rows a day."""


class PlanSums:
    """Exact sums of each day's list, from its blocks in any order.

    Whole numbers and fractions of what rows add are summed apart, as integers, which no order of terms rounds
    differently. So the statistics are those of the whole list to the last bit, however it is divided and whoever adds.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract, k = contract, len(contract.list_statistics)
        self.parts = (np.empty(0, "datetime64[D]"), np.empty(0), np.empty((0, k)), np.empty((0, k), np.int64))
        """Days, sorted and unique, and their rows, (n_days,); whole numbers and fractions, (n_days, n_statistics)."""

    def add(self, frame: Rows, contact_dates: DayArray) -> None:
        """Add the contacts of a block, given by their payload columns and days, (n,)."""
        days, inverse = np.unique(contact_dates.astype("datetime64[D]"), return_inverse=True)
        n, k = len(days), len(self._contract.list_statistics)
        whole, fractions = np.zeros((n, k)), np.zeros((n, k), np.int64)
        for column, one in enumerate(self._contract.list_statistics):
            values = _summarised(frame[one.column], one)
            rounded = np.rint(values)
            whole[:, column] = np.bincount(inverse, weights=rounded, minlength=n)
            np.add.at(fractions[:, column], inverse, np.rint((values - rounded) * _FRACTION).astype(np.int64))
        self.add_parts(days, np.bincount(inverse, minlength=n).astype(np.float64), whole, fractions)

    def add_parts(self, days: DayArray, counts: FloatArray, whole: FloatArray, fractions: IntArray) -> None:
        """Add the `parts` of other sums, whose days may repeat."""
        known, row = np.unique(np.concatenate([self.parts[0], days]), return_inverse=True)

        def total(at: int, more: NDArray[Any]) -> NDArray[Any]:
            values = np.concatenate([self.parts[at], more])
            sums = np.zeros((len(known), *values.shape[1:]), values.dtype)
            np.add.at(sums, row, values)
            return sums

        self.parts = (known, total(1, counts), total(2, whole), total(3, fractions))

    def statistics(self) -> tuple[DayArray, FloatArray]:
        """What `plan_statistics` returns of all blocks together."""
        days, counts, whole, fractions = self.parts
        rows = np.maximum(counts, 1.0)[:, np.newaxis]
        return days, np.column_stack([counts, (whole + fractions / _FRACTION) / rows])


def _summarised(column: NDArray[Any], statistic: ListStatistic) -> FloatArray:
    """What each row adds to the mean, (n,)."""
    if statistic.values:
        return np.isin(column, np.asarray(statistic.values, dtype=column.dtype)).astype(np.float64)
    numbers = column.astype(np.float64)
    low = -np.inf if statistic.low is None else statistic.low
    high = np.inf if statistic.high is None else statistic.high
    if statistic.summary is Summary.SHARE:
        return ((numbers >= low) & (numbers <= high)).astype(np.float64)
    if statistic.summary is Summary.MEAN:
        return np.minimum(numbers, high)
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)))


def typical_days(days: DayArray, as_of: np.datetime64) -> DayArray:
    """The days, of sorted ones, whose lists are typical as of a day: of the 30 days before it, else the last 20."""
    earlier = days[days < as_of]
    recent = earlier[earlier >= as_of - np.timedelta64(30, "D")]
    return recent if len(recent) else earlier[-20:]


class StateError(ValueError):
    """A published state cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class AsOfState:
    """What the platform knew as of a day: rates by feature name, typical plan statistics, and the recalibration.

    `typical_plan` averages the last 30 days with contacts, and is used where a contact has no plan. The scorer adds
    `log_odds_shift` to the log-odds.
    """

    as_of: np.datetime64
    rates: Mapping[str, float]
    typical_plan: Mapping[str, float]
    log_odds_shift: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that is published for serving and recorded with decisions."""
        return {"schema_version": STATE_SCHEMA_VERSION, **asdict(self), "as_of": str(self.as_of)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AsOfState:
        """Read the JSON form; another schema version is refused."""
        checked_version(content, STATE_SCHEMA_VERSION, "as-of state", "run the pipeline once with this version")
        known = {field.name: content[field.name] for field in fields(cls)}
        return cls(**known | {"as_of": np.datetime64(content["as_of"], "D")})


class Outcomes(Protocol):
    """Contacts with what is known of their outcomes, each array (n,), as `core.features.contacts.Contacts` has them."""

    @property
    def contact_dates(self) -> DayArray:
        """Days of the calls."""

    @property
    def known_on(self) -> DayArray:
        """First days on which the outcomes are usable, NaT without one."""

    @property
    def is_subscribed(self) -> NDArray[np.bool_]:
        """The outcomes."""

    @property
    def weights(self) -> FloatArray | None:
        """Inverse probabilities of having learned each outcome; None stands for ones."""

    @property
    def counts(self) -> FloatArray | None:
        """How many contacts each row is; None stands for ones."""


class OutcomeHistory:
    """Outcomes by the day on which they became known, and plans by their day; answers for any day.

    The rate of w days on day d counts outcomes known on d-w+1 … d. The outcome of a call is known a day later at the
    earliest, so a call's own outcome is never in its own features. Weighted contacts count as their effective number.
    """

    def __init__(self, plan_days: DayArray, plans: FloatArray, contract: Contract) -> None:
        """Begin without outcomes; plan statistics are (n_plans, n_statistics), their days sorted and unique."""
        self._origin = np.datetime64("1970-01-01", "D")
        self._daily = np.zeros((3, 0))  # contacts, squares of their weights, subscribers
        self._plan_days = plan_days
        self._plans = plans
        self._plan_features = plan_features(contract)

    def learn(self, outcomes: Outcomes) -> None:
        """Add contacts with what is known of their outcomes; parts that follow in time order add up to the whole.

        Raises:
            ValueError: an outcome is known on the day of its own call, or before it.
        """
        early = np.flatnonzero(outcomes.known_on <= outcomes.contact_dates)
        if len(early):
            worst = int(early[0])
            raise ValueError(
                f"outcome of row {worst}: expected to be known after its call on {outcomes.contact_dates[worst]}, "
                f"found {outcomes.known_on[worst]}; a model may not see the future, correct the arrival date."
            )
        known = ~np.isnat(outcomes.known_on)
        known_on, is_subscribed = outcomes.known_on[known], outcomes.is_subscribed[known]
        if not len(known_on):
            return
        weight, times = (weights_or_ones(one, len(known))[known] for one in (outcomes.weights, outcomes.counts))
        if not self._daily.shape[1]:
            self._origin = known_on.min()
        index = (known_on - self._origin).astype(np.int64)
        before, after = max(0, -int(index.min())), max(0, int(index.max()) + 1 - self._daily.shape[1])
        self._daily, self._origin = np.pad(self._daily, ((0, 0), (before, after))), self._origin - before
        for daily, values in zip(self._daily, (weight, weight**2, weight * is_subscribed), strict=True):
            np.add.at(daily, index + before, values * times)

    def rates(self, days: DayArray) -> dict[str, FloatArray]:
        """Return the trailing subscription rates as of any days, one array (n,) per name of `RATE_FEATURES`."""
        unique, inverse = np.unique(days, return_inverse=True)
        end = (unique - self._origin).astype(np.int64) + 1

        def counted(daily: NDArray[Any], days_back: int) -> FloatArray:
            total = np.append(0.0, np.cumsum(daily))
            return np.asarray(total[end.clip(0, len(daily))] - total[(end - days_back).clip(0, len(daily))])

        longer = np.full(len(unique), PRIOR_RATE)
        result: dict[str, FloatArray] = {}
        for days_back, weight in reversed(RATE_WINDOWS):
            contacts, squares, subscribed = (counted(daily, days_back) for daily in self._daily)
            effective = np.divide(contacts, squares, where=squares > 0.0, out=np.ones(len(unique)))
            longer = (effective * subscribed + weight * longer) / (effective * contacts + weight)
            result[f"subscription_rate_{days_back}d"] = longer[inverse]
        return {name: result[name] for name in RATE_FEATURES}

    def state(self, as_of: np.datetime64) -> AsOfState:
        """Return the state as of a day; plans of that day and later are not in it."""
        rates = self.rates(np.asarray([as_of], "datetime64[D]"))
        plans = self._plans[np.isin(self._plan_days, typical_days(self._plan_days, as_of))]
        typical = np.average(plans, axis=0, weights=plans[:, 0]) if len(plans) else np.zeros(len(self._plan_features))
        return AsOfState(
            as_of.astype("datetime64[D]"),
            {name: float(values[0]) for name, values in rates.items()},
            {name: float(value) for name, value in zip(self._plan_features, typical, strict=True)},
        )
