"""Campaigns: people who must not be called, and the call lists that analysts made.

What lives here: the suppression list and the record of each downloaded list. Called by the campaign page, the
`POST /campaigns/plan` route and the scoring stage. What must not: planning (`core.economics.economics`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, RowMapping, delete, func, insert, select

from bank_assets.ledger.chain import canonical_json
from bank_assets.ledger.decisions import new_id
from bank_assets.ledger.engine import utc_now, writing
from bank_assets.ledger.models import campaign_lists, suppressions


@dataclass(frozen=True, slots=True)
class CampaignList:
    """One call list as made.

    Attributes:
        id: UUIDv7, printed on the download.
        created_at: when.
        actor: who.
        name: file or list it was made from.
        model_version: version that scored.
        model_digest: its digest.
        economics: cost and value, EUR.
        request: budget, capacity, hold-out share, seed.
        summary: what the analyst was shown.
        content_digest: SHA-256 of the downloaded file.
        content_path: where the file is kept, None if it is not.
    """

    id: str
    created_at: str
    actor: str
    name: str
    model_version: str
    model_digest: str
    economics: dict[str, Any]
    request: dict[str, Any]
    summary: dict[str, Any]
    content_digest: str
    content_path: str | None


def suppress(engine: Engine, contact_ids: Iterable[str], *, reason: str, actor: str) -> int:
    """Put contacts on the suppression list; those already on it keep their first entry.

    Returns:
        How many are new.
    """
    requested = list(dict.fromkeys(contact_ids))
    with writing(engine) as connection:
        known = set(connection.execute(select(suppressions.c.contact_id)).scalars())
        rows = [
            {"contact_id": c, "reason": reason, "at": utc_now(), "actor": actor} for c in requested if c not in known
        ]
        if rows:
            connection.execute(insert(suppressions), rows)
    return len(rows)


def unsuppress(engine: Engine, contact_id: str) -> bool:
    """Take a contact off the list; True if it was on it."""
    with writing(engine) as connection:
        gone = connection.execute(delete(suppressions).where(suppressions.c.contact_id == contact_id))
    return gone.rowcount > 0


Edition = tuple[int, str | None]
"""Tells one state of the suppression list from another: how many are on it, and when the last of them came."""


def suppressions_edition(engine: Engine) -> Edition:
    """The present edition of the suppression list; another edition means that the list has changed."""
    query = select(func.count(), func.max(suppressions.c.at)).select_from(suppressions)
    with engine.connect() as connection:
        n, newest = connection.execute(query).one()
    return int(n), newest


def suppressed(engine: Engine) -> frozenset[str]:
    """Every contact id that must not be called, for `core.economics.suppression.SuppressionList`."""
    with engine.connect() as connection:
        return frozenset(connection.execute(select(suppressions.c.contact_id)).scalars())


def keep_list(
    engine: Engine,
    *,
    actor: str,
    name: str,
    model_version: str,
    model_digest: str,
    economics: Mapping[str, Any],
    request: Mapping[str, Any],
    summary: Mapping[str, Any],
    content_digest: str,
    content_path: str | None = None,
    list_id: str | None = None,
) -> CampaignList:
    """Record a call list that was made; see `CampaignList` for the arguments."""
    values = {
        "id": list_id or new_id(),
        "created_at": utc_now(),
        "actor": actor,
        "name": name,
        "model_version": model_version,
        "model_digest": model_digest,
        "economics": canonical_json(dict(economics)),
        "request": canonical_json(dict(request)),
        "summary": canonical_json(dict(summary)),
        "content_digest": content_digest,
        "content_path": content_path,
    }
    with writing(engine) as connection:
        connection.execute(insert(campaign_lists).values(**values))
        return _list(
            connection.execute(select(campaign_lists).where(campaign_lists.c.id == values["id"])).mappings().one()
        )


def get_list(engine: Engine, list_id: str) -> CampaignList | None:
    """One call list by id, or None."""
    with engine.connect() as connection:
        row = connection.execute(select(campaign_lists).where(campaign_lists.c.id == list_id)).mappings().one_or_none()
    return None if row is None else _list(row)


def lists(engine: Engine, limit: int = 50) -> list[CampaignList]:
    """Call lists, newest first."""
    with engine.connect() as connection:
        return [
            _list(row)
            for row in connection.execute(
                select(campaign_lists).order_by(campaign_lists.c.id.desc()).limit(limit)
            ).mappings()
        ]


def _list(row: RowMapping) -> CampaignList:
    values = dict(row)
    for name in ("economics", "request", "summary"):
        values[name] = json.loads(values[name])
    return CampaignList(**values)
