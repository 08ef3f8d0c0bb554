"""Source files that state no dates but are ordered by contact date, such as the public files of this data.

They hold day and month, or month and weekday. The first year is that of the contract's first month, and the year rises
whenever the month falls. A month and a weekday date a row to its week, if no week of a month lacks contacts; weeks
without any shift the later weeks of that month forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bank_assets.contract.columns import Column
from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import Head, encoding_of, head_of, read_rows
from bank_assets.contract.rows import Calendar
from bank_assets.contract.sent_text import SentText
from bank_assets.sources.uci import SourceError, is_pinned

DELIVERED: Final = "contacts-{month}.csv"  # name under which the rows of a month are landed


def sender_of(contract: Contract) -> SentText:
    """The reader of a source file, by the names under which its rows are delivered."""
    return SentText.of_file(contract, DELIVERED.format(month=contract.first_month))


def source_head(path: Path, contract: Contract) -> Head:
    """The head of a source file, its columns as the contract names them."""
    head = head_of(path, contract.encoding)
    return replace(head, columns=sender_of(contract).header(head.columns))


def is_undated(path: Path, contract: Contract) -> bool:
    """Whether the order of a source file dates its rows; the pinned UCI file needs no word of the contract."""
    lacks_date = contract.contact_date.source not in source_head(path, contract).columns
    return lacks_date and (contract.dates_from_row_order or is_pinned(path))


def contact_id_of(row: int, contract: Contract) -> str:
    """Identifier of a row of a file that has none; rows count from 1, and identifiers sort as rows do."""
    return f"{contract.name}-{row:06d}"


def completed_head(head: Head, contract: Contract) -> Head:
    """The head with the columns that a file in row order lacks, the contact id and date, in front."""
    lacking = [one.source for one in (contract.contact_id, contract.contact_date) if one.source not in head.columns]
    text = head.delimiter.join((*(f'"{name}"' for name in lacking), head.text))
    return replace(head, columns=(*lacking, *head.columns), text=text)


def completed_rows(path: Path, contract: Contract) -> list[tuple[str, str, bytes]]:
    """Month, day and bytes of each row, an id (the row's number) and the implied date in front of its unchanged bytes.

    Raises:
        SourceError: the rows are not in the order of their dates.
    """
    sent, before = sender_of(contract), [""] * len(contract.columns)
    with path.open("rb") as stream:
        head, text_rows = read_rows(stream, encoding_of(stream, contract.encoding))
        rows, lines = list(text_rows), path.read_bytes().splitlines()
    names, columns = sent.header(head.columns), {name: list[str]() for name in contract.calendar_columns}
    for row in rows:
        before = before if row.fault else row.fields  # a broken row has the date of the one before
        for at, name in enumerate(names):
            if name in columns:
                columns[name].append(sent.text(name, before[at]))
    sign, is_numbered = head.delimiter, contract.contact_id.source not in names
    completed = []
    for number, (row, day) in enumerate(zip(rows, implied_dates(contract, columns), strict=True), start=1):
        identifier = f'"{contact_id_of(number, contract)}"{sign}' if is_numbered else ""
        completed.append((f"{day:%Y-%m}", f"{day}", f"{identifier}{day}{sign}".encode() + lines[row.line - 1]))
    return completed


def implied_dates(contract: Contract, columns: Mapping[str, Iterable[Any]]) -> list[date]:
    """Dates of rows in time order by their calendar columns, which are given under the delivery names.

    The year starts with the contract's first month and rises each time the month falls below that of the row before.

    Raises:
        SourceError: a date is impossible, steps back or lies ahead, so the rows are not in the order of the whole file.
    """
    calendar = Calendar.of(contract)
    parts = calendar.columns if calendar else {}
    if "month" not in parts or not {"day", "weekday"} & set(parts):
        raise SourceError(
            f"contract {contract.name}: expected calendar columns for month and day or weekday, which date the rows, "
            f"found {', '.join(parts) or 'none'}; deliver {contract.contact_date.source} in every row."
        )
    month, other = parts["month"], parts.get("day") or parts["weekday"]
    year, before = int(contract.first_month[:4]), date.min
    order = "use the whole file in its own order, or correct firstMonth"
    dates: list[date] = []
    for row, texts in enumerate(zip(columns[month.source], columns[other.source], strict=True), start=1):
        try:
            number = month.categories.index(texts[0]) + 1
            year += bool(dates) and number < before.month
            is_day = other.calendar_part == "day"
            day = date(year, number, int(texts[1])) if is_day else _in_week(year, number, other, texts[1], before)
        except ValueError as error:
            raise SourceError(f"row {row}: expected a date, found {texts[1]} {texts[0]} {year}; {order}.") from error
        if day < before or day > datetime.now(UTC).date():
            raise SourceError(
                f"row {row}: expected rows ordered by contact date up to today, found {day} after {before}; {order}."
            )
        dates.append(day)
        before = day
    return dates


def _in_week(year: int, month: int, column: Column, weekday: str, before: date) -> date:
    """The next day of a weekday from the row before on, or from the first of the month if the month is a new one."""
    start = before if (before.year, before.month) == (year, month) else date(year, month, 1)
    day = start + timedelta((column.categories.index(weekday) - start.weekday()) % 7)
    if day.month != month:
        raise ValueError(f"no further week in {year}-{month:02d}")
    return day
