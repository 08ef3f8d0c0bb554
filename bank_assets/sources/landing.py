"""Writes the chosen source into the landing folder as a bank would deliver it: monthly contacts files and one campaign.

A file whose bytes would not change keeps its time stamps. Lines of a user's file are copied byte for byte, bad ones
too, each to the month that its day or its home month names (see `landing.delivery_file`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import Head, blocks, head_of, read_head, rows_of
from bank_assets.contract.uci import UCI, UCI_FILE_COLUMNS
from bank_assets.landing.delivery_file import DeliveryScan, RowDates
from bank_assets.landing.header import DeliveryKind, check_header, delivery_kinds
from bank_assets.settings import Settings
from bank_assets.sources.source import Source, claim_landing
from bank_assets.sources.uci import implied_dates
from bank_assets.store.atomic_files import publish_if_changed, temporary_beside
from bank_assets.store.campaign_files import EXAMPLE, FOLDER

EXAMPLE_DAYS: Final = 30
"""Days of data in the example campaign, which training and evaluation leave out."""
_CHUNK_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Landed:
    """What a landing wrote."""

    source: Source
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    rows: dict[str, int]  # contacts landed per month `YYYY-MM`, ascending
    first_day: str  # earliest day landed, ISO; "" if the span held no rows
    last_day: str  # latest day landed, ISO
    campaign_rows: int  # rows of the example campaign


def contacts_name(month: str) -> str:
    """File name of a month's contacts delivery."""
    return f"contacts-{month}.csv"


class _Span:
    """The days to land, both included; rows without a usable day belong to a span without a first day."""

    def __init__(self, first: date | None, last: date | None) -> None:
        self._first, self._last = first.isoformat() if first else "", last.isoformat() if last else "9999-12-31"

    def holds(self, day: str) -> bool:
        return self._first <= day <= self._last if day else not self._first

    def until_end(self, day: str) -> bool:
        return "" < day <= self._last


class _Book:
    """The files of one landing, temporary until all of them are complete, and what they hold."""

    def __init__(self, landing: Path, stack: ExitStack) -> None:
        self._landing, self._stack = landing, stack
        self._open: dict[str, tuple[BinaryIO, Path]] = {}
        self.rows: Counter[str] = Counter()
        self.first_day = self.last_day = ""
        self.campaign_rows = 0

    def contacts(self, month: str, header: bytes) -> BinaryIO:
        """The contacts file of a month."""
        return self._stream(f"contacts/{contacts_name(month)}", header)

    def campaign(self, header: bytes) -> BinaryIO:
        """The file of the example campaign."""
        return self._stream(f"{FOLDER}/{EXAMPLE}", header)

    def _stream(self, key: str, header: bytes) -> BinaryIO:
        if key not in self._open:
            self._open[key] = self._stack.enter_context(temporary_beside(self._landing / key))
            self._open[key][0].write(header + b"\n")
        return self._open[key][0]

    def close(self, source: Source) -> Landed:
        """Publish all files."""
        is_written = {key: publish_if_changed(*self._open[key], self._landing / key) for key in sorted(self._open)}
        return Landed(
            source,
            tuple(key for key, is_new in is_written.items() if is_new),
            tuple(key for key, is_new in is_written.items() if not is_new),
            dict(sorted(self.rows.items())),
            self.first_day,
            self.last_day,
            self.campaign_rows,
        )


@dataclass(frozen=True, slots=True)
class _DatedFile:
    """A file in delivery format: its head, its lines with their ISO days ("" for a stray), and its home month."""

    head: Head
    lines: Iterable[tuple[str, bytes]]
    home_month: str = ""


def _uci_file(path: Path, kind: DeliveryKind) -> _DatedFile:
    """The UCI file with ids (row numbers) and implied dates in front of its unchanged bytes."""
    header, *lines = path.read_bytes().splitlines()
    month, day = UCI_FILE_COLUMNS.index("month"), UCI_FILE_COLUMNS.index("day")
    fields = [line.decode().split(";") for line in lines]
    dates = implied_dates([f[month].strip('"') for f in fields], [int(f[day]) for f in fields])
    dated = [
        (d.isoformat(), b'"uci-%06d";%s;%s' % (number, d.isoformat().encode(), line))
        for number, (d, line) in enumerate(zip(dates, lines, strict=True), start=1)
    ]
    head = read_head([b'"contact_id";"contact_date";' + header])
    check_header(head, kind, path.name)
    return _DatedFile(head, dated)


