"""The loop over days: judge a day, answer, wait for the verdict of a fit, go on.

This is the only loop. The replay and production drive it through three ports: `ScoredDeliveries` says what is known as
of a day, `Fits` makes the model that an answer calls for, `LoopRecord` keeps each assessment. The replay's ports hold
everything in memory and fit at once (`replay.platform`). Production's ports read tables and the ledger, request a run
and go on when its verdict is recorded (`bank_assets.loop.response`), so a process that was killed resumes where it
stopped.

The calendar, the same for both: the day after each day with contacts is judged, as soon as it is reached. It is the
first day on which something new is known, whether or not anybody is called on it: contacts of a Friday are judged on
Saturday, and Monday, which knows nothing more, is not judged. So the size of a delivery changes nothing: a month that
arrives at once is judged on the days on which its daily deliveries would have been judged, each from what was known on
it. Of the history before the first assessment only the newest of these days counts: no decision depends on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from bank_assets.core.arrays import DayArray, FloatArray
from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.quality.performance import ScoredContacts
from bank_assets.core.response.assessment import after_fit, respond, violations
from bank_assets.core.response.evidence import gather
from bank_assets.core.response.policy import Evidence, Response, ResponseAction, ResponsePolicy, ResponseState
from bank_assets.core.training.splits import MINIMUM_SPAN_DAYS

FITS: Final = (ResponseAction.RETRAIN, ResponseAction.SEARCH)
MINIMUM_CLASS: Final = 20
"""Outcomes of each kind that a first model needs; until then the trailing subscription rate decides."""
_DAY: Final = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """What is known as of a day.

    Attributes:
        scored: contacts with the unshifted probability they had on their day, and their outcomes.
        daily: contacts per day, column and value.
        reference: what the model in force learned from.
        weights: inverse probability of having learned each outcome, (n,), 0 for never; None for 1.
    """

    scored: ScoredContacts
    daily: DailyProfiles
    reference: Reference
    weights: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """A judged day.

    Attributes:
        day: data time.
        evidence: what was measured.
        kinds: what was violated.
        response: the answer with the state to keep.
    """

    day: np.datetime64
    evidence: Evidence
    kinds: tuple[str, ...]
    response: Response

    @property
    def calls_for_fit(self) -> bool:
        """Whether the loop waits for the verdict of a fit before it judges the next day."""
        return self.response.action in FITS


@dataclass(frozen=True, slots=True)
class Position:
    """Where the loop stands.

    Attributes:
        state: the state after the last assessment and after every verdict since.
        shift: intercept of the last assessment, log-odds.
        is_waiting: whether the last assessment called for a fit whose verdict is not known.
    """

    state: ResponseState
    shift: float
    is_waiting: bool


class ScoredDeliveries(Protocol):
    """What was delivered, and how it was scored."""

    def days(self) -> DayArray:
        """Days with contacts, sorted and distinct."""

    def reached(self) -> np.datetime64:
        """The day up to which days are judged; contacts of this day and later are not known."""

    def known(self, day: np.datetime64) -> KnownFacts:
        """What is known as of a day; later contacts and outcomes may be among it, the evidence leaves them out."""


class Fits(Protocol):
    """Models on demand."""

    def settle(self) -> bool:
        """Make the model that the last assessment calls for.

        Returns:
            True once the verdict is part of `LoopRecord.position`; False while it is pending.
        """


class LoopRecord(Protocol):
    """The memory of the loop."""

    def position(self) -> Position:
        """Where the loop stands."""

    def keep(self, assessment: Assessment) -> None:
        """Append an assessment."""


def advance(scores: ScoredDeliveries, fits: Fits, record: LoopRecord, policy: ResponsePolicy | None = None) -> bool:
    """Judge every day that is due.

    Args:
        scores: what is known.
        fits: makes models.
        record: keeps assessments.
        policy: limits; default `ResponsePolicy()`.

    Returns:
        True if no day is left to judge, False if the verdict of a fit is pending.
    """
    limits = policy or ResponsePolicy()
    while True:
        position = record.position()
        if position.is_waiting:
            if not fits.settle():
                return False
            continue
        for day in days_to_judge(scores.days(), scores.reached(), position.state):
            known = scores.known(day)
            if position.state.deployed_on is None and not _is_learnable(known.scored, day):
                return True
            assessment = assess(day, known, position.state, position.shift, limits)
            record.keep(assessment)
            if assessment.calls_for_fit:
                break
            position = Position(assessment.response.state, assessment.evidence.shift_now, False)
        else:
            return True


def days_to_judge(days: Sequence[np.datetime64] | DayArray, reached: np.datetime64, state: ResponseState) -> DayArray:
    """Days that are due, in order: see the calendar above.

    Args:
        days: days with contacts, any order.
        reached: the last day that can be judged.
        state: says which day was judged last, and since when a model decides.

    Returns:
        Days after both, at most `reached`; before the first assessment at most the newest of them.
    """
    due: DayArray = np.asarray(np.unique(np.asarray(days, "datetime64[D]")) + _DAY)
    due = due[due <= reached]
    if state.deployed_on is None and state.assessed_on is None:
        due = due[-1:]
    begun = [np.datetime64(day, "D") for day in (state.assessed_on, state.deployed_on) if day is not None]
    return due[due > max(begun)] if begun else due


def assess(
    day: np.datetime64, known: KnownFacts, state: ResponseState, shift: float, policy: ResponsePolicy
) -> Assessment:
    """Judge one day.

    Args:
        day: data time.
        known: what is known as of it.
        state: kept from the day judged before.
        shift: intercept in force, log-odds.
        policy: limits.
    """
    evidence = gather(
        known.scored,
        known.daily,
        known.reference,
        state,
        day,
        shift_before=shift,
        weights=known.weights,
        policy=policy,
    )
    if state.deployed_on is not None:
        kinds = tuple(str(found.kind) for found in violations(evidence, policy))
        return Assessment(day, evidence, kinds, respond(state, evidence, policy))
    if _waits_for_first_model(state, day, policy):
        answer = Response(ResponseAction.NONE, (_waiting(state, policy),), "", "", False, False, state)
    else:
        answer = respond(state, evidence, policy)
    return Assessment(day, evidence, (), replace(answer, state=replace(answer.state, assessed_on=str(day))))


def _is_learnable(scored: ScoredContacts, day: np.datetime64) -> bool:
    """Whether a first model can be fitted and judged out of time: enough outcomes of both kinds over enough days."""
    known = (scored.known_on <= day) & (scored.contact_dates < day)
    yes, no = int(scored.is_subscribed[known].sum()), int((~scored.is_subscribed[known]).sum())
    if min(yes, no) < MINIMUM_CLASS:
        return False
    return bool(day - scored.contact_dates[known].min() >= np.timedelta64(MINIMUM_SPAN_DAYS, "D"))


def _waits_for_first_model(state: ResponseState, day: np.datetime64, policy: ResponsePolicy) -> bool:
    """A refused first model is searched for again after the cool-down."""
    if state.attempted_on is None:
        return False
    return bool(day - np.datetime64(state.attempted_on, "D") < np.timedelta64(policy.cool_down_days, "D"))


def _waiting(state: ResponseState, policy: ResponsePolicy) -> str:
    return (
        f"no model yet: the search of {state.attempted_on} was refused, the next is due {policy.cool_down_days} days "
        "of data later"
    )


def after_verdict(
    state: ResponseState,
    day: str | None,
    *,
    is_promoted: bool,
    is_on_probation: bool = False,
    is_rollback: bool = False,
) -> ResponseState:
    """The state after a verdict, whoever called for the fit.

    Args:
        state: before it.
        day: data time of the verdict; None for a rollback, which is in force from the last day judged.
        is_promoted: whether another model decides since then.
        is_on_probation: whether that model is on probation.
        is_rollback: a person's decision, which ends the episode and gets a cool-down like a fit; otherwise the loop
            would undo it at once.

    Returns:
        The state to keep.
    """
    known = [one for one in (day, None if day else state.assessed_on, None if day else state.deployed_on) if one]
    if not known or (day is not None and day == state.reviewed_on and not is_promoted):
        return state
    after = after_fit(state, np.datetime64(max(known), "D"), is_promoted=is_promoted)
    if is_promoted:
        after = replace(after, is_on_probation=is_on_probation)
    return replace(after, episode_id="", fits=0, severity=None, unhelpful=0) if is_rollback else after
