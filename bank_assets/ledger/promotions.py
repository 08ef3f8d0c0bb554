"""Promotions: every verdict of the promotion gate and every rollback, append-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, Select, select

from bank_assets.ledger import events
from bank_assets.ledger.engine import read, utc_now, writing
from bank_assets.ledger.models import promotions

KINDS: Final = ("first", "probation", "refit", "recipe", "recalibration", "rollback")
UNJUDGED: Final = ("recalibration", "rollback")  # kinds that no gate judged
VERDICTS: Final = ("promoted", "refused")


@dataclass(frozen=True, slots=True)
class Promotion:
    """One verdict."""

    id: int
    at: str
    as_of: str | None  # data time the verdict rests on, ISO date, None for a rollback
    kind: str  # one of `KINDS`
    from_version: str | None  # champion before, None for the first
    to_version: str | None  # challenger, champion afterwards if promoted
    decision: str  # `promoted` or `refused`
    reasons: list[str]
    evidence: dict[str, Any]
    actor: str  # who decided: `pipeline`, a user's or a key's name


_COLUMNS: Final = tuple(promotions.c[name] for name in Promotion.__dataclass_fields__)


def record(
    engine: Engine,
    *,
    kind: str,
    decision: str,
    from_version: str | None,
    to_version: str | None,
    reasons: Sequence[str],
    evidence: Mapping[str, Any],
    actor: str,
    as_of: str | None = None,
) -> Promotion:
    """Append one verdict; raises `ValueError` for an unknown kind or verdict."""
    if kind not in KINDS or decision not in VERDICTS:
        raise ValueError(f"expected a kind of {KINDS} and a verdict of {VERDICTS}, found {kind!r} and {decision!r}.")
    verdict = {
        "at": utc_now(),
        "as_of": as_of,
        "kind": kind,
        "from_version": from_version,
        "to_version": to_version,
        "decision": decision,
        "reasons": list(reasons),
        "evidence": dict(evidence),
        "actor": actor,
    }
    content = {name: verdict[name] for name in ("kind", "decision", "from_version")}
    with (
        writing(engine) as connection,
        events.recording(
            connection, kind="promotion.recorded", subject=to_version or "", actor=actor, content=content
        ) as event,
    ):
        (row,) = event.insert(promotions, [verdict])
    return Promotion(*(getattr(row, name) for name in Promotion.__dataclass_fields__))


def history(engine: Engine, *, limit: int = 200, promoted_only: bool = False, after: int = 0) -> list[Promotion]:
    """At most `limit` verdicts with an id above `after`, newest first."""
    query = select(*_COLUMNS).where(promotions.c.id > after).limit(limit)
    return _read(engine, query.where(promotions.c.decision == "promoted") if promoted_only else query)


def of_version(engine: Engine, version: str) -> list[Promotion]:
    """Every verdict on one version, newest first."""
    return _read(engine, select(*_COLUMNS).where(promotions.c.to_version == version))


def is_on_probation(engine: Engine, version: str) -> bool:
    """Whether a version became champion without passing a gate."""
    return any(row.kind == "probation" for row in of_version(engine, version))


def _read(engine: Engine, query: Select[Any]) -> list[Promotion]:
    return [Promotion(*row) for row in read(engine, query.order_by(promotions.c.id.desc()))]
