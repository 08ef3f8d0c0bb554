"""Single decisions that were randomized on request; `economics` holds their probability of being a call."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine

from bank_assets.ledger.chain import RECORDS
from bank_assets.ledger.decisions import decision_of
from bank_assets.ledger.engine import read
from bank_assets.ledger.models import decisions
from bank_assets.ledger.records import Decision

PROPENSITY: Final = "propensity"


def answers(engine: Engine, after_seq: int) -> list[Decision]:
    """Randomized decisions later in the chain than a sequence number, the oldest first, without erased ones."""
    is_randomized = decisions.c.economics.contains(f'"{PROPENSITY}":')
    found = read(engine, RECORDS.where(decisions.c.seq > after_seq, is_randomized).order_by(decisions.c.seq))
    return [one for one in map(decision_of, found) if one.contact_id is not None]
