"""Accounts: users with roles, sessions, and API keys with scopes.

Passwords are hashed with Argon2id, because people choose them. API keys and session tokens are 256 random bits and
stored as SHA-256: they cannot be guessed, and Argon2 would cost each API call 30-50 ms.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine, delete, insert, or_, select

from bank_assets.ledger import events
from bank_assets.ledger.contact_history import PIPELINE
from bank_assets.ledger.engine import LedgerError, read, utc_now, writing
from bank_assets.ledger.models import api_keys, sessions, users

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ROLES: Final = ("analyst", "auditor", "admin")
NEW_USER_ROLE: Final = "analyst"  # if none is given
SCOPES: Final = ("predict", "outcomes", "audit", "admin")
# What each role may do on the pages; API keys have scopes of their own.
ROLE_SCOPES: Final = {
    "analyst": frozenset({"predict", "outcomes"}),
    "auditor": frozenset({"audit"}),
    "admin": frozenset(SCOPES),
}
RESERVED: Final = (PIPELINE, "landing", "migration")  # actors of what nobody does by hand; their lists need no export
OPERATOR: Final = "operator"  # who changes accounts if nobody is named
KEY_PREFIX: Final = "bank_"
MIN_PASSWORD: Final = 12  # characters (NIST SP 800-63B-4: 15 alone, 8 with a second factor)


class AccountError(LedgerError):
    """An account cannot be made as requested."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The user or API key behind a request."""

    name: str  # user or key name, recorded as `actor`
    scopes: frozenset[str]
    role: str | None = None  # role of a user, None for a key
    rate_per_minute: int | None = None  # request limit of a key, None for no limit


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_hex(16))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def create_user(engine: Engine, name: str, password: str, role: str | None = None, *, actor: str = OPERATOR) -> None:
    """Add a user, or give an existing one a new password, which ends their sessions.

    Without a role, an existing user keeps theirs and a new one gets `NEW_USER_ROLE`. Raises `AccountError` for an
    unknown role, an empty name or a password that is too short.
    """
    if role is not None and role not in ROLES:
        raise AccountError(f"user: expected a role of {', '.join(ROLES)}, found {role!r}.")
    _check_not_reserved(name)
    if not name.strip() or len(password) < MIN_PASSWORD:
        raise AccountError(f"user: expected a name and a password of at least {MIN_PASSWORD} characters.")
    values = {"password_hash": _hasher().hash(password), "disabled_at": None}
    if role is not None:
        values["role"] = role
    with writing(engine) as connection:
        events.lock(connection)
        known = connection.execute(select(users.c.id).where(users.c.name == name)).scalar_one_or_none()
        kind = "account.created" if known is None else "account.changed"
        with events.recording(connection, kind=kind, subject=name, actor=actor) as event:
            if known is None:
                made = {"name": name, "created_at": utc_now(), "role": NEW_USER_ROLE, **values}
                event.insert(users, [made])
            else:
                event.update(users, users.c.id == known, **values)
                connection.execute(delete(sessions).where(sessions.c.user_id == known))


def _check_not_reserved(name: str) -> None:
    if name.strip().casefold() in RESERVED:
        raise AccountError(f"account: expected a name of its own, found {name!r}, as which the platform itself acts.")


def disable_user(engine: Engine, name: str, *, actor: str = OPERATOR) -> None:
    """Lock a user out at once; their name stays for the record. Raises `AccountError` if there is no such user."""
    with (
        writing(engine) as connection,
        events.recording(connection, kind="account.disabled", subject=name, actor=actor) as event,
    ):
        disabled = event.update(users, users.c.name == name, disabled_at=utc_now())
        if not disabled:
            raise AccountError(f"user: expected a user to disable, found none named {name!r}; check the spelling.")
        connection.execute(delete(sessions).where(sessions.c.user_id == disabled[0].id))


def has_credentials(engine: Engine) -> bool:
    """Whether an enabled user or a valid key exists, the condition for a non-local bind."""
    user = select(users.c.id).where(users.c.disabled_at.is_(None)).exists()
    key = select(api_keys.c.id).where(api_keys.c.revoked_at.is_(None)).exists()
    return bool(read(engine, select(or_(user, key)))[0][0])


def log_in(engine: Engine, name: str, password: str, *, hours: float) -> str | None:
    """Check a password and open a session; returns its token for the cookie, or None.

    This takes 30-50 ms by design, also for an unknown name, so call it in a thread of its own.
    """
    from argon2.exceptions import VerificationError

    found = read(engine, select(users).where(users.c.name == name, users.c.disabled_at.is_(None)))
    try:
        _hasher().verify(found[0].password_hash if found else _decoy(), password)
    except VerificationError:
        return None
    if not found:
        return None
    token = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    expires = (now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_at < utc_now()))
        connection.execute(
            insert(sessions).values(
                token_hash=_digest(token), user_id=found[0].id, created_at=utc_now(), expires_at=expires
            )
        )
    return token


def session_identity(engine: Engine, token: str) -> Identity | None:
    """The user of a session token, or None if it is unknown, expired, or the user is disabled."""
    query = (
        select(users.c.name, users.c.role)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(
            sessions.c.token_hash == _digest(token), sessions.c.expires_at > utc_now(), users.c.disabled_at.is_(None)
        )
    )
    return next((Identity(name, ROLE_SCOPES[role], role) for name, role in read(engine, query)), None)


def log_out(engine: Engine, token: str) -> None:
    """End a session."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.token_hash == _digest(token)))


def create_key(
    engine: Engine, name: str, scopes: Sequence[str], rate_per_minute: int = 6_000, *, actor: str = OPERATOR
) -> str:
    """Make an API key and return it; it cannot be read back later.

    Raises `AccountError` for unknown or no scopes, a bad limit, or a name that was ever used.
    """
    _check_not_reserved(name)
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes or not name.strip() or rate_per_minute < 1:
        raise AccountError(
            f"key: expected a name, scopes of {', '.join(SCOPES)} and a positive rate, found "
            f"{name!r}, {list(scopes)} and {rate_per_minute}."
        )
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    with writing(engine) as connection:
        events.lock(connection)
        if connection.execute(select(api_keys.c.id).where(api_keys.c.name == name)).first() is not None:
            raise AccountError(f"key: expected a new name, found {name!r} in use; names stay for the record.")
        made = {
            "name": name,
            "key_hash": _digest(key),
            "scopes": json.dumps(sorted(set(scopes))),
            "rate_per_minute": rate_per_minute,
            "created_at": utc_now(),
        }
        with events.recording(connection, kind="account.key_created", subject=name, actor=actor) as event:
            event.insert(api_keys, [made])
    return key


def revoke_key(engine: Engine, name: str, *, actor: str = OPERATOR) -> bool:
    """Revoke a key; returns whether it was valid before."""
    is_valid = (api_keys.c.name == name) & api_keys.c.revoked_at.is_(None)
    with writing(engine) as connection:
        events.lock(connection)
        found = connection.execute(select(api_keys.c.id).where(is_valid)).first() is not None
        if found:
            with events.recording(connection, kind="account.key_revoked", subject=name, actor=actor) as event:
                event.update(api_keys, is_valid, revoked_at=utc_now())
    return found


def key_identity(engine: Engine, key: str) -> Identity | None:
    """The identity of an API key, or None if it is unknown or revoked."""
    valid = select(api_keys).where(api_keys.c.key_hash == _digest(key), api_keys.c.revoked_at.is_(None))
    found = read(engine, valid)
    if not found:
        return None
    return Identity(found[0].name, frozenset(json.loads(found[0].scopes)), None, found[0].rate_per_minute)
