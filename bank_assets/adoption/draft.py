"""Drafts a contract from what a file says; every choice has its reason or its options in a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

from bank_assets.adoption.column_facts import ISO_DAY, ColumnFacts
from bank_assets.adoption.findings import IDENTIFIERS, Findings
from bank_assets.adoption.reasons import about_the_column, about_the_whole
from bank_assets.adoption.time_axis import Axis
from bank_assets.adoption.words import AGE, DAY, GROUPS, MONEY, MONTHS, PROTECTED, UNITS, WEEKDAYS, means, places
from bank_assets.contract.columns import YES_NO, Column, ColumnKind, ColumnRole, KnownWhen, ListStatistic, Summary
from bank_assets.contract.contract import Contract
from bank_assets.contract.file import table_name
from bank_assets.contract.problems import RESERVED, TABLE_NAMES
from bank_assets.contract.values import is_identifier

CUSTOMER: Final = "Customer"  # group of the form for what no other group names
_MOST_STATISTICS: Final = 15
_RARE: Final = 0.05  # share of a sentinel below which the mean says more
_WIDTH: Final = 110
_SHARES: Final = 2  # values of a category whose shares describe a list
_INT32: Final = 2**31 - 1
_ID: Final = Column(
    "contact_id", "contact_id", ColumnKind.STRING, KnownWhen.IDENTIFIER, "Identifier of the contact.",
    role=ColumnRole.CONTACT_ID,
)  # fmt: skip
_DATE: Final = Column(
    "contact_date", "contact_date", ColumnKind.DATE, KnownWhen.PRE_CONTACT, "Day of the call.",
    role=ColumnRole.CONTACT_DATE,
)  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """A contract, and comment lines for its file: by column, and under "" for the whole."""

    contract: Contract
    comments: dict[str, list[str]]


def draft_contract(found: Findings) -> Draft:
    """The draft that follows from what a file says."""
    columns: list[Column] = []
    comments, used = {"": about_the_whole(found)}, {*RESERVED, *TABLE_NAMES.values()}
    if ColumnRole.CONTACT_ID not in {role for role, _ in found.roles.values()}:
        columns.append(replace(_ID, source=_free("contact_id", set(found.facts))))
        comments[columns[-1].source] = ["Not in the file, which has no identifier: number its rows."]
    if found.axis.axis is not Axis.DATE:
        columns.append(replace(_DATE, source=_free("contact_date", set(found.facts))))
        comments[columns[-1].source] = ["Not in the file.", *found.axis.notes]
    for name, one in found.facts.items():
        column = _column(one, found)
        if column is None:
            comments[""].append(f"{name} is left out, since it is empty in every row: remove it from the file.")
            continue
        if column.role not in TABLE_NAMES:
            column = replace(column, table=_free(table_name(name), used))
        columns.append(column)
        comments[name] = about_the_column(one, column, found)
    groups = tuple(group for group in (CUSTOMER, *reversed(GROUPS)) if any(column.group == group for column in columns))
    sign = found.decimal or "."
    columns = [_signed(column, found.facts[column.source], sign) if column.is_number else column for column in columns]
    name = table_name(PurePath(found.table.name).name.partition(".")[0])
    contract = Contract(
        name, 1, found.axis.first_month, tuple(columns), _list_statistics(columns, found), groups, decimal_sign=sign,
        dates_from_row_order=found.axis.axis in (Axis.DAY_AND_MONTH, Axis.MONTH_AND_WEEKDAY),
    )  # fmt: skip
    wrapped = {name: [row for line in lines for row in textwrap.wrap(line, _WIDTH)] for name, lines in comments.items()}
    return Draft(contract, wrapped)


def _free(name: str, used: set[str]) -> str:
    number = 2
    free = name
    while free in used:
        free, number = f"{name[:60]}_{number}", number + 1
    used.add(free)
    return free


def _signed(column: Column, one: ColumnFacts, sign: str) -> Column:
    """The column with its own signs of numbers, where they are not those of the contract."""
    is_spelled = column.kind is ColumnKind.DECIMAL or one.signs.thousands
    own = one.signs.decimal if is_spelled and one.signs.decimal != sign else None
    return replace(column, decimal_sign=own, thousands_sign=one.signs.thousands or None)


def _column(one: ColumnFacts, found: Findings) -> Column | None:
    """The column of the contract, None for an empty one; its table name is chosen later."""
    name, role = one.name, found.roles.get(one.name, (None, ""))[0]
    if not one.is_known.any():
        return None
    if name == found.outcome.name:
        return Column(
            name, "is_subscribed", ColumnKind.BOOLEAN, KnownWhen.TARGET, "Whether the customer subscribed.",
            categories=YES_NO, role=ColumnRole.TARGET,
        )  # fmt: skip
    if found.axis.axis is Axis.DATE and name == found.axis.columns[0]:
        return replace(_DATE, source=name)
    if name in found.axis.columns:
        return _calendar_column(one)
    if role in IDENTIFIERS:
        table = "contact_id" if role is ColumnRole.CONTACT_ID else ""
        return Column(name, table, ColumnKind.STRING, KnownWhen.IDENTIFIER, "", role=role)
    kind = _kind(one)
    if kind in (ColumnKind.STRING, ColumnKind.DATE):
        is_identifier_like = one.is_known.all() and all(map(is_identifier, one.texts))
        known = KnownWhen.IDENTIFIER if is_identifier_like and name not in found.leaks else KnownWhen.POST_CONTACT
        return Column(name, "", kind, known, "")
    column = Column(
        name, "", kind, KnownWhen.POST_CONTACT if name in found.leaks else KnownWhen.PRE_CONTACT, "",
        protected=means(name, PROTECTED), role=None if name in found.leaks else role,
        group="" if name in found.leaks else _word(name, GROUPS, CUSTOMER),
    )  # fmt: skip
    if not column.is_number:
        categories = YES_NO if kind is ColumnKind.BOOLEAN else tuple(sorted(_distinct(one)))
        return replace(column, categories=categories, default=_distinct(one)[0])
    low, high = (0.0, 120.0) if means(name, AGE) and one.bounds[0] >= 0 and one.bounds[1] <= 250 else one.bounds
    low = max(low, 1.0) if role is ColumnRole.ATTEMPTS else low
    whole = int if kind is ColumnKind.INTEGER else float
    return replace(
        column, unit=_word(name, UNITS, ""), minimum=whole(low), maximum=whole(high), default=whole(one.quantile(0.5)),
        sentinel=None if one.sentinel is None else whole(one.sentinel),
    )  # fmt: skip


def _kind(one: ColumnFacts) -> ColumnKind:
    """The type in the contract, which knows only the words no and yes, one format of days, and values that vary."""
    if one.kind is ColumnKind.BOOLEAN and one.no_yes != YES_NO:
        return ColumnKind.CATEGORY
    if one.date_format not in ("", ISO_DAY) or (one.kind is ColumnKind.CATEGORY and len(_distinct(one)) < 2):
        return ColumnKind.STRING
    if one.kind is ColumnKind.INTEGER and max(map(abs, one.bounds)) > _INT32:
        return ColumnKind.DECIMAL
    return one.kind


def _distinct(one: ColumnFacts) -> list[str]:
    """Values that differ by more than case and blanks, the most frequent first."""
    found: dict[str, str] = {}
    for text in one.texts:
        found.setdefault(" ".join(text.split()).casefold(), text)
    return list(found.values())


def _calendar_column(one: ColumnFacts) -> Column:
    column = Column(one.name, "", ColumnKind.CATEGORY, KnownWhen.PRE_CONTACT, "", role=ColumnRole.CALENDAR)
    for tables in (MONTHS, WEEKDAYS):
        if (found := places(one.texts, tables)) and not (one.is_number and tables is MONTHS and means(one.name, DAY)):
            written = {place: text for text, place in found.items()}
            spell = next((style for style in (str.title, str.upper) if style(one.texts[0]) == one.texts[0]), str)
            table = next(table for table in tables if places(one.texts, [table]))
            n_names = 5 if len(table) == 7 and max(written) < 5 else len(table)
            return replace(column, categories=tuple(written.get(k) or spell(table[k]) for k in range(n_names)))
    return replace(column, kind=ColumnKind.INTEGER, minimum=1, maximum=31, unit="day")


def _word(name: str, words: Mapping[str, tuple[str, ...]], default: str) -> str:
    return next((meaning for meaning, spelled in words.items() if means(name, spelled)), default)


def _list_statistics(columns: Sequence[Column], found: Findings) -> tuple[ListStatistic, ...]:
    """Numbers about a day's list: of the columns that separate the outcome best, if that is known."""
    payload = {
        one.source: one for one in columns if one.known is KnownWhen.PRE_CONTACT and one.role is not ColumnRole.CALENDAR
    }
    ranked = [name for name in found.separation if name in payload] or list(payload)
    every = [one for name in ranked if name in found.facts for one in _of_column(payload[name], found.facts[name])]
    distinct = list({one.feature: one for one in every}.values())[:_MOST_STATISTICS]
    return tuple(sorted(distinct, key=lambda one: list(payload).index(one.column)))


def _of_column(column: Column, one: ColumnFacts) -> Iterator[ListStatistic]:
    name = column.table
    if column.kind is ColumnKind.BOOLEAN:
        yield ListStatistic(f"plan_share_{name}", column.source, values=("yes",))
    elif not column.is_number:
        for place, text in enumerate([text for text in _distinct(one) if text in column.categories][:_SHARES], start=1):
            yield ListStatistic(f"plan_share_{name}_{place}", column.source, values=(text,))
    elif means(column.source, MONEY):
        yield ListStatistic(f"plan_mean_log_{name}", column.source, Summary.LOG_MEAN)
    elif column.sentinel is not None and one.share(one.numbers == column.sentinel) >= _RARE:
        yield ListStatistic(f"plan_share_{name}_none", column.source, low=column.sentinel, high=column.sentinel)
    else:
        yield ListStatistic(f"plan_mean_{name}", column.source, Summary.MEAN, high=one.quantile(0.99))
