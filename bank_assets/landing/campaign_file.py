"""Campaign files, lists of customers to be called: which ones count, and what is read of one.

`bank_assets.spark.list_intake` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bank_assets.core.arrays import Rows
from bank_assets.landing.register import Delivery, latest_of
from bank_assets.store.campaign_files import FOLDER, campaign_of


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
