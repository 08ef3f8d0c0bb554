"""JSON bodies, read strictly: one decoder per type, refusals with field, expected and found, and their OpenAPI.

What lives here: `JsonBody`, and `read_whole` for a route that is asked all the time.
What must not: knowledge of a single route. Called by the API controllers.
Litestar's own body parsing is not used for two reasons: it converts leniently (a text "41" would pass as a number), and
it decodes to dicts first, which costs twice the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.spec import Operation

from serving.web.errors import FieldError, MediaTypeError, PayloadError
from serving.web.json_faults import fault, not_json
from serving.web.openapi import body_of, inlined, operation

T = TypeVar("T")

JSON: Final = "application/json"
RawHeaders = Iterable[tuple[bytes, bytes]]
"""Headers as ASGI has them, names in lower case."""


async def read_whole(request: Request[Any, Any, Any], at_most: int) -> bytes:
    """The whole body of a request. Litestar's own reading does the same and costs 9 us more.

    Args:
        request: whose body nobody has read yet.
        at_most: bytes.

    Raises:
        RequestEntityTooLarge: it is longer; the rest is not read.
        PayloadError: the client hung up before its end; nobody is left to read the answer.
    """
    received: list[bytes] = []
    length = 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise PayloadError((FieldError("", "a whole body", "the connection closed before its end"),))
        body = message["body"]
        length += len(body)
        if length > at_most:
            raise RequestEntityTooLarge
        if not message.get("more_body"):
            return b"".join((*received, body)) if received else body
        received.append(body)


class JsonBody(Generic[T]):
    """A body of one type.

    Attributes:
        type: the struct.
        operation: pass it as `operation_class` of the route, so that OpenAPI shows the body.
    """

    def __init__(
        self,
        of: type[T],
        reread: Callable[[object], T] | None = None,
        *,
        example: Mapping[str, Any],
        scope: str,
        problems: tuple[int, ...] = (),
    ) -> None:
        """Prepare the decoder.

        Args:
            of: the struct.
            reread: reads a decoded body that the decoder refused, thoroughly: returns it after all, or raises a
                PayloadError that names every fault. Without it msgspec's first fault is named.
            example: a body, for the document.
            scope: that the operation needs, for the document.
            problems: statuses beside the usual ones, for the document.
        """
        self.type = of
        self._decode = msgspec.json.Decoder(of).decode
        self._reread = reread
        self._schema = inlined(of)
        self.operation: type[Operation] = operation(*problems, scope=scope, content=body_of(self._schema, example))

    def read(self, body: bytes, headers: RawHeaders = ()) -> T:
        """Decode a body.

        Args:
            body: as it came. Of a field that it names twice the last value counts.
            headers: of the request; what they say about the body's format is checked.

        Raises:
            MediaTypeError: the headers say that it is no JSON in UTF-8, or packed.
            PayloadError: it does not fit; every known fault is named.
        """
        for name, value in headers:
            if name == b"content-encoding" or (name == b"content-type" and value != b"application/json"):
                check_format(name.decode(), value.decode("latin-1"), (JSON,))
        try:
            return self._decode(body)
        except msgspec.ValidationError as error:
            if self._reread is None:
                raise PayloadError((fault(str(error), self._schema, body),)) from None
            return self._again(body, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PayloadError((not_json(error),)) from None

    def _again(self, body: bytes, error: msgspec.ValidationError) -> T:
        assert self._reread is not None
        try:
            raw = msgspec.json.decode(body)
        except (UnicodeDecodeError, RecursionError) as deeper:
            raise PayloadError((not_json(deeper),)) from None
        except msgspec.DecodeError:  # a number that no double holds
            raise PayloadError((fault(str(error), self._schema, body),)) from None
        return self._reread(raw)


def check_format(header: str, value: str, media_types: tuple[str, ...]) -> None:
    """Refuse a body whose headers say that it cannot be read here.

    Args:
        header: `content-type` or `content-encoding`.
        value: of the header.
        media_types: that can be read. Types that end in +json are JSON as well.

    Raises:
        MediaTypeError: another type, another character set than UTF-8, or packed.
    """
    text = value.strip().lower()
    if header == "content-encoding":
        if text not in ("", "identity"):
            raise MediaTypeError(f"Content-Encoding: expected none, found {value[:60]!r}; send the body unpacked.")
        return
    kind, _, parameters = text.partition(";")
    kind = kind.strip()
    if kind not in media_types and not (JSON in media_types and kind.startswith("application/") and "+json" in kind):
        wanted = " or ".join(media_types)
        raise MediaTypeError(
            f"Content-Type: expected {wanted}, found {value[:60]!r}; name the body's format in this header."
        )
    charset = next((p.partition("=")[2] for p in parameters.split(";") if p.strip().startswith("charset")), "utf-8")
    if charset.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
        raise MediaTypeError(f"Content-Type: expected the character set UTF-8, found {value[:60]!r}; convert the body.")
