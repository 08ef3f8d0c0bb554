"""The loop over days: assess a day, respond, wait for the verdict of a fit, continue.

The replay (`replay.platform`) and production (`bank_assets.loop.response`) drive this one loop through its ports.
The replay holds everything in memory and fits at once. Production reads tables and the ledger, requests a run and
continues when its verdict is recorded, so a killed process resumes where it stopped.

Both use one calendar: the loop assesses the day after each day with contacts, which is the first day on which
something new is known. Contacts of a Friday are assessed on Saturday, and Monday, which adds nothing, is not assessed.
A month that arrives at once is therefore assessed on the same days, and from the same facts, as its daily deliveries
would have been. Of the history before the first assessment only the newest day counts: no decision depends on the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Generic, Protocol, TypeVar

import numpy as np

from bank_assets.core.arrays import DayArray, effective_rarer, effective_size
from bank_assets.core.drift.covariate_shift import Reference, excess_variation
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.model.calibration import intercept_as_of
from bank_assets.core.quality import metrics
from bank_assets.core.response.assessment import respond
from bank_assets.core.response.policy import Evidence, Response, ResponseAction, ResponsePolicy, ResponseState
from bank_assets.core.training.folds import MINIMUM_SPAN_DAYS

FITS: Final = (ResponseAction.RETRAIN, ResponseAction.SEARCH)
MINIMUM_CLASS: Final = 20
"""Outcomes of each class that a first model needs; until then the trailing subscription rate decides."""
_DAY: Final = np.timedelta64(1, "D")
Fit = TypeVar("Fit")
"""A requested fit as the ports know it."""


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """What is known as of a day.

    Attributes:
        scored: contacts with the unshifted probability of their day, and their outcomes.
        daily: contacts per day, column and value.
        reference: what the champion learned from.
    """

    scored: ScoredContacts
    daily: DailyProfiles
    reference: Reference


@dataclass(frozen=True, slots=True)
class Assessment:
    """An assessed day: its evidence and the response."""

    evidence: Evidence
    response: Response

    @property
    def day(self) -> np.datetime64:
        """The day that was assessed."""
        return self.evidence.as_of

    @property
    def calls_for_fit(self) -> bool:
        """Whether the loop waits for the verdict of a fit before it assesses the next day."""
        return self.response.action in FITS


@dataclass(frozen=True, slots=True)
class Position(Generic[Fit]):
    """Where the loop stands.

    Attributes:
        state: the state after the last assessment and every verdict since.
        shift: intercept of the last assessment, log-odds.
        requested: the fit whose verdict is pending, or None.
    """

    state: ResponseState
    shift: float
    requested: Fit | None


class LoopPorts(Protocol[Fit]):
    """What the loop asks of the world that it runs in."""

    def days(self) -> DayArray:
        """Days with contacts, sorted and distinct."""

    def reached(self) -> np.datetime64:
        """The last day that can be assessed; contacts of this day and later are not known."""

    def known(self, day: np.datetime64) -> KnownFacts:
        """What is known as of a day; it may hold later contacts and outcomes, which the evidence leaves out."""

    def settle(self, requested: Fit) -> bool:
        """Make the model that was requested; True once its verdict is in `position`."""

    def position(self) -> Position[Fit]:
        """Where the loop stands."""

    def keep(self, assessment: Assessment) -> None:
        """Append an assessment."""


def advance(ports: LoopPorts[Fit], policy: ResponsePolicy = ResponsePolicy()) -> Fit | None:
    """Assess every day that is due. Returns the fit whose verdict is pending, or None if no day is left."""
    while True:
        position = ports.position()
        if position.requested is not None:
            if not ports.settle(position.requested):
                return position.requested
            continue
        for day in days_to_judge(ports.days(), ports.reached(), position.state):
            known = ports.known(day)
            if position.state.deployed_on is None and not _is_learnable(known.scored, day):
                return None
            assessment = assess(day, known, position.state, position.shift, policy)
            ports.keep(assessment)
            if assessment.calls_for_fit:
                break
            position = Position(assessment.response.state, assessment.evidence.shift_now, None)
        else:
            return None


def days_to_judge(days: Sequence[np.datetime64] | DayArray, reached: np.datetime64, state: ResponseState) -> DayArray:
    """Days that are due by the module's calendar, in order, given the days with contacts in any order."""
    due: DayArray = np.asarray(np.unique(np.asarray(days, "datetime64[D]")) + _DAY)
    due = due[due <= reached]
    if state.deployed_on is None and state.assessed_on is None:
        due = due[-1:]
    begun = [np.datetime64(day, "D") for day in (state.assessed_on, state.deployed_on) if day is not None]
    return due[due > max(begun)] if begun else due


