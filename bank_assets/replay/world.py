"""The simulated world of a replay: its settings, the calendar of its days, and what is known on each day.

A policy never sees the arrays of outcomes; it asks the `World` for what is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, weights_or_ones
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.exploration import USUAL_LEARNING, LearningBudget
from bank_assets.core.features.as_of import plan_statistics
from bank_assets.core.features.contacts import LEARNING_ROWS, Contacts, LearningData, ScoredContacts
from bank_assets.core.features.feedback import CALLED, FEEDBACKS, FULL
from bank_assets.core.quality.objective import PROFIT
from bank_assets.core.training.learning_sample import permanent_numbers

STEPS: Final = {"day": "D", "week": "W", "month": "M"}  # with the frequency in pandas
HISTORY_MONTHS: Final = 4  # that come before the first day that is decided, unless another one is given
MAXIMUM_DELAY_DAYS: Final = 365


class ReplayError(ValueError):
    """A replay cannot be made; the message says what was expected, what was found and what to do."""


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Everything that determines a replay except the contacts and the code.

    Attributes:
        first_day: first day that is decided; earlier contacts are history, all of them called.
        last_day: last day that is decided; None for the last contact.
        outcome_delay_days: days after the call until an outcome is usable, at least 1.
        step: how often the platform assesses outcomes, refits and recalibrates.
        feedback: `full` learns from every contact in the history, `called` only from those that were called.
        learning: what each day's list spends on exploration; nothing with `full`, which learns without it.
        holdout_share: of the chosen contacts of each list, who are not called.
        candidates: recipes that a search of the platform compares, `BANK_CANDIDATES`; empty for all.
        probation: whether its default recipe decides if the first gate refuses, `BANK_PROBATION`.
        objective: what it chooses a recipe by, `BANK_OBJECTIVE`.
        learning_rows: rows that a fit uses at most, `BANK_LEARNING_ROWS`.
    """

    economics: Economics
    first_day: np.datetime64
    last_day: np.datetime64 | None = None
    outcome_delay_days: int = 1
    step: str = "day"
    feedback: str = CALLED
    learning: LearningBudget = USUAL_LEARNING
    holdout_share: float = 0.0
    seed: int = 0
    candidates: tuple[str, ...] = ()
    probation: bool = True
    objective: str = PROFIT
    learning_rows: int = LEARNING_ROWS

    def __post_init__(self) -> None:
        if self.step not in STEPS or self.feedback not in FEEDBACKS:
            raise ReplayError(
                f"replay: expected a step of {tuple(STEPS)} and feedback of {FEEDBACKS}, found {self.step!r} and "
                f"{self.feedback!r}."
            )
        if not 1 <= self.outcome_delay_days <= MAXIMUM_DELAY_DAYS:
            raise ReplayError(
                f"outcome delay: expected 1 to {MAXIMUM_DELAY_DAYS} days, found {self.outcome_delay_days}; an outcome "
                "is never known on the day of its own call."
            )
        if self.feedback == FULL:
            object.__setattr__(self, "learning", LearningBudget())
        if self.last_day is not None and self.last_day < self.first_day:
            raise ReplayError(f"replay: expected a last day from {self.first_day} on, found {self.last_day}.")


def step_starts(days: DayArray, step: str) -> DayArray:
    """First day of the step that each day lies in: itself, its Monday, or the first of its month."""
    return pd.DatetimeIndex(days).to_period(STEPS[step]).start_time.to_numpy().astype("datetime64[D]")


def step_ends(days: DayArray, step: str) -> DayArray:
    """Last day of the step that each day lies in: the day on which its contacts are delivered."""
    return pd.DatetimeIndex(days).to_period(STEPS[step]).end_time.to_numpy().astype("datetime64[D]")


