"""The champion before the one that made a list, and its probabilities for the list's rows, from what is on record.

It decides as it did when it was replaced: by its own bundle with its last recalibration, of which the list's own state
knows nothing. Columns, rates and plans are those that the list was scored with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.core.arrays import DayArray, FloatArray
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.as_of import AsOfState, StateError, plan_features
from bank_assets.core.features.contacts import frame_from_deliveries
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.scorer import BundleError
from bank_assets.core.quality.other_policies import OtherModel
from bank_assets.ledger import list_rows, promotions, states
from bank_assets.ledger.blocks import Block
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.promotions import Promotion
from bank_assets.store.champion_history import ROWS
from bank_assets.store.registry import Registry
from serving.champion.champion import Champion, ChampionStore
from serving.web.remembered import Remembered

LOADED_VERSIONS: Final = 2  # former champions kept in memory


@dataclass(frozen=True, slots=True)
class FormerChampions:
    """Finds and loads the champion before, and scores with it."""

    ledger: Engine
    store: ChampionStore
    registry: Registry
    _loaded: Remembered[Champion] = field(default_factory=lambda: Remembered(LOADED_VERSIONS))

    def of(self, kept: CampaignList, economics: Economics) -> OtherModel | str:
        """The champion before on the rows of a list whose person was not erased, or why it cannot decide them.

        Raises:
            RegistryError, OSError: it cannot be had now.
        """
        replaced = _taking_over(moves := self._moves(kept.created_at), kept.model_version)
        if replaced is None or (version := replaced.from_version) is None:
            return f"No champion before: expected one that version {kept.model_version} replaced, found none on record."
        try:
            champion = self._loaded.get(version, lambda: self.store.obtain(self.registry.get(version), self.registry))
            shift = self._last_shift(version, replaced, moves)
            blocks = list_rows.blocks_of(self.ledger, kept.id)
            probability = np.concatenate([_scored(one, champion, shift) for one in blocks])
        except (BundleError, ContractError, StateError) as error:
            return f"Cannot be scored by version {version}: {error}"
        return OtherModel(version, probability, economics.for_model(champion.decision))

    def _moves(self, until: str) -> list[Promotion]:
        """The changes of the champion up to a time, the newest first."""
        found = promotions.history(self.ledger, limit=ROWS, promoted_only=True)
        return [row for row in found if row.at <= until and row.from_version != row.to_version]

    def _last_shift(self, version: str, replaced: Promotion, moves: list[Promotion]) -> float:
        """The log-odds by which the last state moved a version that was published while it was the champion."""
        own = _taking_over([row for row in moves if row.id < replaced.id], version)
        published = states.latest(self.ledger, until=replaced.at)
        if published is None or (own is not None and published.created_at < own.at):
            return 0.0
        return float(published.state["log_odds_shift"])


def _taking_over(moves: list[Promotion], version: str) -> Promotion | None:
    """The newest verdict, of those from the newest on, that made a version the champion."""
    return next((row for row in moves if row.to_version == version), None)


def _scored(block: Block, champion: Champion, shift: float) -> FloatArray:
    """Probabilities of the rows of a block whose person was not erased, (n,)."""
    if not {"as_of_features", "plan_of_the_day"} <= block.facts.keys():
        raise StateError("expected the as-of features that the list was scored with, found none; it has no record.")
    known = [row for row, contact in enumerate(block.person["contact_id"]) if contact is not None]
    columns = {name: np.asarray([column[row] for row in known]) for name, column in block.payload.items()}
    lacking = [one.source for one in champion.contract.payload if one.source not in columns and not one.is_optional]
    if lacking:
        raise ContractError(f"expected the columns {', '.join(lacking)}, which it takes, found none on record.")
    days = np.asarray([block.decided["contact_date"][row] for row in known], dtype="datetime64[D]")
    frame, state = frame_from_deliveries(columns, champion.contract), AsOfState.from_dict(block.facts["as_of_features"])
    plans = _plans(block.facts["plan_of_the_day"], champion.contract)
    features = current_features(frame, days, state, champion.contract, has_plan=True, known=plans)
    return champion.scorer.score(features, log_odds_shift=shift).probability


def _plans(by_day: Mapping[str, Mapping[str, Any]], contract: Contract) -> tuple[DayArray, FloatArray]:
    """What `plan_statistics` returned for the whole list."""
    days, names = sorted(by_day), plan_features(contract)
    lacking = sorted({name for name in names for day in days if name not in by_day[day]})
    if lacking:
        raise StateError(f"expected the statistics {', '.join(lacking)} of each day's list, found them not on record.")
    statistics = np.array([[by_day[day][name] for name in names] for day in days])
    return np.asarray(days, dtype="datetime64[D]"), statistics
