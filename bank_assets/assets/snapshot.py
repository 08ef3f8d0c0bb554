"""Reads the training snapshot back for the stages that learn from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bank_assets.contract.contract import Contract
from bank_assets.core.features.contacts import LearningData
from bank_assets.store.warehouse import Warehouse, WarehouseError, arrays_of


@dataclass(frozen=True, slots=True)
class TrainingSnapshot:
    """The stored training set: its data, contact ids (n,), content digest and manifest metadata."""

    data: LearningData
    contact_ids: Any
    digest: str
    metadata: dict[str, Any]


def read_snapshot(store: Warehouse, contract: Contract) -> TrainingSnapshot:
    """Read `training_set`; `WarehouseError` if it was never materialized."""
    entry = store.entry("training_set", "all")
    if entry is None:
        raise WarehouseError("training_set: expected a snapshot, found none; materialize training_set first.")
    columns = arrays_of(store.read("training_set", ["all"]))
    data = LearningData.from_columns(columns, np.datetime64(entry.metadata["as_of"], "D"), contract)
    return TrainingSnapshot(data, columns["contact_id"], entry.digest, dict(entry.metadata))
