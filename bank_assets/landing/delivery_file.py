r"""One delivered CSV file, read with bounded memory: header, encoding, and rows per month.

Every row belongs to exactly one month: that of its date, if it is a valid ISO day between the contract's first month
and the day after arrival. Otherwise the row is a *stray* and belongs to the delivery's *home month*, the month with
most dated rows (the earliest of equals). Readers decide with `month if month in months else home_month`.
A few rows dated far from the rest of their delivery are strays too: a wrong year must not move the time axis.

UTF-16 is refused. Text that is not UTF-8 is read in the encoding that the contract declares, else as Latin-1, which
gives every byte a meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from bank_assets.contract.column_rules import PLANNED, DayRange
from bank_assets.contract.reading import (
    HEAD_BYTES,
    Head,
    blocks,
    codec_of,
    end_of_lines,
    has_open_field,
    head_of,
    line_fault,
    rows_of,
    split_fields,
    unquoted,
)
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.time_axis import usual_days
from bank_assets.contract.values import days, found_words
from bank_assets.landing.header import DeliveryKind, DeliveryRefused, check_format, check_header, recognized
from bank_assets.landing.register import Delivery
from bank_assets.store.atomic_files import sha256_of

_FEWEST_ROWS = 5  # in a smaller delivery one row is not few
_WITH_CONTENT = "deliver the file again with its content"


def describe(
    path: Path, kind: DeliveryKind, *, name: str, arrival: int, now: datetime, sent: SentText | None = None
) -> Delivery:
    """Check a delivered file and describe it for the register; its name says how it is read, unless `sent` does.

    Raises:
        DeliveryRefused: the header does not fit, or the file has no rows, or not one row with a usable date.
    """
    check_first_line(path, name)
    sent, head = sent or SentText.of_file(kind.contract, name), head_of(path, kind.encoding)
    kind, head = recognized(kind, head, sent)
    check_header(head, kind, name)
    found: Counter[str] = Counter()
    usable = PLANNED
    if kind.is_past:
        expected = f"a {kind.date_column} as YYYY-MM-DD, not before {kind.contract.first_month} or after arrival"
        since = date.fromisoformat(f"{kind.contract.first_month}-01")
        usable = DayRange(since, (now + timedelta(days=1)).date(), expected)
    for _, of_block in dated_rows(path, head, kind, str(usable.first), str(usable.last), sent):
        found.update(of_block)
    rows, strays = found.total(), found.pop("", 0)
    if not rows:
        raise DeliveryRefused(name, expected="at least one row", found="a header without rows", to_do=_WITH_CONTENT)
    if not found:
        first_row = next(rows_of(block.splitlines()) for block in blocks(path, 0, path.stat().st_size))[0]
        what = f"none in {rows:,} rows; in the first {_day_in_words(first_row, head, kind)}"
        correct = "correct the dates and deliver it again"
        raise DeliveryRefused(name, expected=usable.expected, found=what, to_do=correct)
    if kind.far_days is not None:
        few = max(kind.few_share * rows, 1 if rows >= _FEWEST_ROWS else 0)
        first, last = usual_days(found, kind.far_days, few)
        found = Counter({day: count for day, count in found.items() if first <= day <= last})
        strays = rows - found.total()
    months: Counter[str] = Counter()
    for day, count in found.items():
        months[day[:7]] += count
    home = min(months, key=lambda month: (-months[month], month))
    months[home] += strays
    return Delivery(
        path=path,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        rows=rows,
        encoding=head.encoding,
        delimiter=head.delimiter,
        columns=head.columns,
        months=dict(sorted(months.items())),
        home_month=home,
        stray_rows=strays,
        first_day=min(found),
        last_day=max(found),
        arrival=arrival,
        arrived_at=now.isoformat(),
        kind=kind.name,
        name=name,
    )


def check_first_line(path: Path, name: str) -> None:
    """Raise `DeliveryRefused` if a file is empty, of another format, or has no line that a header could be."""
    with path.open("rb") as stream:
        start = stream.read(HEAD_BYTES)
    if not start:
        raise DeliveryRefused(name, expected="a header line and rows", found="an empty file", to_do=_WITH_CONTENT)
    check_format(start, name)
    if len(start) == HEAD_BYTES and not end_of_lines(start):
        raise DeliveryRefused(
            name,
            expected="a header line",
            found=f"no line end in the first {HEAD_BYTES:,} bytes",
            to_do="deliver a CSV file with line ends",
        )


def _day_in_words(line: bytes, head: Head, kind: DeliveryKind) -> str:
    text = line.decode(codec_of(head.encoding), "replace")
    fault = line_fault(text, head.delimiter, len(head.columns))
    if fault is not None:
        return fault[1].removeprefix("row: ")
    return found_words(split_fields(text, head.delimiter)[head.columns.index(kind.date_column)])


def dated_rows(
    path: Path, head: Head, kind: DeliveryKind, first_day: str, last_day: str, sent: SentText
) -> Iterator[tuple[list[bytes], list[str]]]:
    """The rows of a file, block by block, and the ISO day of each, "" for a stray; both days are included."""
    first, last = np.datetime64(first_day), np.datetime64(last_day)
    for block in blocks(path, 0, path.stat().st_size):
        if not (rows := rows_of(block.splitlines())):
            continue
        fields = _fields(rows, head, head.columns.index(kind.date_column))
        distinct = list(dict.fromkeys(fields))
        texts = [sent.text(kind.date_column, unquoted(field.decode("latin-1"))) for field in distinct]
        read, is_day = days(texts, with_time=kind.with_time)
        usable = np.where(is_day & (read >= first) & (read <= last), np.datetime_as_string(read, unit="D"), "")
        day_of = dict(zip(distinct, usable.tolist(), strict=True))
        yield rows, [day_of[field] for field in fields]


def _fields(lines: Sequence[bytes], head: Head, place: int) -> list[bytes]:
    """Raw text of one column of every line, empty if the line has no such field."""
    sign, has_open = head.delimiter.encode(), has_open_field(b"\n".join(lines), head.delimiter)

    def odd_field(line: bytes) -> bytes:
        fields = split_fields(line.decode("latin-1"), head.delimiter)
        return fields[place].encode("latin-1") if len(fields) > place else b""

    # Splitting bytes reads ~1.5 M rows/s; only odd lines need `split_fields`, which is the definition.
    return [
        line.split(sign, place + 1)[place]
        if line.count(sign) == len(head.columns) - 1 and not (has_open and has_open_field(line, head.delimiter))
        else odd_field(line)
        for line in lines
    ]
