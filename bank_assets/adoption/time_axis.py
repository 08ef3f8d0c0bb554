"""When the contacts of a file took place: a date column, or parts of dates in rows that are ordered by date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from bank_assets.adoption.column_facts import ColumnFacts
from bank_assets.adoption.words import CONTACT, DATE, DAY, MONTH, MONTHS, PROTECTED, WEEKDAY, WEEKDAYS, means, places
from bank_assets.contract.columns import EARLIEST, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.contract.senders import Sender
from bank_assets.contract.time_axis import usual_days
from bank_assets.core.arrays import DayArray, IntArray
from bank_assets.sources.uci import SourceError
from bank_assets.sources.undated import implied_dates

_MOST_YEARS: Final = 40  # that a file may lie back
_SHARE_ORDERED: Final = 0.999
_MOST_WEEKENDS: Final = 0.02  # calls at weekends that a year may imply, if banks rarely call then


@dataclass(frozen=True)
class TimeAxis:
    """The time axis of a file.

    Attributes:
        columns: the date and what repeats a part of it; or month and day, or month and weekday, in rows ordered by
            date; or none.
        is_stated: whether the file has dates.
        order: rows in the order of time, (n,).
        first_month: `YYYY-MM` of the first contact, this year's if its year is not stated.
        notes: reasons, and what could not be decided.
    """

    columns: tuple[str, ...]
    order: IntArray
    first_month: str
    notes: tuple[str, ...]
    is_stated: bool = False


def find_time_axis(facts: Mapping[str, ColumnFacts], n_rows: int, today: date) -> TimeAxis:
    """The best time axis that the columns offer."""
    nothing = (
        "No time axis: no date, and no rows ordered by date with day and month or month and weekday.",
        "Add the day of the call to every row, with a year of four digits; else nothing can be judged out of time.",
    )
    none = TimeAxis((), np.arange(n_rows), f"{today:%Y-%m}", nothing)
    return _by_date(facts, today) or _by_row_order(facts, n_rows, today) or none


def _by_date(facts: Mapping[str, ColumnFacts], today: date) -> TimeAxis | None:
    dates = [one for one in facts.values() if one.days.size and not means(one.name, PROTECTED)]
    if not dates:
        return None
    chosen, *others = sorted(
        dates, key=lambda one: (not means(one.name, CONTACT), not means(one.name, DATE), one.share(np.isnat(one.days)))
    )
    days = chosen.days[chosen.encoded.codes]
    notes = [f"{chosen.name} is the day of the call, written {chosen.date_format}."]
    if others:
        names = ", ".join(one.name for one in others)
        notes.append(f"Other dates: {names}. If one of them is the day of the call, give it the role instead.")
    swapped = chosen.date_format.translate(str.maketrans("DM", "MD"))
    if "/" in swapped and all(map(Sender("", date_format=swapped).day, chosen.known)):
        notes.append(f"No value tells day and month apart: it may be {swapped} as well.")
    known, counts = np.unique(days[~np.isnat(days)], return_counts=True)
    rows = dict(zip(known.astype(str).tolist(), counts.tolist(), strict=True))
    first, last = usual_days(rows, Contract.far_days, Contract.few_share * len(days))
    if last > str(today):
        notes.append(f"The last day, {last}, lies in the future.")
    calendar = (one.name for one in facts.values() if _repeats(one, days))
    order = np.argsort(days, kind="stable")
    return TimeAxis((chosen.name, *calendar), order, first[:7], tuple(notes), is_stated=True)


def _repeats(one: ColumnFacts, days: DayArray) -> bool:
    """Whether a column repeats the day of the month, the month or the weekday of the dates."""
    month = days.astype("datetime64[M]")
    of_days = {
        MONTH: month.astype(np.int64) % 12,
        WEEKDAY: (days.astype(np.int64) + 3) % 7,  # 1970-01-01 was a Thursday
        DAY: (days - month).astype(np.int64) + 1,
    }
    part, stated = next(_parts(one), (DAY, None))
    return stated is not None and bool((stated == of_days[part]).mean() >= _SHARE_ORDERED)


def _parts(one: ColumnFacts) -> Iterator[tuple[tuple[str, ...], IntArray]]:
    """The part of a date that a column states, by its name: months and weekdays count from 0, (n,)."""
    for part, tables in ((MONTH, MONTHS), (WEEKDAY, WEEKDAYS)):
        if means(one.name, part) and (found := places(one.encoded.texts, tables)):
            yield part, np.array([found[text] for text in one.encoded.texts])[one.encoded.codes]
    if means(one.name, DAY) and one.kind is ColumnKind.INTEGER and ((one.numbers >= 1) & (one.numbers <= 31)).all():
        yield DAY, one.numbers.astype(np.int64)[one.encoded.codes]


def _by_row_order(facts: Mapping[str, ColumnFacts], n_rows: int, today: date) -> TimeAxis | None:
    found = {part: (one.name, stated) for one in reversed(list(facts.values())) for part, stated in _parts(one)}
    if MONTH not in found or not {DAY, WEEKDAY} & set(found):
        return None
    (month, numbers), (other, _) = found[MONTH], found.get(DAY) or found[WEEKDAY]
    notes = [f"{month} and {other} date the rows, which are ordered by date: a month that falls begins a year."]
    if DAY not in found:
        notes.append("A weekday that falls begins a week, so dates are exact to the week only.")
    return TimeAxis((month, other), np.arange(n_rows), f"{today.year}-{int(numbers[0]) + 1:02}", tuple(notes))


def first_years(contract: Contract, facts: Mapping[str, ColumnFacts]) -> list[int]:
    """First years, up to that of the contract, by which the order of the rows dates all of them; the latest first.

    Those that put nearly no call on a weekend, if there are some, since banks rarely call then.
    """
    parts = {name: facts[name].encoded for name in contract.calendar_columns}
    codes = np.stack([one.codes for one in parts.values()])
    starts = np.flatnonzero(np.append(True, (np.diff(codes) != 0).any(axis=0)))  # of equal rows, one date is enough
    columns = {name: np.array(one.texts)[one.codes[starts]].tolist() for name, one in parts.items()}
    latest, month = contract.first_month.split("-")
    weekends = {}
    for year in range(int(latest), max(int(latest) - _MOST_YEARS, EARLIEST.year), -1):
        with suppress(SourceError):
            days = implied_dates(replace(contract, first_month=f"{year}-{month}"), columns)
            is_weekend = np.repeat([day.weekday() >= 5 for day in days], np.diff(np.append(starts, codes.shape[1])))
            weekends[year] = float(is_weekend.mean())
    limit = min(2 * min(weekends.values(), default=1.0), _MOST_WEEKENDS)
    return [year for year, share in weekends.items() if share <= limit] or list(weekends)
