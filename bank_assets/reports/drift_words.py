"""A column's change in words and bars: its values before, and now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bank_assets.contract.columns import Column
from bank_assets.core.drift.profile import NUMERIC, ColumnProfile
from bank_assets.core.drift.statistics import quantile_edges
from bank_assets.core.words import pct
from bank_assets.reports.charts import pair_of_bars

MOST_BARS: Final = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """Shares of contacts, in [0, 1], with one value or range, before and now, and their drawing as SVG."""

    label: str
    before: float
    now: float
    drawing: Markup


def words_of(column: Column | None, reference: ColumnProfile, current: ColumnProfile) -> str:
    """One sentence on how a column changed: the category whose share changed most, or the median.

    Where a value stands for "none", its share comes first.
    """
    sides = (reference, current)
    if not all(side.present for side in sides):
        return f"values in {_percent(reference)} of the contacts before, in {_percent(current)} now"
    if reference.kind != NUMERIC:
        values = np.union1d(reference.values, current.values)
        shares = np.array([[side.count_of(value) / side.rows for value in values] for side in sides])
        at = int(np.argmax(np.abs(shares[1] - shares[0])))
        return f"“{values[at]}”: {pct(shares[0, at], 0)} before, {pct(shares[1, at], 0)} now"
    unit = f" {column.unit}" if column and column.unit else ""
    sentinel = column.sentinel if column else None
    parts = []
    if sentinel is not None and any(side.count_of(sentinel) for side in sides):
        parts.append(_in_words(f"{sentinel}", [side.count_of(sentinel) / side.rows for side in sides]))
        sides = (reference.without(sentinel), current.without(sentinel))
    if reference.missing or current.missing:
        parts.append(_in_words("no value", [side.missing / side.rows for side in (reference, current)]))
    if all(side.present for side in sides):
        parts.append(f"middle value {_median(sides[0]):g}{unit} before, {_median(sides[1]):g}{unit} now")
    return "; ".join(parts)


def _in_words(what: str, shares: Sequence[float]) -> str:
    return f"{what} in {pct(shares[0], 0)} of the contacts before, in {pct(shares[1], 0)} now"


def effects_table(effects: Mapping[str, Mapping[str, float | None]]) -> str:
    """Share of contacts that moved, in per cent, by column and month (newest first), as a Markdown table.

    `effects` holds, by month in order, the effect of each column in [0, 1]; None without a verdict.
    """
    months = list(effects)[::-1]
    columns = dict.fromkeys(name for month in effects.values() for name in month)
    rows = [
        [name, *("–" if (effect := effects[month].get(name)) is None else pct(effect, 0) for month in months)]
        for name in columns
    ]
    head = [["column", *months], ["---", *("--:" for _ in months)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])


def bars_of(reference: ColumnProfile, current: ColumnProfile) -> tuple[Bar, ...]:
    """Shares before and now: of ranges between the reference's quantiles, or of the most frequent categories."""
    sides = (reference, current)
    rows = np.array([[max(side.rows, 1)] for side in sides])
    labels, counts = _ranges(*sides) if reference.kind == NUMERIC else _categories(*sides, rows)
    if any(side.missing for side in sides):
        labels, counts = [*labels, "missing"], np.column_stack([counts, [side.missing for side in sides]])
    before, now = (counts / rows).tolist()
    full = max([*before, *now], default=0.0)
    return tuple(Bar(*bar, pair_of_bars(*bar[1:], full)) for bar in zip(labels, before, now, strict=True))


def _categories(
    reference: ColumnProfile, current: ColumnProfile, rows: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    values = np.union1d(reference.values, current.values)
    counts = np.array([[side.count_of(value) for value in values] for side in (reference, current)])
    order = np.argsort(-(counts / rows).max(axis=0), kind="stable")
    shown, rest = order[:MOST_BARS], order[MOST_BARS:]
    labels = [str(value) for value in values[shown]]
    if not rest.size:
        return labels, counts[:, shown]
    return [*labels, f"{rest.size} others"], np.column_stack([counts[:, shown], counts[:, rest].sum(axis=1)])


def _ranges(reference: ColumnProfile, current: ColumnProfile) -> tuple[list[str], NDArray[np.int64]]:
    sides = (reference, current)
    if not reference.present:
        return ["any value"], np.array([[side.present] for side in sides])
    edges = quantile_edges(reference)
    labels = [f"up to {edge:g}" for edge in edges] + [f"above {edges[-1]:g}"]
    places = [np.searchsorted(edges, side.values, "left") for side in sides]
    counts = [np.bincount(at, side.counts, edges.size + 1) for at, side in zip(places, sides, strict=True)]
    return labels, np.array(counts).astype(np.int64)


def _percent(column: ColumnProfile) -> str:
    return pct(column.present / column.rows, 0) if column.rows else "none"


def _median(column: ColumnProfile) -> float:
    below = np.cumsum(column.counts)
    return float(column.values[np.searchsorted(2 * below, below[-1], side="left")])
