"""Plans that people saved: the settings, and what the plan came to at that time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import Engine, Select, or_, select

from bank_assets.ledger import events
from bank_assets.ledger.campaign_models import plans
from bank_assets.ledger.engine import read, utc_now, writing
from bank_assets.ledger.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A saved plan."""

    id: str = field(default_factory=new_id)
    name: str
    created_at: str = field(default_factory=utc_now)
    actor: str
    list_key: str  # of the file that was planned
    settings: dict[str, str]  # fields of the form, as they were written
    summary: dict[str, Any]
    digest: str  # of what was shown


_PLANS: Final = select(*(plans.c[name] for name in Plan.__dataclass_fields__))


def save(engine: Engine, plan: Plan) -> Plan:
    """Put a plan on record."""
    with (
        writing(engine) as connection,
        events.recording(connection, kind="plan.saved", subject=plan.id, actor=plan.actor) as event,
    ):
        event.insert(plans, [asdict(plan)])
    return plan


def saved(engine: Engine, limit: int, *, text: str = "", before: str = "") -> list[Plan]:
    """Saved plans, newest first: with a text in their name, id or author's name, and older than one with an id."""
    query = _PLANS.order_by(plans.c.id.desc()).limit(limit)
    if text:
        query = query.where(or_(*(plans.c[name].icontains(text, autoescape=True) for name in ("name", "id", "actor"))))
    if before:
        query = query.where(plans.c.id < before)
    return _read(engine, query)


def chosen(engine: Engine, ids: Collection[str]) -> list[Plan]:
    """The saved plans with these ids, newest first."""
    return _read(engine, _PLANS.order_by(plans.c.id.desc()).where(plans.c.id.in_(ids)))


def _read(engine: Engine, query: Select[Any]) -> list[Plan]:
    return [Plan(**row._asdict()) for row in read(engine, query)]
