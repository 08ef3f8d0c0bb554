"""Outcomes that follow from the two feeds, and from which models learn.

A call that subscribed or was refused teaches about its contact. A cancellation, by whichever feed, teaches that the
contact did not subscribe, from its arrival on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from bank_assets.contract.feeds import CANCELLED, SUBSCRIBED, TEACHES, held
from bank_assets.contract.values import utc_text
from bank_assets.ledger.campaign_models import dispositions, subscriptions
from bank_assets.ledger.contact_history import is_of
from bank_assets.ledger.models import outcomes


def of_calls(connection: Connection, rows: Sequence[Mapping[str, Any]], actor: str) -> list[dict[str, Any]]:
    """The outcomes that follow from dispositions and are not on record: each contact's in the order of its rows."""
    teaching = [(row, TEACHES[row["disposition"]]) for row in rows if row["disposition"] in TEACHES]
    subjects = {f"contact:{row['contact_id']}" for row, _ in teaching}
    query = select(*outcomes.c["subject", "y", "arrived_at"]).where(outcomes.c.subject.in_(subjects))
    known, last = set[tuple[str, str, str]](), dict[str, tuple[str, str]]()
    for subject, y, arrived_at in connection.execute(query.order_by(outcomes.c.arrived_at, outcomes.c.id)):
        known.add((subject, y, arrived_at))
        last[subject] = (arrived_at, y)
    found = []
    for row, y in teaching:
        subject, arrived_at = f"contact:{row['contact_id']}", row["arrived_at"]
        latest, latest_y = last.get(subject, ("", ""))
        if y == latest_y and arrived_at >= latest:
            continue
        while (subject, y, arrived_at) in known and arrived_at == latest:  # said once more, after a contradiction
            arrived_at = _just_after(arrived_at)
        if (subject, y, arrived_at) in known:
            continue
        known.add((subject, y, arrived_at))
        if arrived_at >= latest:
            last[subject] = (arrived_at, y)
        about = {"subject": subject, "contact_id": row["contact_id"], "y": y, "arrived_at": arrived_at}
        found.append({**about, "recorded_at": row["recorded_at"], "actor": actor})
    return found


def of_cancellations(connection: Connection, rows: Sequence[Mapping[str, Any]], actor: str) -> list[dict[str, Any]]:
    """The outcomes that follow from new rows of the books: of contacts whose reported subscription was taken back.

    The books name no contact. The subscription that a call reported is the customer's first one from its day on.
    """
    cancelled = {row["customer_id"]: row for row in rows if row["kind"] == CANCELLED}
    if not cancelled:
        return []
    booked = defaultdict[str, list[tuple[str, str]]](list)
    known = select(*subscriptions.c["customer_id", "kind", "on_day"]).where(subscriptions.c.customer_id.in_(cancelled))
    for customer, kind, day in connection.execute(known):
        booked[customer].append((kind, day))
    for row in rows:
        booked[row["customer_id"]].append((row["kind"], row["on_day"]))
    found = []
    for customer, days in _reported(connection, cancelled).items():
        spans = held(booked[customer], [(SUBSCRIBED, day) for day in days.values()])
        for contact, reported in days.items():
            if next(one for one in spans if one.day >= reported).until is not None:
                found.append({**cancelled[customer], "contact_id": contact, "disposition": CANCELLED})
    return of_calls(connection, found, actor)


def _reported(connection: Connection, customers: Collection[str]) -> dict[str, dict[str, str]]:
    """Day of the call by customer and contact, of the contacts whose last outcome is a reported subscription."""
    person = func.coalesce(dispositions.c.customer_id, dispositions.c.contact_id)
    query = select(person, *dispositions.c["contact_id", "disposition", "called_at"]).where(
        is_of(dispositions, customers), dispositions.c.disposition.in_(TEACHES)
    )
    found = defaultdict[str, dict[str, str]](dict)
    for customer, contact, disposition, at in connection.execute(
        query.order_by(dispositions.c.arrived_at, dispositions.c.id)
    ):
        found[customer].pop(contact, None)
        if disposition == SUBSCRIBED:
            found[customer][contact] = at[:10]
    return found


def _just_after(at: str) -> str:
    return str(utc_text((datetime.fromisoformat(at) + timedelta(microseconds=1)).isoformat()))
