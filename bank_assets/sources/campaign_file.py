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
import pandas as pd

from bank_assets.contract.columns import Column, Kind
from bank_assets.contract.contract import Contract
from bank_assets.core.plan import Frame
from bank_assets.sources.manifest import Delivery, object_path, read_manifest
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
    content = object_path(warehouse, delivery.sha256).read_bytes().decode(delivery.encoding)
    rows = pd.read_csv(
        io.StringIO(content),
        sep=delivery.delimiter,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=True,
        on_bad_lines="skip",
        engine="c",
        index_col=False,
    )
    rows.columns = [name.strip() for name in rows.columns]
    problems = pd.Series("", index=rows.index, dtype=object)
    columns: dict[str, Any] = {}
    for column in contract.payload:
        if column.is_optional and column.source not in rows:
            rows[column.source] = str(column.default)
        text = rows[column.source]
        columns[column.source], wrong = _checked(column, text.str.strip())
        problems[wrong] = problems[wrong] + _sentence(column) + text[wrong].map(lambda v: f"{v!r}; ")
    dates = pd.to_datetime(rows["contact_date"].str.strip(), format="%Y-%m-%d", errors="coerce")
    problems[dates.isna()] += "contact_date: expected YYYY-MM-DD; "
    ids = rows["contact_id"].str.strip()
    problems[ids.eq("")] += "contact_id: expected an identifier, found none; "
    problems[ids.duplicated(keep="first")] += "contact_id: expected once in a campaign, found again; "
    usable = problems.eq("").to_numpy()
    refused = problems[~usable]
    unread = max(delivery.rows - len(rows), 0)  # rows with more fields than the header cannot be told apart
    named = [
        f"line {int(str(line)) + 2}: {text.rstrip('; ')}" for line, text in refused.head(_SHOWN_REJECTIONS).items()
    ]
    named += [f"{unread} rows have more fields than the header"] if unread else []
    return Campaign(
        campaign_of(delivery.name),
        delivery.sha256,
        ids[usable].to_numpy(dtype=object),
        dates[usable].to_numpy().astype("datetime64[D]"),
        {name: column[usable] for name, column in columns.items()},
        tuple(named),
        len(refused) + unread,
    )


def _checked(column: Column, text: pd.Series) -> tuple[Any, Any]:
    if column.kind is Kind.INTEGER:
        numbers = pd.to_numeric(text, errors="coerce")
        values = numbers.to_numpy(dtype=np.float64)
        low, high = column.minimum, column.maximum
        with np.errstate(invalid="ignore"):
            wrong = ~((values >= low) & (values <= high) & (values == np.floor(values)))
        return values, wrong
    return text.to_numpy(dtype=object), ~text.isin(column.categories).to_numpy()


def _sentence(column: Column) -> str:
    if column.kind is Kind.INTEGER:
        return f"{column.source}: expected a whole number from {column.minimum} to {column.maximum}, found "
    return f"{column.source}: expected one of {', '.join(column.categories)}, found "
