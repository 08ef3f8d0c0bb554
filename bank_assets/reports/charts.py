"""Charts as inline SVG, the same for the web app's pages and for the reports (ADR 0027).

A chart needs no script and no inline style. Its layout is in per cent, so that its text keeps its size at every width,
and its colours are the page's CSS variables, so that it follows dark mode. Values appear on hover and in a table
(`templates/macros/charts.html`). The web app imports this module, which may need markupsafe only.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, Final

from markupsafe import Markup, escape

from bank_assets.core.words import NONE, pct
from bank_assets.reports.formats import count, eur, number

HEIGHT, TOP, BOTTOM = 250, 30, 38
# Height of the plot, px; its width is stretched from `SPAN` units to that of the page.
PLOT: Final = HEIGHT - TOP - BOTTOM
SPAN: Final = 1000
LEFT: Final = 150  # part of the width where labels of the y axis stand and no mark does
LABELS: Final = 3  # labels of the x axis that fit on a phone
COLOURS: Final = ("var(--accent,#1c4e72)", "var(--down,#a4561c)", "var(--good,#1f6a44)", "var(--bad,#a3282c)")
# Lines differ by dash as well as by colour; the two cycles meet again at the thirteenth line.
DASHES: Final = ("", "8 4", "2 3")
INK: Final = "var(--ink-2,#4d5851)"
GRID: Final = "var(--grid,#e2e5e1)"
GUIDE: Final = "var(--line-strong,#868e87)"

FORMATS: Final[Mapping[str, Callable[[Any], str]]] = {
    "eur": eur,
    "pct": pct,
    "ratio": lambda value: number(value, 2),
    "number": number,
    "count": count,
    "name": str,
    "day": str,
}
NAMED: Final = ("name", "day")


@dataclass(frozen=True, slots=True)
class Series:
    """One line, group of bars or set of dots; None is no value: a gap, unless x is a number.

    `values`, and the ends `low` and `high` of an interval around them, have one value per x value of the chart. `style`
    is line, dots, bars or reference (dotted, grey).
    """

    name: str
    values: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    style: str = "line"


@dataclass(frozen=True, slots=True)
class Marker:
    """A vertical line at `x` with its label."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as numbers.

    Attributes:
        name: identifier within the page.
        title: what the chart shows, as a sentence.
        x_label: name and unit of the x axis; the y axis likewise.
        x: numbers, ISO days, or names such as months.
        y_format: how y values are written, a key of `FORMATS`.
        x_format: how x values are written; `name` spaces them evenly, `day` by the calendar.
        rows: names of the y values 0, 1, …, where y is no number.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    x: Sequence[Any]
    series: Sequence[Series]
    y_format: str = "number"
    x_format: str = "name"
    markers: Sequence[Marker] = field(default_factory=list)
    rows: Sequence[str] = ()

    def write_x(self, value: Any) -> str:
        """An x value as text."""
        return FORMATS[self.x_format](value)

    def write_y(self, value: float | None) -> str:
        """A y value as text."""
        if self.rows:
            return "" if value is None else self.rows[int(value)]
        return NONE if value is None else FORMATS[self.y_format](value)

    @property
    def legend(self) -> list[tuple[Markup, str]]:
        """A piece of each series, and its name."""
        return [(_key(series, at), series.name) for at, series in enumerate(self.series)]

    @property
    def drawing(self) -> Markup:
        """The chart as an `<svg>` element; empty without values."""
        return _draw(self)


