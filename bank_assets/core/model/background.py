"""The fixed rows that explanations start from: a small, synthetic, typical population.

No row is a customer. Each cluster of features that belong together is sorted and cut into as many equal bins as rows
are wanted; a bin gives its median or most frequent value. Fixed permutations combine the bins of different clusters, as
in a Latin hypercube. So marginal distributions are kept, and contradictions (a success in a campaign that never took
place) cannot occur.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import ColumnRole
from bank_assets.core.features.feature_set import FeatureSet

BACKGROUND_ROWS: Final = 16
"""Explanation time and precision grow with each row, see benchmarks/explain.py."""
PREVIOUS_CAMPAIGN: Final = (ColumnRole.DAYS_SINCE_PREVIOUS, ColumnRole.PREVIOUS_CAMPAIGN)
"""Columns of these roles are known together or not at all, so they are drawn together."""


class BackgroundError(ValueError):
    """The features cannot give a background."""


def fixed_order(seed: int, *names: object, n: int) -> list[int]:
    """Return a permutation of 0 … n-1 that depends on its arguments alone, not on any library's random numbers."""
    prefix = ":".join(map(str, (seed, *names)))
    return sorted(range(n), key=lambda k: hashlib.blake2b(f"{prefix}:{k}".encode(), digest_size=16).digest())


def build_background(
    features: Mapping[str, NDArray[Any]], feature_set: FeatureSet, *, n_rows: int = BACKGROUND_ROWS, seed: int = 0
) -> dict[str, list[Any]]:
    """Build the `background` entry of decision.json: one list of `n_rows` values per feature.

    Features of one group are drawn together. The order of the contacts does not change the result.
    """
    groups = feature_set.groups
    previous = {column.source for role in PREVIOUS_CAMPAIGN for column in feature_set.contract.with_role(role)}
    missing = sorted(set(features) - set(groups))
    if missing:
        raise BackgroundError(f"background: expected a group for each feature, missing for {missing}.")
    n_contacts = min((len(column) for column in features.values()), default=0)
    if n_contacts == 0 or n_rows < 1:
        raise BackgroundError(f"background: expected contacts and rows, found {n_contacts} and {n_rows}.")
    n_rows = min(n_rows, n_contacts)
    clusters: dict[str, list[str]] = {}
    for name in features:
        cluster = "previous_campaign" if name in previous else groups[name]
        clusters.setdefault(cluster, []).append(name)
    background: dict[str, list[Any]] = {}
    for cluster, names in clusters.items():
        columns = {name: np.asarray(features[name]) for name in names}
        bins = np.array_split(_cluster_order(columns), n_rows)
        shuffled = [bins[k] for k in fixed_order(seed, cluster, n=n_rows)]
        for name, column in columns.items():
            background[name] = [_typical(column[rows]) for rows in shuffled]
    return {name: background[name] for name in features}


def _is_number(column: NDArray[Any]) -> bool:
    return bool(np.issubdtype(column.dtype, np.number))


def _cluster_order(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
    """Order contacts along the direction in which a cluster varies most; ties by every column."""
    # Ranks, because the tails of columns like the balance would be the direction otherwise
    codes = [
        np.unique(column if _is_number(column) else column.astype(str), return_inverse=True)[1]
        for column in columns.values()
    ]
    numbers = [code for code, column in zip(codes, columns.values(), strict=True) if _is_number(column)] or codes
    ranks = np.column_stack(numbers).astype(np.float64)
    ranks -= ranks.mean(axis=0)
    ranks /= np.where(ranks.std(axis=0) > 0.0, ranks.std(axis=0), 1.0)
    _, vectors = np.linalg.eigh(ranks.T @ ranks)
    direction = vectors[:, -1] * np.sign(vectors[np.argmax(np.abs(vectors[:, -1])), -1])
    # Rounded: a last bit that differs with the order of the contacts must not decide
    return np.lexsort((*codes, np.round(ranks @ direction, 9)))


def _typical(values: NDArray[Any]) -> Any:
    if _is_number(values):
        return float(np.nanmedian(values)) if not np.isnan(values.astype(np.float64)).all() else 0.0
    names, counts = np.unique(values.astype(str), return_counts=True)
    return str(names[np.argmax(counts)])
