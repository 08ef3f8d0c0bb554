"""Checks of stage features."""

import dagster as dg
import numpy as np

from bank_assets.assets.features import read_snapshot
from bank_assets.checks import hint, result
from bank_assets.contract.errors import LEAKAGE_RULE
from bank_assets.core.features.contacts import PREFIX
from bank_assets.core.training.folds import time_folds
from bank_assets.settings import Settings
from bank_assets.store.places import open_parquet
from bank_assets.store.warehouse import Warehouse

TABLE = "training_set"


@dg.asset_check(asset=TABLE, blocking=True)
def training_set_has_no_leakage_column(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """No feature is known only after the call."""
    names = [
        field.name.removeprefix(PREFIX)
        for field in open_parquet(warehouse.files(TABLE)[0]).schema_arrow
        if field.name.startswith(PREFIX)
    ]
    leaking = [name for name in names if (column := settings.contract.find(name)) is not None and not column.is_input]
    return result(not leaking, rule=LEAKAGE_RULE, leaking=leaking, features=len(names))


@dg.asset_check(asset=TABLE, blocking=True)
def folds_do_not_overlap_in_time(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """In every fold each training call and its outcome lie before each test call."""
    data = read_snapshot(warehouse, settings.contract).data
    overlapping = []
    for fold in time_folds(data.contact_dates, data.as_of):
        train = fold.train_mask(data.contact_dates, data.known_on)
        test = fold.test_mask(data.contact_dates)
        late = train & ((data.contact_dates >= fold.test_start) | (data.known_on > fold.test_start))
        if bool(late.any()) or bool((train & test).any()):
            overlapping.append(fold.name)
    too_late = int(np.sum((data.contact_dates >= data.as_of) | (data.known_on > data.as_of)))
    return result(not overlapping and too_late == 0, overlapping_folds=overlapping, rows_from_the_future=too_late)


@dg.asset_check(asset=TABLE)
def categories_are_not_rare(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Every category has enough contacts to learn from."""
    entry = warehouse.entry(TABLE, "all")
    rare = list(entry.metadata["rare"]) if entry else []
    return hint(not rare, rare=rare, count=len(rare))
