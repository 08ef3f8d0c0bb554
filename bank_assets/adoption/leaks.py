"""Columns that say too much: alone, they separate the outcome better than what can be known before a call.

A small tree learns from the earlier part of a file what each column says by itself and is judged by AUC on the later
part, so a value that repeats only at random earns nothing, and neither does a trend that turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from bank_assets.adoption.column_facts import MOST_CATEGORIES, ColumnFacts
from bank_assets.core.arrays import BoolArray, FloatArray, IntArray
from bank_assets.core.promotion.gates import LIMITS
from bank_assets.core.quality.metrics import roc_auc, roc_auc_standard_error
from bank_assets.core.words import pct

LATER_SHARE: Final = 0.3
_FEW: Final = 50  # outcomes of either kind in either part; fewer say nothing
_SMALLEST_LEAF: Final = 0.02  # share of the earlier rows
# One honest column reaches 0.69 on the UCI files, and the call's duration stands 0.08 above it.
_SUSPICIOUS: Final = 0.70
_GAP: Final = 0.05


def separations(
    columns: Mapping[str, ColumnFacts], outcomes: BoolArray, order: IntArray
) -> dict[str, tuple[float, float]]:
    """AUC of each column alone on the later outcomes with its standard error, the best first.

    Empty if outcomes are too few. `order` sorts the rows by time.
    """
    cut = round(len(order) * (1 - LATER_SHARE))
    early, late = order[:cut], order[cut:]
    counts = [int(n) for part in (early, late) for n in (outcomes[part].sum(), (~outcomes[part]).sum())]
    if min(counts) < _FEW:
        return {}
    found = {}
    for name, facts in columns.items():
        values = _values(facts)[facts.encoded.codes, None]
        tree = DecisionTreeClassifier(min_samples_leaf=_SMALLEST_LEAF, random_state=0)
        scores = tree.fit(values[early], outcomes[early]).predict_proba(values)[:, 1]
        # What knows the outcome knew it earlier as well: an index that follows the rate of subscriptions did not.
        auc = min(roc_auc(outcomes[part], scores[part]) for part in (early, late))
        found[name] = (auc, roc_auc_standard_error(outcomes[late], scores[late]))
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def _values(facts: ColumnFacts) -> FloatArray:
    """A number for each distinct text, (k,): itself, its place, or of many texts and of days whether they are given."""
    if facts.is_number:
        return facts.numbers
    if len(facts.encoded.texts) > MOST_CATEGORIES:
        return facts.is_known.astype(np.float64)
    return np.arange(len(facts.encoded.texts), dtype=np.float64)


def suspected(found: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """Suspected leaks with the reason: far above all columns that follow, or better than any honest model."""
    names, last = list(found), 0
    for place, (auc, standard_error) in enumerate(found.values(), start=1):
        following = max(found[names[place]][0] if place < len(names) else 0.5, 0.5)
        is_apart = auc >= _SUSPICIOUS and auc - following >= max(_GAP, 2 * standard_error)
        if is_apart or auc >= LIMITS.leak_auc:
            last = place
    best = f"{names[last]}, reaches {found[names[last]][0]:.2f}" if last < len(names) else "none is left"
    said = f"alone it separates the last {pct(LATER_SHARE, 0)} of the outcomes with an AUC of"
    return {
        name: f"{said} {found[name][0]:.2f}; the best column that is not suspected, {best}" for name in names[:last]
    }
