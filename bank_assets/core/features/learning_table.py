"""The frozen training snapshot as columns (tables `training_set` and `candidates`), and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet

PREFIX: Final = "feature."
"""Features carry a prefix, since some have the name of a key column's source."""


def to_columns(contact_ids: NDArray[Any], data: LearningData) -> dict[str, NDArray[Any]]:
    """Return the snapshot's columns: keys, and one per feature, none of which is known only after the call."""
    data.contract.refuse_post_contact(data.features)
    keys = {
        "contact_id": contact_ids,
        "contact_date": data.contact_dates,
        "known_on": data.known_on,
        "is_subscribed": data.is_subscribed,
    }
    return keys | {PREFIX + name: data.features[name] for name in FeatureSet.of(data.contract).names}


def from_columns(columns: Mapping[str, NDArray[Any]], as_of: np.datetime64, contract: Contract) -> LearningData:
    """Read rows to learn from out of the columns that `to_columns` made."""
    found = [name.removeprefix(PREFIX) for name in columns if name.startswith(PREFIX)]
    contract.refuse_post_contact(found)
    feature_set = FeatureSet.of(contract)
    features = {
        name: columns[PREFIX + name].astype(object if name in feature_set.category else np.float64)
        for name in feature_set.names
    }
    return LearningData(
        features,
        columns["contact_date"].astype("datetime64[D]"),
        columns["known_on"].astype("datetime64[D]"),
        columns["is_subscribed"].astype(bool),
        as_of,
        contract,
    )
