"""The frozen training snapshot as columns, and back.

What lives here: the column layout of the `training_set` and `candidates` tables as plain arrays.
What must not: Arrow, files, choosing rows (`core.contacts`).
Called by the training_set asset (writes) and the training and evaluation assets (read).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract import refuse_post_contact
from bank_assets.core.contacts import LearningData
from bank_assets.core.features import CATEGORY_FEATURES, FEATURES

PREFIX: Final = "feature."
"""Features carry a prefix, since some have the name of a key column's source."""


def to_columns(contact_ids: NDArray[Any], data: LearningData) -> dict[str, NDArray[Any]]:
    """Columns of the snapshot.

    Args:
        contact_ids: (n,).
        data: rows to learn from.

    Returns:
        Key columns and one column per feature.

    Raises:
        LeakageError: a feature is known only after the call.
    """
    refuse_post_contact(tuple(data.features))
    keys = {
        "contact_id": contact_ids,
        "contact_date": data.contact_dates,
        "known_on": data.known_on,
        "is_subscribed": data.is_subscribed,
    }
    return keys | {PREFIX + name: data.features[name] for name in FEATURES}


def from_columns(columns: Mapping[str, NDArray[Any]], as_of: np.datetime64) -> LearningData:
    """Rows to learn from, from the columns of the snapshot.

    Args:
        columns: as `to_columns` made them.
        as_of: first day after the data.

    Returns:
        The rows.

    Raises:
        LeakageError: the snapshot holds a feature column that is known only after the call.
    """
    found = [name.removeprefix(PREFIX) for name in columns if name.startswith(PREFIX)]
    refuse_post_contact(tuple(found))
    features = {
        name: columns[PREFIX + name].astype(object if name in CATEGORY_FEATURES else np.float64) for name in FEATURES
    }
    return LearningData(
        features,
        columns["contact_date"].astype("datetime64[D]"),
        columns["known_on"].astype("datetime64[D]"),
        columns["is_subscribed"].astype(bool),
        as_of,
    )
