"""Reads rows of a feed: the contract's spellings, the rules of a row, and times as the ledger writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from bank_assets.contract.column_rules import ColumnRule, DayRange, Encoded
from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.contract import ARRIVED_AT, Contract
from bank_assets.contract.feeds import DISPOSITION, Feed
from bank_assets.contract.reading import TextRow
from bank_assets.contract.rows import RowRules
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.values import plain_identifier, utc_text


@dataclass(frozen=True, slots=True)
class FeedRows:
    """The usable rows of a part of a feed in their order, `Disposition` or `Subscription`, and why others are not."""

    rows: list[Any] = field(default_factory=list)
    faults: dict[int, list[str]] = field(default_factory=dict)  # reasons by line


def header_of(columns: Sequence[str], sent: SentText) -> tuple[str, ...]:
    """The feed's names of sent columns: a sender's mapping, then the contract's own names of its identifiers."""
    own = {column.source: name for name, column in sent.contract.identifiers.items()}
    return tuple(own.get(name, name) for name in sent.header(columns))


def rows_of_text(feed: Feed, header: Sequence[str], rows: Sequence[TextRow], sent: SentText, now: datetime) -> FeedRows:
    """The rows of a CSV file; columns of the header that are none of the feed's are left out."""
    width = len(header)
    fields = [(row.fields + [""] * width)[:width] if row.fault else row.fields for row in rows]
    columns = {name: [one[at] for one in fields] for at, name in enumerate(header) if name in feed.names}
    misfits = {at: row.fault[1] for at, row in enumerate(rows) if row.fault}
    return judged(feed, columns, [row.line for row in rows], sent, now, misfits)


def judged(
    feed: Feed,
    columns: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    sent: SentText,
    now: datetime,
    misfits: Mapping[int, str] | None = None,
) -> FeedRows:
    """Judge rows given as columns of text, each (n,); `misfits` are rows whose fields cannot be told apart."""
    misfits, contract = misfits or {}, sent.contract
    given = {name: Encoded.of(columns.get(name, [""] * len(lines))) for name in feed.names}
    encoded, _ = sent.columns(given)
    if DISPOSITION in encoded:
        meant = dict(contract.dispositions)
        found = encoded[DISPOSITION]
        encoded[DISPOSITION] = Encoded(found.codes, [meant.get(text, text) for text in found.texts])
    for name in (column.source for column in feed.columns if column.kind is ColumnKind.STRING):
        encoded[name] = Encoded(encoded[name].codes, [plain_identifier(text) for text in encoded[name].texts])
    verdict = _rules(feed, contract, now).judge(encoded, misfits)
    faults = {lines[at]: [sentence for _, sentence in found] for at, found in verdict.reasons().items()}
    faults |= {lines[at]: [sentence] for at, sentence in misfits.items()}
    days, arrived = verdict.typed(feed.day), verdict.typed(ARRIVED_AT)
    is_early = verdict.is_kept & verdict.is_given(ARRIVED_AT) & (arrived < days)
    for at in np.flatnonzero(is_early).tolist():
        faults[lines[at]] = [f"{ARRIVED_AT}: expected no day before {feed.day} {days[at]}, found {arrived[at]}"]
    usable = np.flatnonzero(verdict.is_kept & ~is_early)
    values = {name: _values(feed, name, encoded[name])[usable] for name in feed.names}
    rows: list[Any] = []
    for at, texts in zip(usable.tolist(), zip(*values.values(), strict=True), strict=True):
        stated = {name: text for name, text in zip(values, texts, strict=True) if text}
        rows.append(feed.of(**stated, line=lines[at]))
    return FeedRows(rows, dict(sorted(faults.items())))


def _rules(feed: Feed, contract: Contract, now: datetime) -> RowRules:
    first, last = date.fromisoformat(f"{contract.first_month}-01"), (now + timedelta(days=1)).date()
    days = DayRange(first, last, f"a day YYYY-MM-DD or an ISO time from {first} to {last}", with_time=True)
    return RowRules(tuple(ColumnRule(column, column.source in feed.optional, days) for column in feed.columns))


def _values(feed: Feed, name: str, encoded: Encoded) -> Any:
    """The value of each row as text: times as the ledger writes them, but the day of a subscription as a day."""
    column = next(one for one in feed.columns if one.source == name)
    texts = list(encoded.texts)
    if column.kind is ColumnKind.DATE:
        texts = [text[:10] if name == "on_day" else utc_text(text, keeps_day=True) or "" for text in texts]
    return np.array(texts, dtype=object)[encoded.codes]
