"""Reading uploaded files: CSV or JSON in, rows with their line out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import msgspec

from bank_assets.contract.reading import TextRow, encoding_of, read_rows
from serving.decisions.payloads import Payloads
from serving.decisions.schemas import PredictionRequest
from serving.web.bodies import not_json, shown
from serving.web.problems import FieldError, PayloadError

_UNRESTRICTED: Final = "contact_id", "contact_date"


_OTHER_FORMATS: Final = (
    (b"PK", "an Excel workbook or a ZIP archive; save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"\xff\xfe", "UTF-16 text; save the file as CSV UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save the file as CSV UTF-8"),
    (b"%PDF", "a PDF file; export the table as CSV UTF-8"),
)
"""First bytes of what people upload instead."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an upload."""

    line: int
    raw: Any
    fault: FieldError | None = None


class BatchError(msgspec.Struct, frozen=True):
    """A row that was not scored, and why."""

    line: int
    errors: tuple[FieldError, ...]


def read_row(row: Row, read: Callable[[Any], PredictionRequest]) -> PredictionRequest | BatchError:
    """The request of a row, or why it is none."""
    try:
        if row.fault is not None:
            raise PayloadError(row.fault)  # noqa: TRY301
        return read(row.raw)
    except PayloadError as error:
        return BatchError(row.line, error.errors)


def csv_rows(stream: IO[bytes], payloads: Payloads) -> Iterator[Row]:
    """Rows of a CSV upload."""
    _check_format(stream)
    head, rows = read_rows(stream, encoding_of(stream))
    if "\x00" in head.text:
        raise PayloadError(FieldError("", "a CSV file in UTF-8", "binary content"))
    _check_header(list(head.columns), payloads)
    return (_row(row, head.columns) for row in rows)


def _check_format(stream: IO[bytes]) -> None:
    start = stream.read(4)
    stream.seek(0)
    found = next((name for magic, name in _OTHER_FORMATS if start.startswith(magic)), None if start else "an empty one")
    if found is not None:
        raise PayloadError(FieldError("", "a CSV file in UTF-8", found))


def _row(row: TextRow, header: Sequence[str]) -> Row:
    if row.fault is not None:
        _, sentence = row.fault
        expected, _, found = sentence.removeprefix("row: expected ").partition(", found ")
        return Row(row.line, None, FieldError("", expected, found))
    return Row(row.line, dict(zip(header, row.fields, strict=True)))


def _check_header(header: list[str], payloads: Payloads) -> None:
    refused = [error for name in header if (error := payloads.refused_column(name)) is not None]
    if refused:
        raise PayloadError(*refused)
    contract = payloads.contract
    needed = [column.source for column in contract.payload if not column.is_optional]
    missing = [name for name in needed if name not in header]
    unknown = [name for name in header if name not in contract.campaign_columns]
    if missing or unknown or len(set(header)) != len(header):
        parts = [f"missing {', '.join(missing)}"] * bool(missing)
        parts += [f"unknown {', '.join(shown(name) for name in unknown[:10])}"] * bool(unknown)
        optional = (*contract.optional_columns, *_UNRESTRICTED, *contract.calendar_columns)
        expected = (
            f"a header, separated by , or ;, with the columns {', '.join(needed)} and optionally {', '.join(optional)}"
        )
        raise PayloadError(FieldError("", expected, "; ".join(parts) or "a column twice"))


def json_rows(stream: IO[bytes]) -> Iterator[Row]:
    """Rows of a JSON upload."""
    try:
        parts = msgspec.json.decode(stream.read(), type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        found = str(error).rpartition("got ")[2].replace("`", "")
        raise PayloadError(FieldError("", "a JSON array of objects", found)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(not_json(error)) from None
    for position, part in enumerate(parts, start=1):
        yield Row(position, part)
