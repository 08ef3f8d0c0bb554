"""A JSON answer for the busiest route, the single prediction.

Litestar's `Response` resolves headers, cookies and encoders for each answer. That costs 15 us of the 50 us that a
request takes beside its decision (`benchmarks.serving`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from litestar.response.base import ASGIResponse

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

_encode: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")


S = TypeVar("S", bound=msgspec.Struct)


def from_record(kind: type[S], record: object, **others: Any) -> S:
    """A struct with the given fields, and all others from the record's attributes of the same name."""
    return kind(**others, **{name: getattr(record, name) for name in kind.__struct_fields__ if name not in others})


class JsonAnswer(ASGIResponse):
    """One JSON body with its status."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, content: Any, status: int, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
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
