"""Explains a probability by contributions of feature groups that add up exactly, from the bundle alone.

Method: permutation sampling of Shapley values (Castro, Gomez, Tejada 2009) on the calibrated ONNX score. Each
background row is turned into the contact group by group, in a fixed order and in its reverse (antithetic, Mitchell et
al. 2022); the changes of the score along this path are the contributions, which telescope on both scales. Orders come
from hashes, so the same row and bundle give the same numbers on any machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import ColumnRole
from bank_assets.core.arrays import FloatArray, IntArray
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.scorer import Scorer, apply_calibrator, logit

SEED: Final = 0
ORDERS_PER_ROW: Final = 1
IMPORTANCE_ROWS: Final = 200
"""Contacts that global importance averages over; some 5 ms each."""


BACKGROUND_ROWS: Final = 16
"""Rows that explanations start from; time and precision grow with each, see benchmarks/explain.py."""
PREVIOUS_CAMPAIGN: Final = (ColumnRole.DAYS_SINCE_PREVIOUS, ColumnRole.PREVIOUS_CAMPAIGN)
"""Columns of these roles are known together or not at all, so they are drawn together."""


class ExplainError(ValueError):
    """An explanation, or the background that it starts from, is not possible."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Contributions of feature groups for n contacts, on two scales.

    Contributions are signed, (n, n_groups), with columns in the order of `groups`; a base plus its row sum is the
    probability or log-odds, (n,). The bases are means over the background. `probability` is identical to
    `Scorer.score`.
    """

    groups: tuple[str, ...]
    base_probability: float
    base_log_odds: float
    probability: FloatArray
    log_odds: FloatArray
    probability_contributions: FloatArray
    log_odds_contributions: FloatArray


class Explainer:
    """Explains the scores of one bundle; `groups` are in the order of the bundle's features."""

    def __init__(
        self, scorer: Scorer, groups: Mapping[str, str] | None = None, orders_per_row: int = ORDERS_PER_ROW
    ) -> None:
        """Prepare the orders and score the background.

        `groups` overrides the bundle's own groups. Time and precision grow with `orders_per_row`, the pairs of an order
        and its reverse for each background row.
        """
        self._scorer = scorer
        chosen = {f["name"]: f.get("group", f["name"]) for f in scorer.decision["features"]} | dict(groups or {})
        self.groups: tuple[str, ...] = tuple(dict.fromkeys(chosen[f["name"]] for f in scorer.decision["features"]))
        self._group_of = {name: self.groups.index(chosen[name]) for name in scorer.feature_names}
        self._kinds = {f["name"]: f["kind"] for f in scorer.decision["features"]}
        background = scorer.decision.get("background") or {}
        lengths = {len(background.get(name, ())) for name in scorer.feature_names}
        if len(lengths) != 1 or lengths == {0}:
            raise ExplainError(
                "background: expected the same number of values, at least one, for each feature, found "
                f"{sorted(lengths)}; make the bundle again with `build_background`."
            )
        self._background = {name: self._column(name, background[name]) for name in scorer.feature_names}
        n_rows, n_groups = lengths.pop(), len(self.groups)
        forward = [fixed_order(SEED, "order", path, n=n_groups) for path in range(n_rows * orders_per_row)]
        self._orders = np.asarray([order for f in forward for order in (f, f[::-1])])  # (n_orders, n_groups)
        self._places = np.argsort(self._orders, axis=1)  # position of each group in each order
        self._start = np.repeat(np.arange(n_rows * orders_per_row) % n_rows, 2)
        self._base = self._probability(self._background)
        self.base_probability = float(self._base.mean())
        self.base_log_odds = float(logit(self._base).mean())

    def _column(self, name: str, values: Any) -> NDArray[Any]:
        return np.asarray(values, dtype=np.float64 if self._kinds[name] == "numeric" else np.object_).reshape(-1)

    def _probability(self, features: Mapping[str, NDArray[Any]]) -> FloatArray:
        return apply_calibrator(self._scorer.raw_probability(features), self._scorer.decision["calibrator"])

    def explain(self, features: Mapping[str, NDArray[Any]]) -> Explanation:
        """Explain contacts in one batched call of the graph; `features` as for `Scorer.score`."""
        missing = [name for name in self._scorer.feature_names if name not in features]
        if missing:
            raise ExplainError(f"features: expected {list(self._scorer.feature_names)}, missing {missing}.")
        columns = {name: self._column(name, features[name]) for name in self._scorer.feature_names}
        n_contacts = len(next(iter(columns.values())))
        paths = [self._path({name: column[row] for name, column in columns.items()}) for row in range(n_contacts)]
        batch = {
            name: np.concatenate([columns[name], *(rows[name] for rows, _ in paths)])
            for name in self._scorer.feature_names
        }
        scores = self._probability(batch)
        steps = np.empty((2, n_contacts, len(self.groups)))
        offset = n_contacts
        for row, (rows, index) in enumerate(paths):
            n_rows = len(next(iter(rows.values())))
            known = np.concatenate([self._base, scores[offset : offset + n_rows], scores[row : row + 1]])
            offset += n_rows
            for scale, values in enumerate((known, logit(known))):
                along = np.diff(values[index], axis=1)  # (n_orders, n_groups) in the order of the path
                steps[scale, row] = np.take_along_axis(along, self._places, axis=1).mean(axis=0)
        probability = scores[:n_contacts]
        return Explanation(
            groups=self.groups,
            base_probability=self.base_probability,
            base_log_odds=self.base_log_odds,
            probability=probability,
            log_odds=logit(probability),
            probability_contributions=steps[0],
            log_odds_contributions=steps[1],
        )

    def _path(self, contact: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], IntArray]:
        """Rows between the background and one contact, and which score each step of each order has.

        Steps that change no value are not scored again. The index, (n_orders, n_groups + 1), counts background rows
        first, then the rows returned, then the contact.
        """
        n_base = len(self._base)
        differs = np.zeros((n_base, len(self.groups)), dtype=bool)
        for name, background in self._background.items():
            value = contact[name]
            # A value that differs from itself is NaN: missing in both is no difference
            is_other = (background != value) & ~((background != background) & (value != value))
            differs[:, self._group_of[name]] |= is_other
        is_step = differs[self._start[:, None], self._orders]  # (n_orders, n_groups)
        remaining = np.cumsum(is_step[:, ::-1], axis=1)[:, ::-1]
        is_scored = is_step & (remaining > 1)  # the last step that changes anything arrives at the contact itself
        order, position = np.nonzero(is_scored)
        last = n_base + len(order)
        number = np.full(is_step.shape, -1)
        number[order, position] = n_base + np.arange(len(order))
        number[is_step & (remaining == 1)] = last
        start = np.where(is_step.any(axis=1), self._start, last)
        # Numbers grow along an order, so a step that changes nothing has the number before it
        index = np.maximum.accumulate(np.column_stack([start, number]), axis=1)
        # (n_scored, n_groups): which groups are the contact's already
        is_contact = self._places[order] <= position[:, None]
        rows = {
            name: np.where(is_contact[:, self._group_of[name]], contact[name], background[self._start[order]])
            for name, background in self._background.items()
        }
        return rows, index


