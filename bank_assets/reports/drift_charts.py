"""Pictures of drift: heat map of columns × windows, distributions before and after, subscription rate over time.

What lives here: matplotlib figures as PNG bytes, and their embedding in Markdown and HTML.
What must not: statistics (`core.drift`), pyplot (its global state is not safe in a server), files.
Called by the drift asset (metadata) and `drift_page`. matplotlib is imported on the first picture: it costs 0.5 s.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.drift_report import DriftReport, DriftStatus, Role
from bank_assets.core.drift_statistics import decile_edges
from bank_assets.core.profile import NUMERIC, ColumnProfile, Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 100
REFERENCE_COLOUR: Final = "#7a8ba3"
CURRENT_COLOUR: Final = "#c8553d"
NO_VERDICT_COLOUR: Final = "#e4e4e4"
FULL_SCALE: Final = 0.4
"""Share of contacts that fills the colour scale: twice the heavy thresholds."""


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # no software tag: the same report gives the same bytes
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """A picture as a `data:` URI, which needs no file and no server."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def markdown_image(png: bytes, text: str) -> str:
    """A picture as Markdown for Dagster metadata.

    Args:
        png: the picture.
        text: what it shows, for those who cannot see it; brackets are dropped, they would end it.
    """
    return f"![{text.replace('[', '').replace(']', '')}]({data_uri(png)})"


def effects_of(report: DriftReport) -> dict[str, float | None]:
    """Effect of each judged column, a column of the heat map; None where the report has no verdict."""
    has_verdict = report.status is DriftStatus.OK
    judged = (column for column in report.columns if column.role is not Role.CALENDAR)
    return {column.column: column.effect if has_verdict else None for column in judged}


def drift_heatmap(effects: Mapping[str, Mapping[str, float | None]]) -> bytes:
    """Share of contacts that moved, by column and window; what has no verdict is grey.

    Args:
        effects: by window name, in order, the effect of each column (`effects_of`), in [0, 1] or None.

    Raises:
        ValueError: no window.
    """
    if not effects:
        raise ValueError("drift heat map: expected at least one window, found none; compare a month first.")
    columns = list(dict.fromkeys(name for window in effects.values() for name in window)) or ["no column compared"]
    table = [[effects[window].get(name) for window in effects] for name in columns]
    shares = np.array(table, dtype=np.float64)  # None becomes NaN
    figure = _figure(max(5.0, 2.2 + 0.42 * len(effects)), max(2.4, 1.2 + 0.3 * len(columns)))
    axes = figure.add_subplot()
    axes.set_facecolor(NO_VERDICT_COLOUR)
    image = axes.imshow(np.ma.masked_invalid(shares), cmap="YlOrRd", vmin=0, vmax=FULL_SCALE, aspect="auto")
    axes.set_xticks(range(len(effects)), list(effects), rotation=90, fontsize=8)
    axes.set_yticks(range(len(columns)), columns, fontsize=8)
    for (y, x), share in np.ndenumerate(shares):
        if not np.isnan(share):
            axes.text(x, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5,
                      color="white" if share > 0.7 * FULL_SCALE else "black")  # fmt: skip
    axes.set_title("Share of contacts that moved against the reference, %", fontsize=10, loc="left")
    figure.colorbar(image, ax=axes, format=lambda value, _: f"{value:.0%}", shrink=0.8)
    return _png(figure)


def distributions(reference: Profile, current: Profile, columns: Sequence[str]) -> bytes:
    """Shares before and after, one panel per column: bins of the reference's deciles, or categories.

    Args:
        reference: profile of the reference.
        current: profile of the window.
        columns: columns to show, furthest drifted first, at least one; up to six are shown.

    Raises:
        ValueError: no column to show.
    """
    shown = [name for name in columns if name in reference.columns and name in current.columns][:6]
    if not shown:
        raise ValueError(f"distributions: expected a column of both profiles, found {list(columns)}.")
    rows = (len(shown) + 1) // 2
    figure = _figure(10, 2.6 * rows)
    for index, name in enumerate(shown):
        axes = figure.add_subplot(rows, 2 if len(shown) > 1 else 1, index + 1)
        _panel(axes, reference.columns[name], current.columns[name])
        axes.set_title(name, fontsize=10, loc="left")
        if index == 0:
            axes.legend(fontsize=8)
    return _png(figure)


def _panel(axes: Axes, reference: ColumnProfile, current: ColumnProfile) -> None:
    labels, shares = _binned(reference, current)
    at = np.arange(len(labels))
    axes.bar(at - 0.2, shares[0], 0.4, color=REFERENCE_COLOUR, label="reference")
    axes.bar(at + 0.2, shares[1], 0.4, color=CURRENT_COLOUR, label="current")
    axes.set_xticks(at, labels, rotation=60, fontsize=7, ha="right")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="y", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _binned(reference: ColumnProfile, current: ColumnProfile) -> tuple[list[str], list[NDArray[np.float64]]]:
    sides = (reference, current)
    if reference.kind != NUMERIC:
        values = np.union1d(reference.values, current.values)
        counts = [np.array([side.count_of(value) for value in values]) for side in sides]
        labels = [str(value) for value in values]
    elif not reference.present:
        labels, counts = ["any value"], [np.array([side.present]) for side in sides]
    else:
        edges = decile_edges(reference)
        labels = [f"≤ {edge:g}" for edge in edges] + [f"> {edges[-1]:g}"]
        counts = [
            np.bincount(np.searchsorted(edges, side.values, "left"), side.counts, edges.size + 1) for side in sides
        ]
    if any(side.missing for side in sides):
        labels = [*labels, "missing"]
        counts = [np.append(count, side.missing) for count, side in zip(counts, sides, strict=True)]
    return labels, [count / max(side.rows, 1) for count, side in zip(counts, sides, strict=True)]


def label_rates(reports: Sequence[DriftReport], names: Sequence[str]) -> bytes:
    """Subscription rate by window with its Wilson interval, and the reference's as a band.

    Args:
        reports: one report per window, in order, at least one; windows without a known outcome have no point.
        names: name of each window, for the axis.

    Raises:
        ValueError: no report, or not one name per report.
    """
    if not reports or len(reports) != len(names):
        raise ValueError(f"label rates: expected one name per report, found {len(reports)} and {len(names)}.")
    figure = _figure(max(5.0, 2 + 0.4 * len(reports)), 3)
    axes = figure.add_subplot()
    before = reports[-1].label_reference
    if before.low is not None and before.high is not None:
        axes.axhspan(before.low, before.high, color=REFERENCE_COLOUR, alpha=0.35, label="reference")
    points: list[tuple[int, Any]] = [(x, r.label_current) for x, r in enumerate(reports) if r.label_current.known]
    if points:
        at, rates = zip(*points, strict=True)
        rate = np.array([label.rate for label in rates])
        below, above = rate - [label.low for label in rates], np.array([label.high for label in rates]) - rate
        axes.errorbar(
            at, rate, [below, above], color=CURRENT_COLOUR, marker="o", markersize=4, capsize=2, label="window"
        )
        axes.legend(fontsize=8)
    axes.set_xticks(range(len(reports)), names, rotation=90, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("Subscription rate of known outcomes, with 95 % interval", fontsize=10, loc="left")
    return _png(figure)
