"""Input that does not fit: which field, what was expected, what was found; and rows of uploads to requests.

What lives here: the slow, thorough check that explains a refusal, and conversion of uploaded rows.
What must not: HTTP, scoring. The fast path is msgspec's decoding of `schemas.PredictionRequest`; only a row that it
refuses comes here, so this may take its time (100 us).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bank_assets.contract import BY_SOURCE, LEAKAGE_RULE, PAYLOAD_COLUMNS, Column, Kind, Known
from bank_assets.core.economics import MAXIMUM_EUR
from serving.errors import FieldError, PayloadError
from serving.json_faults import SHOWN, not_json, shown
from serving.schemas.predictions import (
    CONTACT_ID_LENGTH,
    FIRST_DATE,
    LAST_DATE,
    MINIMUM_EUR,
    PRINTABLE,
    PredictionRequest,
)

OPTIONAL_FIELDS: Final = ("contact_id", "contact_date", "economics")
CALENDAR_COLUMNS: Final = ("day", "month")
"""Columns of a delivery that follow from the contact date: allowed in an upload, checked, not needed."""

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _expected(column: Column) -> str:
    if column.kind is Kind.INTEGER:
        unit = f" {column.unit}" if column.unit else ""
        return f"a whole number from {column.minimum} to {column.maximum}{unit}"
    return f"one of {', '.join(column.categories)}"


def _fits(column: Column, value: object) -> bool:
    if column.kind is Kind.INTEGER:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
            return False
        assert column.minimum is not None
        assert column.maximum is not None
        return column.minimum <= value <= column.maximum
    return isinstance(value, str) and value in column.categories


def refused_column(name: str) -> FieldError | None:
    """The error of a column that may not be an input, or None if the contract does not know it as one.

    Args:
        name: column name as it came.
    """
    column = BY_SOURCE.get(name)
    if column is None or column.known not in (Known.POST_CONTACT, Known.TARGET):
        return None
    return FieldError(
        name, "only columns known before the call; remove it", "a column known only after the call", LEAKAGE_RULE
    )


def field_errors(raw: object) -> tuple[FieldError, ...]:
    """Everything about one row that does not fit the contract.

    Args:
        raw: decoded JSON of one request or row.

    Returns:
        One entry per fault, in the contract's order; empty if the row fits.
    """
    if not isinstance(raw, Mapping):
        return (FieldError("", "a JSON object with the fields of one customer", shown(raw)),)
    errors = [_column_error(BY_SOURCE[name], raw) for name in PAYLOAD_COLUMNS]
    errors += [_contact_id_error(raw.get("contact_id")), _date_error(raw.get("contact_date"))]
    errors += _economics_errors(raw.get("economics"))
    errors += [_unknown(str(name)) for name in raw if name not in PAYLOAD_COLUMNS and name not in OPTIONAL_FIELDS]
    return tuple(error for error in errors if error is not None)


def _column_error(column: Column, raw: Mapping[str, Any]) -> FieldError | None:
    if column.source not in raw:
        return FieldError(column.source, _expected(column), "nothing: the field is missing")
    value = raw[column.source]
    return None if _fits(column, value) else FieldError(column.source, _expected(column), shown(value))


def _unknown(name: str) -> FieldError:
    return refused_column(name) or FieldError(
        name[:SHOWN],
        f"only the fields {', '.join((*PAYLOAD_COLUMNS, *OPTIONAL_FIELDS))}",
        "a field that follows from contact_date" if name in CALENDAR_COLUMNS else "an unknown field",
    )


def _contact_id_error(value: object) -> FieldError | None:
    if value is None or (
        isinstance(value, str) and 1 <= len(value) <= CONTACT_ID_LENGTH and re.search(PRINTABLE, value)
    ):
        return None
    return FieldError(
        "contact_id", f"text of 1 to {CONTACT_ID_LENGTH} characters without control characters", shown(value)
    )


def iso_day(text: str) -> dt.date | None:
    """The day of a text YYYY-MM-DD; None for any other text, the further ISO forms among them."""
    if _DAY.fullmatch(text):
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(text)
    return None


def _date_error(value: object) -> FieldError | None:
    if value is None:
        return None
    day = iso_day(value) if isinstance(value, str) else value if isinstance(value, dt.date) else None
    if day is None or not FIRST_DATE <= day <= LAST_DATE:
        return FieldError("contact_date", f"a day YYYY-MM-DD from {FIRST_DATE} to {LAST_DATE}", shown(value))
    return None


def _economics_errors(value: object) -> list[FieldError | None]:
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [FieldError("economics", "an object with cost_eur and value_eur", shown(value))]
    errors: list[FieldError | None] = []
    for name, amount in value.items():
        if name not in ("cost_eur", "value_eur"):
            errors.append(FieldError(f"economics.{name}"[:SHOWN], "only cost_eur and value_eur", "an unknown field"))
        elif amount is not None and (
            isinstance(amount, bool) or not isinstance(amount, (int, float)) or not MINIMUM_EUR <= amount <= MAXIMUM_EUR
        ):
            bounds = f"an amount from {MINIMUM_EUR} to {MAXIMUM_EUR:,.0f} EUR"
            errors.append(FieldError(f"economics.{name}", bounds, shown(amount)))
    return errors


def check_date(day: dt.date | None) -> None:
    """What a type cannot say: a contact date far outside any campaign is a mistake.

    Raises:
        PayloadError: the date does not fit.
    """
    if day is not None and not FIRST_DATE <= day <= LAST_DATE:
        raise PayloadError((FieldError("contact_date", f"a day from {FIRST_DATE} to {LAST_DATE}", day.isoformat()),))


def decoded(part: bytes | msgspec.Raw) -> object:
    """One JSON row of an upload.

    Raises:
        PayloadError: it holds a number that no double can, text that is no UTF-8, or is nested too deep.
    """
    try:
        return msgspec.json.decode(part)
    except (UnicodeDecodeError, RecursionError) as error:
        raise PayloadError((not_json(error),)) from None
    except msgspec.DecodeError as error:
        raise PayloadError((FieldError("", "JSON with numbers a double can hold", str(error)),)) from None


def request_of(raw: object, *, strict: bool = True) -> PredictionRequest:
    """A row as a request.

    Args:
        raw: decoded JSON object, or a CSV row as mapping of text.
        strict: False reads numbers from text, as CSV needs.

    Raises:
        PayloadError: every fault of the row.
    """
    try:
        request = msgspec.convert(raw, PredictionRequest, strict=strict)
    except msgspec.ValidationError as error:
        found = field_errors(raw if strict else _numbers(raw))
        whole = _whole_numbers(raw) if strict and not found else raw
        if whole is raw:
            raise PayloadError(found or (FieldError("", str(error), shown(raw)),)) from None
        return request_of(whole)
    check_date(request.contact_date)
    return request


def _whole_numbers(raw: object) -> object:
    """The row with 41.0 as 41, which JSON does not tell apart; the same object if there is no such number."""
    if not isinstance(raw, Mapping):
        return raw
    changed = {name: int(value) for name, value in raw.items() if isinstance(value, float) and value.is_integer()}
    return {**raw, **changed} if changed else raw


def _numbers(raw: object) -> object:
    """A CSV row with its numbers read, where they can be, so that only real faults are named."""
    if not isinstance(raw, Mapping):
        return raw
    row = dict(raw)
    for name in PAYLOAD_COLUMNS:
        value = row.get(name)
        # Not everything that int() reads: it takes spaces, underscores and digits of other scripts too.
        if BY_SOURCE[name].kind is Kind.INTEGER and isinstance(value, str) and _WHOLE.fullmatch(value):
            row[name] = int(value)
    return row
