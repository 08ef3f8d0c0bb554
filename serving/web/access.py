"""Who may do what: identities, scopes, rate limits, cross-site checks.

In local mode (loopback address, login not required) everybody who reaches the port may do everything, as `local`.
Otherwise every path outside `PUBLIC` needs an API key (`Authorization: Bearer bank_...`) or a session cookie.
State-changing requests from another site are refused in both modes; pages add a signed form token (Litestar's CSRF).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from litestar.connection import ASGIConnection
from litestar.params import QueryParameter
from sqlalchemy import Engine

from bank_assets.contract.values import NumberError, number_within
from bank_assets.ledger import accounts
from bank_assets.ledger.accounts import Identity
from serving.settings import ServingSettings
from serving.web.limits import Buckets
from serving.web.problems import FieldError, ForbiddenError, NotAuthenticatedError, PayloadError, RateLimitedError

if TYPE_CHECKING:
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

SESSION_COOKIE: Final = "bank_session"
LOCAL: Final = Identity("local", frozenset(accounts.SCOPES), "admin")
# How long a key or session counts without a database look-up; a revocation takes effect within this time.
CACHE_SECONDS: Final = 5.0
CACHE_ENTRIES: Final = 10_000
SHOWN: Final = 100  # characters of a header in an error
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SLASH: Final = "\ue000"  # stands for the slash of an identifier while its address is routed; no identifier holds it
# Path prefixes that need no credentials; a webhook brings a signature.
PUBLIC: Final = ("/health/", "/login", "/static/", "/api/v1/webhooks/")


@dataclass(slots=True)
class Admission:
    """What the envelope found out about a request before it was routed; kept in `scope["bank"]`.

    Attributes:
        request_id: from the client if it sent a plain one, else new.
        identity: of the caller, None if unknown.
        refusal: why it must not be answered, raised by `admitting` so that it takes the way of every error.
        is_head: whether only the head of the answer is wanted, so that no content leaves the platform.
        decision_id: id of the decision that the request made, for its log line; "" if it made none.
        model_version: version that decided, for the log line.
        is_broken_off: whether the answer ends with a problem, although its status says success.
    """

    request_id: str
    identity: Identity | None = None
    refusal: Exception | None = None
    is_head: bool = False
    decision_id: str = ""
    model_version: str = ""
    is_broken_off: bool = False


@dataclass(slots=True)
class Access:
    """Resolves identities, with a short memory."""

    settings: ServingSettings
    engine: Engine
    _known: dict[str, tuple[float, Identity | None]] = field(default_factory=dict)
    _spent: Buckets = field(default_factory=Buckets)

    async def identity(self, secret: str) -> Identity | None:
        """The owner of a key or session token, looked up in the database at most every `CACHE_SECONDS`."""
        known = self._known.get(secret)
        if known is None or known[0] <= time.monotonic():
            find = accounts.key_identity if secret.startswith(accounts.KEY_PREFIX) else accounts.session_identity
            found = await asyncio.to_thread(find, self.engine, secret)
            if len(self._known) >= CACHE_ENTRIES:
                self._known.clear()
            self._known[secret] = known = (time.monotonic() + CACHE_SECONDS, found)
        return known[1]

    def forget(self, secret: str) -> None:
        """Ask again next time, after a log-out."""
        self._known.pop(secret, None)

    def spend(self, identity: Identity) -> None:
        """Count a request against the key's limit (token bucket: a minute's worth may come at once)."""
        rate = identity.rate_per_minute
        if rate is None:
            return
        if self._spent.spend(identity.name, rate, rate) is None:
            raise RateLimitedError(
                f"key {identity.name}: expected at most {rate} requests a minute, found more; wait "
                f"{60.0 / rate:.1f} s, or ask an admin for a higher limit."
            )


def secret_of(headers: dict[bytes, bytes]) -> str | None:
    """The API key or session token of a request, or None."""
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
    """
    if method in SAFE_METHODS or not (b"sec-fetch-site" in headers or b"origin" in headers):
        return
    site, origin, host = (headers.get(name, b"").decode("latin-1") for name in (b"sec-fetch-site", b"origin", b"host"))
    if site and site not in ("same-origin", "none"):
        raise ForbiddenError(
            "request: expected it from this site's own pages or from a program, found another site; "
            "open the page here and try again."
        )
    if not site and origin and urlsplit(origin).netloc != host:
        raise ForbiddenError(
            f"request: expected the origin's host and port in the Host header, found origin {origin[:SHOWN]!r} and "
            f"host {host[:SHOWN]!r}; open the page here and try again. If a proxy in front of the app changes Host, "
            "let it pass on what the browser sent (nginx: proxy_set_header Host $http_host;)."
        )


