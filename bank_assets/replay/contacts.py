"""The history of a replay, read straight from the source without a warehouse or Spark.

Rows outside the contract are left out and counted; validating deliveries is the main job's task.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bank_assets.contract.column_rules import ColumnRule, Encoded
from bank_assets.contract.columns import YES_NO
from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.contract.rows import RowRules
from bank_assets.core.features.contacts import Contacts, usable_from
from bank_assets.settings import Settings
from bank_assets.sources.source import Source
from bank_assets.sources.uci import SourceError
from bank_assets.sources.undated import contact_id_of, implied_dates, is_undated, sender_of


@dataclass(frozen=True, slots=True)
class History:
    """The contacts of a replay in time order, their source and digest, and the number of unusable rows."""

    contacts: Contacts
    source: Source
    digest: str
    left_out: int


def read_history(source: Source, settings: Settings) -> History:
    """Read all contacts of a source; of a contact that occurs twice the last row counts.

    Raises:
        SourceError: the source has no usable contact.
    """
    contract = settings.contract
    judged = (contract.contact_date, *contract.payload)
    rules = RowRules(tuple(ColumnRule(column, signs=contract.signs(column)) for column in judged))
    verdict = rules.judge(columns := _columns(source, settings))
    ids, usable = verdict.plain(contract.contact_id), np.flatnonzero(verdict.is_kept)
    kept = usable[~pd.Series(ids[usable]).duplicated(keep="last").to_numpy()]
    if not len(kept):
        raise SourceError(f"{source.label}: expected contacts to replay, found none that is usable; check the file.")
    dates, outcome = verdict.typed(contract.contact_date.source)[kept], verdict.plain(contract.target)[kept]
    arrived = np.where(np.isin(outcome.astype(str), YES_NO), dates, np.datetime64("NaT", "D"))
    frame = {column.source: verdict.plain(column)[kept] for column in contract.payload}
    known_on = usable_from(dates, arrived.astype("datetime64[D]"))
    contacts = Contacts(ids[kept], frame, dates, known_on, outcome == "yes", contract)
    if contract.customer_id != contract.contact_id and contract.customer_id.source in columns:
        contacts = replace(contacts, customer_ids=columns[contract.customer_id.source].rows[kept])
    contacts = contacts.in_time_order()
    return History(contacts, source, _digest(contacts), len(ids) - len(kept))


def _columns(source: Source, settings: Settings) -> dict[str, Encoded]:
    """The delivered columns as the contract spells them."""
    if source.path is None:  # simulated
        from bank_assets.simulator.simulator import simulate

        frame = simulate(rows=settings.simulated_rows, seed=settings.seed)
        return {str(name): Encoded.of(frame[name].astype(str)) for name in frame}
    contract, sent = settings.contract, sender_of(settings.contract)
    with source.path.open("rb") as stream:
        head, text_rows = read_rows(stream, encoding_of(stream, contract.encoding))
        rows = [(number, row.fields) for number, row in enumerate(text_rows, start=1) if row.fault is None]
    fields = {name: Encoded.of(texts[at] for _, texts in rows) for at, name in enumerate(sent.header(head.columns))}
    columns, _ = sent.columns(fields)
    if is_undated(source.path, contract):
        texts = {name: columns[name].rows for name in contract.calendar_columns}
        columns[contract.contact_date.source] = Encoded.of(map(str, implied_dates(contract, texts)))
        columns[contract.contact_id.source] = Encoded.of(contact_id_of(number, contract) for number, _ in rows)
    missing = [name for name in contract.delivery_columns if name not in {*columns, *contract.optional_columns}]
    if missing:
        raise SourceError(
            f"{source.label}: expected the columns {list(contract.delivery_columns)}, missing {missing}; deliver them."
        )
    return columns


def _digest(contacts: Contacts) -> str:
    content = hashlib.sha256()
    parts = [contacts.contact_dates, contacts.known_on, contacts.is_subscribed, *contacts.frame.values()]
    for part in parts:
        content.update("\x1f".join(part).encode() if part.dtype == object else np.ascontiguousarray(part).tobytes())
        content.update(b"\x1e")
    return content.hexdigest()
