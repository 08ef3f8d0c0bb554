"""The comments of a draft: what was seen in each column, why it was decided so, and what a person has to decide."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bank_assets.adoption.column_facts import DATE_FORMATS, ISO_DAY, ColumnFacts
from bank_assets.adoption.findings import IDENTIFIERS, Findings
from bank_assets.adoption.leaks import LATER_SHARE
from bank_assets.adoption.words import NOT_KNOWN, plain
from bank_assets.contract.columns import YES_NO, Column, ColumnKind, ColumnRole, KnownWhen
from bank_assets.core.words import pct

_SHOWN = 5


def about_the_whole(found: Findings) -> list[str]:
    """What stands above the contract."""
    table = found.table
    lines = [
        f"Draft of a contract for {table.name}: {table.n_rows:,} rows, {len(table.columns)} columns, {table.spelling}.",
        "Read the comments, correct what is wrong, and check the file against it:",
        f"  BANK_CONTRACT=THIS_FILE python -m bank_assets adopt --check {table.name}",
    ]
    if table.faults:
        number, message = table.faults[0]
        lines.append(f"{len(table.faults):,} lines cannot be split into fields, the first is line {number}: {message}.")
    if found.separation:
        best = ", ".join(f"{name} {one.auc:.2f}" for name, one in list(found.separation.items())[:_SHOWN])
        lines.append(
            f"AUC of single columns on the last {pct(LATER_SHARE, 0)} of the outcomes, in order of time: {best}."
        )
    else:
        lines.append("Too few outcomes of either kind to look for columns that know them: check that none does.")
    if found.axis.is_year_guessed:
        lines.append(
            f"To decide: the first year. firstMonth is a guess; see the comments at {', '.join(found.axis.columns)}."
        )
    if found.leaks:
        lines.append(f"To decide: are these known only after the call? {', '.join(found.leaks)}.")
    return lines


def about_the_column(one: ColumnFacts, column: Column, found: Findings) -> list[str]:
    """What stands above a column."""
    return [*_values(one, column, found), *_meaning(one, column, found)]


def _values(one: ColumnFacts, column: Column, found: Findings) -> Iterator[str]:
    n_distinct = len(one.texts)
    if one.is_number:
        low, high = np.nanmin(one.numbers), np.nanmax(one.numbers)
        yield f"{n_distinct:,} distinct numbers from {low:g} to {high:g}; the bounds leave room."
        if one.signs.thousands:
            yield f"{one.signs.thousands!r} is taken as the thousands sign."
        if one.is_ambiguous and not found.decimal:
            yield "Every fraction has three digits: if they are thousands, declare thousandsSign and decimalSign."
    elif n_distinct == 1:
        yield f"Always {one.texts[0]!r}: it tells nothing, so it is no input."
    elif one.days.size:
        yield f"Days written {DATE_FORMATS[one.date_format]}" + (
            "." if column.role else "; carried along, no input: features come from the contact date alone."
        )
    elif column.kind is ColumnKind.STRING and column.role not in IDENTIFIERS:
        yield f"{n_distinct:,} distinct texts are too many for categories: carried along, no input."
    if column.known is KnownWhen.POST_CONTACT and not column.is_number and one.name not in found.leaks:
        yield "Kept with the outcome: before the call, a text may neither be empty nor longer than an identifier."
    if one.sentinel_days:
        yield f"{', '.join(one.sentinel_days)} looks like no date at all."
    if column.kind is ColumnKind.DATE and one.date_format != ISO_DAY:
        yield "Deliveries write days as YYYY-MM-DD."
    yield from _missing(one, column)


def _missing(one: ColumnFacts, column: Column) -> Iterator[str]:
    is_empty = np.array([not text.strip() for text in one.encoded.texts])
    if (empty := one.share(is_empty)) and not column.is_input:
        yield f"{pct(empty)} are empty."
    elif empty:
        write = "a number that stands for none" if column.is_number else "unknown"
        yield f"{pct(empty)} are empty, and such rows are rejected: write {write}, and declare it here."
    words = [text for text in one.texts if plain(text) in NOT_KNOWN]
    if words:
        share = one.share(~one.is_known & ~is_empty)
        yield f"Not known in {pct(share)} of the rows: {', '.join(map(repr, words))}" + (
            "; such rows are rejected, write a number that stands for none." if column.is_number else "."
        )
    odd = one.is_known & np.isnan(one.numbers) if one.is_number else np.zeros(len(one.encoded.texts), dtype=bool)
    if odd.any():
        shown = [one.encoded.texts[at] for at in np.flatnonzero(odd)[:_SHOWN]]
        yield f"{pct(one.share(odd))} are no numbers and are rejected: {', '.join(map(repr, shown))}."
    if column.kind is ColumnKind.CATEGORY and (left := set(one.texts) - set(column.categories)):
        names = ", ".join(map(repr, sorted(left)[:_SHOWN]))
        yield f"Rejected, as they differ from others by case or blanks alone: {names}."


def _meaning(one: ColumnFacts, column: Column, found: Findings) -> Iterator[str]:
    if column.role is ColumnRole.TARGET:
        yield from found.outcome.notes
        if found.outcome.no_yes != YES_NO:
            yield f"Deliveries write no and yes instead of {' and '.join(map(repr, found.outcome.no_yes))}."
        return
    if one.name in found.axis.columns:
        yield from (
            found.axis.notes if column.role is ColumnRole.CONTACT_DATE else ("Follows from the day of the call.",)
        )
        return
    if one.name in found.leaks:
        yield f"No input: {found.leaks[one.name]}."
        yield "If it is known before the call, set knownWhen to pre_contact."
    elif column.role is not None:
        yield f"Role {column.role}: {found.roles[one.name][1]}."
    if column.kind is ColumnKind.CATEGORY and one.no_yes not in (None, YES_NO):
        yield f"Says yes and no as {one.no_yes[1]!r} and {one.no_yes[0]!r}."
    if column.unit:
        yield f"Unit {column.unit}, guessed from the name."
    if column.sentinel is not None:
        share = one.share(one.numbers == column.sentinel)
        yield f"{column.sentinel:g}, in {pct(share)} of the rows, looks like a value for none: the sentinel."
    if column.protected:
        yield "Protected, by its name: fairness is reported by it."
