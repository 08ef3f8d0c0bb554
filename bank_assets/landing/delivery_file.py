r"""One delivered CSV file, read in a single pass with bounded memory: header, encoding, and rows per month.

Every row belongs to exactly one month: that of its date, if it is a valid ISO day between the contract's first month
and the day after arrival. Otherwise the row is a *stray* and belongs to the delivery's *home month*, the month with
most dated rows (the earliest of equals). Readers decide with `month if month in months else home_month`.

UTF-16 is refused. Text that is not UTF-8 is read as Latin-1, which gives every byte a meaning; all allowed values are
ASCII, so this affects only how rejected text is shown.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from bank_assets.contract.reading import (
    Head,
    end_of_lines,
    has_open_field,
    is_separator_line,
    read_head,
    rows_of,
    split_fields,
    unquoted,
)
from bank_assets.contract.rows import days
from bank_assets.landing.header import DeliveryKind, DeliveryRefused, check_header
from bank_assets.landing.register import FileFacts

_HEADER_LIMIT_BYTES: Final = 65_536


class RowDates:
    """Finds the day of each row of a file; a day after `latest` is unusable where the kind lies in the past."""

    def __init__(self, head: Head, kind: DeliveryKind, latest: date | None) -> None:
        self._delimiter, self._n_fields = head.delimiter, len(head.columns)
        self._place, self._with_time = head.columns.index(kind.date_column), kind.with_time
        self._first = np.datetime64(f"{kind.first_month}-01")
        self._last = np.datetime64(latest if kind.is_past and latest is not None else date.max)

    def days(self, lines: Sequence[bytes]) -> list[str]:
        """The ISO day of every row, "" for a stray."""
        fields = self._fields(lines)
        distinct = list(dict.fromkeys(fields))
        read, is_day = days([unquoted(field.decode("latin-1")) for field in distinct], with_time=self._with_time)
        is_usable = is_day & (read >= self._first) & (read <= self._last)
        texts = np.where(is_usable, np.datetime_as_string(read, unit="D"), "").tolist() if distinct else []
        by_field = dict(zip(distinct, texts, strict=True))
        return [by_field[field] for field in fields]

    def _fields(self, lines: Sequence[bytes]) -> list[bytes]:
        """Raw text of the date column of every line, empty if the line has no such field."""
        place, sign = self._place, self._delimiter.encode()
        has_open = has_open_field(b"\n".join(lines), self._delimiter)
        # Splitting bytes reads ~1.5 M rows/s; only odd lines need `split_fields`, which is the definition.
        return [
            line.split(sign, place + 1)[place]
            if line.count(sign) == self._n_fields - 1 and not (has_open and has_open_field(line, self._delimiter))
            else self._odd_field(line)
            for line in lines
        ]

    def _odd_field(self, line: bytes) -> bytes:
        fields = split_fields(line.decode("latin-1"), self._delimiter)
        return fields[self._place].encode("latin-1") if len(fields) > self._place else b""


def home_month(months: Counter[str]) -> str:
    """The month with most rows, the earliest of equals."""
    return min(months, key=lambda month: (-months[month], month))


class DeliveryScan:
    """One pass over the bytes of a delivery, fed in chunks while they are copied."""

    def __init__(self, name: str, kind: DeliveryKind, latest: date | None) -> None:
        self._name, self._kind, self._latest = name, kind, latest
        self._sha = hashlib.sha256()
        self._size = self._rows = 0
        self._tail = b""
        self._is_utf8 = True
        self._head: Head | None = None
        self._dates: RowDates | None = None
        self._days: Counter[str] = Counter()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; raise `DeliveryRefused` if the header does not fit."""
        self._sha.update(chunk)
        self._size += len(chunk)
        block = self._tail + chunk
        cut = end_of_lines(block)
        self._tail = block[cut:]
        if self._head is None and is_separator_line(block[:cut].rstrip()):  # the header has yet to come
            self._tail = block
            return
        if self._head is None and not cut and len(block) > _HEADER_LIMIT_BYTES:
            raise DeliveryRefused(
                self._name,
                expected="a header line",
                to_do="deliver a CSV file with line ends",
                found=f"no line end in the first {_HEADER_LIMIT_BYTES:,} bytes",
            )
        self._take(block[:cut])

    def _take(self, block: bytes) -> None:
        if self._is_utf8 and not block.isascii():
            try:
                block.decode("utf-8")
            except UnicodeDecodeError:
                self._is_utf8 = False
        lines = block.splitlines()
        if lines and self._dates is None:
            self._head = read_head(lines[:2])
            lines = lines[self._head.line :]
            check_header(self._head, self._kind, self._name)
            self._dates = RowDates(self._head, self._kind, self._latest)
        if self._dates is None:
            return
        rows = rows_of(lines)
        self._rows += len(rows)
        self._days.update(self._dates.days(rows))

    def finish(self) -> FileFacts:
        """End the pass and return its facts.

        Raises:
            DeliveryRefused: the file is empty, has no rows, or not one row with a usable date.
        """
        self._take(self._tail)
        to_do = "deliver the file again with its content"
        if self._head is None:
            raise DeliveryRefused(self._name, expected="a header line and rows", found="an empty file", to_do=to_do)
        if not self._rows:
            raise DeliveryRefused(self._name, expected="at least one row", found="a header without rows", to_do=to_do)
        strays = self._days.pop("", 0)
        if not self._days:
            raise DeliveryRefused(
                self._name,
                found=f"none in {self._rows:,} rows",
                to_do="correct the dates and deliver it again",
                expected=f"a {self._kind.date_column} as YYYY-MM-DD, not before {self._kind.first_month} "
                "or after arrival",
            )
        months: Counter[str] = Counter()
        for day, count in self._days.items():
            months[day[:7]] += count
        home = home_month(months)
        months[home] += strays
        encoding = "latin-1" if not self._is_utf8 else "utf-8-sig" if self._head.has_mark else "utf-8"
        return FileFacts(
            sha256=self._sha.hexdigest(),
            size_bytes=self._size,
            rows=self._rows,
            encoding=encoding,
            delimiter=self._head.delimiter,
            columns=self._head.columns,
            months=dict(sorted(months.items())),
            home_month=home,
            stray_rows=strays,
            first_day=min(self._days),
            last_day=max(self._days),
        )
