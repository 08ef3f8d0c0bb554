"""Uploaded files, CSV or JSON: each row becomes a request, or an error that names what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Final, TypeVar

import msgspec

from bank_assets.contract.reading import TextRow, encoding_of, read_rows
from serving.decisions.payloads import Payloads, decoded
from serving.decisions.schemas import PredictionRequest
from serving.web.bodies import not_json, shown
from serving.web.problems import FieldError, PayloadError

T = TypeVar("T")
MAX_ROWS: Final = 100_000
# First bytes of what people upload instead of CSV.
_OTHER_FORMATS: Final = (
    (b"PK", "an Excel workbook or a ZIP archive; save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"\xff\xfe", "UTF-16 text; save the file as CSV UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save the file as CSV UTF-8"),
    (b"%PDF", "a PDF file; export the table as CSV UTF-8"),
)


class BatchError(msgspec.Struct, frozen=True):
    """A row that was not scored, and why."""

    line: int
    errors: tuple[FieldError, ...]


Row = tuple[int, PredictionRequest | BatchError]  # line of the file with its request, or with its faults


def csv_rows(
    stream: IO[bytes], payloads: Payloads, read: Callable[[Mapping[str, str]], PredictionRequest]
) -> Iterator[Row]:
    """Rows of a CSV upload, read one by one; raises `PayloadError` if the file does not fit as a whole."""
    _check_format(stream)
    head, rows = read_rows(stream, encoding_of(stream, payloads.contract.encoding))
    if "\x00" in head.text:
        raise PayloadError(FieldError("", "a CSV file in UTF-8", "binary content"))
    _check_header(list(head.columns), payloads)

    def fields_of(row: TextRow) -> PredictionRequest:
        if row.fault is not None:
            expected, _, found = row.fault[1].removeprefix("row: expected ").partition(", found ")
            raise PayloadError(FieldError("", expected, found))
        return read(dict(zip(head.columns, row.fields, strict=True)))

    return _read_each(((row.line, row) for row in rows), fields_of)


def json_rows(stream: IO[bytes], payloads: Payloads) -> Iterator[Row]:
    """Rows of a JSON upload, read one by one; the first raises `PayloadError` if it is no JSON array."""
    try:
        parts = msgspec.json.decode(stream.read(), type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        found = str(error).rpartition("got ")[2].replace("`", "")
        raise PayloadError(FieldError("", "a JSON array of objects", found)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(not_json(error)) from None
    yield from _read_each(enumerate(parts, start=1), lambda part: payloads.request_of(decoded(part)))


def _read_each(rows: Iterable[tuple[int, T]], read: Callable[[T], PredictionRequest]) -> Iterator[Row]:
    for n_before, (line, row) in enumerate(rows):
        if n_before == MAX_ROWS:
            raise PayloadError(FieldError("", f"at most {MAX_ROWS:,} rows", "more; split the file"))
        try:
            yield line, read(row)
        except PayloadError as error:
            yield line, BatchError(line, error.errors)


def _check_format(stream: IO[bytes]) -> None:
    start = stream.read(4)
    stream.seek(0)
    found = next((name for magic, name in _OTHER_FORMATS if start.startswith(magic)), None if start else "an empty one")
    if found is not None:
        raise PayloadError(FieldError("", "a CSV file in UTF-8", found))


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
        found_by = contract.contact_id.source, contract.contact_date.source
        optional = (*contract.optional_columns, *found_by, *contract.calendar_columns)
        expected = (
            f"a header, separated by , or ;, with the columns {', '.join(needed)} and optionally {', '.join(optional)}"
        )
        raise PayloadError(FieldError("", expected, "; ".join(parts) or "a column twice"))
