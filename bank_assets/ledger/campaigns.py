"""Campaigns: customers who must not be called, and the call lists that analysts made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import Engine, Select, delete, func, insert, select

from bank_assets.ledger.chain import canonical_json, decoded
from bank_assets.ledger.engine import utc_now, writing
from bank_assets.ledger.ids import new_id
from bank_assets.ledger.models import campaign_lists, suppressions

_NESTED: Final = ("economics", "request", "summary")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignList:
    """A call list of an analyst."""

    id: str = field(default_factory=new_id)  # UUIDv7, printed on the download
    created_at: str = field(default_factory=utc_now)
    actor: str
    name: str  # file or list it was made from
    model_version: str
    model_digest: str
    economics: dict[str, Any]
    request: dict[str, Any]
    summary: dict[str, Any]
    content_digest: str  # SHA-256 of the downloaded file
    content_path: str | None = None  # where the file is kept, None if it is not


def suppress(engine: Engine, contact_ids: Iterable[str], *, reason: str, actor: str) -> int:
    """Add contacts to the suppression list and return how many are new; the others keep their first entry."""
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
    """Remove a contact from the list; returns whether it was on it."""
    with writing(engine) as connection:
        gone = connection.execute(delete(suppressions).where(suppressions.c.contact_id == contact_id))
    return gone.rowcount > 0


Edition = tuple[int, str | None]
"""Identifies a state of the suppression list: its length, and the time of its newest entry."""


def suppressions_edition(engine: Engine) -> Edition:
    """The current edition of the suppression list; it differs whenever the list has changed."""
    query = select(func.count(), func.max(suppressions.c.at)).select_from(suppressions)
    with engine.connect() as connection:
        n, newest = connection.execute(query).one()
    return int(n), newest


def suppressed(engine: Engine) -> frozenset[str]:
    """Every contact id that must not be called."""
    with engine.connect() as connection:
        return frozenset(connection.execute(select(suppressions.c.contact_id)).scalars())


def keep_list(engine: Engine, made: CampaignList) -> CampaignList:
    """Record a call list."""
    nested = {name: canonical_json(getattr(made, name)) for name in _NESTED}
    with writing(engine) as connection:
        connection.execute(insert(campaign_lists).values({**asdict(made), **nested}))
    return made


def get_list(engine: Engine, list_id: str) -> CampaignList | None:
    """One call list by id, or None."""
    return next(iter(_read(engine, select(campaign_lists).where(campaign_lists.c.id == list_id))), None)


def lists(engine: Engine, limit: int = 50) -> list[CampaignList]:
    """Call lists, newest first."""
    return _read(engine, select(campaign_lists).order_by(campaign_lists.c.id.desc()).limit(limit))


def _read(engine: Engine, query: Select[Any]) -> list[CampaignList]:
    with engine.connect() as connection:
        return [CampaignList(**decoded(row, *_NESTED)) for row in connection.execute(query).mappings()]
