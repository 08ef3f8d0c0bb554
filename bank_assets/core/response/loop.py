"""From delivered days to judged mornings: which mornings the ladder judges, and the walk over them.

What lives here: `mornings_to_judge`, `walk`, `heard` (what the state learns of promotions).
What must not: reading tables, storing answers (`bank_assets.loop.ladder`), the decision itself (`assessment`).
Called by the loop. The replay drives `core.response.assessment` morning by morning itself; a test compares the two.

Deliveries come a day or a month at a time. In both cases every morning is judged on its own, in data time and from what
was known on it, so that a month delivered at once gets the answers that its days would have got.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.covariate_shift import Reference
from bank_assets.core.daily_profiles import DailyProfiles
from bank_assets.core.performance import ScoredContacts
from bank_assets.core.response.assessment import after_fit, respond, violations
from bank_assets.core.response.evidence import gather
from bank_assets.core.response.policy import Evidence, Response, ResponsePolicy, ResponseState, Rung

Days = NDArray[np.datetime64]
FITS = (Rung.RETRAIN, Rung.SEARCH)


@dataclass(frozen=True, slots=True)
class Morning:
    """A judged morning.

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
    def asks_for_fit(self) -> bool:
        """Whether the walk has to wait for a fit before the next morning."""
        return self.response.rung in FITS


def mornings_to_judge(contact_dates: Days, newest: np.datetime64, state: ResponseState) -> Days:
    """Mornings that were not judged yet, in order.

    A morning is one on which calls were made, or the newest, whose calls are still to be made. It counts only if a day
    with contacts lies between it and the morning judged before it: the same knowledge twice is not two mornings.

    Args:
        contact_dates: day of each contact, (n,), any order.
        newest: first day whose contacts are unknown.
        state: tells the last morning judged, and since when a model decides.

    Returns:
        Mornings after both, at most `newest`; without a model only `newest`.
    """
    days = np.unique(contact_dates[contact_dates < newest])
    if state.deployed_on is None:
        is_news = len(days) > 0 and (state.assessed_on is None or newest > np.datetime64(state.assessed_on, "D"))
        return np.asarray([newest] if is_news else [], "datetime64[D]")
    begun = [np.datetime64(day, "D") for day in (state.assessed_on, state.deployed_on) if day is not None]
    last = max(begun)
    chosen: list[np.datetime64] = []
    for day in np.append(days[days > last], newest if newest > last else np.empty(0, "datetime64[D]")):
        first = int(np.searchsorted(days, last, "left"))
        if first < int(np.searchsorted(days, day, "left")):
            chosen.append(day)
            last = day
    return np.asarray(chosen, "datetime64[D]")


def walk(
    mornings: Days,
    state: ResponseState,
    shift: float,
    scored: ScoredContacts,
    daily: DailyProfiles,
    reference: Reference,
    policy: ResponsePolicy | None = None,
) -> Iterator[Morning]:
    """Judge mornings one after the other until one asks for a fit.

    Args:
        mornings: in order.
        state: kept from the morning before.
        shift: intercept in force, log-odds.
        scored: contacts with the unshifted probability they had on their day, and their outcomes.
        daily: contacts per day, column and value.
        reference: what the model in force learned from.
        policy: limits.

    Yields:
        Judged mornings; the last may ask for a fit, after which scores and reference are another model's.
    """
    limits = policy or ResponsePolicy()
    for day in mornings:
        evidence = gather(scored, daily, reference, state, day, shift_before=shift, policy=limits)
        if _waits_for_first_model(state, day, limits):
            answer = Response(Rung.NONE, (_waiting(state, limits),), "", "", False, False, state)
        else:
            answer = respond(state, evidence, limits)
        if state.deployed_on is None:  # the ladder leaves this to its caller: there is no episode yet
            answer = replace(answer, state=replace(answer.state, assessed_on=str(day)))
        kinds = tuple(str(found.kind) for found in violations(evidence, limits)) if state.deployed_on else ()
        state, shift = answer.state, evidence.shift_now
        morning = Morning(day, evidence, kinds, answer)
        yield morning
        if morning.asks_for_fit:
            return


def _waits_for_first_model(state: ResponseState, day: np.datetime64, policy: ResponsePolicy) -> bool:
    """A first model that its gate refused is not searched for again every morning."""
    if state.deployed_on is not None or state.attempted_on is None:
        return False
    return bool(day - np.datetime64(state.attempted_on, "D") < np.timedelta64(policy.cool_down_days, "D"))


def _waiting(state: ResponseState, policy: ResponsePolicy) -> str:
    return (
        f"no model yet: the search of {state.attempted_on} was refused, the next is due {policy.cool_down_days} days "
        "of data later"
    )


def heard(state: ResponseState, day: str | None, *, is_promoted: bool, is_rollback: bool = False) -> ResponseState:
    """The state after a verdict that somebody else may have asked for.

    Args:
        state: before it.
        day: data time of the verdict; None for a rollback, which is in force from the last morning judged on.
        is_promoted: whether another model decides since then.
        is_rollback: a person's decision; it gets a cool-down like a fit, or the ladder would undo it at once.

    Returns:
        The state to keep.
    """
    known = [one for one in (day, None if day else state.assessed_on, None if day else state.deployed_on) if one]
    if not known:
        return state
    told = after_fit(state, np.datetime64(max(known), "D"), is_promoted=is_promoted)
    return replace(told, episode_id="", fits=0, severity=None, unhelpful=0) if is_rollback else told
