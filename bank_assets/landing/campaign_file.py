"""Reads campaign files, lists of customers to be called, and checks every row against the contract.

A refused row is reported by line number and reason; the raw bytes stay in the object store.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from bank_assets.contract.column_rules import PLANNED, ColumnRule, Encoded
from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import read_rows
from bank_assets.contract.rows import Calendar, RowRules
from bank_assets.contract.sent_text import SentText
from bank_assets.core.arrays import Rows
from bank_assets.core.economics.suppression import CUSTOMER_ID
from bank_assets.landing.register import Delivery, latest_of
from bank_assets.store.campaign_files import FOLDER, campaign_of

_SHOWN_REJECTIONS: Final = 100  # number of refused rows listed in the metadata; all are counted


@dataclass(frozen=True, slots=True)
class Campaign:
    """The usable rows of a campaign file as columns (n,), and the refused ones."""

    name: str  # file name without its ending
    digest: str
    contact_ids: Any
    contact_dates: Any  # planned day of each call, (n,), datetime64[D]
    frame: Rows  # payload columns, each (n,), and `customer_id` if the contract has it
    rejected: tuple[str, ...]  # `line <n>: <reason>` of refused rows, the first hundred
    n_rejected: int
    mapped: dict[str, int]  # rows whose text the sender's mapping changed, by column


def latest_campaigns(warehouse: Path) -> dict[str, Delivery]:
    """The last arrival of each campaign file, by campaign in the order of the files' names."""
    return {campaign_of(name): delivery for name, delivery in latest_of(warehouse, FOLDER).items()}


def is_due(campaign: Delivery | None, as_of: str, made_from: str, last_made_from: str | None) -> bool:
    """Whether a list is worked on: until it was once, and while it has calls planned for an ISO day or a later one.

    `made_from` is the digest of what the work reads; a list whose days are over keeps its last result.
    """
    return made_from != last_made_from or (campaign is not None and campaign.last_day >= as_of)


def read_campaign(delivery: Delivery, contract: Contract) -> Campaign:
    """Read and check one campaign file; a file of an earlier contract version may lack the optional columns."""
    head, text_rows = read_rows(io.BytesIO(delivery.path.read_bytes()), delivery.encoding)
    rows, width = list(text_rows), len(head.columns)
    # The rules of a contact, but the day is that of a planned call.
    inputs = (column for column in contract.columns if column.is_input)
    checked = tuple(ColumnRule(column, days=PLANNED, signs=contract.signs(column)) for column in inputs)
    rules = RowRules(checked, calendar=Calendar.of(contract))
    fields = [(row.fields + [""] * width)[:width] for row in rows]
    sent = {name: Encoded.of(row[at] for row in fields) for at, name in enumerate(delivery.columns)}
    columns, changed = SentText.of_file(contract, delivery.name).columns(sent)
    verdict = rules.judge(columns, [at for at, row in enumerate(rows) if row.fault])
    reasons = {at: [sentence for _, sentence in found] for at, found in verdict.reasons().items()}
    reasons |= {at: [row.fault[1]] for at, row in enumerate(rows) if row.fault is not None}
    ids = verdict.typed(contract.contact_id.source)
    usable = verdict.is_kept & ~pd.Series(ids).where(verdict.is_kept).duplicated().to_numpy()
    for at in np.flatnonzero(verdict.is_kept & ~usable):
        reasons[int(at)] = [f"{contract.contact_id.source}: expected once in a campaign, found again"]
    frame = {column.source: verdict.plain(column)[usable] for column in contract.payload}
    if CUSTOMER_ID in contract.identifiers:
        frame[CUSTOMER_ID] = verdict.typed(contract.customer_id.source)[usable]
    named = [f"line {rows[at].line}: {'; '.join(reasons[at])}" for at in sorted(reasons)[:_SHOWN_REJECTIONS]]
    return Campaign(
        campaign_of(delivery.name),
        delivery.sha256,
        ids[usable],
        verdict.typed(contract.contact_date.source)[usable],
        frame,
        tuple(named),
        len(reasons),
        {name: int(rows.sum()) for name, rows in changed.items()},
    )
