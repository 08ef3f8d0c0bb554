"""Reading uploaded files: CSV or JSON in, rows with their line out.

What lives here: the formats. What must not: scoring, HTTP. Called by the batch route; `batches` takes the rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import msgspec

from bank_assets.contract import CAMPAIGN_COLUMNS, PAYLOAD_COLUMNS
from serving.errors import FieldError, PayloadError
from serving.payloads import CALENDAR_COLUMNS, refused_column

_UNRESTRICTED: Final = "contact_id", "contact_date"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an upload.

    Attributes:
        line: line in the file (CSV, the header is line 1) or position from 1 (JSON).
        raw: the row as it came.
    """

    line: int
    raw: Any


def csv_rows(stream: IO[bytes]) -> Iterator[Row]:
    """Rows of a CSV upload.

    Args:
        stream: the file, UTF-8 (a BOM is fine), `,` or `;`, header with the delivery's column names.

    Yields:
        Rows as mappings of text; empty optional values are left out.

    Raises:
        PayloadError: the header does not fit, or the file is not text.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        head = text.readline()
        text.seek(0)
        delimiter = ";" if head.count(";") > head.count(",") else ","
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        for values in reader:
            if not values:
                continue
            yield Row(reader.line_num, _row(header, values))
    except UnicodeDecodeError as error:
        raise PayloadError((FieldError("", "a CSV file in UTF-8", f"byte {error.start} is not"),)) from None
    except csv.Error as error:
        raise PayloadError((FieldError("", "a well-formed CSV file", str(error)),)) from None
    finally:
        text.detach()


def _row(header: list[str], values: list[str]) -> Any:
    if len(values) != len(header):
        return values
    row: dict[str, Any] = dict(zip(header, values, strict=True))
    for name in _UNRESTRICTED:
        if not row.get(name, "x"):
            del row[name]
    return row


def _check_header(header: list[str]) -> None:
    refused = [error for name in header if (error := refused_column(name)) is not None]
    if refused:
        raise PayloadError(tuple(refused))
    missing = [name for name in PAYLOAD_COLUMNS if name not in header]
    unknown = [name for name in header if name not in CAMPAIGN_COLUMNS]
    if missing or unknown or len(set(header)) != len(header):
        found = f"missing {missing}, unknown {unknown[:10]}" if missing or unknown else "a column twice"
        raise PayloadError(
            (
                FieldError(
                    "",
                    f"a header with the columns {', '.join(PAYLOAD_COLUMNS)} and optionally "
                    f"{', '.join((*_UNRESTRICTED, *CALENDAR_COLUMNS))}",
                    found,
                ),
            )
        )


def json_rows(stream: IO[bytes]) -> Iterator[Row]:
    """Rows of a JSON upload.

    Args:
        stream: an array of objects.

    Yields:
        Rows as JSON text: each is decoded on its own, so that one bad row is one error.

    Raises:
        PayloadError: it is not a JSON array.
    """
    try:
        parts = msgspec.json.decode(stream.read(), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadError((FieldError("", "a JSON array of objects", str(error)),)) from None
    for position, part in enumerate(parts, start=1):
        yield Row(position, part)
