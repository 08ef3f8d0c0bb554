"""Small charts as inline SVG: lines with intervals, and pairs of bars.

What lives here: marks, axes, colours. What must not: statistics, page layout, any style attribute (the web app's
content security policy forbids them; presentation attributes are allowed).
Called by the report pages. A chart takes under a millisecond; the same as a matplotlib picture took about a second,
which a nightly run with several pages felt.

A chart is drawn at the width of a phone, so its text is readable there and is never scaled down. Before and now differ
by dash as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

BEFORE: Final = "#4f5f76"
NOW: Final = "#a83c17"
GUIDE: Final = "#6b7685"
GRID: Final = "#e3e8ee"
TEXT: Final = "#3c4856"
WIDTH: Final = 340
HEIGHT: Final = 220
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 12, 40
DASHES: Final = {"before": "6 4", "now": "", "guide": "2 3"}
COLOURS: Final = {"before": BEFORE, "now": NOW, "guide": GUIDE}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Attributes:
        name: for the legend.
        role: before, now or guide.
        points: x and y, in order of x.
        low: lower ends of an interval around y, or empty.
        high: upper ends, or empty.
        has_dots: whether each point is marked.
    """

    name: str
    role: str
    points: Sequence[tuple[float, float]]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    has_dots: bool = False


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that cover a range.

    Args:
        low: smallest value.
        high: largest value.
        most: how many at most, about.
    """
    span = max(high - low, 1e-9)
    step = 10.0 ** math.floor(math.log10(span / most))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x_name: str,
    y_name: str,
    y_text: Callable[[float], str],
    x_marks: Sequence[tuple[float, str]] | None = None,
    x_text: Callable[[float], str] = lambda value: f"{value:g}",
) -> str:
    """Draw lines over a common x axis.

    Args:
        title: what the chart says, for those who cannot see it.
        lines: what to draw; lines without points are left out.
        x_name: name of the x axis.
        y_name: name of the y axis.
        y_text: writes a y value.
        x_marks: places and words on the x axis; default round numbers.
        x_text: writes an x value.

    Returns:
        An `<svg>` element; "" if there is nothing to draw.
    """
    drawn = [line for line in lines if line.points]
    if not drawn:
        return ""
    xs = [x for line in drawn for x, _ in line.points]
    ys = [y for line in drawn for y in (*(y for _, y in line.points), *line.low, *line.high)]
    y_ticks = ticks(min(ys), max(ys))
    if len(y_ticks) == 1:
        y_ticks.append(y_ticks[0] + 1.0)  # all values are the same round number
    x_low, x_high = min(xs), max(xs)
    marks = list(x_marks) if x_marks is not None else [(x, x_text(x)) for x in ticks(x_low, x_high, 4)]
    marks = [(x, text) for x, text in marks if x_low <= x <= x_high]

    def at_x(value: float) -> float:
        return LEFT + (value - x_low) / max(x_high - x_low, 1e-9) * (WIDTH - LEFT - RIGHT)

    def at_y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" font-size="11" fill="{TEXT}">'
    ]
    for value in y_ticks:
        y = at_y(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(y_text(value))}</text>')
    for x, text in marks:
        anchor = "start" if at_x(x) < LEFT + 20 else "end" if at_x(x) > WIDTH - RIGHT - 20 else "middle"
        parts.append(f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{escape(text)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{escape(x_name)}</text>')
    parts.append(f'<text x="4" y="{HEIGHT - 6}">{escape(y_name)} ↑</text>')
    parts += [_marks(line, at_x, at_y) for line in drawn]
    return "".join(parts) + "</svg>"


def _marks(line: Line, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> str:
    colour, dash = COLOURS[line.role], DASHES[line.role]
    parts = []
    for (x, _), low, high in zip(line.points, line.low, line.high, strict=False):
        parts.append(f'<path d="M{at_x(x):.1f} {at_y(low):.1f}V{at_y(high):.1f}" stroke="{colour}" stroke-width="1"/>')
    if len(line.points) > 1:
        path = "L".join(f"{at_x(x):.1f} {at_y(y):.1f}" for x, y in line.points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        width = 1.2 if line.role == "guide" else 2
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>')
    if line.has_dots or len(line.points) == 1:
        parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{colour}"/>' for x, y in line.points]
    return "".join(parts)


def legend(lines: Sequence[Line]) -> str:
    """The names of the lines, each with its stroke; outside of the chart, so that it wraps."""
    items = []
    for line in lines:
        if line.points:
            dash = f' stroke-dasharray="{DASHES[line.role]}"' if DASHES[line.role] else ""
            stroke = f'<path d="M0 6H26" stroke="{COLOURS[line.role]}" stroke-width="3"{dash}/>'
            items.append(
                f'<span><svg class="key" viewBox="0 0 26 12" width="26" height="12" aria-hidden="true">{stroke}</svg> '
                f"{escape(line.name)}</span>"
            )
    return "".join(items)


def pair_of_bars(before: float, now: float, full: float) -> str:
    """Two bars, before above now; the numbers stand beside them in the table, so they are hidden from readers.

    Args:
        before: share before.
        now: share now.
        full: share that fills the width.
    """
    width = 120
    sizes = [max(1.0, width * min(share / max(full, 1e-9), 1.0)) if share > 0 else 0.0 for share in (before, now)]
    return (
        f'<svg class="pair" viewBox="0 0 {width} 16" width="{width}" height="16" aria-hidden="true" '
        f'preserveAspectRatio="none">'
        f'<rect x="0" y="1" width="{sizes[0]:.1f}" height="6" fill="{BEFORE}"/>'
        f'<rect x="0" y="9" width="{sizes[1]:.1f}" height="6" fill="{NOW}"/></svg>'
    )
