"""When the contacts of a file took place: a date column, or parts of dates in rows that are ordered by date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np

from bank_assets.adoption.column_facts import DATE_FORMATS, ColumnFacts
from bank_assets.adoption.words import CONTACT, DATE, DAY, MONTH, MONTHS, PROTECTED, WEEKDAY, WEEKDAYS, means, places
from bank_assets.contract.columns import ColumnKind
from bank_assets.core.arrays import DayArray, IntArray

_MOST_YEARS: Final = 60  # rows that begin more years are not ordered by date
_SHARE_ORDERED: Final = 0.999
_MOST_WEEKENDS: Final = 0.02  # calls at weekends that a year may imply, if banks rarely call then


class Axis(StrEnum):
    """How the date of a contact is given."""

    DATE = "date"
    DAY_AND_MONTH = "day_and_month"  # rows are ordered by date; a month that falls begins a year
    MONTH_AND_WEEKDAY = "month_and_weekday"  # likewise, and a weekday that falls begins a week: exact to the week
    NONE = "none"


@dataclass(frozen=True)
class TimeAxis:
    """The time axis of a file.

    Attributes:
        columns: the date and what repeats a part of it; or day and month; or month and weekday.
        order: rows in the order of time, (n,).
        first_month: `YYYY-MM` of the first contact, guessed if `is_year_guessed`.
        notes: reasons, and what could not be decided.
    """

    axis: Axis
    columns: tuple[str, ...]
    order: IntArray
    first_month: str
    notes: tuple[str, ...]
    is_year_guessed: bool = False


def find_time_axis(facts: Mapping[str, ColumnFacts], n_rows: int, today: date) -> TimeAxis:
    """The best time axis that the columns offer."""
    return (
        _by_date(facts, today)
        or _by_row_order(facts, n_rows, today)
        or TimeAxis(
            Axis.NONE,
            (),
            np.arange(n_rows),
            f"{today:%Y-%m}",
            (
                "No time axis: no date, and no rows ordered by date with day and month or month and weekday.",
                "Add the day of the call to every row (YYYY-MM-DD); without it nothing can be judged out of time.",
            ),
        )
    )


def _by_date(facts: Mapping[str, ColumnFacts], today: date) -> TimeAxis | None:
    dates = [one for one in facts.values() if one.kind is ColumnKind.DATE and not means(one.name, PROTECTED)]
    ranked = sorted(
        dates, key=lambda one: (not means(one.name, CONTACT), not means(one.name, DATE), one.share(np.isnat(one.days)))
    )
    if not ranked:
        return None
    chosen, others = ranked[0], [one.name for one in ranked[1:]]
    days = chosen.days[chosen.encoded.codes]
    notes = [f"{chosen.name} is the day of the call, written {DATE_FORMATS[chosen.date_format]}."]
    if others:
        notes.append(
            f"Other dates: {', '.join(others)}. If one of them is the day of the call, give it the role instead."
        )
    twin = {"%d/%m/%Y": "%m/%d/%Y", "%m/%d/%Y": "%d/%m/%Y"}.get(chosen.date_format)
    if twin and bool(
        (chosen.days.astype("datetime64[D]") - chosen.days.astype("datetime64[M]") < np.timedelta64(12, "D")).all()
    ):
        notes.append(f"No value tells day and month apart: it may be {DATE_FORMATS[twin]} as well.")
    first, last = np.nanmin(days), np.nanmax(days)
    if last > np.datetime64(today):
        notes.append(f"The last day, {last}, lies in the future.")
    calendar = (one.name for one in facts.values() if _repeats(one, days))
    return TimeAxis(Axis.DATE, (chosen.name, *calendar), np.argsort(days, kind="stable"), str(first)[:7], tuple(notes))


def _by_row_order(facts: Mapping[str, ColumnFacts], n_rows: int, today: date) -> TimeAxis | None:
    months = [(one, found) for one in facts.values() if means(one.name, MONTH) and (found := places(one.texts, MONTHS))]
    if not months:
        return None
    month, found = months[0]
    number = np.array([found.get(text, -1) for text in month.encoded.texts])[month.encoded.codes]
    year = np.cumsum(np.diff(number, prepend=number[:1]) < 0)
    if (number < 0).any() or year[-1] > _MOST_YEARS or n_rows < 2:
        return None
    day = next((one for one in facts.values() if means(one.name, DAY) and _is_day(one)), None)
    weekday = next((one for one in facts.values() if means(one.name, WEEKDAY) and places(one.texts, WEEKDAYS)), None)
    latest = today.year - int(year[-1]) - (int(number[-1]) >= today.month)
    first, order = int(number[0]) + 1, np.arange(n_rows)
    ordered = "rows are ordered by date, and a month that falls begins a year"
    if day is not None:
        of_month = day.numbers[day.encoded.codes].astype(np.int64)
        steps = np.diff((year * 12 + number) * 31 + of_month)
        if (steps >= 0).mean() < _SHARE_ORDERED:
            return None
        fitting = _years_without_weekends(year, number, of_month, latest)
        chosen = fitting[0] if fitting else latest
        reason = (
            "the latest year that puts nearly no call on a weekend"
            if fitting
            else "the latest possible; every year puts many calls on weekends, so the file does not tell"
        )
        options = f"; it may be {', '.join(map(str, fitting[1:]))} as well" if fitting[1:] else ""
        notes = (f"Day and month: {day.name}, {month.name}; {ordered}.", f"First year: {chosen}, {reason}{options}.")
        return TimeAxis(Axis.DAY_AND_MONTH, (day.name, month.name), order, f"{chosen}-{first:02}", notes, not fitting)
    if weekday is None:
        return None
    notes = (
        f"Month and weekday: {month.name}, {weekday.name}; {ordered}. A weekday that falls begins a week, so dates are "
        "exact to the week only.",
        f"First year: not in the file. {latest} is the latest possible; options: any year up to it. Correct it.",
    )
    return TimeAxis(Axis.MONTH_AND_WEEKDAY, (month.name, weekday.name), order, f"{latest}-{first:02}", notes, True)


def _repeats(one: ColumnFacts, days: DayArray) -> bool:
    """Whether a column repeats the day of the month, the month or the weekday of the dates."""
    month = days.astype("datetime64[M]")
    parts = (
        (MONTH, MONTHS, month.astype(np.int64) % 12),
        (WEEKDAY, WEEKDAYS, (days.astype(np.int64) + 3) % 7),  # 1970-01-01 was a Thursday
        (DAY, None, (days - month).astype(np.int64) + 1),
    )
    for words, tables, expected in parts:
        found = places(one.texts, tables) if tables else None
        if means(one.name, words) and (found or (tables is None and _is_day(one))):
            stated = one.numbers if tables is None else [(found or {}).get(text, -1) for text in one.encoded.texts]
            return bool((np.array(stated)[one.encoded.codes] == expected).mean() >= _SHARE_ORDERED)
    return False


def _is_day(one: ColumnFacts) -> bool:
    return one.kind is ColumnKind.INTEGER and bool(((one.numbers >= 1) & (one.numbers <= 31)).all())


def _years_without_weekends(year: IntArray, month: IntArray, day: IntArray, latest: int) -> list[int]:
    """First years that imply existing days, nearly none of them on a weekend; the latest first."""
    distinct, rows = np.unique(np.stack([year, month, day]), axis=1, return_counts=True)
    weekends = {}
    for first in range(latest, latest - 40, -1):
        months = ((distinct[0] + first - 1970) * 12 + distinct[1]).astype("datetime64[M]")
        days = months.astype("datetime64[D]") + (distinct[2] - 1)
        weekday = (days.astype(np.int64) + 3) % 7
        if (days.astype("datetime64[M]") == months).all():
            weekends[first] = float(rows[weekday >= 5].sum() / rows.sum())
    fewest = min(weekends.values(), default=1.0)
    return [first for first, share in weekends.items() if share <= min(2 * fewest, _MOST_WEEKENDS)]
