"""What the read-outs of call lists depend on, so that only those are computed again that changed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine, func, select

from bank_assets.ledger import events
from bank_assets.ledger.campaign_models import campaign_lists, dispositions, subscriptions
from bank_assets.ledger.engine import read


def states_of(engine: Engine, windows: Mapping[str, tuple[str, str]]) -> dict[str, tuple[int, int, int]]:
    """Numbers of the newest report of each list, of the newest subscription within its window, and of the last erasure.

    A window is the first and the last day, ISO, whose subscriptions count for the list.
    """
    erased = events.latest(engine, "erasure.recorded")
    newest = select(func.max(dispositions.c.id)).where(dispositions.c.list_id == campaign_lists.c.id).scalar_subquery()
    reported = {
        list_id: at or 0
        for list_id, at in read(engine, select(campaign_lists.c.id, newest).where(campaign_lists.c.id.in_(windows)))
    }
    since = subscriptions.c.on_day >= min((first for first, _ in windows.values()), default="")
    by_day = select(subscriptions.c.on_day, func.max(subscriptions.c.id)).where(since)
    booked = [(str(day), int(at)) for day, at in read(engine, by_day.group_by(subscriptions.c.on_day))]
    return {
        list_id: (
            reported.get(list_id, 0),
            max((at for day, at in booked if first <= day <= last), default=0),
            erased.seq if erased else 0,
        )
        for list_id, (first, last) in windows.items()
    }
