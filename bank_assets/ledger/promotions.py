"""Promotions: every verdict of the gate and every rollback, append-only.

What lives here: writing and reading the history of who was champion. Called by the promotion asset, the app's rollback,
`contact_scores` (who was in force on a day) and the model page. What must not: gates (`core.promotion.gates`), alias
moves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, RowMapping, insert, select

from bank_assets.ledger.chain import canonical_json
from bank_assets.ledger.engine import utc_now, writing
from bank_assets.ledger.models import promotions

KINDS: Final = ("first", "probation", "refit", "recipe", "recalibration", "rollback")
VERDICTS: Final = ("promoted", "refused")


@dataclass(frozen=True, slots=True)
class Promotion:
    """One verdict.

    Attributes:
        id: row number, grows with time.
        at: wall clock.
        as_of: data time the verdict rests on, ISO date, None for a rollback.
        kind: one of `KINDS`.
        from_version: champion before, None for the first.
        to_version: challenger, champion afterwards if promoted.
        decision: `promoted` or `refused`.
        reasons: sentences for people.
        evidence: numbers behind them, by name.
        actor: who decided: `pipeline`, a user's or a key's name.
    """

    id: int
    at: str
    as_of: str | None
    kind: str
    from_version: str | None
    to_version: str | None
    decision: str
    reasons: list[str]
    evidence: dict[str, Any]
    actor: str


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
    """Append one verdict.

    Args:
        engine: an open ledger.
        kind: one of `KINDS`.
        decision: one of `VERDICTS`.
        from_version: champion before.
        to_version: challenger.
        reasons: sentences for people.
        evidence: JSON-able numbers.
        actor: who decided.
        as_of: data time, ISO date.

    Returns:
        The row as stored.

    Raises:
        ValueError: unknown kind or verdict, or evidence that is not JSON.
    """
    if kind not in KINDS or decision not in VERDICTS:
        raise ValueError(f"expected a kind of {KINDS} and a verdict of {VERDICTS}, found {kind!r} and {decision!r}.")
    values: dict[str, Any] = {
        "at": utc_now(),
        "as_of": as_of,
        "kind": kind,
        "from_version": from_version,
        "to_version": to_version,
        "decision": decision,
        "reasons": canonical_json(list(reasons)),
        "evidence": canonical_json(dict(evidence)),
        "actor": actor,
    }
    with writing(engine) as connection:
        key = connection.execute(insert(promotions).values(**values)).inserted_primary_key
        assert key is not None
        row = connection.execute(select(promotions).where(promotions.c.id == key[0])).mappings().one()
    return _promotion(row)


def history(engine: Engine, *, limit: int = 200, promoted_only: bool = False) -> list[Promotion]:
    """Verdicts, newest first."""
    query = select(promotions).order_by(promotions.c.id.desc()).limit(limit)
    if promoted_only:
        query = query.where(promotions.c.decision == "promoted")
    with engine.connect() as connection:
        return [_promotion(row) for row in connection.execute(query).mappings()]


def of_version(engine: Engine, version: str) -> list[Promotion]:
    """Every verdict on one version, newest first."""
    query = select(promotions).where(promotions.c.to_version == version).order_by(promotions.c.id.desc())
    with engine.connect() as connection:
        return [_promotion(row) for row in connection.execute(query).mappings()]


def is_on_probation(engine: Engine, version: str) -> bool:
    """Whether a version decides, or decided, although no gate had opened for it."""
    return any(row.kind == "probation" for row in of_version(engine, version))


def latest(engine: Engine) -> Promotion | None:
    """The newest verdict that moved the champion, or None."""
    found = history(engine, limit=1, promoted_only=True)
    return found[0] if found else None


def _promotion(row: RowMapping) -> Promotion:
    values = dict(row)
    values["reasons"], values["evidence"] = json.loads(values["reasons"]), json.loads(values["evidence"])
    return Promotion(**values)
