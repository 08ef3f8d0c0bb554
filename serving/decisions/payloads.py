"""Requests under a contract: rows to requests, requests to columns, and what does not fit.

The fast path is msgspec's decoding of `Payloads.struct`; only a row that it refuses is checked field by field (100 us).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.column_rules import PLANNED, ColumnRule
from bank_assets.contract.columns import Column, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import LEAKAGE_RULE
from bank_assets.contract.rows import Calendar
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.values import IDENTIFIER_RULE, SPACE, found_words, is_identifier, iso_day, meant, visible
from bank_assets.ledger.models import canonical_json
from serving.decisions.schemas import PredictionRequest, request_type
from serving.web.bodies import SHOWN, decoded_once, fault, not_json, shown
from serving.web.openapi import inlined
from serving.web.problems import FieldError, PayloadError

_FORMS: Final = {ColumnKind.INTEGER: "%d", ColumnKind.DECIMAL: "%r"}  # of values in canonical JSON
IDENTIFIERS: Final = ("contact_id", "customer_id")
OPTIONAL_FIELDS: Final = (*IDENTIFIERS, "contact_date", "economics")
_SCHEMA: Final = inlined(PredictionRequest)  # of what every contract has


def _expected(column: Column) -> str:
    return ColumnRule(column).rule.expected


@dataclass(frozen=True, slots=True, eq=False)
class Payloads:
    """Requests under one contract: their type, what is wrong with a row, and their columns."""

    contract: Contract
    struct: type[PredictionRequest]
    example: dict[str, Any]  # a typical customer, for the API document
    sent: SentText  # of bodies without a file name
    text_of: Callable[[PredictionRequest], str]
    _numbers: Callable[[PredictionRequest], tuple[Any, ...]]
    _words: Callable[[PredictionRequest], tuple[Any, ...]]
    _readers: Mapping[str, Callable[[str], tuple[Any, FieldError | None]]]
    attributes: Mapping[str, str]  # of a request, by payload column

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, contract: Contract) -> Payloads:
        """Compile a contract."""
        tables = {column.source: column.table for column in contract.payload}
        return cls(
            contract,
            request_type(contract),
            {
                **{column.source: column.typical for column in contract.payload},
                "contact_id": "c-1",
                "contact_date": "2010-11-17",
            },
            SentText.of_file(contract),
            _canonical_writer(contract),
            getter([tables[name] for name in contract.numeric_columns]),
            getter([tables[name] for name in contract.category_columns]),
            {c.source: _reader(ColumnRule(c, signs=contract.signs(c))) for c in contract.columns if c.is_input},
            tables,
        )

    def frame_of(self, requests: Sequence[PredictionRequest]) -> dict[str, NDArray[Any]]:
        """Requests as payload columns, each (n,)."""
        # Two arrays, not one for each column: thirteen cost a single request 10 us.
        numbers = np.array([self._numbers(request) for request in requests], np.float64).T
        words = np.array([self._words(request) for request in requests], object).T
        contract = self.contract
        return dict(zip((*contract.numeric_columns, *contract.category_columns), (*numbers, *words), strict=True))

    def request_of(self, raw: object, sent: SentText | None = None) -> PredictionRequest:
        """A decoded JSON object as a request; its texts are those of a sender."""
        raw = self._mapped(raw, sent or self.sent)
        try:
            request = msgspec.convert(raw, self.struct)
        except msgspec.ValidationError as error:
            read = as_text_is_read(raw)
            try:
                request = msgspec.convert(read, self.struct)
            except msgspec.ValidationError:
                raise PayloadError(*(self.field_errors(read) or (FieldError("", str(error), shown(raw)),))) from None
        return checked(request)

    def _mapped(self, raw: object, sent: SentText) -> object:
        """A row with names and texts as its sender's mapping reads them; numbers of JSON are no texts."""
        if sent.sender is None or not isinstance(raw, Mapping):
            return raw
        contract, mapped = self.contract, {}
        fields = {column.source: field for field, column in contract.identifiers.items()}
        fields[contract.contact_date.source] = "contact_date"
        for name, value in zip(sent.header(list(raw)), raw.values(), strict=True):
            column = contract.by_source.get(name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if column is not None and not isinstance(value, list | dict) and not (is_number and column.is_number):
                text = value if isinstance(value, str) else "" if value is None else shown(value)
                if (read := sent.text(name, text)) != text:
                    value = read
                if isinstance(value, str) and column.is_number and name in self._readers:
                    number, fault = self._readers[name](value)
                    value = value if fault else number
            mapped[fields.get(name, name)] = value
        return mapped

    def request_of_text(self, row: Mapping[str, str], default_date: dt.date | None = None) -> PredictionRequest:
        """A row of delimited text or of a form as a request, judged by the rules of delivered contacts."""
        contract = self.contract
        values: dict[str, Any] = {}
        errors: list[FieldError | None] = []
        for column in contract.payload:
            if column.is_optional and column.source not in row:
                values[column.table] = column.default
                continue
            values[column.table], error = self._readers[column.source](row.get(column.source, ""))
            errors.append(error)
        for name, column in contract.identifiers.items():
            values[name] = row.get(column.source) or None
            errors.append(_id_error(column.source, values[name]))
        date_name = contract.contact_date.source
        date = row.get(date_name) or None
        day = iso_day(date) if date else default_date
        errors.append(_date_error(date_name, day or date))
        errors += self._calendar_errors(row, day)
        if faults := tuple(error for error in errors if error is not None):
            raise PayloadError(*faults)
        return self.struct(**values, contact_date=day)

    def _calendar_errors(self, row: Mapping[str, str], day: dt.date | None) -> Iterator[FieldError | None]:
        """Columns that repeat the date of the row must not contradict it."""
        calendar = Calendar.of(self.contract)
        if day is None or calendar is None:
            return
        for name, expected in calendar.stated(day).items():
            if text := row.get(name, ""):
                value, error = self._readers[name](text)
                if error is None and str(value) != expected:
                    error = FieldError(name, f"{expected or 'none'}, as {calendar.date} says", found_words(text))
                yield error

    def field_errors(self, raw: object) -> tuple[FieldError, ...]:
        """Everything about one row that does not fit the contract."""
        if not isinstance(raw, Mapping):
            return (FieldError("", "a JSON object with the fields of one customer", shown(raw)),)
        kinds = {one.encode_name: one.type for one in msgspec.structs.fields(self.struct)}
        errors = [_column_error(column, raw, kinds[column.source]) for column in self.contract.payload]
        errors += [_id_error(name, raw.get(name)) for name in IDENTIFIERS]
        errors += [_date_error("contact_date", raw.get("contact_date"))]
        errors += _errors_of("economics", raw.get("economics"))
        known = (*self.contract.payload_columns, *OPTIONAL_FIELDS)
        errors += [self._unknown(str(name), known) for name in raw if name not in known]
        return tuple(error for error in errors if error is not None)

    def refused_column(self, name: str) -> FieldError | None:
        """The error of a column that may not be an input, or None if the contract does not know it as one."""
        column = self.contract.by_source.get(name)
        if column is None or column.is_input:
            return None
        return FieldError(
            name, "only columns known before the call; remove it", "a column known only after the call", LEAKAGE_RULE
        )

    def _unknown(self, name: str, known: Sequence[str]) -> FieldError:
        is_calendar = name in self.contract.calendar_columns
        return self.refused_column(name) or FieldError(
            name[:SHOWN],
            f"only the fields {', '.join(known)}",
            "a field that follows from contact_date" if is_calendar else "an unknown field",
        )


def _reader(rule: ColumnRule) -> Callable[[str], tuple[Any, FieldError | None]]:
    """A function that types a text by a rule, or says what does not fit; a yes/no stays text."""

    @lru_cache(maxsize=16_384)  # each distinct value is judged once
    def read(text: str) -> tuple[Any, FieldError | None]:
        is_kept, value = rule.value_of(text)
        if not is_kept:
            found = found_words(text, meant(text, rule.column, rule.signs)) if isinstance(value, str) else shown(value)
            return value, FieldError(rule.column.source, rule.rule.expected, found)
        return text if isinstance(value, bool) else value, None

    return lambda text: read(text[: SHOWN + 1])  # no value of a contract is as long


def getter(names: Sequence[str]) -> Callable[[PredictionRequest], tuple[Any, ...]]:
    """A function that gives the values of attributes as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda request: tuple(getattr(request, name) for name in names)


def _canonical_writer(contract: Contract) -> Callable[[PredictionRequest], str]:
    """A function that writes a request's payload as canonical JSON."""
    columns = sorted(contract.payload, key=lambda column: column.source)
    values_of = getter([column.table for column in columns])
    if all(canonical_json(text) == f'"{text}"' for column in columns for text in (column.source, *column.categories)):
        # Numbers and words that need no escaping: their canonical JSON is a form to fill in.
        members = [f'"{column.source}":'.replace("%", "%%") + _FORMS.get(column.kind, '"%s"') for column in columns]
        form = "{" + ",".join(members) + "}"
        return lambda request: form % values_of(request)
    names = [column.source for column in columns]
    return lambda request: canonical_json(dict(zip(names, values_of(request), strict=True)))


def _column_error(column: Column, raw: Mapping[str, Any], kind: Any) -> FieldError | None:
    if column.source not in raw:
        found = "nothing: the field is missing"
        return None if column.is_optional else FieldError(column.source, _expected(column), found)
    try:
        msgspec.convert(raw[column.source], kind)
    except msgspec.ValidationError:
        value = raw[column.source]
        found = found_words(value, meant(value, column)) if isinstance(value, str) else shown(value)
        return FieldError(column.source, _expected(column), found)
    return None


def _errors_of(name: str, value: object) -> list[FieldError]:
    """What does not fit in a field that every contract has; the members of an object are judged one by one."""
    errors = []
    for one in [{key: part} for key, part in value.items()] if value and isinstance(value, Mapping) else [value]:
        try:
            msgspec.convert({name: one}, PredictionRequest)
        except msgspec.ValidationError as error:
            errors.append(fault(str(error), _SCHEMA, msgspec.json.encode({name: one})))
    return errors


def _id_error(name: str, value: object) -> FieldError | None:
    if value is None or (isinstance(value, str) and is_identifier(value.strip(SPACE))):
        return None
    found = f'"{visible(value)}"' if isinstance(value, str) else shown(value)
    return FieldError(name, IDENTIFIER_RULE, found)


def _date_error(name: str, value: object) -> FieldError | None:
    if value is None:
        return None
    day = iso_day(value) if isinstance(value, str) else value if isinstance(value, dt.date) else None
    if day is None or not PLANNED.first <= day <= PLANNED.last:
        return FieldError(name, PLANNED.expected, shown(value))
    return None


def check_date(day: dt.date | None) -> None:
    """What a type cannot say: a contact date far outside any campaign is a mistake."""
    if (error := _date_error("contact_date", day)) is not None:
        raise PayloadError(error)


def checked(request: PredictionRequest) -> PredictionRequest:
    """A request whose date and identifiers are usable, which its type cannot say; the identifiers are trimmed."""
    check_date(request.contact_date)
    contact_id, customer_id = request.contact_id, request.customer_id
    if (contact_id is None or is_identifier(contact_id)) and (customer_id is None or is_identifier(customer_id)):
        return request
    ids = {name: usable_id(getattr(request, name), name) for name in IDENTIFIERS}
    return msgspec.structs.replace(request, **ids)


def usable_id(value: str | None, name: str = "contact_id") -> str | None:
    """An identifier as a file's field is read: trimmed, and refused if it cannot name anybody."""
    if (error := _id_error(name, value)) is not None:
        raise PayloadError(error)
    return value and value.strip(SPACE)


def decoded(part: bytes | msgspec.Raw) -> object:
    """One JSON row of an upload."""
    try:
        return decoded_once(bytes(part))
    except (UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(not_json(error)) from None
    except msgspec.DecodeError as error:
        raise PayloadError(FieldError("", "JSON with numbers a double can hold", str(error))) from None


def as_text_is_read(raw: object) -> object:
    """An object with 41.0 as 41, which JSON does not tell apart, and texts trimmed as fields of a file are."""
    if not isinstance(raw, Mapping):
        return raw
    changed = {name: int(value) for name, value in raw.items() if isinstance(value, float) and value.is_integer()}
    texts = {name: value.strip(SPACE) for name, value in raw.items() if isinstance(value, str)}
    changed |= {name: text for name, text in texts.items() if text != raw[name]}
    return {**raw, **changed} if changed else raw