def keep_slashes(scope: HTTPScope) -> None:
    """Keep an encoded slash, which belongs to an identifier, from dividing the address into parts."""
    if b"%2" not in (raw := scope.get("raw_path") or b""):
        return
    raw = raw.partition(b"?")[0]
    if b"%2F" in raw or b"%2f" in raw:
        scope["path"] = unquote(raw.decode("latin-1").replace("%2f", "%2F").replace("%2F", _SLASH))


def refuse_control_characters(path: str, query: bytes) -> None:
    """Refuse an address with a NUL in it: neither a file name nor PostgreSQL's text can hold one."""
    if "\0" in path or b"%00" in query:
        raise PayloadError(FieldError("address", "text without NUL characters", "%00"))


@lru_cache(maxsize=1_000)
def _host_name(host: bytes) -> str | None:
    try:
        return urlsplit(f"//{host.decode('latin-1')}").hostname if host else None
    except ValueError:
        return None


def refuse_foreign_host(allowed: tuple[str, ...], host: bytes) -> None:
    """In local mode answer only to local names: a name that a stranger points at 127.0.0.1 is DNS rebinding."""
    name = _host_name(host)
    if name not in allowed:
        raise ForbiddenError(
            f"host: expected one of {', '.join(allowed)}, found {name!r}; use http://127.0.0.1, or add the name to "
            "BANK_ALLOWED_HOSTS."
        )


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    """The caller.

    Raises:
        NotAuthenticatedError: the request has no valid credentials.
    """
    return _known(_admission(connection.scope))


def _known(admission: Admission) -> Identity:
    if admission.identity is None:
        raise NotAuthenticatedError(
            "credentials: expected an API key or a login, found none; send Authorization: Bearer <key>, or log in at "
            "/login."
        )
    return admission.identity


def note_decision(connection: ASGIConnection[Any, Any, Any, Any], decision_id: str, model_version: str) -> None:
    """Name the decision that a request made in its log line, so that log and record find each other."""
    admission = _admission(connection.scope)
    admission.decision_id, admission.model_version = decision_id, model_version


def _admission(scope: Scope) -> Admission:
    found = scope.get("bank")
    return found if isinstance(found, Admission) else Admission("")


@lru_cache(maxsize=100)
def _declared(handler: BaseRouteHandler) -> dict[str, Callable[[str], object]]:
    """The query parameters that the handler's signature declares, and what reads their text."""
    return {
        name: _reader(name, {one.annotation, *one.args}, one.kwarg_definition)
        for name, one in handler.parsed_fn_signature.parameters.items()
        if isinstance(one.kwarg_definition, QueryParameter)
    }


def _reader(name: str, types: set[Any], declared: QueryParameter) -> Callable[[str], object]:
    if not types & {int, float}:
        return str
    low, high = declared.ge, declared.le
    return partial(
        number_within,
        low=-math.inf if low is None else float(low),
        high=math.inf if high is None else float(high),
        is_whole=int in types,
        is_money=name.endswith("_eur"),
    )


def refuse_parameters(handler: BaseRouteHandler, query: bytes) -> None:
    """Refuse undeclared query parameters, two values of one, and numbers that are not written as everywhere (1e3, nan).

    A search with a misspelled criterion would return every decision.
    """
    known, faults = _declared(handler), []
    sent = dict.fromkeys(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name, times in Counter(name for name, _ in sent).items():
        if times > 1:
            faults.append(FieldError(name[:60], "each parameter once", f"{times} values"))
    for name, text in sent:
        if name not in known:
            expected = f"only the parameters {', '.join(known)}" if known else "no parameter"
            faults.append(FieldError(name[:60], expected, "an unknown parameter"))
            continue
        try:
            known[name](text)
        except NumberError as fault:
            faults.append(FieldError(name, fault.expected, fault.found))
    if faults:
        raise PayloadError(*faults[:20])


def admitting(app: ASGIApp) -> ASGIApp:
    """The middleware of every route: refusals of the envelope, credentials, the route's scope, unknown parameters.

    A route or its router names the scope by `opt={"needs": scope}`. This is a middleware and no guard, because Litestar
    copies the route handler for each guard, which costs 20 us.
    """

    async def admit(scope: Scope, receive: Receive, send: Send) -> None:
        admission, handler = _admission(scope), scope["route_handler"]
        if admission.refusal is not None:
            raise admission.refusal
        needed = handler.opt.get("needs")
        if needed or not scope["path"].startswith(PUBLIC):
            identity = _known(admission)
            if needed and needed not in identity.scopes:
                raise ForbiddenError(
                    f"{identity.name}: expected the scope {needed}, found {', '.join(sorted(identity.scopes))}; ask an "
                    "admin for another key or role."
                )
        if _SLASH in scope["path"]:
            scope["path_params"] = {name: str(one).replace(_SLASH, "/") for name, one in scope["path_params"].items()}
        if (query := scope["query_string"]) and scope["path"].startswith("/api/"):
            refuse_parameters(handler, query)
        await app(scope, receive, send)

    return admit
