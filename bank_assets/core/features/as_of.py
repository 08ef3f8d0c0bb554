"""What was known as of a day: trailing subscription rates, typical plans, the current recalibration.

Past and present share this one implementation, and no answer uses an outcome that was unknown on its day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import ListStatistic, Summary
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import DayArray, FloatArray, Rows, checked_version

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


class PlanSums:
    """Sums of each day's list, from the blocks of a list in their order.

    A sum of floats depends on the order of its terms, and this one is continued: the statistics are those of the whole
    list to the last bit, however it is divided.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract, self._days = contract, np.empty(0, dtype="datetime64[D]")
        self._sums = np.empty((1 + len(contract.list_statistics), 0))

    def add(self, frame: Rows, contact_dates: DayArray) -> None:
        """Add the contacts of a block, given by their payload columns and days, (n,)."""
        before = len(self._days)
        days = np.concatenate([self._days, contact_dates.astype("datetime64[D]")])
        self._days, inverse = np.unique(days, return_inverse=True)
        added = [
            np.ones(len(contact_dates)),
            *(_summarised(frame[of.column], of) for of in self._contract.list_statistics),
        ]
        rows = (np.concatenate([sums[:before], more]) for sums, more in zip(self._sums, added, strict=True))
        self._sums = np.array([np.bincount(inverse, weights=one, minlength=len(self._days)) for one in rows])

    def statistics(self) -> tuple[DayArray, FloatArray]:
        """What `plan_statistics` returns of all blocks together."""
        counts, *sums = self._sums
        return self._days, np.column_stack([counts, *(one / np.maximum(counts, 1.0) for one in sums)])


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


class OutcomeHistory:
    """Outcomes by the day on which they became known, and plans by their day; answers for any day.

    The rate of w days on day d counts outcomes known on d-w+1 … d. The outcome of a call is known a day later at the
    earliest, so a call's own outcome is never in its own features. Weighted contacts count as their effective number.
    """

    def __init__(
        self,
        known_on: DayArray,
        is_subscribed: NDArray[np.bool_],
        plan_days: DayArray,
        plans: FloatArray,
        contract: Contract,
        weights: FloatArray | None = None,
    ) -> None:
        """Build the history from outcomes, (n_outcomes,), and plan statistics, (n_plans, n_statistics).

        `plan_days` are sorted and unique. `weights` are inverse probabilities of having learned each outcome.
        """
        candidates = [days for days in (known_on, plan_days) if len(days)]
        self._origin = min((days.min() for days in candidates), default=np.datetime64("1970-01-01", "D"))
        index = (known_on - self._origin).astype(np.int64)
        length = int(index.max()) + 1 if len(index) else 1
        weight = np.ones(len(index)) if weights is None else weights
        self._contacts = np.bincount(index, weights=weight, minlength=length)
        self._squares = np.bincount(index, weights=weight**2, minlength=length)
        self._subscribed = np.bincount(index, weights=weight * is_subscribed, minlength=length)
        self._plan_days = plan_days
        self._plans = plans
        self._plan_features = plan_features(contract)

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
            daily = (self._subscribed, self._contacts, self._squares)
            subscribed, contacts, squares = (counted(one, days_back) for one in daily)
            effective = np.divide(contacts, squares, where=squares > 0.0, out=np.ones(len(unique)))
            longer = (effective * subscribed + weight * longer) / (effective * contacts + weight)
            result[f"subscription_rate_{days_back}d"] = longer[inverse]
        return {name: result[name] for name in RATE_FEATURES}

    def state(self, as_of: np.datetime64) -> AsOfState:
        """Return the state as of a day; plans of that day and later are not in it."""
        rates = self.rates(np.asarray([as_of], "datetime64[D]"))
        earlier = np.flatnonzero(self._plan_days < as_of)
        recent = earlier[self._plan_days[earlier] >= as_of - np.timedelta64(30, "D")]
        plans = self._plans[recent if len(recent) else earlier[-20:]]
        typical = np.average(plans, axis=0, weights=plans[:, 0]) if len(plans) else np.zeros(len(self._plan_features))
        return AsOfState(
            as_of.astype("datetime64[D]"),
            {name: float(values[0]) for name, values in rates.items()},
            {name: float(value) for name, value in zip(self._plan_features, typical, strict=True)},
        )
