"""The charts of a replay: what each policy earned, whether its probabilities held, and what it did when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from markupsafe import escape

from bank_assets.reports.charts import HEIGHT, INK, Chart, Series

EVENTS: Final[Mapping[str, str]] = {
    "recalibration": "recalibrated",
    "refused": "refused by a gate",
    "search": "search",
    "model": "new model",
    "alert": "alert",
}
LEFT_OUT: Final = "oracle"  # at 187,110 EUR it would push all others into the lower half
ENOUGH: Final = 30  # outcomes that a month needs for its rate to be drawn
_DARK: Final = (
    "@media (prefers-color-scheme: dark) { :root { --surface: #1b211e; --ink-2: #b1bbb4; --grid: #2c3530; "
    "--line-strong: #7d887f; --accent: #8fc3e6; --down: #e8a06a; --good: #7fd0a2; --bad: #f39c97 } }"
)


def replay_charts(
    policies: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, str]], *, followed: str, source: str
) -> list[Chart]:
    """Three charts over the same time.

    `policies` have `name` and monthly figures in `months`, as in `replay.json`; `events`, with `day` and `kind`, are
    those of the policy named `followed`; `source` labels the data.
    """
    earned = {one["name"]: list(accumulate(month["profit_eur"] for month in one["months"])) for one in policies}
    names = sorted((name for name in earned if name != LEFT_OUT), key=lambda name: -earned[name][-1])
    months = next(one["months"] for one in policies if one["name"] == followed)
    rated = [month for month in months if month["subscription_rate"] is not None and month["outcomes"] >= ENOUGH]
    days = sorted({event["day"] for event in events})
    happened = {(event["day"], event["kind"]) for event in events}
    return [
        Chart(
            "profit",
            f"Cumulative profit at the end of each month ({source})",
            "month",
            "profit, EUR",
            [month["month"] for month in months],
            [Series(f"{name} {earned[name][-1]:,.0f} EUR", earned[name]) for name in names],
            "eur",
        ),
        Chart(
            "rates",
            f"Subscription rate and mean probability of {followed}, months of {ENOUGH} outcomes or more",
            "month",
            "share",
            [month["month"] for month in rated],
            [
                Series("subscribed", [month["subscription_rate"] for month in rated]),
                Series("mean probability", [month["mean_probability"] for month in rated]),
            ],
            "pct",
        ),
        Chart(
            "events",
            f"What {followed} did",
            "day",
            "event",
            days,
            [
                Series(label, [row if (day, kind) in happened else None for day in days], style="dots")
                for row, (kind, label) in enumerate(EVENTS.items())
            ],
            x_format="day",
            rows=tuple(EVENTS.values()),
        ),
    ]


def picture(charts: Sequence[Chart], width: int = 860) -> str:
    """Charts below each other as one SVG file, for places that take pictures only; it follows dark mode by itself."""
    parts, y = [], 0
    for chart in charts:
        parts.append(
            f'<text x="0" y="{y + 18}" font-size="15" font-weight="600" fill="{INK}">{escape(chart.title)}</text>'
        )
        y += 30
        columns = 3
        for at, (key, name) in enumerate(chart.legend):
            place = f'transform="translate({at % columns * width // columns} {y + at // columns * 20})"'
            parts.append(f'<g {place}>{key}<text x="34" y="11" font-size="12" fill="{INK}">{escape(name)}</text></g>')
        y += 20 * math.ceil(len(chart.series) / columns) + 8
        parts.append(f'<g transform="translate(0 {y})">{chart.drawing}</g>')
        y += HEIGHT + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 -8 {width + 32} {y}" width="{width + 32}" height="{y}" '
        f'font-family="system-ui, sans-serif"><style>{_DARK}</style>'
        f'<rect x="-16" y="-8" width="{width + 32}" height="{y}" fill="var(--surface,#fff)"/>'
        f'<svg width="{width}" height="{y}" overflow="visible">{"".join(parts)}</svg></svg>\n'
    )
