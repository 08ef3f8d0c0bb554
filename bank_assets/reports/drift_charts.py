"""Picture of drift for the Dagster UI: heat map of columns × windows.

What lives here: a matplotlib figure as PNG bytes, and its embedding in Markdown and HTML.
What must not: statistics (`core.drift`), pyplot (its global state is not safe in a server), files.
Called by the drift asset (metadata); pages draw with `reports.svg`. matplotlib is imported on the first picture: it
costs 0.5 s.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI: Final = 100
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


def drift_heatmap(effects: Mapping[str, Mapping[str, float | None]]) -> bytes:
    """Share of contacts that moved, by column and window; what has no verdict is grey.

    Args:
        effects: by window name, in order, the effect of each column, in [0, 1] or None where there is no verdict.

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
