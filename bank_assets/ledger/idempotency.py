"""Idempotency keys: which request a client's key stood for, and how it was answered."""

from __future__ import annotations

import base64
import html
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, null, select, update
from sqlalchemy.exc import IntegrityError

from bank_assets.contract.held_fields import holds_any
from bank_assets.ledger.engine import read, utc_now, writing
from bank_assets.ledger.models import idempotency_keys

KEPT: Final = timedelta(hours=24)  # how long an answer is kept for a repetition
# How long a request may take. After this time we take its process for dead, and a repetition runs again.
UNANSWERED: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A key as another request claimed it."""

    request_hash: str
    status: int | None = None  # None while that request is being answered
    answer: dict[str, Any] | None = None  # None once it is erased


def claim(engine: Engine, actor: str, key: str, request_hash: str) -> Claimed | None:
    """Claim a key for a request: None if it is ours now, else what it stands for."""
    values = {"actor": actor, "key": key, "request_hash": request_hash, "created_at": utc_now()}
    try:
        with writing(engine) as connection:
            connection.execute(delete(idempotency_keys).where(*_is(actor, key), _is_old()))
            connection.execute(insert(idempotency_keys).values(values))
    except IntegrityError:
        found = read(engine, idempotency_keys.select().where(*_is(actor, key)))
        # Released in between: as if that request still ran, so the client repeats its own.
        return Claimed(found[0].request_hash, found[0].status, found[0].answer) if found else Claimed(request_hash)
    return None


def prune(engine: Engine) -> None:
    """Remove what is kept no longer."""
    with writing(engine) as connection:
        connection.execute(delete(idempotency_keys).where(_is_old()))


def _is_old() -> ColumnElement[bool]:
    now, made = datetime.now(UTC), idempotency_keys.c.created_at
    kept, running = ((now - age).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for age in (KEPT, UNANSWERED))
    return (made < kept) | (idempotency_keys.c.status.is_(None) & (made < running))


def keep(engine: Engine, actor: str, key: str, status: int, answer: dict[str, Any]) -> None:
    """Keep the answer to the request that claimed a key."""
    with writing(engine) as connection:
        connection.execute(update(idempotency_keys).where(*_is(actor, key)).values(status=status, answer=answer))


def erase(connection: Connection, ids: Collection[str], made_before: date | None) -> None:
    """Remove the answers that hold one of some ids, or were made before a day; their keys stay claimed."""
    query = select(idempotency_keys).where(idempotency_keys.c.answer.is_not(None))
    day = "" if made_before is None else made_before.isoformat()
    found = connection.execute(query, execution_options={"yield_per": 10})
    gone = [_is(row.actor, row.key) for row in found if row.created_at < day or holds_any(_text_of(row.answer), ids)]
    for key in gone:
        connection.execute(update(idempotency_keys).where(*key).values(answer=null()))


def _text_of(answer: dict[str, Any]) -> bytes:
    """Headers and body of an answer, as `serving.web.idempotency` packs them; of a page also texts between tags."""
    body = zlib.decompress(base64.b64decode(answer["body"]))
    shown = html.unescape(re.sub("[<>]", "\n", body.decode(errors="replace"))).encode()
    return b"\n".join((repr(answer["headers"]).replace("/", " ").encode(), body, shown))


def release(engine: Engine, actor: str, key: str) -> None:
    """Free a key whose request recorded nothing."""
    with writing(engine) as connection:
        connection.execute(delete(idempotency_keys).where(*_is(actor, key)))


def _is(actor: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return idempotency_keys.c.actor == actor, idempotency_keys.c.key == key
