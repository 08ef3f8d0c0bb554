"""Where call lists stand: what is on record about each, as the stage is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection

from bank_assets.contract.values import iso_day
from bank_assets.core.campaigns.life import ListRecord
from bank_assets.ledger import list_life
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.list_life import ListFacts


@dataclass(frozen=True, slots=True)
class ListState:
    """A list with what happened to it."""

    kept: CampaignList
    facts: ListFacts
    record: ListRecord


class Known(NamedTuple):
    """The days up to which data and subscriptions are known, and the length of the attribution window."""

    today: date
    subscriptions_until: str | None
    window_days: int


def states_of(
    connection: Connection,
    found: Sequence[CampaignList],
    known: Known,
    count: Callable[[Connection, str, int], tuple[int, str]] = list_life.reported,
) -> list[ListState]:
    """Where each of some lists stands; for `count` see `list_life.facts_of`."""
    facts = list_life.facts_of(connection, [one.id for one in found], count)
    return [ListState(one, facts[one.id], _record(one, facts[one.id], known)) for one in found]


def _record(kept: CampaignList, facts: ListFacts, known: Known) -> ListRecord:
    ending = facts.ending
    return ListRecord(
        n_calls=kept.summary["called"]["n_calls"],
        last_day=iso_day(kept.request.get("last_day", "")),
        today=known.today,
        window_days=known.window_days,
        is_exported=facts.is_exported,
        ended_by=ending.kind if ending else "",
        reason=ending.content["reason"] if ending else "",
        replaced_by=facts.replaced_by,
        called_before=facts.called_before,
        n_reported=facts.n_reported,
        last_call=iso_day(facts.last_call[:10]),
        subscriptions_until=iso_day(known.subscriptions_until or ""),
    )
