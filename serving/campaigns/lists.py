"""Call lists on record: where each stands, what may be done with it, and doing it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine

from bank_assets.contract.names import CALLS
from bank_assets.core.campaigns.life import ALLOWED, OPEN, Action
from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.ledger import campaigns, feeds, list_life
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.contact_history import excluding_seq, newest_event
from bank_assets.store.list_exports import Export, LeftOut, calls_now
from bank_assets.store.list_states import Known, ListState, states_of
from serving.campaigns.call_lists import CallListService, ScoredList
from serving.campaigns.planning import PlannedCampaign
from serving.champion.champion import ChampionStore
from serving.web.problems import ConflictError, NotFoundError
from serving.web.remembered import Remembered

REMEMBERED: Final = 1_000  # lists whose reported calls are counted
CHECKED: Final = 4  # lists whose calls are checked; 100,000 take some seconds
KINDS: Final[Mapping[Action, str]] = {
    Action.EXPORT: list_life.EXPORTED,
    Action.WITHDRAW: list_life.WITHDRAWN,
    Action.CLOSE: list_life.CLOSED,
}
"""Action -> kind of the event that records it; a revision is on record as the list that it makes."""


def recorded_list(ledger: Engine, list_id: str) -> CampaignList:
    """A list on record by its id; `NotFoundError` if there is none."""
    kept = campaigns.get_list(ledger, list_id)
    if kept is None:
        raise NotFoundError(f"call list: expected one on record, found none with id {list_id[:40]!r}.")
    return kept


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of a ledger."""

    ledger: Engine
    store: ChampionStore
    call_lists: CallListService
    policy: ContactPolicy
    attribution_days: int
    _reported: Remembered[tuple[int, str]] = field(default_factory=lambda: Remembered(REMEMBERED))
    _left_out: Remembered[list[LeftOut]] = field(default_factory=lambda: Remembered(CHECKED))

    def get(self, list_id: str) -> ListState:
        """A list by its id; `NotFoundError` if there is none."""
        return self.states([recorded_list(self.ledger, list_id)])[0]

    def find(self, text: str = "", before: str = "", limit: int = 50) -> list[ListState]:
        """Lists made before another one, newest first, with a text in their name, id or author's name."""
        return self.states(campaigns.lists(self.ledger, limit, text=text, before=before))

    def states(self, found: Sequence[CampaignList]) -> list[ListState]:
        """Where each of these lists stands."""
        known = self._known_until()
        with self.ledger.connect() as connection:
            return states_of(connection, found, known, self._count)

    def _count(self, connection: Connection, list_id: str, n: int) -> tuple[int, str]:
        """Counted again once further dispositions of the list arrive."""
        return self._reported.get((list_id, n), lambda: list_life.reported(connection, list_id, n))

    def _known_until(self) -> Known:
        published = self.store.published
        today = dt.date.fromisoformat(published.as_of) if published else dt.datetime.now(dt.UTC).date()
        return Known(today, feeds.subscriptions_until(self.ledger), self.attribution_days)

    def _check(self, list_id: str, action: Action) -> Callable[[Connection], None]:
        """Raises `LifeError`, within a transaction, if the stage of a list does not allow an action."""
        kept, known = self.get(list_id).kept, self._known_until()

        def check(connection: Connection) -> None:
            states_of(connection, [kept], known, self._count)[0].record.check(action, list_id)

        return check

    def act(self, list_id: str, action: Action, actor: str, content: Mapping[str, Any]) -> None:
        """Record what somebody does with a list; `LifeError` if its stage does not allow it."""
        check = self._check(list_id, action)
        list_life.note(self.ledger, list_id, kind=KINDS[action], actor=actor, content=content, check=check)

    def export(self, list_id: str, group: str, actor: str, *, is_recorded: bool = True) -> bytes:
        """The CSV file of a group of a list, without calls that must not be made any more; the export is on record.

        With `is_recorded` false the file does not leave, so only its stage is checked.
        """
        kept, is_allowed = self.get(list_id).kept, self._check(list_id, Action.EXPORT)
        file, seen, facts = self.call_lists.content(kept, group), excluding_seq(self.ledger), {"group": group}
        made = self._calls_now(kept, file) if group == CALLS else None

        def check(connection: Connection) -> None:
            nonlocal made
            is_allowed(connection)
            if made is not None and excluding_seq(self.ledger) != seen:  # since this export was made
                made = self._calls_now(kept, file)
            facts.update(made.facts if made else {})

        if is_recorded:
            kind = KINDS[Action.EXPORT]
            list_life.note(self.ledger, list_id, kind=kind, actor=actor, content=facts, check=check)
        else:
            with self.ledger.connect() as connection:
                check(connection)
        return made.content if made else file

    def _calls_now(self, kept: CampaignList, content: bytes) -> Export:
        return calls_now(self.ledger, self.policy, self.call_lists.suppressions.read(), kept, content)

    def left_out(self, list_id: str) -> list[LeftOut]:
        """Calls of a list that an export would leave out now, and why; checked again once something is recorded."""
        state = self.get(list_id)
        state.record.check(Action.EXPORT, list_id)  # what nobody may export is not checked

        def check() -> list[LeftOut]:
            return self._calls_now(state.kept, self.call_lists.content(state.kept, CALLS)).left_out

        return self._left_out.get((list_id, newest_event(self.ledger)), check)

    def make(self, chosen: ScoredList, planned: PlannedCampaign, actor: str, revises: str = "") -> ListState:
        """Put a plan on record as a list, which may replace one that nobody has called by.

        Raises:
            LifeError: the list to revise does not allow it.
            ConflictError: another list of the file is open.
        """
        known, may_revise = self._known_until(), self._check(revises, Action.REVISE) if revises else None

        def check(connection: Connection) -> None:
            if may_revise is not None:
                may_revise(connection)
            others = [one for one in self._open(connection, chosen.read.digest, known) if one.kept.id != revises]
            if others:
                raise ConflictError(open_list(others[0]))

        with self.ledger.connect() as connection:
            check(connection)  # before any file is written, and once more when the list is recorded
        return self.states([self.call_lists.keep(chosen, planned, actor, revises or None, check)])[0]

    def open_lists(self, sha256: str) -> list[ListState]:
        """The lists of a file that are open, newest first."""
        known = self._known_until()
        with self.ledger.connect() as connection:
            return self._open(connection, sha256, known)

    def _open(self, connection: Connection, sha256: str, known: Known) -> list[ListState]:
        found = states_of(connection, campaigns.of_file(connection, sha256), known, self._count)
        return [one for one in found if one.record.stage in OPEN]


def open_list(state: ListState) -> str:
    """That a list of a file is open, and what to do about it before another one is made."""
    ways = [one for one in (Action.REVISE, Action.WITHDRAW, Action.CLOSE) if state.record.stage in ALLOWED[one]][:2]
    return f"call list {state.kept.id} of this file is open ({state.record.stage.text}): {' it or '.join(ways)} it."
