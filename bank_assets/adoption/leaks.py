"""Columns that say too much: alone, they separate the outcome better than what can be known before a call.

Each column is scored by the subscription rates of its values in the earlier part of a file and judged by AUC on the
later part, so a value that repeats only at random earns nothing, and neither does a trend that turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bank_assets.adoption.column_facts import MOST_CATEGORIES, ColumnFacts
from bank_assets.core.arrays import BoolArray, FloatArray, IntArray
from bank_assets.core.promotion.gates import LIMITS
from bank_assets.core.quality.metrics import roc_auc, roc_auc_standard_error
from bank_assets.core.words import pct

LATER_SHARE: Final = 0.3
_FEW: Final = 50  # outcomes of either kind in either part; fewer say nothing
_BINS: Final = 20
_PRIOR_ROWS: Final = 20.0
# One honest column reaches 0.69 on the UCI files, and the call's duration stands 0.08 above it.
_SUSPICIOUS: Final = 0.70
_GAP: Final = 0.05


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one column alone separates the later outcomes."""

    auc: float
    standard_error: float


def separations(columns: Mapping[str, ColumnFacts], outcomes: BoolArray, order: IntArray) -> dict[str, Separation]:
    """The separation of each column, the best first; empty if outcomes are too few. `order` sorts the rows by time."""
    cut = round(len(order) * (1 - LATER_SHARE))
    early, late = order[:cut], order[cut:]
    counts = [int(n) for part in (early, late) for n in (outcomes[part].sum(), (~outcomes[part]).sum())]
    if min(counts) < _FEW:
        return {}
    found = {}
    for name, facts in columns.items():
        # What knows the outcome knew it earlier as well: an index that follows the rate of subscriptions did not.
        auc, scores = max(
            (
                (min(roc_auc(outcomes[part], one[part]) for part in (early, late)), one)
                for one in _scores(facts, outcomes, early)
            ),
            key=lambda pair: pair[0],
        )
        found[name] = Separation(auc, roc_auc_standard_error(outcomes[late], scores[late]))
    return dict(sorted(found.items(), key=lambda item: -item[1].auc))


def suspected(found: Mapping[str, Separation]) -> dict[str, str]:
    """Suspected leaks with the reason: far above all columns that follow, or better than any honest model."""
    ranked, last = list(found.items()), 0
    for place, (_, one) in enumerate(ranked):
        following = ranked[place + 1][1].auc if place + 1 < len(ranked) else 0.5
        gap = one.auc - max(following, 0.5)
        if one.auc >= _SUSPICIOUS and gap >= max(_GAP, 2 * one.standard_error):
            last = place + 1
        elif one.auc >= LIMITS.leak_auc:
            last = max(last, place + 1)
    best = f"{ranked[last][0]}, reaches {ranked[last][1].auc:.2f}" if last < len(ranked) else "none is left"
    return {
        name: f"alone it separates the last {pct(LATER_SHARE, 0)} of the outcomes with an AUC of {one.auc:.2f}; "
        f"the best column that is not suspected, {best}"
        for name, one in ranked[:last]
    }


def _scores(facts: ColumnFacts, outcomes: BoolArray, early: IntArray) -> list[FloatArray]:
    """Scores of all rows learned from the early ones: rates of the values, and for numbers the value itself."""
    codes, scores = facts.encoded.codes, []
    if facts.is_number:
        values = facts.numbers[codes]
        is_number = ~np.isnan(values)
        if not is_number[early].any():
            return [np.zeros(len(codes))]
        edges = np.unique(np.quantile(values[early][is_number[early]], np.linspace(0, 1, _BINS + 1)[1:-1]))
        codes = np.where(is_number, np.searchsorted(edges, values, side="right") + 1, 0)
        filled = np.where(is_number, values, np.median(values[early][is_number[early]]))
        scores.append(filled if roc_auc(outcomes[early], filled[early]) >= 0.5 else -filled)
    elif len(facts.encoded.texts) > MOST_CATEGORIES:  # text and days tell whether they are given
        codes = facts.is_known[codes].astype(np.int64)
    rows = np.bincount(codes[early], minlength=int(codes.max()) + 1)
    positives = np.bincount(codes[early], weights=outcomes[early], minlength=rows.size)
    rates = (positives + _PRIOR_ROWS * outcomes[early].mean()) / (rows + _PRIOR_ROWS)
    return [*scores, rates[codes]]
