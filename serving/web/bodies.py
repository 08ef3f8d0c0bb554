"""Strict JSON bodies: one decoder per type, and refusals that name field, expected and found.

Litestar's own parsing converts leniently (the text "41" would pass as a number) and decodes to dicts first, which takes
twice the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from msgspec import Meta

from bank_assets.contract.values import PRINTABLE, REASON_LENGTH, is_reason, nearest
from serving.web.openapi import body_of, inlined, secured
from serving.web.problems import FieldError, MediaTypeError, PayloadError

REASON: Final = Meta(min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1], pattern=PRINTABLE)

SHOWN: Final = 60  # longest text of what was found: a body may be long, and it is personal data

_MESSAGE: Final = re.compile(r"^(?P<text>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_GOT: Final = re.compile(r", got `[^`]*`$")
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_BOUNDS: Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
)


T = TypeVar("T")

JSON: Final = "application/json"
BODY_BYTES: Final = 65_536  # largest body about one thing
RawHeaders = Iterable[tuple[bytes, bytes]]  # headers as ASGI has them, names in lower case


async def read_whole(request: Request[Any, Any, Any], at_most: int) -> bytes:
    """The whole body of a request. Litestar's own reading does the same and costs 9 us more.

    Raises:
        RequestEntityTooLarge: it is longer; the rest is not read.
        PayloadError: the client hung up before its end; nobody is left to read the answer.
    """
    received: list[bytes] = []
    length = 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise PayloadError(FieldError("", "a whole body", "the connection closed before its end"))
        body = message["body"]
        length += len(body)
        if length > at_most:
            raise RequestEntityTooLarge
        if not message.get("more_body"):
            return b"".join((*received, body)) if received else body
        received.append(body)


class JsonBody(Generic[T]):
    """A body of one type."""

    def __init__(
        self,
        of: type[T],
        reread: Callable[[object], T] | None = None,
        *,
        example: Mapping[str, Any],
        scope: str | None,
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
        self._decode: Callable[[bytes], T] = msgspec.json.Decoder(of).decode
        self._reread = reread
        struct: Any = of
        fields = msgspec.structs.fields(struct)
        optional = [one.name for one in fields if one.default is None]
        self._n_required = sum(one.required for one in fields)
        self._n_optional = len(optional)
        # With fewer than two names it would not return a tuple; such bodies are decoded twice.
        self._optional = attrgetter(*optional) if len(optional) > 1 else lambda _: (None,) * len(optional)
        self._schema = inlined(of)
        self.route = secured(scope, *problems, content=body_of(self._schema, example))

    def read_by(self, read: Callable[[object], T]) -> None:
        """Read every body, decoded as plain JSON, by a function: what the struct takes may mean something else."""
        self._decode = lambda body: read(decoded_once(body))

    def read(self, body: bytes, headers: RawHeaders = ()) -> T:
        """Decode a body.

        Raises:
            MediaTypeError: the headers say that it is no JSON in UTF-8, or packed.
            PayloadError: it does not fit; every known fault is named.
        """
        for name, value in headers:
            if name == b"content-encoding" or (name == b"content-type" and value != b"application/json"):
                check_format(name.decode(), value.decode("latin-1"), (JSON,))
        try:
            found = self._decode(body)
            # Most bodies have as many colons as the struct got fields, so none twice: a second decoding takes 1 us.
            n_more = body.count(b":") - self._n_required
            if n_more > 0 and n_more > self._n_optional - self._optional(found).count(None):
                decoded_once(body)
        except msgspec.ValidationError as error:
            if self._reread is not None:
                try:
                    raw = decoded_once(body)
                except (UnicodeDecodeError, RecursionError) as deeper:
                    raise PayloadError(not_json(deeper)) from None
                except msgspec.DecodeError:
                    pass  # a number that no double holds
                else:
                    return self._reread(raw)
            raise PayloadError(fault(str(error), self._schema, body)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PayloadError(not_json(error)) from None
        return found


def check_either(body: msgspec.Struct, *names: str) -> None:
    """Refuse a body that has none or several of some fields."""
    given = [name for name in names if getattr(body, name) is not None]
    if len(given) != 1:
        raise PayloadError(FieldError(names[0], f"one of {', '.join(names)}", " and ".join(given) or "none of them"))


def decoded_once(body: bytes) -> object:
    """The JSON of a body; raise `PayloadError` if an object names a field twice, as either value may be meant."""
    found = msgspec.json.decode(body)
    # Looking at each object takes 3 us. A flat one needs no look: every field has a colon, and no text has another.
    if not isinstance(found, dict) or body.count(b":") > len(found):
        _EACH_OBJECT.decode(body.decode())
    return found


def _refuse_repeated(fields: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in fields]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise PayloadError(FieldError(twice[:SHOWN], "each field once", "it twice"))


_EACH_OBJECT: Final = json.JSONDecoder(object_pairs_hook=_refuse_repeated, parse_int=str)


def check_format(header: str, value: str, media_types: tuple[str, ...]) -> None:
    """Refuse a body whose headers say that it cannot be read here."""
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


def shown(value: object) -> str:
    """A value as JSON text, shortened."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def not_json(error: Exception) -> FieldError:
    """The fault of a body that is no JSON at all, or nested deeper than anything that could fit."""
    if isinstance(error, RecursionError):
        found = "a deeper nesting than any body of this API has"
    elif isinstance(error, UnicodeDecodeError):
        found = f"bytes that are not UTF-8 ({error.reason})"
    else:
        # Of msgspec's own words only the place is of use: "JSON is malformed: invalid character (byte 108)".
        found = str(error).replace("Input data was truncated", "an end in the middle") or "nothing"
    return FieldError("", "well-formed JSON in UTF-8 without a byte order mark, where NaN and Infinity are none", found)


