"""Answers in JSON without the framework's general ways: for the one route that is asked all the time.

What lives here: `JsonAnswer`. What must not: knowledge of a route. Called by the predictions route.
Litestar's `Response` looks headers, cookies and encoders up for each answer, which costs 15 us of the 50 that a request
takes beside its decision (`benchmarks.serving`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.response.base import ASGIResponse

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

_encode: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")


class JsonAnswer(ASGIResponse):
    """One JSON body with its status."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, content: Any, status: int, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Encode an answer.

        Args:
            content: anything that msgspec encodes.
            status: HTTP status, one that has a body.
            headers: further ones, names in lower case.
        """
        # Not the parent's: its work is what this class saves. Nothing of it is used, as `__call__` is ours too.
        self._body = _encode(content)
        self._status = status
        self._headers = headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        body = self._body
        headers = [_JSON, (b"content-length", b"%d" % len(body)), *self._headers]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
