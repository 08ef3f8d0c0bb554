"""What a strict JSON decoder refused, in the words of a problem: field, expected, found.

What lives here: msgspec's messages, the schema of the body and the body itself made into one `FieldError`. What must
not: HTTP, knowledge of a single route. Called by `serving.web.bodies` when a body does not fit, so it may take its
time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from serving.decisions.schemas import PRINTABLE
from serving.web.errors import FieldError

SHOWN: Final = 60
"""Longest text of what was found: a body may be long, and it is personal data."""

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
    "null": "null",
}
_BOUNDS: Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
)


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
    """The fault that msgspec named.

    Args:
        message: of its ValidationError.
        schema: JSON Schema of the body, without references.
        body: as it came.
    """
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
        found = shown(_value_at(msgspec.json.decode(body), path))
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
        return " or ".join(words for one in schema["anyOf"] if (words := _words(one)))
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
