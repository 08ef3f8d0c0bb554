"""Campaign files: customers to be called, checked row by row against the contract.

What lives here: reading a registered campaign into typed columns, and the rows that cannot be used with their reasons.
What must not: scoring, Spark. Called by the `batch_scores` asset.
Nothing is lost: the raw bytes are in the object store, and every refused row is named by line and reason.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import Column, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import read_rows
from bank_assets.contract.rows import BoolArray, Calendar, ColumnRule, Encoded, RowRules, RowVerdicts
from bank_assets.core.features.day_plan import Frame
from bank_assets.landing.register import Delivery, object_path, read_manifest
from bank_assets.store.campaign_files import FOLDER, campaign_of

_SHOWN_REJECTIONS: Final = 100
"""Refused rows named in the metadata; all are counted."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign file, checked.

    Attributes:
        name: file name without its ending.
        digest: sha256 of the bytes.
        contact_ids: (n,), text.
        contact_dates: planned day of each call, (n,), datetime64[D].
        frame: payload columns, each (n,).
        rejected: `line <n>: <reason>` of refused rows, the first hundred.
        n_rejected: refused rows.
    """

    name: str
    digest: str
    contact_ids: Any
    contact_dates: Any
    frame: Frame
    rejected: tuple[str, ...]
    n_rejected: int


def latest_campaigns(warehouse: Path, names: Sequence[str] = ()) -> list[Delivery]:
    """The last arrival of each campaign file, in name order.

    Args:
        warehouse: the warehouse folder.
        names: file names wanted; empty for all.
    """
    newest = {delivery.name: delivery for delivery in read_manifest(warehouse, FOLDER)}
    return [newest[name] for name in sorted(newest) if not names or name in names]


def read_campaign(warehouse: Path, delivery: Delivery, contract: Contract) -> Campaign:
    """Read and check one campaign file.

    Args:
        warehouse: the warehouse folder.
        delivery: its arrival.
        contract: which columns there are; a file of an earlier version may lack the optional ones.

    Returns:
        The usable rows as typed columns, and the others by line and reason.
    """
    head, text_rows = read_rows(io.BytesIO(object_path(warehouse, delivery.sha256).read_bytes()), delivery.encoding)
    rows, width = list(text_rows), len(head.columns)
    rules = campaign_rules(contract)
    fields = [(row.fields + [""] * width)[:width] for row in rows]
    columns = {name: Encoded.of(row[at] for row in fields) for at, name in enumerate(head.columns)}
    for column in contract.columns:
        if column.is_optional and column.source not in columns:  # the file is older than the column
            columns[column.source] = Encoded.of([str(column.default)] * len(rows))
    verdict = rules.judge(columns, np.array([row.fault is not None for row in rows], dtype=bool))
    reasons = {at: [sentence for _, sentence in found] for at, found in verdict.reasons().items()}
    reasons |= {at: [row.fault[1]] for at, row in enumerate(rows) if row.fault is not None}
    ids = verdict.typed(contract.contact_id.source)
    usable = verdict.is_kept & _is_first(ids, verdict.is_kept)
    for at in np.flatnonzero(verdict.is_kept & ~usable):
        reasons[int(at)] = [f"{contract.contact_id.source}: expected once in a campaign, found again"]
    named = [f"line {rows[at].line}: {'; '.join(reasons[at])}" for at in sorted(reasons)[:_SHOWN_REJECTIONS]]
    return Campaign(
        campaign_of(delivery.name),
        delivery.sha256,
        ids[usable],
        verdict.typed(contract.contact_date.source)[usable],
        {column.source: _values(column, verdict)[usable] for column in contract.payload},
        tuple(named),
        len(reasons),
    )


def campaign_rules(contract: Contract) -> RowRules:
    """The rules of a customer to be called: those of a contact, with any day for the planned call."""
    columns = tuple(ColumnRule(column) for column in contract.columns if column.is_input)
    return RowRules(columns, calendar=Calendar.of(contract))


def _is_first(ids: NDArray[Any], is_kept: BoolArray) -> BoolArray:
    """Rows whose identifier no usable row above has, (n,)."""
    first = np.zeros(len(ids), dtype=bool)
    kept = np.flatnonzero(is_kept)
    first[kept[np.unique(ids[kept].astype(str), return_index=True)[1]]] = True
    return first


def _values(column: Column, verdict: RowVerdicts) -> NDArray[Any]:
    """Payload columns as the models take them: numbers as floats, categories and yes/no as text."""
    if column.kind is ColumnKind.INTEGER:
        return verdict.typed(column.source).astype(np.float64)
    encoded = verdict.columns[column.source]
    return np.array(encoded.texts, dtype=object)[encoded.codes]