def fault(message: str, schema: Mapping[str, Any], body: bytes) -> FieldError:
    """The fault that msgspec named."""
    parts = _MESSAGE.match(message)
    text, path = (parts["text"], parts["path"] or "") if parts is not None else (message, "")
    expected = _schema_at(schema, path)
    if missing := _MISSING.match(text):
        name = f"{path}.{missing['name']}".lstrip(".")
        return FieldError(name, _words(_schema_at(schema, name)), "nothing: the field is missing")
    if unknown := _UNKNOWN.match(text):
        name = f"{path}.{unknown['name']}".lstrip(".")
        fields = _alternative(expected, "object").get("properties", {})
        return FieldError(name[:SHOWN], f"only the fields {', '.join(fields)}", "an unknown field")
    try:
        value = _value_at(msgspec.json.decode(body), path)
        near = nearest(value, expected.get("enum", ())) if isinstance(value, str) else ""
        found = shown(value) + (f' (did you mean "{near}"?)' if near else "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = "a number that no double holds" if "out of range" in text else "something that is no JSON"
    except LookupError:
        found = "another value"
    return FieldError(path, _words(expected) or _GOT.sub("", text).removeprefix("Expected ").replace("`", ""), found)


def _steps(path: str) -> list[str | int]:
    return [int(index) if index else name for name, index in _STEP.findall(path)]


def _value_at(value: Any, path: str) -> Any:
    for step in _steps(path):
        value = value[step]
    return value


def _schema_at(schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    for step in _steps(path):
        if isinstance(step, int) or step == "...":
            schema = _alternative(schema, "array").get("items", {})
        else:
            schema = _alternative(schema, "object").get("properties", {}).get(step, {})
    return schema


def _alternative(schema: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The part of a schema that describes a list or an object."""
    return next((one for one in (schema, *schema.get("anyOf", ())) if one.get("type") == kind), {})


def _words(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(words for one in schema["anyOf"] if one.get("type") != "null" and (words := _words(one)))
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if schema.get("format") == "date":
        return "a day YYYY-MM-DD"
    kind = _TYPES.get(str(schema.get("type")), "")
    said = [kind]
    for low, high, unit in _BOUNDS:
        least, most = schema.get(low), schema.get(high)
        if least is not None and most is not None:
            said.append(f"{'of' if unit else 'from'} {least:,} to {most:,}{unit}")
        elif least is not None:
            said.append(f"of at least {least:,}{unit}")
        elif most is not None:
            said.append(f"of at most {most:,}{unit}")
    if "exclusiveMinimum" in schema:
        said.insert(1, f"above {schema['exclusiveMinimum']:,} and")
    if (pattern := schema.get("pattern")) is not None:
        said.append("without control characters" if pattern == PRINTABLE else f"matching {pattern}")
    return " ".join(said).strip()


def reason_fault(reason: str) -> str:
    """What is wrong with a reason that a form sends, "" if nothing."""
    shortest, longest = REASON_LENGTH
    return "" if is_reason(reason) else f"Give a reason of {shortest} to {longest:,} characters; found {len(reason)}."
