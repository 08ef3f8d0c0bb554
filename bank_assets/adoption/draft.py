"""Drafts a contract from what a file says; every choice has its reason or its options in a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

import numpy as np

from bank_assets.adoption.column_facts import ISO_DAY, PLAIN, ColumnFacts
from bank_assets.adoption.findings import Findings
from bank_assets.adoption.leaks import LATER_SHARE
from bank_assets.adoption.roles import IDENTIFIERS
from bank_assets.adoption.sender import sender_of
from bank_assets.adoption.time_axis import first_years
from bank_assets.adoption.words import AGE, DAY, GROUPS, MONEY, MONTHS, PROTECTED, UNITS, WEEKDAYS, means, places
from bank_assets.contract.columns import (
    INT32,
    UNKNOWN,
    YES_NO,
    Column,
    ColumnKind,
    ColumnRole,
    KnownWhen,
    ListStatistic,
    Summary,
)
from bank_assets.contract.contract import Contract
from bank_assets.contract.file import table_name
from bank_assets.contract.problems import NAME_LENGTH, RESERVED, TABLE_NAMES
from bank_assets.contract.senders import Sender
from bank_assets.contract.values import is_identifier
from bank_assets.core.words import pct

CUSTOMER: Final = "Customer"  # group of the form for what no other group names
_MOST_STATISTICS: Final = 15
_RARE: Final = 0.05  # share of a sentinel below which the mean says more
_WIDTH: Final = 110
_SHOWN: Final = 5
_SHARES: Final = 2  # values of a category whose shares describe a list
_ID: Final = Column(
    "contact_id", "", ColumnKind.STRING, KnownWhen.IDENTIFIER, "Identifier of the contact.",
    role=ColumnRole.CONTACT_ID,
)  # fmt: skip
_DATE: Final = Column(
    "contact_date", "", ColumnKind.DATE, KnownWhen.PRE_CONTACT, "Day of the call.", role=ColumnRole.CONTACT_DATE
)
_TARGET: Final = Column(
    "", "", ColumnKind.BOOLEAN, KnownWhen.TARGET, "Whether the customer subscribed.", categories=YES_NO,
    role=ColumnRole.TARGET,
)  # fmt: skip

Noted = tuple[Column, list[str]]  # a column, and the lines of comment above it


@dataclass(frozen=True)
class ContractDraft:
    """A contract, and comment lines for its file: by column, and under "" for the whole."""

    contract: Contract
    comments: dict[str, list[str]]


def draft_contract(found: Findings) -> ContractDraft:
    """The draft that follows from what a file says."""
    noted = [_column(one, found) for one in found.facts.values()]
    if ColumnRole.CONTACT_ID not in {column.role for column, _ in noted}:
        note = "Not in the file. A file that is dated by the order of its rows is numbered by it; else number its rows."
        noted.insert(0, (replace(_ID, source=_free("contact_id", set(found.facts))), [note]))
    if not found.axis.is_stated:
        lacking = replace(_DATE, source=_free("contact_date", set(found.facts)))
        noted.insert(1, (lacking, ["Not in the file.", *found.axis.notes]))
    used = {*RESERVED, *TABLE_NAMES.values()}
    columns = tuple(
        replace(one, table=TABLE_NAMES.get(one.role or "") or _free(table_name(one.source), used)) for one, _ in noted
    )
    groups = tuple(group for group in (CUSTOMER, *reversed(GROUPS)) if any(one.group == group for one in columns))
    name = table_name(PurePath(found.table.name).name.partition(".")[0])[:NAME_LENGTH]
    statistics, sender = _list_statistics(columns, found), sender_of(name, columns, found)
    senders = () if sender == Sender(name) else (sender,)
    contract = Contract(name, 1, found.axis.first_month, columns, statistics, groups, senders=senders)
    if not found.table.head.encoding.startswith("utf-8"):
        contract = replace(contract, encoding=found.table.head.encoding)
    comments = {"": _about_the_whole(found)} | {column.source: lines for column, lines in noted}
    if found.axis.columns and not found.axis.is_stated:
        if years := first_years(contract, found.facts):
            first_month = f"{years[0]}{contract.first_month[4:]}"
            contract = replace(contract, first_month=first_month, dates_from_row_order=True)
        shown = ", ".join(map(str, years[:_SHOWN])) + (" or earlier" if years[_SHOWN:] else "")
        options = f"{shown}; firstMonth states the latest" if years else "none: add dates"
        comments[""].append(f"To decide: the first year. By the order of the rows it may be {options}.")
    wrapped = {name: [row for line in lines for row in textwrap.wrap(line, _WIDTH)] for name, lines in comments.items()}
    return ContractDraft(contract, wrapped)


def _about_the_whole(found: Findings) -> list[str]:
    """What stands above the contract."""
    table = found.table
    lines = [
        f"Draft of a contract for {table.name}: {table.n_rows:,} rows, {len(table.columns)} columns, "
        f"{table.head.encoding}, fields separated by {table.head.delimiter!r}.",
        "Read the comments, correct what is wrong, and check the file against it:",
        f"  python -m bank_assets adopt --check THIS_FILE {table.name}",
    ]
    if table.faults:
        lines.append(f"{len(table.faults):,} lines are left out. {table.faults[0]}.")
    if found.separation:
        best = ", ".join(f"{name} {auc:.2f}" for name, (auc, _) in list(found.separation.items())[:_SHOWN])
        lines.append(
            f"AUC of single columns on the last {pct(LATER_SHARE, 0)} of the outcomes, in order of time: {best}."
        )
    else:
        lines.append("Too few outcomes of either kind to look for columns that know them: check that none does.")
    if not found.axis.columns:
        lines.append(f"To decide: the day of the call. {' '.join(found.axis.notes)}")
    if found.leaks:
        lines.append(f"To decide: are these known only after the call? {', '.join(found.leaks)}.")
    return lines


# Columns


def _column(one: ColumnFacts, found: Findings) -> Noted:
    """The column of the contract; its table name is chosen later."""
    name, (role, reason) = one.name, found.roles.get(one.name, (None, ""))
    if name == found.outcome.name:
        notes = (
            [f"{_shown(one.missing)}, in {pct(one.missing_share)} of the rows: not known yet."] if one.missing else []
        )
        return replace(_TARGET, source=name), [*found.outcome.notes, *notes]
    if found.axis.is_stated and name == found.axis.columns[0]:
        return replace(_DATE, source=name), list(found.axis.notes)
    if name in found.axis.columns:
        return _calendar_column(one), ["Follows from the day of the call."]
    if role in IDENTIFIERS:
        return replace(_ID, source=name, role=role, description=""), [f"Role {role}: {reason}."]
    if not one.is_number and (reason := _no_input(one, found)):
        is_reference = not one.missing and all(map(is_identifier, one.known)) and name not in found.leaks
        is_day = one.days.size > 0 and one.date_format in (ISO_DAY, found.date_format)
        kind = ColumnKind.DATE if is_day else ColumnKind.STRING
        column = Column(name, "", kind, KnownWhen.IDENTIFIER if is_reference else KnownWhen.POST_CONTACT, "")
        kept = [] if is_reference else ["Kept with the outcome: before the call, a text may not be empty or long."]
        return column, [reason, *kept, *_about_leak(name, found)]
    column = Column(
        name, "", one.kind, KnownWhen.PRE_CONTACT, "", protected=means(name, PROTECTED), role=role,
        group=_word(name, GROUPS, CUSTOMER),
    )  # fmt: skip
    notes = [f"Role {role}: {reason}."] if role else []
    if name in found.leaks:
        column, notes = replace(column, known=KnownWhen.POST_CONTACT, role=None, group=""), _about_leak(name, found)
    if column.protected:
        notes.append("Protected, by its name: fairness is reported by it.")
    return _number(column, one, found, notes) if one.is_number else _category(column, one, notes)


def _about_leak(name: str, found: Findings) -> list[str]:
    if name not in found.leaks:
        return []
    return [f"No input: {found.leaks[name]}.", "If it is known before the call, set knownWhen to pre_contact."]


def _no_input(one: ColumnFacts, found: Findings) -> str:
    """Why a column that is no number is none of the inputs, "" if it may be one."""
    if not one.known:
        return "Empty in every row: carried along. If nobody needs it, remove it here and in the file."
    if one.date_format:
        odd = f"{', '.join(one.sentinel_days)} looks like no date at all. " if one.sentinel_days else ""
        read = one.date_format in (ISO_DAY, found.date_format)
        how = "" if read else ", not as the other dates, and so kept as text"
        return (
            f"{odd}Days written {one.date_format}{how}: carried along, no input. Features come from the contact date."
        )
    if one.kind is ColumnKind.STRING:
        return f"{len(one.known):,} distinct texts are too many for categories: carried along, no input."
    return f"Always {one.known[0]!r}: it tells nothing, so it is no input." if len(_categories(one)) < 2 else ""


def _number(column: Column, one: ColumnFacts, found: Findings, notes: list[str]) -> Noted:
    low, high = (0.0, 120.0) if means(one.name, AGE) and one.bounds[0] >= 0 and one.bounds[1] <= 250 else one.bounds
    low = max(low, 1.0) if column.role is ColumnRole.ATTEMPTS else low
    kind = ColumnKind.DECIMAL if low < INT32[0] or high > INT32[1] else one.kind
    whole = int if kind is ColumnKind.INTEGER else float
    unit, sentinel = _word(one.name, UNITS, ""), None if one.sentinel is None else whole(one.sentinel)
    said = [
        f"{len(one.known):,} distinct numbers, {np.nanmin(one.numbers):g} to {np.nanmax(one.numbers):g}, with room."
    ]
    if one.is_ambiguous and not found.signs:
        said.append("Every fraction has three digits: if they are thousands, declare thousandsSign and decimalSign.")
    if unit:
        said.append(f"Unit {unit}, guessed from the name.")
    if sentinel is not None:
        said.append(f"{sentinel:g}, in {pct(one.sentinel_share)} of the rows, stands for none: the sentinel.")
    if one.missing and column.is_input:
        to_do = "are rejected" if sentinel is None else f"are read as {sentinel:g}"
        said.append(f"{_shown(one.missing)}, in {pct(one.missing_share)} of the rows, {to_do}.")
    odd = one.is_known & np.isnan(one.numbers)
    if odd.any():
        texts = [one.encoded.texts[at] for at in np.flatnonzero(odd).tolist()]
        said.append(f"{pct(one.share(odd))} are no numbers and are rejected: {_shown(texts)}.")
    own = (None, None) if found.signs or one.signs == PLAIN else (one.signs.decimal, one.signs.thousands)
    column = replace(
        column, kind=kind, unit=unit, minimum=whole(low), maximum=whole(high), default=whole(one.quantile(0.5)),
        sentinel=sentinel, decimal_sign=own[0], thousands_sign=own[1],
    )  # fmt: skip
    return column, [*said, *notes]


def _category(column: Column, one: ColumnFacts, notes: list[str]) -> Noted:
    if one.kind is ColumnKind.BOOLEAN and one.no_yes == YES_NO:
        return replace(column, categories=YES_NO, default=one.known[0]), notes
    said = []
    if one.no_yes and one.no_yes != YES_NO:
        said.append(f"Says yes and no as {one.no_yes[1]!r} and {one.no_yes[0]!r}.")
    if words := [text for text in one.missing if text != UNKNOWN]:
        said.append(f"{_shown(words)} is read as {UNKNOWN}; not known in {pct(one.missing_share)} of the rows.")
    if left := sorted(set(one.known) - set(one.categories)):
        said.append(f"Differ from others by case or blanks alone, and are read alike: {_shown(left)}.")
    categories = tuple(sorted(_categories(one)))
    return replace(column, kind=ColumnKind.CATEGORY, categories=categories, default=one.known[0]), [*said, *notes]


def _categories(one: ColumnFacts) -> tuple[str, ...]:
    return (*one.categories, UNKNOWN) if one.missing else one.categories


def _shown(texts: Sequence[str]) -> str:
    return ", ".join(map(repr, texts[:_SHOWN])) + (" …" if len(texts) > _SHOWN else "")


def _calendar_column(one: ColumnFacts) -> Column:
    column = Column(one.name, "", ColumnKind.CATEGORY, KnownWhen.PRE_CONTACT, "", role=ColumnRole.CALENDAR)
    for tables in (MONTHS, WEEKDAYS):
        if (found := places(one.known, tables)) and not (one.is_number and tables is MONTHS and means(one.name, DAY)):
            written = {place: text for text, place in found.items()}
            spell = next((style for style in (str.title, str.upper) if style(one.known[0]) == one.known[0]), str)
            table = next(table for table in tables if places(one.known, [table]))
            n_names = 5 if len(table) == 7 and max(written) < 5 else len(table)
            return replace(column, categories=tuple(written.get(k) or spell(table[k]) for k in range(n_names)))
    return replace(column, kind=ColumnKind.INTEGER, minimum=1, maximum=31, unit="day")


def _word(name: str, words: Mapping[str, tuple[str, ...]], default: str) -> str:
    return next((meaning for meaning, spelled in words.items() if means(name, spelled)), default)


def _free(name: str, used: set[str]) -> str:
    number = 2
    free = name
    while free in used:
        free, number = f"{name[:60]}_{number}", number + 1
    used.add(free)
    return free


# Numbers about a day's list


def _list_statistics(columns: Sequence[Column], found: Findings) -> tuple[ListStatistic, ...]:
    """Numbers about a day's whole call list: of the columns that separate the outcome best, if that is known."""
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
    elif column.categories:
        for place, text in enumerate(one.categories[:_SHARES], start=1):
            yield ListStatistic(f"plan_share_{name}_{place}", column.source, values=(text,))
    elif not column.is_number:
        return
    elif means(column.source, MONEY):
        yield ListStatistic(f"plan_mean_log_{name}", column.source, Summary.LOG_MEAN)
    elif column.sentinel is not None and one.sentinel_share >= _RARE:
        yield ListStatistic(f"plan_share_{name}_none", column.source, low=column.sentinel, high=column.sentinel)
    else:
        yield ListStatistic(f"plan_mean_{name}", column.source, Summary.MEAN, high=one.quantile(0.99))