def assess(
    day: np.datetime64, known: KnownFacts, state: ResponseState, shift: float, policy: ResponsePolicy
) -> Assessment:
    """Assess one day; `shift` is the current intercept, log-odds."""
    evidence = gather(known, state, day, shift, policy)
    if state.deployed_on is not None:
        return Assessment(evidence, respond(state, evidence, policy))
    attempted = state.attempted_on
    if attempted and day - np.datetime64(attempted, "D") < np.timedelta64(policy.cool_down_days, "D"):
        waiting = (
            f"no model yet: the search of {attempted} was refused, the next is due {policy.cool_down_days} days "
            "of data later"
        )
        answer = Response(ResponseAction.NONE, (waiting,), state)
    else:
        answer = respond(state, evidence, policy)
    return Assessment(evidence, replace(answer, state=replace(answer.state, assessed_on=str(day))))


def gather(
    known: KnownFacts, state: ResponseState, as_of: np.datetime64, shift_before: float, policy: ResponsePolicy
) -> Evidence:
    """Measure calibration, ranking and covariates of the champion; without a model only the intercept.

    Nothing of the day `as_of` or later enters. The probabilities are those before the day's intercept, because that
    intercept would hide a decay of the model itself. `shift_before` is the intercept until now, log-odds.
    """
    scored = known.scored
    found = Evidence(as_of, shift_before=shift_before, shift_now=intercept_as_of(scored, as_of))
    if state.deployed_on is None or state.first_deployed_on is None:
        return found
    start = as_of - np.timedelta64(policy.window_days, "D")
    since = max(start, np.datetime64(state.deployed_on, "D"))
    own = scored.rows(~np.isnan(scored.proba) & scored.known_as_of(as_of) & (scored.contact_dates >= since))
    proba, observed, mass = own.proba, own.is_subscribed, own.mass
    effective, rarer = effective_size(own.w, own.counts), effective_rarer(observed, own.w, own.counts)
    ranked = effective >= policy.minimum_ranked and rarer >= policy.minimum_of_class
    first = max(start, np.datetime64(state.first_deployed_on, "D"))
    window = known.daily.window(first.astype(date), as_of.astype(date) - timedelta(days=1))
    return replace(
        found,
        outcomes=own.n_contacts,
        observed=float((mass * observed).sum()),
        expected=float((mass * proba).sum()),
        standard_error=math.sqrt(float((own.w * mass * proba * (1.0 - proba)).sum())),
        contacts=window.rows,
        excess=excess_variation(known.reference, window) if window.rows >= policy.minimum_contacts else {},
        roc_auc=metrics.roc_auc(observed, proba, mass) if ranked else None,
        roc_auc_error=metrics.roc_auc_standard_error(observed, proba, own.w, own.counts) if ranked else None,
        effective_outcomes=None if own.weights is None else effective,
    )


def _is_learnable(scored: ScoredContacts, day: np.datetime64) -> bool:
    """Whether a first model can be fitted and tested out of time: enough outcomes of both classes over enough days."""
    known = scored.rows(scored.known_as_of(day))
    if effective_rarer(known.is_subscribed, known.w, known.counts) < MINIMUM_CLASS:
        return False
    return bool(day - known.contact_dates.min() >= np.timedelta64(MINIMUM_SPAN_DAYS, "D"))


def after_verdict(
    state: ResponseState,
    day: str | None,
    *,
    is_promoted: bool,
    is_on_probation: bool = False,
    is_rollback: bool = False,
) -> ResponseState:
    """The state after a verdict on a fit that the loop, a schedule or a person requested.

    A refused fit starts a cool-down too, or it would be tried every day. `day` is the data time of the verdict; it is
    None for a rollback, which counts from the last assessed day. A rollback ends the episode and starts a
    cool-down, or the loop would undo it at once.
    """
    known = [one for one in ((state.assessed_on, state.deployed_on) if day is None else (day,)) if one]
    if not known or (day == state.reviewed_on and day is not None and not is_promoted):
        return state
    today = max(known)
    after = replace(state, attempted_on=today)
    if is_promoted:
        first = state.first_deployed_on or today
        after = replace(
            after, first_deployed_on=first, deployed_on=today, recent=(), quiet=0, is_on_probation=is_on_probation
        )
    return after.closed() if is_rollback else after
