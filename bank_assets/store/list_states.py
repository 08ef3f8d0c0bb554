"""Where call lists stand: what is on record about each, as the stage is derived from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from bank_assets.contract.values import iso_day
from bank_assets.core.campaigns.life import ListRecord
from bank_assets.core.quality.read_out import ATTRIBUTION_DAYS
from bank_assets.ledger import list_life
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.list_life import ListFacts


@dataclass(frozen=True, slots=True)
class ListState:
    """A list with what happened to it."""

    kept: CampaignList
    facts: ListFacts
    record: ListRecord


def states_of(
    connection: Connection, found: Sequence[CampaignList], today: date, subscriptions_until: str | None
) -> list[ListState]:
    """Where each of some lists stands; the days are those up to which data and subscriptions are known."""
    facts, until = list_life.facts_of(connection, [one.id for one in found]), iso_day(subscriptions_until or "")
    return [ListState(one, facts[one.id], _record(one, facts[one.id], today, until)) for one in found]


def _record(kept: CampaignList, facts: ListFacts, today: date, until: date | None) -> ListRecord:
    ending = facts.ending
    return ListRecord(
        n_calls=kept.summary["called"]["n_calls"],
        last_day=iso_day(kept.request.get("last_day", "")),
        today=today,
        window_days=ATTRIBUTION_DAYS,
        is_exported=facts.is_exported,
        ended_by=ending.kind if ending else "",
        reason=ending.content["reason"] if ending else "",
        replaced_by=facts.replaced_by,
        n_reported=facts.n_reported,
        last_call=iso_day(facts.last_call[:10]),
        subscriptions_until=until,
    )