def on_one_axis(
    lines: Mapping[str, Sequence[tuple[float, float]]],
) -> tuple[list[float], list[Series]]:
    """Lines of (x, y), by name, as series over all their x values."""
    xs = sorted({x for line in lines.values() for x, _ in line})
    return xs, [Series(name, list(map(dict(line).get, xs))) for name, line in lines.items()]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that cover a range, about `most` of them."""
    span = max(high - low, 1e-9)
    step = 10.0 ** math.floor(math.log10(span / most))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, max(last, first + 1) + 1)]


def _draw(chart: Chart) -> Markup:
    drawn = [value for one in chart.series for side in (one.values, one.low, one.high) for value in side or ()]
    known = [value for value in drawn if value is not None]
    if not known:
        return Markup("")
    if any(one.style == "bars" for one in chart.series):
        known.append(0.0)
    levels: Sequence[float] = range(len(chart.rows)) if chart.rows else ticks(min(known), max(known))
    bottom, top = (-0.5, len(levels) - 0.5) if chart.rows else (levels[0], levels[-1])
    places, left, right = _x_axis(chart)

    def at_x(place: float) -> float:
        return LEFT + (SPAN - LEFT) * (place - left) / (right - left)

    def at_y(value: float) -> float:
        return PLOT * (top - value) / (top - bottom)

    xs = [at_x(place) for place in places]
    marks = [_marks(chart, at, xs, at_y) for at in range(len(chart.series))]
    marks += [_path(f"M{at_x(one.x):.1f} 0V{PLOT}", INK, 1, "4 4") for one in chart.markers]
    return Markup(  # noqa: S704  every text went through `escape`
        f'<svg role="img" aria-label="{escape(chart.title)}" width="100%" height="{HEIGHT}" overflow="visible" '
        f'font-size="12" fill="{INK}">'
        + "".join(
            f'<line x1="0" x2="100%" y1="{TOP + at_y(value):.1f}" y2="{TOP + at_y(value):.1f}" stroke="{GRID}"/>'
            for value in levels
        )
        + f'<svg y="{TOP}" width="100%" height="{PLOT}" viewBox="0 0 {SPAN} {PLOT}" preserveAspectRatio="none" '
        f'overflow="visible">{"".join(marks)}{_slots(chart, xs)}</svg>'
        + "".join(_text(0, TOP + at_y(value) - 4, _tick(chart.write_y(value))) for value in levels)
        + "".join(_text(at_x(place), HEIGHT - 22, text) for place, text in _x_labels(chart, places, left, right))
        + "".join(
            _text(at_x(one.x), TOP + 14 + 16 * at, one.label, at_x(one.x) < SPAN / 2)
            for at, one in enumerate(chart.markers)
        )
        + _text(0, 11, f"{chart.y_label} ↑")
        + _text(SPAN, HEIGHT - 5, f"{chart.x_label} →")
        + "</svg>"
    )


def _x_axis(chart: Chart) -> tuple[list[float], float, float]:
    if chart.x_format == "name":
        return list(map(float, range(len(chart.x)))), -0.5, len(chart.x) - 0.5
    places = [float(dt.date.fromisoformat(x).toordinal() if chart.x_format == "day" else x) for x in chart.x]
    left, right = min(places), max(places)
    return (places, left, right) if left < right else (places, left - 0.5, right + 0.5)


def _x_labels(chart: Chart, places: Sequence[float], left: float, right: float) -> list[tuple[float, str]]:
    if chart.x_format == "name":  # the last one, which is the newest, always has its name
        step = math.ceil(len(places) / LABELS)
        return [(place, chart.write_x(chart.x[int(place)])) for place in places[::-1][::step]]
    if chart.x_format == "day":
        days = sorted({round(left + (right - left) * part / (LABELS - 1)) for part in range(LABELS)})
        return [(day, dt.date.fromordinal(day).isoformat()) for day in days]
    return [(x, _tick(chart.write_x(x))) for x in ticks(left, right, 4) if left <= x <= right]


def _tick(text: str) -> str:
    """A number beside an axis, whose name has the unit: on a phone the plot begins where the number ends."""
    bare = text.removesuffix(" EUR")
    return re.sub(r"\.?0+(?= |$)", "", bare) if "." in bare else bare


def _text(x: float, y: float, text: str, is_before: bool | None = None) -> str:
    """Text beside the plot, or over it with a halo; at the edges it is aligned so that it stays inside."""
    anchor = "start" if x == 0 or is_before else "end" if x > SPAN - 80 or is_before is False else "middle"
    halo = 'stroke="var(--surface,#fff)" stroke-width="3" paint-order="stroke" stroke-linejoin="round"'
    shift = "" if is_before is None else f' dx="{6 if is_before else -6}"'
    return f'<text x="{x / SPAN:.2%}" y="{y:.1f}"{shift} text-anchor="{anchor}" {halo}>{escape(text)}</text>'


def _path(points: str, colour: str, width: float, dash: str = "", cap: str = "butt") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path d="{points}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes} stroke-linecap="{cap}" '
        'vector-effect="non-scaling-stroke"/>'
    )


def _look(series: Series, at: int) -> tuple[str, str]:
    if series.style == "reference":
        return GUIDE, "5 5"
    return COLOURS[at % len(COLOURS)], DASHES[at % len(DASHES)]


def _key(series: Series, at: int) -> Markup:
    colour, dash = _look(series, at)
    piece = _path("M0 6H26", colour, 10) if series.style == "bars" else _path("M0 6H26", colour, 2.5, dash)
    if series.style == "dots":
        piece = _path("M13 6h0", colour, 8, cap="round")
    return Markup(f'<svg class="key" width="26" height="12" aria-hidden="true">{piece}</svg>')  # noqa: S704


def _marks(chart: Chart, at: int, xs: Sequence[float], at_y: Callable[[float], float]) -> str:
    """One series. A dot is a stroke of no length with round ends, which stays round however the plot is stretched."""
    series, bars = chart.series[at], [one for one in chart.series if one.style == "bars"]
    colour, dash = _look(series, at)
    if series.style == "bars":
        slot = (SPAN - LEFT) / len(xs) * 0.8
        width, first = slot / len(bars), bars.index(series) / len(bars) * slot - slot / 2
        shapes = [
            f"M{x + first:.1f} {at_y(0):.1f}V{at_y(value):.1f}h{width:.1f}V{at_y(0):.1f}Z"
            for x, value in zip(xs, series.values, strict=True)
            if value is not None
        ]
        return f'<path d="{"".join(shapes)}" fill="{colour}" fill-opacity="0.85"/>'
    places = [None if y is None else (x, at_y(y)) for x, y in zip(xs, series.values, strict=True)]
    if chart.x_format not in NAMED:
        places = [place for place in places if place]
    runs = [[place for place in run if place] for is_known, run in groupby(places, bool) if is_known]
    parts = [_interval(series, xs, at_y, colour)]
    lines = [run for run in runs if series.style != "dots" and len(run) > 1]
    parts += [_path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run), colour, 2, dash) for run in lines]
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for run in runs if run not in lines for x, y in run)
    return "".join(parts) + (_path(dots, colour, 7, cap="round") if dots else "")


def _interval(series: Series, xs: Sequence[float], at_y: Callable[[float], float], colour: str) -> str:
    """A band around a line, a stroke through each dot."""
    if series.low is None or series.high is None:
        return ""
    ends = [
        None if low is None or high is None else (x, at_y(low), at_y(high))
        for x, low, high in zip(xs, series.low, series.high, strict=True)
    ]
    runs = [[end for end in run if end] for is_known, run in groupby(ends, bool) if is_known]
    if series.style == "dots":
        return _path("".join(f"M{x:.1f} {low:.1f}V{high:.1f}" for run in runs for x, low, high in run), colour, 1.5)
    bands = [
        [f"{x:.1f} {low:.1f}" for x, low, _ in run] + [f"{x:.1f} {up:.1f}" for x, _, up in run[::-1]] for run in runs
    ]
    return "".join(f'<path d="M{"L".join(band)}Z" fill="{colour}" fill-opacity="0.18"/>' for band in bands)


def _slots(chart: Chart, xs: Sequence[float]) -> str:
    """Invisible columns, one around each x value, that show its values on hover."""
    order = sorted(range(len(xs)), key=lambda at: xs[at])
    edges = [float(LEFT), *((xs[one] + xs[other]) / 2 for one, other in pairwise(order)), float(SPAN)]
    return "".join(
        f'<rect x="{left:.1f}" width="{right - left:.1f}" height="{PLOT}" fill="transparent">'
        f"<title>{escape(_values(chart, at))}</title></rect>"
        for at, (left, right) in zip(order, pairwise(edges), strict=True)
    )


def _values(chart: Chart, at: int) -> str:
    lines = [chart.write_x(chart.x[at])]
    for series in chart.series:
        if series.values[at] is not None:
            ends = [chart.write_y(side[at]) for side in (series.low, series.high) if side is not None]
            interval = f" ({' to '.join(ends)})" if ends else ""
            lines.append(f"{series.name}: {chart.write_y(series.values[at])}{interval}")
    return "\n".join(lines)


def pair_of_bars(before: float, now: float, full: float) -> Markup:
    """Two bars, before above now, for a row of a table that holds the numbers; `full` is the share that fills it."""
    sizes = [f"{min(share / max(full, 1e-9), 1.0):.1%}" for share in (before, now)]
    return Markup(  # noqa: S704  numbers and constants
        '<svg class="pair" width="100%" height="16" aria-hidden="true">'
        f'<rect y="1" width="{sizes[0]}" height="6" fill="{COLOURS[0]}"/>'
        f'<rect y="9" width="{sizes[1]}" height="6" fill="{COLOURS[1]}"/></svg>'
    )
