"""What was known as of a day: trailing subscription rates, typical plans, the recalibration in force.

Past and present share this one implementation, and no answer uses an outcome that was unknown on its day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import DayArray, FloatArray
from bank_assets.core.features.day_plan import Frame, plan_features, plan_statistics

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
        return {
            "schema_version": STATE_SCHEMA_VERSION,
            "as_of": str(self.as_of),
            "rates": dict(self.rates),
            "typical_plan": dict(self.typical_plan),
            "log_odds_shift": self.log_odds_shift,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AsOfState:
        """Read the JSON form; another schema version is refused."""
        if content.get("schema_version") != STATE_SCHEMA_VERSION:
            raise StateError(
                f"as-of state: expected schema_version {STATE_SCHEMA_VERSION}, found "
                f"{content.get('schema_version')!r}; run the pipeline once with this version."
            )
        return cls(
            np.datetime64(content["as_of"], "D"),
            dict(content["rates"]),
            dict(content["typical_plan"]),
            float(content["log_odds_shift"]),
        )


class OutcomeHistory:
    """Outcomes by the day on which they became known, and plans by their day; answers for any day.

    The rate of w days on day d counts outcomes known on d-w+1 … d. The outcome of a call is known a day later at the
    earliest, so a call's own outcome is never in its own features.
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
        self._subscribed = np.bincount(index, weights=weight * is_subscribed, minlength=length)
        self._plan_days = plan_days
        self._plans = plans
        self._plan_features = plan_features(contract)

    @classmethod
    def from_contacts(
        cls,
        frame: Frame,
        contact_dates: DayArray,
        is_subscribed: NDArray[np.bool_],
        known_on: DayArray | None = None,
        *,
        contract: Contract,
    ) -> OutcomeHistory:
        """Build the history from contacts, each array (n,).

        `known_on` is the first day on which each outcome is usable, NaT where there is none; by default the day after
        the call. An outcome known on the day of its own call, or before it, is refused.
        """
        usable = contact_dates + np.timedelta64(OUTCOME_DELAY_DAYS, "D") if known_on is None else known_on
        early = np.flatnonzero(usable <= contact_dates)
        if len(early):
            worst = int(early[0])
            raise ValueError(
                f"outcome of row {worst}: expected to be known after its call on {contact_dates[worst]}, found "
                f"{usable[worst]}; a model may not see the future, correct the arrival date."
            )
        plan_days, plans = plan_statistics(frame, contact_dates, contract)
        known = ~np.isnat(usable)
        return cls(usable[known].astype("datetime64[D]"), is_subscribed[known], plan_days, plans, contract)

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
            subscribed, contacts = (counted(daily, days_back) for daily in (self._subscribed, self._contacts))
            longer = (subscribed + weight * longer) / (contacts + weight)
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
