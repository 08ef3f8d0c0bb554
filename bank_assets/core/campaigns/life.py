"""The stage of a call list and what is due next, derived from what is on record; nothing stores a stage.

planned → made → exported → being called → outcomes arriving → closed, or withdrawn, or replaced by a revised version.
A saved plan is planned; what is made of it is a list.
Days are those of the data, not of the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final


def window_end(planned: date, days: int) -> date:
    """Last day on which a subscription counts for a call planned for a day: so many days after it (ADR 0039)."""
    return planned + timedelta(days=days)


class Stage(StrEnum):
    """Where a list stands."""

    PLANNED = "planned"  # a saved plan, of which no list is made yet
    MADE = "made"
    EXPORTED = "exported"
    BEING_CALLED = "being_called"
    OUTCOMES_ARRIVING = "outcomes_arriving"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"  # a version that revises it was made

    @property
    def text(self) -> str:
        """The stage in words."""
        return self.replace("_", " ")


class Action(StrEnum):
    """What a person may do with a list."""

    EXPORT = "export"
    REVISE = "revise"
    WITHDRAW = "withdraw"
    CLOSE = "close"


OPEN: Final = (Stage.MADE, Stage.EXPORTED, Stage.BEING_CALLED, Stage.OUTCOMES_ARRIVING)
ALLOWED: Final[Mapping[Action, tuple[Stage, ...]]] = {
    Action.EXPORT: OPEN,
    Action.REVISE: OPEN[:2],  # calls of one list follow one plan
    Action.WITHDRAW: OPEN[:3],
    Action.CLOSE: OPEN[1:],
}
"""Stages in which each action is possible."""
ENDED_BY: Final[Mapping[str, Stage]] = {"list.closed": Stage.CLOSED, "list.withdrawn": Stage.WITHDRAWN}
"""Kind of an event on record -> the stage in which it leaves a list."""
_INSTEAD: Final[Mapping[Stage, str]] = {
    Stage.MADE: "withdraw it if nobody shall call by it",
    Stage.BEING_CALLED: "close it or withdraw it, and make another list",
    Stage.OUTCOMES_ARRIVING: "close it, and make another list",
}
_FINAL: Final = "make another list"
_OVERDUE: Final[Mapping[Stage, str]] = {
    Stage.MADE: "Revise or withdraw it: its last call was planned for {1}, and nobody exported it.",
    Stage.EXPORTED: "Report what came of its {0:,} calls, the last planned for {1}; close it if nobody called.",
}
"""What is due once the last planned day is over."""


class LifeError(ValueError):
    """A list does not allow an action in its stage."""


@dataclass(frozen=True, slots=True)
class ListRecord:
    """What is on record about a list.

    Attributes:
        n_calls: contacts that it calls.
        last_day: last day planned for a call or a held-out customer; None where it is not on record.
        today: day up to which the data is known.
        window_days: length of the attribution window, as `window_end` counts it.
        is_exported: whether the calls were exported.
        ended_by: kind of the event that ended it, a key of `ENDED_BY`, or "".
        reason: why somebody ended it.
        replaced_by: id of the list that replaces it, or "".
        called_before: id of a list that it revises and by which people call all the same, or "".
        n_reported: contacts to call that have a disposition.
        last_call: day of the last call reported.
        subscriptions_until: last day that the subscriptions feed covers, None if it covers none.
    """

    n_calls: int
    last_day: date | None
    today: date
    window_days: int
    is_exported: bool = False
    ended_by: str = ""
    reason: str = ""
    replaced_by: str = ""
    called_before: str = ""
    n_reported: int = 0
    last_call: date | None = None
    subscriptions_until: date | None = None

    @property
    def window_ends(self) -> date | None:
        """Last day on which a subscription counts for a call of the list."""
        day = self.last_day or self.last_call
        return None if day is None else window_end(day, self.window_days)

    @property
    def stage(self) -> Stage:
        """Where the list stands."""
        if self.ended_by:
            return ENDED_BY[self.ended_by]
        if self.replaced_by:
            return Stage.REPLACED
        if not (self.is_exported or self.n_reported):
            return Stage.MADE
        if self._is_covered:
            return Stage.CLOSED
        if not self.n_reported:
            return Stage.EXPORTED
        return Stage.OUTCOMES_ARRIVING if self._is_past or self.n_reported >= self.n_calls else Stage.BEING_CALLED

    @property
    def _is_past(self) -> bool:
        return self.last_day is not None and self.today > self.last_day

    @property
    def _is_covered(self) -> bool:
        end, known = self.window_ends, self.subscriptions_until
        return end is not None and known is not None and known >= end

    @property
    def due(self) -> str:
        """What is due next, in sentences."""
        if self.called_before and self.stage in ALLOWED[Action.WITHDRAW]:
            return (
                f"Withdraw it or list {self.called_before}, which it revises: people call by both. Until then its "
                f"export leaves out the customers of the other. {self._next}"
            )
        return self._next

    @property
    def _next(self) -> str:
        left, end = self.n_calls - self.n_reported, self.window_ends
        match self.stage:
            case (Stage.MADE | Stage.EXPORTED) as stage if self._is_past:
                return _OVERDUE[stage].format(self.n_calls, self.last_day)
            case Stage.MADE:
                return f"Export its {self.n_calls:,} calls{_until(self.last_day)}."
            case Stage.EXPORTED:
                return f"Call its {self.n_calls:,} contacts{_until(self.last_day)} and report what came of each call."
            case Stage.BEING_CALLED:
                return f"Call the other {left:,} of {self.n_calls:,} contacts{_until(self.last_day)}."
            case Stage.OUTCOMES_ARRIVING:
                open_calls = f"Report what came of {left:,} calls. " if left > 0 else ""
                known = self.subscriptions_until
                covered = "so far they are known for no day" if known is None else f"they are known up to {known}"
                return f"{open_calls}Deliver the subscriptions up to {end}; {covered}."
            case Stage.CLOSED if not self.ended_by:
                silent = f" Nothing was reported about {left:,} of its {self.n_calls:,} calls." if left > 0 else ""
                return f"Read what it brought: all subscriptions up to {end} are known.{silent}"
            case Stage.CLOSED:
                return f"Read what it brought. It was closed early: {self.reason}"
            case Stage.WITHDRAWN:
                return f"Nobody may call by it. It was withdrawn: {self.reason}"
            case Stage.REPLACED:
                return f"Use list {self.replaced_by}, which replaces it."
        raise AssertionError(self.stage)

    def check(self, action: Action, list_id: str) -> None:
        """Raise `LifeError` if the list does not allow an action; the message says what to do instead."""
        stage, allowed = self.stage, ALLOWED[action]
        if stage in allowed:
            return
        names = " or ".join(one.text for one in allowed)
        instead = f"use list {self.replaced_by}" if stage is Stage.REPLACED else _INSTEAD.get(stage, _FINAL)
        raise LifeError(
            f"call list {list_id}: to {action} it, expected a list that is {names}, found it {stage.text}; {instead}."
        )


def _until(day: date | None) -> str:
    return "" if day is None else f" by {day}"
