"""The hours in which customers may be called, in each customer's own time zone."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.yaml_tree import FileError, Node, values_of
from bank_assets.core.arrays import DayArray

WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class CallingHours:
    """Hours of the day, and days of the week, in the customer's time zone.

    Attributes:
        first: time of the first call, HH:MM; `last` is the time from which nobody is called.
        days: of the week, `mon` to `sun`.
        zone: IANA time zone of customers whose zone is not known.
        column: delivery name of the column by which a customer's zone is known, or "".
        zones: (value of that column, time zone).
    """

    first: str
    last: str
    zone: str
    days: tuple[str, ...] = WEEK
    column: str = ""
    zones: tuple[tuple[str, str], ...] = ()

    def next_day(self, days: DayArray) -> DayArray:
        """The first day from each day on that has calling hours, (n,)."""
        weekday = (days.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
        is_open = [name in self.days for name in WEEK]
        wait = [next(later for later in range(7) if is_open[(day + later) % 7]) for day in range(7)]
        return days + np.asarray(wait, dtype="timedelta64[D]")[weekday]

    def windows(self, days: DayArray, rows: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """First and last time of a call of each contact on its day, ISO with the offset of the customer's zone."""
        zones, values = dict(self.zones), rows.get(self.column)
        named = [self.zone] * len(days) if values is None else [zones.get(str(one), self.zone) for one in values]
        known: dict[tuple[dt.date, str], tuple[str, str]] = {}
        wanted: Sequence[tuple[dt.date, str]] = list(zip(days.astype("datetime64[D]").tolist(), named, strict=True))
        for day, zone in set(wanted):
            known[day, zone] = (_at(day, self.first, zone), _at(day, self.last, zone))
        return [known[one] for one in wanted]


def _at(day: dt.date, time: str, zone: str) -> str:
    return dt.datetime.combine(day, dt.time.fromisoformat(time), ZoneInfo(zone)).isoformat(timespec="minutes")


def read_hours(node: Node) -> CallingHours:
    """The calling hours of a policy file."""
    found = values_of(node.entries(), node.line, _HOURS, (), ("from", "until", "time_zone"))
    found |= found.pop("by_column", {})
    if not found["first"] < found["last"]:
        raise FileError(node.line, f"expected from before until, found {found['first']} and {found['last']}.")
    return CallingHours(**found)


def _time(node: Node) -> str:
    if not _TIME.fullmatch(text := node.text()):
        raise FileError(node.line, f'expected a time like "09:00", found {text!r}; correct it.')
    return text


def _zone(node: Node) -> str:
    try:
        return ZoneInfo(node.text()).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "expected a time zone like Europe/Lisbon"
        raise FileError(node.line, f"{expected}, found {node.text()!r}; correct it, or install tzdata.") from None


def _weekdays(node: Node) -> tuple[str, ...]:
    if not (days := tuple(node.texts())) or set(days) - set(WEEK):
        raise FileError(node.line, f"expected some of {', '.join(WEEK)}, found {', '.join(days) or 'none'}.")
    return days


def _by_column(node: Node) -> dict[str, Any]:
    known = {
        "column": ("column", Node.text),
        "of": ("zones", lambda of: tuple((value, _zone(zone)) for value, zone in of.entries().items())),
    }
    return values_of(node.entries(), node.line, known, (), tuple(known))


_HOURS: Final = {
    "from": ("first", _time),
    "until": ("last", _time),
    "days": ("days", _weekdays),
    "time_zone": ("zone", _zone),
    "time_zones": ("by_column", _by_column),
}
