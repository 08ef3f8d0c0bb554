"""Who may do what: identities, guards, rate limits, cross-site checks.

What lives here: everything between a request's headers and "yes, this identity may". What must not: password checks and
storage (`bank_assets.ledger.accounts`), HTML. Called by `serving.web.envelope`, and as middleware and guards of routes.

* Local mode (loopback address, no login asked for): everybody who reaches the port may do everything, as `local`.
* Else an API key (`Authorization: Bearer bank_...`) or a session cookie is needed outside `PUBLIC`.
* A state-changing request that a browser says comes from another site is refused, cookie or not: local mode has no
  cookie to protect it. Pages add a signed form token (Litestar's CSRF).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from sqlalchemy import Engine

from bank_assets.ledger import accounts
from bank_assets.ledger.accounts import Identity
from serving.settings import ServingSettings
from serving.web import parameters
from serving.web.limits import Buckets
from serving.web.problems import FieldError, ForbiddenError, NotAuthenticatedError, PayloadError, RateLimitedError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

SESSION_COOKIE: Final = "bank_session"
LOCAL: Final = Identity("local", frozenset(accounts.SCOPES), "admin")
CACHE_SECONDS: Final = 5.0
"""How long a key or session is believed without asking the database: a revocation takes effect within this."""
CACHE_ENTRIES: Final = 10_000
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
PUBLIC: Final = ("/health/", "/login", "/static/")
"""Path prefixes that need no credentials."""


@dataclass(slots=True)
class Admission:
    """What the shell found out about a request before it was routed; kept in `scope["bank"]`.

    Attributes:
        request_id: from the client if it sent a plain one, else new.
        identity: who asks, None if nobody is known.
        refusal: why it must not be answered, raised by `admitting` so that it takes the way of every error.
        decision_id: id of the decision that the request made, for its log line; "" if it made none.
        model_version: version that decided, for the log line.
    """

    request_id: str
    identity: Identity | None = None
    refusal: Exception | None = None
    decision_id: str = ""
    model_version: str = ""


@dataclass(slots=True)
class Access:
    """Resolves identities, with a short memory.

    Attributes:
        settings: local mode or not.
        engine: ledger with the accounts.
    """

    settings: ServingSettings
    engine: Engine
    _known: dict[str, tuple[float, Identity | None]] = field(default_factory=dict)
    _spent: Buckets = field(default_factory=Buckets)

    def cached(self, secret: str) -> Identity | KeyError | None:
        """What is remembered about a key or session; a KeyError value if nothing is."""
        known = self._known.get(secret)
        return known[1] if known is not None and known[0] > time.monotonic() else KeyError(secret)

    def look_up(self, secret: str) -> Identity | None:
        """Ask the database who a key or session token belongs to; call it in a thread."""
        find = accounts.key_identity if secret.startswith(accounts.KEY_PREFIX) else accounts.session_identity
        identity = find(self.engine, secret)
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
        self._known[secret] = (time.monotonic() + CACHE_SECONDS, identity)
        return identity

    def forget(self, secret: str) -> None:
        """Ask again next time, after a log-out."""
        self._known.pop(secret, None)

    def spend(self, identity: Identity) -> None:
        """Count a request against the key's limit (token bucket: a minute's worth may come at once).

        Raises:
            RateLimitedError: the limit is used up.
        """
        rate = identity.rate_per_minute
        if rate is None:
            return
        if self._spent.spend(identity.name, rate, rate) is None:
            raise RateLimitedError(
                f"key {identity.name}: expected at most {rate} requests a minute, found more; wait "
                f"{60.0 / rate:.1f} s, or ask an admin for a higher limit."
            )


def secret_of(headers: dict[bytes, bytes]) -> str | None:
    """The API key or session token of a request, or None.

    Args:
        headers: lower-case names.
    """
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, key = authorization.decode("latin-1").partition(" ")
        return key.strip() if scheme.lower() == "bearer" and key.startswith(accounts.KEY_PREFIX) else ""
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == SESSION_COOKIE and not value.startswith(accounts.KEY_PREFIX):
            return value
    return None


def refuse_cross_site(method: str, headers: dict[bytes, bytes]) -> None:
    """Refuse a state-changing request that another site makes a browser send.

    Programs send neither header and pass; browsers always send one of them.

    Raises:
        ForbiddenError: it comes from another site.
    """
    if method in SAFE_METHODS:
        return
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        is_foreign = site not in (b"same-origin", b"none")
    else:
        origin = headers.get(b"origin")
        is_foreign = origin is not None and urlsplit(origin.decode("latin-1")).netloc.encode() != headers.get(b"host")
    if is_foreign:
        raise ForbiddenError(
            "request: expected it from this site's own pages or from a program, found another site; "
            "open the page here and try again."
        )


def refuse_control_characters(path: str, query: bytes) -> None:
    """Refuse an address with a NUL in it: neither a file name nor PostgreSQL's text can hold one.

    Raises:
        PayloadError: it has one.
    """
    if "\0" in path or b"%00" in query:
        raise PayloadError((FieldError("address", "text without NUL characters", "%00"),))


@lru_cache(maxsize=1_000)
def _host_name(host: bytes) -> str | None:
    try:
        return urlsplit(f"//{host.decode('latin-1')}").hostname if host else None
    except ValueError:
        return None


def refuse_foreign_host(allowed: tuple[str, ...], host: bytes) -> None:
    """In local mode answer only to local names: a name that a stranger points at 127.0.0.1 is DNS rebinding.

    Args:
        allowed: names that are answered.
        host: the request's Host header.

    Raises:
        ForbiddenError: the host name is not one of `allowed`.
    """
    name = _host_name(host)
    if name not in allowed:
        raise ForbiddenError(
            f"host: expected one of {', '.join(allowed)}, found {name!r}; use http://127.0.0.1, or add the name to "
            "BANK_ALLOWED_HOSTS."
        )


def needs(scope: str) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """A guard: the route needs a scope.

    Args:
        scope: one of `accounts.SCOPES`.
    """

    # Async although it waits for nothing: Litestar sends a sync guard to a thread, which costs each request 0.1 ms.
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        _check_scope(_admission(connection.scope), scope)

    return guard


def _check_scope(admission: Admission, scope: str) -> None:
    identity = _known(admission)
    if scope not in identity.scopes:
        raise ForbiddenError(
            f"{identity.name}: expected the scope {scope}, found {', '.join(sorted(identity.scopes))}; ask an admin "
            "for another key or role."
        )


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    """Who asks.

    Raises:
        NotAuthenticatedError: nobody is known.
    """
    return _known(_admission(connection.scope))


def _known(admission: Admission) -> Identity:
    identity = admission.identity
    if identity is None:
        raise NotAuthenticatedError(
            "credentials: expected an API key or a login, found none; send Authorization: Bearer <key>, or log in at "
            "/login."
        )
    return identity


def note_decision(connection: ASGIConnection[Any, Any, Any, Any], decision_id: str, model_version: str) -> None:
    """Name the decision that a request made in its log line, so that log and record find each other."""
    admission = _admission(connection.scope)
    admission.decision_id, admission.model_version = decision_id, model_version


def _admission(scope: Scope) -> Admission:
    found = scope.get("bank")
    return found if isinstance(found, Admission) else Admission("")


def admitting(app: ASGIApp) -> ASGIApp:
    """The middleware of every route: raise what the shell found, ask for credentials outside `PUBLIC`, check the scope.

    A middleware and not a guard, because Litestar copies the route handler for each guard, which costs 20 us. A route
    names its scope by `opt={"needs": scope}` where that counts, else by the guard `needs(scope)`.

    Args:
        app: the rest of the route.

    Raises:
        ServingError: (per request) the refusal, that nobody is known, that the scope is missing, or that the API does
            not know a query parameter.
    """

    async def admit(scope: Scope, receive: Receive, send: Send) -> None:
        admission = _admission(scope)
        if admission.refusal is not None:
            raise admission.refusal
        if admission.identity is None and not scope["path"].startswith(PUBLIC):
            _known(admission)
        handler = scope["route_handler"]
        needed = handler.opt.get("needs")
        if needed is not None:
            _check_scope(admission, needed)
        if (query := scope["query_string"]) and scope["path"].startswith(parameters.API):
            parameters.refuse_unknown(handler, query)
        await app(scope, receive, send)

    return admit