def global_importance(
    explainer: Explainer, features: Mapping[str, NDArray[Any]], max_rows: int = IMPORTANCE_ROWS
) -> dict[str, float]:
    """Return the mean absolute contribution to the probability by group, largest first; all 0 without contacts.

    At most `max_rows` contacts are explained, evenly spaced over the rows.
    """
    n_contacts = len(next(iter(features.values())))
    rows = np.unique(np.linspace(0, n_contacts - 1, min(max_rows, n_contacts)).astype(np.int64))
    sample = {name: np.asarray(column)[rows] for name, column in features.items()}
    contributions = np.abs(explainer.explain(sample).probability_contributions)
    means = contributions.mean(axis=0) if len(rows) else np.zeros(len(explainer.groups))
    order = np.argsort(-means, kind="stable")
    return {explainer.groups[group]: float(means[group]) for group in order}


def fixed_order(seed: int, *names: object, n: int) -> list[int]:
    """Return a permutation of 0 … n-1 that depends on its arguments alone, not on any library's random numbers."""
    prefix = ":".join(map(str, (seed, *names)))
    return sorted(range(n), key=lambda k: hashlib.blake2b(f"{prefix}:{k}".encode(), digest_size=16).digest())


def build_background(
    features: Mapping[str, NDArray[Any]], feature_set: FeatureSet, *, n_rows: int = BACKGROUND_ROWS, seed: int = 0
) -> dict[str, list[Any]]:
    """Build the `background` entry of decision.json: one list of `n_rows` values per feature.

    It is a small, synthetic, typical population; no row is a customer. Each cluster of features that belong together is
    sorted and cut into as many equal bins as rows are wanted; a bin gives its median or most frequent value. Fixed
    permutations combine the bins of different clusters, as in a Latin hypercube. So marginal distributions are kept,
    and contradictions (a success in a campaign that never took place) cannot occur. The order of the contacts does not
    change the result.
    """
    groups = feature_set.groups
    previous = {column.source for role in PREVIOUS_CAMPAIGN for column in feature_set.contract.with_role(role)}
    missing = sorted(set(features) - set(groups))
    if missing:
        raise ExplainError(f"background: expected a group for each feature, missing for {missing}.")
    n_contacts = min((len(column) for column in features.values()), default=0)
    if n_contacts == 0 or n_rows < 1:
        raise ExplainError(f"background: expected contacts and rows, found {n_contacts} and {n_rows}.")
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
    # Ranks, because the tails of columns like amounts of money would be the direction otherwise
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
