"""Uploaded files, CSV or JSON: each row becomes a request, or an error that names what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import IO, Final, TypeVar

import msgspec

from bank_assets.contract.other_formats import START_BYTES, other_format
from bank_assets.contract.reading import Head, TextRow, encoding_of, read_lines, read_rows
from bank_assets.contract.sent_text import SentText
from serving.decisions.payloads import Payloads, decoded
from serving.decisions.schemas import PredictionRequest
from serving.web.bodies import not_json
from serving.web.problems import FieldError, PayloadError

T = TypeVar("T")
MAX_ROWS: Final = 100_000


class BatchError(msgspec.Struct, frozen=True):
    """A row that was not scored, and why."""

    line: int
    errors: tuple[FieldError, ...]

    @property
    def sentence(self) -> str:
        """The line and its faults in words."""
        faults = (f"{e.field + ': ' if e.field else ''}expected {e.expected}, found {e.found}" for e in self.errors)
        return f"line {self.line}: {'; '.join(faults)}"


Row = tuple[int, PredictionRequest | BatchError]  # line of the file with its request, or with its faults


def csv_rows(
    stream: IO[bytes], payloads: Payloads, read: Callable[[Mapping[str, str]], PredictionRequest], sent: SentText
) -> Iterator[Row]:
    """Rows of a CSV upload, read one by one; raises `PayloadError` if the file does not fit as a whole."""
    check_is_text(stream)
    head, rows = read_rows(stream, encoding_of(stream, payloads.contract.encoding))
    if "\x00" in head.text:
        raise PayloadError(FieldError("", "a CSV file in UTF-8", "binary content"))
    head = replace(head, columns=sent.header(head.columns))
    _check_header(head, payloads)

    def fields_of(row: TextRow) -> PredictionRequest:
        if row.fault is not None:
            expected, _, found = row.fault[1].removeprefix("row: expected ").partition(", found ")
            raise PayloadError(FieldError("", expected, found))
        texts = dict(zip(head.columns, row.fields, strict=True))
        return read({name: sent.text(name, text) for name, text in texts.items()} if sent.sender else texts)

    return _read_each(((row.line, row) for row in rows), fields_of)


def json_rows(stream: IO[bytes], payloads: Payloads, sent: SentText) -> Iterator[Row]:
    """Rows of a JSON upload, read one by one; the first raises `PayloadError` if it is no JSON array."""
    parts = raw_rows(stream.read())
    yield from _read_each(enumerate(parts, start=1), lambda part: payloads.request_of(decoded(part), sent))


def raw_rows(content: bytes) -> list[msgspec.Raw]:
    """The rows of a JSON list, undecoded; raise `PayloadError` if it is none."""
    try:
        return msgspec.json.decode(content, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        found = str(error).rpartition("got ")[2].replace("`", "")
        raise PayloadError(FieldError("", "a JSON array of objects", found)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(not_json(error)) from None


def _read_each(rows: Iterable[tuple[int, T]], read: Callable[[T], PredictionRequest]) -> Iterator[Row]:
    for n_before, (line, row) in enumerate(rows):
        if n_before == MAX_ROWS:
            raise PayloadError(FieldError("", f"at most {MAX_ROWS:,} rows", "more; split the file"))
        try:
            yield line, read(row)
        except PayloadError as error:
            yield line, BatchError(line, error.errors)


def check_is_text(stream: IO[bytes]) -> None:
    """Raise `PayloadError` if an upload is empty or no CSV file, by its first bytes."""
    start = stream.read(START_BYTES)
    stream.seek(0)
    found = "; ".join(other_format(start) or ()) if start else "an empty one"
    if found:
        raise PayloadError(FieldError("", "a CSV file in UTF-8", found))


def is_longer(stream: IO[bytes]) -> bool:
    """Whether a file has more than `MAX_ROWS` rows below its header; it is read as far as needed, and rewound."""
    _, lines = read_lines(stream, "utf-8")
    is_more = next(islice(lines, MAX_ROWS, None), None) is not None
    stream.seek(0)
    return is_more


def _check_header(head: Head, payloads: Payloads) -> None:
    contract = payloads.contract
    errors = [error for name in head.columns if (error := payloads.refused_column(name)) is not None]
    late = [error.field for error in errors]
    needed = [column.source for column in contract.payload if not column.is_optional]
    may_lack = [name for name in contract.campaign_columns if name not in needed]
    if found := replace(head, columns=tuple(n for n in head.columns if n not in late)).faults(
        contract.campaign_columns, may_lack
    ):
        expected = f"the columns {', '.join(needed)}, separated by ; , | or tabs, and optionally {', '.join(may_lack)}"
        errors.append(FieldError("", expected, found))
    if errors:
        raise PayloadError(*errors)
