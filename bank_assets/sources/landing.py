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
from pathlib import Path
from typing import BinaryIO, Final

from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import blocks, head_of, read_head, rows_of
from bank_assets.contract.uci import UCI, UCI_FILE_COLUMNS
from bank_assets.landing.delivery_file import DeliveryScan, RowDates
from bank_assets.landing.header import DeliveryKind, Header, delivery_kinds, read_header
from bank_assets.settings import Settings
from bank_assets.sources.source import Source, claim_landing
from bank_assets.sources.uci import implied_dates
from bank_assets.store.atomic_files import publish_if_changed, temporary_beside
from bank_assets.store.campaign_files import EXAMPLE, FOLDER

EXAMPLE_DAYS: Final = 30
"""Days of data in the example campaign; training and evaluation leave them out."""
_CHUNK_BYTES: Final = 4 * 1024 * 1024

DatedLines = Iterable[tuple[str, bytes]]
"""Pairs of ISO day ("" for a stray) and line without line end."""


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
    """The files of one landing, temporary until all of them are complete."""

    def __init__(self, landing: Path, stack: ExitStack) -> None:
        self._landing, self._stack = landing, stack
        self._open: dict[str, tuple[BinaryIO, Path]] = {}

    def stream(self, key: str, header: bytes) -> BinaryIO:
        """The file `kind/name`, opened with its header line on first use."""
        if key not in self._open:
            self._open[key] = self._stack.enter_context(temporary_beside(self._landing / key))
            self._open[key][0].write(header + b"\n")
        return self._open[key][0]

    def close(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Publish all files; returns the names of those written and of those unchanged."""
        written: list[str] = []
        unchanged: list[str] = []
        for key in sorted(self._open):
            changed = publish_if_changed(*self._open[key], self._landing / key)
            (written if changed else unchanged).append(key)
        return tuple(written), tuple(unchanged)


def _uci_lines(path: Path, kind: DeliveryKind) -> tuple[Header, bytes, list[tuple[str, bytes]]]:
    """The UCI file with ids (row numbers) and implied dates in front of its own bytes."""
    header, *lines = path.read_bytes().splitlines()
    month, day = UCI_FILE_COLUMNS.index("month"), UCI_FILE_COLUMNS.index("day")
    fields = [line.decode().split(";") for line in lines]
    dates = implied_dates([f[month].strip('"') for f in fields], [int(f[day]) for f in fields])
    days = [contact_date.isoformat() for contact_date in dates]
    landed_header = b'"contact_id";"contact_date";' + header
    dated = [
        (d, b'"uci-%06d";%s;%s' % (number, d.encode(), line))
        for number, (d, line) in enumerate(zip(days, lines, strict=True), start=1)
    ]
    return read_header(read_head([landed_header]), kind, path.name), landed_header, dated


def _file_lines(path: Path, header: Header, kind: DeliveryKind, latest: date) -> Iterator[tuple[str, bytes]]:
    """The rows of a file in delivery format with their days, in bounded memory."""
    dates = RowDates(header, kind, latest)
    for _, block in blocks(path, 0, path.stat().st_size, _CHUNK_BYTES):
        rows = rows_of(block.splitlines())
        yield from zip(dates.days(rows), rows, strict=True)


def _campaign_cut(header: Header, contract: Contract) -> tuple[bytes, list[int], int]:
    """Header line of a campaign, the positions of its fields, and the delimiters a whole row has."""
    positions = [index for index, column in enumerate(header.columns) if column in contract.campaign_columns]
    names = [f'"{header.columns[index]}"' for index in positions]
    return header.delimiter.join(names).encode(), positions, len(header.columns) - 1


def _land_lines(
    book: _Book,
    header: Header,
    header_line: bytes,
    lines: DatedLines,
    home_month: str,
    span: _Span,
    contract: Contract,
) -> tuple[Counter[str], str, str, int]:
    delimiter = header.delimiter.encode()
    campaign_header, positions, delimiters = _campaign_cut(header, contract)
    rows: Counter[str] = Counter()
    first_day = last_day = ""
    recent: dict[str, list[bytes]] = {}
    for day, line in lines:
        if span.holds(day):
            month = day[:7] or home_month
            book.stream(f"contacts/{contacts_name(month)}", header_line).write(line + b"\n")
            rows[month] += 1
            if day:
                first_day, last_day = min(first_day or day, day), max(last_day, day)
        if span.until_end(day) and line.count(delimiter) == delimiters:  # a broken row is no customer to call
            recent.setdefault(day, []).append(line)
            if len(recent) > 4 * EXAMPLE_DAYS:
                recent = _recent_days(recent)
    campaign_rows = 0
    recent = _recent_days(recent) if last_day else {}
    for day in sorted(recent):
        stream = book.stream(f"{FOLDER}/{EXAMPLE}", campaign_header)
        for line in recent[day]:
            fields = line.split(delimiter)
            stream.write(delimiter.join(fields[index] for index in positions) + b"\n")
        campaign_rows += len(recent[day])
    return rows, first_day, last_day, campaign_rows


def _recent_days(recent: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    after = (date.fromisoformat(max(recent)) - timedelta(days=EXAMPLE_DAYS)).isoformat()
    return {day: lines for day, lines in recent.items() if day > after}


def _land_simulated(
    book: _Book, settings: Settings, first: date | None, last: date | None
) -> tuple[Counter[str], str, str, int]:
    from bank_assets.simulator import (
        profile,  # numpy, pandas, pyarrow: for this source only
        simulated_csv,
        simulator,
    )

    aggregates = profile.load_profile()
    scale = simulator.scale_for_rows(aggregates, settings.simulated_rows)
    rows: Counter[str] = Counter()
    first_day = last_day = ""
    for chunk in simulator.simulate_chunks(aggregates, first, last, scale=scale, seed=settings.seed):
        days = chunk["contact_date"]
        month, first_day = f"{days.iloc[0]:%Y-%m}", first_day or f"{days.iloc[0]:%Y-%m-%d}"
        last_day = f"{days.iloc[-1]:%Y-%m-%d}"
        stream = book.stream(f"contacts/{contacts_name(month)}", simulated_csv.csv_header(chunk.columns))
        simulated_csv.write_csv(chunk, stream)
        rows[month] += len(chunk)
    if not last_day:
        return rows, "", "", 0
    end = date.fromisoformat(last_day)
    campaign_rows = 0
    begin = end - timedelta(days=EXAMPLE_DAYS - 1)
    for chunk in simulator.simulate_chunks(aggregates, begin, end, scale=scale, seed=settings.seed):
        customers = chunk[list(UCI.campaign_columns)]
        simulated_csv.write_csv(
            customers, book.stream(f"{FOLDER}/{EXAMPLE}", simulated_csv.csv_header(UCI.campaign_columns))
        )
        campaign_rows += len(customers)
    return rows, first_day, last_day, campaign_rows


def land_source(source: Source, settings: Settings, *, first: date | None = None, last: date | None = None) -> Landed:
    """Write the deliveries of a source from `first` to `last`, both included; all files appear together at the end.

    Raises:
        SourceError: the home holds contacts of another source.
        DeliveryRefused: a user's file has no usable header or no usable date.
        OSError: the disk is full; free space and run again, no half file is left.
    """
    claim_landing(source, settings.landing)
    span, kind = _Span(first, last), delivery_kinds(settings.contract)["contacts"]
    with ExitStack() as stack:
        book = _Book(settings.landing, stack)
        if source.path is None:
            rows, first_day, last_day, campaign_rows = _land_simulated(book, settings, first, last)
        elif source.is_real:
            header, header_line, lines = _uci_lines(source.path, kind)
            rows, first_day, last_day, campaign_rows = _land_lines(
                book, header, header_line, lines, "", span, settings.contract
            )
        else:
            latest = (datetime.now(UTC) + timedelta(days=1)).date()
            scan = DeliveryScan(source.path.name, kind, latest)
            with source.path.open("rb") as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    scan.feed(chunk)
            facts = scan.finish()
            header_line = head_of(source.path).text.encode()
            lines_of_file = _file_lines(source.path, facts.header, kind, latest)
            rows, first_day, last_day, campaign_rows = _land_lines(
                book, facts.header, header_line, lines_of_file, facts.home_month, span, settings.contract
            )
        written, unchanged = book.close()
    return Landed(source, written, unchanged, dict(sorted(rows.items())), first_day, last_day, campaign_rows)