class World:
    """Contacts in time order, the day on which each is decided, and what has been learned.

    `outcomes_for_the_judge` and `has_outcome` (which contacts ever get one), both (n,), are for measuring a policy
    afterwards and never for deciding. `frame` has the payload columns of all contacts, each (n,).
    """

    def __init__(self, contacts: Contacts, settings: ReplaySettings) -> None:
        self.settings = settings
        ordered = contacts.in_time_order()
        self.dates, self.frame, self.contract = ordered.contact_dates, ordered.frame, ordered.contract
        self.contact_ids = ordered.contact_ids
        self.outcomes_for_the_judge, self.has_outcome = ordered.is_subscribed, ordered.has_outcome
        last = self.dates.max() if settings.last_day is None and len(ordered) else settings.last_day
        self.is_decided = (self.dates >= settings.first_day) & (self.dates <= (last or settings.first_day))
        if not self.is_decided.any():
            raise ReplayError(
                f"replay: expected contacts from {settings.first_day} to {last}, found none; choose other days."
            )
        decided_on = np.maximum(step_starts(self.dates, settings.step), settings.first_day)
        self.decided_on = np.where(self.is_decided, decided_on, self.dates)
        self.days: DayArray = np.unique(self.decided_on[self.is_decided])
        self.delivered_days: DayArray = np.unique(step_ends(self.dates, settings.step))
        self.daily = DailyProfiles.from_rows(self.dates, ordered.frame, ordered.contract)
        self._contacts = _delayed(ordered, settings.outcome_delay_days)
        if settings.feedback == CALLED:  # a copy, which `learn` fills day by day
            learned = np.where(self.is_decided, 0.0, weights_or_ones(ordered.weights, len(ordered)))
            self._contacts = replace(self._contacts, weights=learned)
        self._sample: tuple[FloatArray, int] | tuple[()] = ()
        if len(ordered) > settings.learning_rows:
            numbers = permanent_numbers(ordered.contact_ids, ordered.customer_ids)
            self._sample = (numbers, settings.learning_rows)
        self._plans = plan_statistics(self.frame, self.dates, self.contract)
        self._features = self._contacts.features() | self._contacts.history(self._plans).rates(self.decided_on)

    def __len__(self) -> int:
        return len(self.dates)

    def profit(self, called: BoolArray) -> FloatArray:
        """Realised EUR of calls, by contact, (n,); a call without an outcome has a cost and no value."""
        won = self.outcomes_for_the_judge & self.has_outcome
        return self.settings.economics.profit(called, won, self.frame)

    def rows_of(self, as_of: np.datetime64) -> NDArray[np.int64]:
        """Rows that are decided on a day."""
        return np.flatnonzero(self.is_decided & (self.decided_on == as_of))

    def features_of(self, rows: NDArray[np.int64], as_of: np.datetime64) -> dict[str, NDArray[Any]]:
        """Features of the contacts of a day, from what was learned by then."""
        if self.settings.feedback == CALLED:
            self._update_rates(rows, as_of)
        return {name: column[rows] for name, column in self._features.items()}

    def _update_rates(self, rows: NDArray[np.int64], as_of: np.datetime64) -> None:
        rates = self._contacts.history(self._plans).rates(np.asarray([as_of]))
        for name, value in rates.items():
            self._features[name][rows] = value[0]

    def known(self, as_of: np.datetime64) -> BoolArray:
        """Contacts called before a day whose outcome was learned and is usable on it, (n,)."""
        return self._contacts.known_as_of(as_of)

    def learn(self, rows: NDArray[np.int64], weights: FloatArray) -> None:
        """Record the inverse propensity of each decided contact, 0 where it was not called, (len(rows),)."""
        if self.settings.feedback == CALLED and self._contacts.weights is not None:
            self._contacts.weights[rows] = weights

    def resume(self, weights: FloatArray, until: np.datetime64) -> None:
        """Restore what had been learned up to a day when a replay was interrupted; `weights` is (n,)."""
        if self.settings.feedback != CALLED:
            return
        past = self.is_decided & (self.decided_on <= until)
        self.learn(np.flatnonzero(past), weights[past])
        for as_of in self.days[self.days <= until]:
            self._update_rates(self.rows_of(as_of), as_of)

    def learning_data(self, as_of: np.datetime64) -> LearningData:
        """Contacts to learn from on a day."""
        learned = (self.dates, self._contacts.known_on, self._contacts.is_subscribed)
        every = LearningData(self._features, *learned, as_of, self.contract, self._contacts.weights, *self._sample)
        return every.rows(self.known(as_of))

    def scored(self, unshifted: FloatArray, as_of: np.datetime64) -> ScoredContacts:
        """Contacts whose outcome is known on a day, with their unshifted probabilities."""
        return replace(self._contacts.scored(unshifted), frame={}).rows(self.known(as_of))


def _delayed(contacts: Contacts, delay_days: int) -> Contacts:
    """Delay outcomes by the replay's setting, and refuse those known before their call is over."""
    early = contacts.has_outcome & (contacts.known_on <= contacts.contact_dates)
    if early.any():
        row = int(np.flatnonzero(early)[0])
        raise ReplayError(
            f"outcome of contact {contacts.contact_ids[row]}: expected to be known after its call on "
            f"{contacts.contact_dates[row]}, found {contacts.known_on[row]}; a replay may not see the future, correct "
            "the arrival date."
        )
    earliest = contacts.contact_dates + np.timedelta64(delay_days, "D")
    known_on = np.where(contacts.has_outcome, np.maximum(contacts.known_on, earliest), contacts.known_on)
    return replace(contacts, known_on=known_on)
