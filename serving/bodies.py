"""JSON bodies, read strictly: one decoder per type, refusals with field, expected and found, and their OpenAPI.

What lives here: `JsonBody`. What must not: knowledge of a single route.
Called by the API controllers. Litestar's own body parsing is not used for two reasons: it converts leniently (a text
"41" would pass as a number), and it decodes to dicts first, which costs twice the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema

from serving.errors import FieldError, PayloadError

T = TypeVar("T")

_MESSAGE: Final = re.compile(r"^(?P<text>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_FOUND: Final = re.compile(r", got `(?P<found>[^`]*)`$")


class JsonBody(Generic[T]):
    """A body of one type.

    Attributes:
        type: the struct.
        operation: pass it as `operation_class` of the route, so that OpenAPI shows the body.
    """

    def __init__(self, of: type[T], reread: Callable[[object], T] | None = None) -> None:
        """Prepare the decoder.

        Args:
            of: the struct.
            reread: reads a decoded body that the decoder refused, thoroughly: returns it after all, or raises a
                PayloadError that names every fault. Without it msgspec's first fault is named.
        """
        self.type = of
        self._decode = msgspec.json.Decoder(of).decode
        self._reread = reread
        schema = _Finished(_inlined(of))
        body = RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=True)

        @dataclass
        class BodyOperation(Operation):
            """An operation that takes this body."""

            def __post_init__(self) -> None:
                self.request_body = body

        self.operation: type[Operation] = BodyOperation

    def read(self, body: bytes) -> T:
        """Decode a body.

        Args:
            body: as it came.

        Raises:
            PayloadError: it does not fit; every known fault is named.
        """
        try:
            return self._decode(body)
        except msgspec.ValidationError as error:
            if self._reread is None:
                raise PayloadError((_fault(str(error)),)) from None
            return self._again(body, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PayloadError((FieldError("", "well-formed JSON in UTF-8", str(error) or "nothing"),)) from None

    def _again(self, body: bytes, error: msgspec.ValidationError) -> T:
        assert self._reread is not None
        try:
            raw = msgspec.json.decode(body)
        except msgspec.DecodeError:  # a number that no double holds
            raise PayloadError((_fault(str(error)),)) from None
        return self._reread(raw)


def _fault(message: str) -> FieldError:
    """Msgspec's message as field, expected and found."""
    parts = _MESSAGE.match(message)
    text, path = (parts["text"], parts["path"] or "") if parts is not None else (message, "")
    got = _FOUND.search(text)
    found = got["found"] if got is not None else "another value"
    expected = text[: got.start()] if got is not None else text
    return FieldError(path, expected.removeprefix("Expected ").replace("`", ""), found)


def _inlined(of: Any) -> dict[str, Any]:
    """JSON Schema of a struct without references: Litestar keeps only the components that it makes itself."""
    document = msgspec.json.schema(of)
    definitions = document.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(definitions[node["$ref"].rsplit("/", 1)[1]])
        return {name: resolve(value) for name, value in node.items()}

    return dict(resolve(document))


class _Finished(Schema):
    """A JSON Schema that is ready."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__()
        self._content = content

    def to_schema(self) -> dict[str, Any]:
        """The content as it is."""
        return self._content