def _own_file(path: Path, kind: DeliveryKind) -> _DatedFile:
    """A user's file, scanned once to check it; its lines are then read again, in bounded memory."""
    latest = (datetime.now(UTC) + timedelta(days=1)).date()
    scan = DeliveryScan(path.name, kind, latest)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            scan.feed(chunk)
    home_month, head = scan.finish().home_month, head_of(path)
    dates = RowDates(head, kind, latest)

    def lines() -> Iterator[tuple[str, bytes]]:
        for _, block in blocks(path, 0, path.stat().st_size, _CHUNK_BYTES):
            rows = rows_of(block.splitlines())
            yield from zip(dates.days(rows), rows, strict=True)

    return _DatedFile(head, lines(), home_month)


def _land_lines(book: _Book, file: _DatedFile, span: _Span, contract: Contract) -> None:
    header, columns, delimiter = file.head.text.encode(), file.head.columns, file.head.delimiter.encode()
    recent: dict[str, list[bytes]] = {}
    for day, line in file.lines:
        if span.holds(day):
            month = day[:7] or file.home_month
            book.contacts(month, header).write(line + b"\n")
            book.rows[month] += 1
            if day:
                book.first_day, book.last_day = min(book.first_day or day, day), max(book.last_day, day)
        if span.until_end(day) and line.count(delimiter) == len(columns) - 1:  # broken rows are not customers to call
            recent.setdefault(day, []).append(line)
            if len(recent) > 4 * EXAMPLE_DAYS:
                recent = _recent_days(recent)
    if not book.last_day:
        return
    positions = [place for place, column in enumerate(columns) if column in contract.campaign_columns]
    campaign_header = delimiter.join(f'"{columns[place]}"'.encode() for place in positions)
    for _, lines in sorted(_recent_days(recent).items()):
        for line in lines:
            fields = line.split(delimiter)
            book.campaign(campaign_header).write(delimiter.join(fields[place] for place in positions) + b"\n")
        book.campaign_rows += len(lines)


def _recent_days(recent: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    after = (date.fromisoformat(max(recent)) - timedelta(days=EXAMPLE_DAYS)).isoformat() if recent else ""
    return {day: lines for day, lines in recent.items() if day > after}


def _land_simulated(book: _Book, settings: Settings, first: date | None, last: date | None) -> None:
    # Only this source needs numpy, pandas and pyarrow.
    from bank_assets.simulator.profile import load_profile
    from bank_assets.simulator.simulated_csv import csv_header, write_csv
    from bank_assets.simulator.simulator import scale_for_rows, simulate_chunks

    profile = load_profile()
    draw = partial(simulate_chunks, profile, scale=scale_for_rows(profile, settings.simulated_rows), seed=settings.seed)
    for chunk in draw(first, last):
        first_day, book.last_day = (f"{chunk['contact_date'].iloc[place]:%Y-%m-%d}" for place in (0, -1))
        book.first_day, month = book.first_day or first_day, first_day[:7]
        write_csv(chunk, book.contacts(month, csv_header(chunk.columns)))
        book.rows[month] += len(chunk)
    if not book.last_day:
        return
    end = date.fromisoformat(book.last_day)
    for chunk in draw(end - timedelta(days=EXAMPLE_DAYS - 1), end):
        write_csv(chunk[list(UCI.campaign_columns)], book.campaign(csv_header(UCI.campaign_columns)))
        book.campaign_rows += len(chunk)


def land_source(source: Source, settings: Settings, *, first: date | None = None, last: date | None = None) -> Landed:
    """Write the deliveries of a source from `first` to `last`, both included; all files appear together at the end.

    Raises:
        SourceError: the home holds contacts of another source.
        DeliveryRefused: a user's file has no usable header or no usable date.
        OSError: the disk is full; free space and run again, no half file is left.
    """
    claim_landing(source, settings.landing)
    kind = delivery_kinds(settings.contract)["contacts"]
    with ExitStack() as stack:
        book = _Book(settings.landing, stack)
        if source.path is None:
            _land_simulated(book, settings, first, last)
        else:
            file = _uci_file(source.path, kind) if source.is_real else _own_file(source.path, kind)
            _land_lines(book, file, _Span(first, last), settings.contract)
        return book.close(source)
