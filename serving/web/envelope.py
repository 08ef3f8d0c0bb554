"""The outermost layer of the app: request id, identity, security headers, metrics, access log.

It is one ASGI wrapper instead of five layers, because each layer costs every request about 20 us. A 404 has an id,
headers and a log line as well.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Final

from litestar.enums import HttpMethod, ScopeType

from serving.settings import ServingSettings
from serving.web import idempotency
from serving.web.access import (
    LOCAL,
    Access,
    Admission,
    keep_slashes,
    refuse_control_characters,
    refuse_cross_site,
    refuse_foreign_host,
    secret_of,
)
from serving.web.logs import AccessLog
from serving.web.metrics import Metrics
from serving.web.problems import ServingError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
# Answers are about people; no cache may keep them. Static files bring their own cache header.
NO_STORE: Final = (b"cache-control", b"no-store")
REQUEST_ID_LENGTH: Final = 64


class RequestEnvelope:
    """Wraps the app's own ASGI handler."""

    def __init__(
        self, app: ASGIApp, settings: ServingSettings, access: Access, metrics: Metrics, log: AccessLog
    ) -> None:
        self._app = app
        self._settings = settings
        self._access = access
        self._metrics = metrics
        self._log = log
        self._is_local_mode = settings.is_local_mode
        self._id_prefix = os.urandom(5).hex()
        self._ids = itertools.count(1)
        self._headers = [*HEADERS, *((HSTS,) if settings.is_https else ())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        keep_slashes(scope)
        admission = Admission(self._request_id(headers), is_head=scope["method"] == "HEAD")
        scope["bank"] = admission  # type: ignore[typeddict-unknown-key]
        await self._resolve(scope, headers, admission)
        status = 0
        request_id = admission.request_id.encode()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = list(message["headers"])
                if not any(name == b"cache-control" for name, _ in sent):
                    sent.append(NO_STORE)
                sent += self._headers
                sent.append((b"x-request-id", request_id))
                message["headers"] = sent
            elif message["type"] == "http.response.body" and admission.is_head:
                message["body"] = b""
            await send(message)

        handled: HTTPScope = scope
        if admission.is_head:
            # Monitors and link checkers send HEAD, but routes only know GET: answer like GET, without the body.
            handled = {**scope, "method": HttpMethod.GET}
        try:
            if idempotency.is_under_key(scope, headers):
                await idempotency.answer_once(self._app, handled, receive, send_with_headers, self._access.engine)
            else:
                await self._app(handled, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            # An unknown path has no template; its text must not become a metric series or a log field.
            route = handled.get("path_template") or "unrouted"
            self._metrics.observe(scope["method"], route, status, seconds)
            self._log.add(scope["method"], route, status, seconds, admission)

    async def _resolve(self, scope: HTTPScope, headers: dict[bytes, bytes], admission: Admission) -> None:
        """Identify the caller; a refusal is kept for `admitting`, so that it is answered like every other error."""
        try:
            refuse_cross_site(scope["method"], headers)
            refuse_control_characters(scope["path"], scope["query_string"])
            if self._is_local_mode:
                refuse_foreign_host(self._settings.allowed_hosts, headers.get(b"host", b""))
                admission.identity = LOCAL
                return
            secret = secret_of(headers)
            if secret is None:
                return
            admission.identity = await self._access.identity(secret)
            if admission.identity is not None:
                self._access.spend(admission.identity)
        except Exception as error:
            if not isinstance(error, ServingError):
                admission.identity = None
            admission.refusal = error

    def _request_id(self, headers: dict[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id", b"")
        # Only a plain id is taken over: it goes into logs and back into a header.
        if 0 < len(given) <= REQUEST_ID_LENGTH and given.replace(b"-", b"").isalnum():
            return given.decode("ascii", "replace")
        return f"{self._id_prefix}-{next(self._ids):x}"
