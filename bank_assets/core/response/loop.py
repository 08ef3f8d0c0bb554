"""The loop over days: assess a day, respond, wait for the verdict of a fit, continue.

The replay (`replay.platform`) and production (`bank_assets.loop.response`) drive this one loop through three ports.
The replay holds everything in memory and fits at once. Production reads tables and the ledger, requests a run and
continues when its verdict is recorded, so a killed process resumes where it stopped.

Both use one calendar: the loop assesses the day after each day with contacts, which is the first day on which
something new is known. Contacts of a Friday are assessed on Saturday, and Monday, which adds nothing, is not assessed.
A month that arrives at once is therefore assessed on the same days, and from the same facts, as its daily deliveries
would have been. Of the history before the first assessment only the newest day counts: no decision depends on the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from bank_assets.core.arrays import DayArray
from bank_assets.core.quality.performance import ScoredContacts
from bank_assets.core.response.assessment import after_fit, respond, violations
from bank_assets.core.response.evidence import KnownFacts, gather
from bank_assets.core.response.policy import Evidence, Response, ResponseAction, ResponsePolicy, ResponseState
from bank_assets.core.training.splits import MINIMUM_SPAN_DAYS

FITS: Final = (ResponseAction.RETRAIN, ResponseAction.SEARCH)
MINIMUM_CLASS: Final = 20
"""Outcomes of each class that a first model needs; until then the trailing subscription rate decides."""
_DAY: Final = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Assessment:
    """An assessed day: its evidence, the violated kinds, and the response."""

    day: np.datetime64
    evidence: Evidence
    kinds: tuple[str, ...]
    response: Response

    @property
    def calls_for_fit(self) -> bool:
        """Whether the loop waits for the verdict of a fit before it assesses the next day."""
        return self.response.action in FITS


@dataclass(frozen=True, slots=True)
class Position:
    """Where the loop stands.

    Attributes:
        state: the state after the last assessment and every verdict since.
        shift: intercept of the last assessment, log-odds.
        is_waiting: whether the verdict of a requested fit is pending.
    """

    state: ResponseState
    shift: float
    is_waiting: bool


class ScoredDeliveries(Protocol):
    """What was delivered, and how it was scored."""

    def days(self) -> DayArray:
        """Days with contacts, sorted and distinct."""

    def reached(self) -> np.datetime64:
        """The last day that can be assessed; contacts of this day and later are not known."""

    def known(self, day: np.datetime64) -> KnownFacts:
        """What is known as of a day; it may hold later contacts and outcomes, which the evidence leaves out."""


class Fits(Protocol):
    """Models on demand."""

    def settle(self) -> bool:
        """Make the model that the last assessment calls for; True once its verdict is in `LoopRecord.position`."""


class LoopRecord(Protocol):
    """The memory of the loop."""

    def position(self) -> Position:
        """Where the loop stands."""

    def keep(self, assessment: Assessment) -> None:
        """Append an assessment."""


def advance(scores: ScoredDeliveries, fits: Fits, record: LoopRecord, policy: ResponsePolicy | None = None) -> bool:
    """Assess every day that is due. Returns False if the verdict of a fit is pending, else True."""
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
    """Assess one day; `shift` is the intercept in force, log-odds."""
    evidence = gather(known, state, day, shift_before=shift, policy=policy)
    if state.deployed_on is not None:
        kinds = tuple(str(found.kind) for found in violations(evidence, policy))
        return Assessment(day, evidence, kinds, respond(state, evidence, policy))
    attempted = state.attempted_on
    if attempted and day - np.datetime64(attempted, "D") < np.timedelta64(policy.cool_down_days, "D"):
        waiting = (
            f"no model yet: the search of {attempted} was refused, the next is due {policy.cool_down_days} days "
            "of data later"
        )
        answer = Response(ResponseAction.NONE, (waiting,), state)
    else:
        answer = respond(state, evidence, policy)
    return Assessment(day, evidence, (), replace(answer, state=replace(answer.state, assessed_on=str(day))))


def _is_learnable(scored: ScoredContacts, day: np.datetime64) -> bool:
    """Whether a first model can be fitted and tested out of time: enough outcomes of both classes over enough days."""
    known = (scored.known_on <= day) & (scored.contact_dates < day)
    yes, no = int(scored.is_subscribed[known].sum()), int((~scored.is_subscribed[known]).sum())
    if min(yes, no) < MINIMUM_CLASS:
        return False
    return bool(day - scored.contact_dates[known].min() >= np.timedelta64(MINIMUM_SPAN_DAYS, "D"))


def after_verdict(
    state: ResponseState,
    day: str | None,
    *,
    is_promoted: bool,
    is_on_probation: bool = False,
    is_rollback: bool = False,
) -> ResponseState:
    """The state after a verdict on a fit that the loop, a schedule or a person requested.

    `day` is the data time of the verdict; None for a rollback, which is in force from the last assessed day. A rollback
    ends the episode and starts a cool-down, or the loop would undo it at once.
    """
    known = [one for one in (day, None if day else state.assessed_on, None if day else state.deployed_on) if one]
    if not known or (day is not None and day == state.reviewed_on and not is_promoted):
        return state
    after = after_fit(state, np.datetime64(max(known), "D"), is_promoted=is_promoted)
    if is_promoted:
        after = replace(after, is_on_probation=is_on_probation)
    return replace(after, episode_id="", fits=0, severity=None, unhelpful=0) if is_rollback else after
