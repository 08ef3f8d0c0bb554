"""The charts of a replay: what each policy earned, whether its probabilities held, and what it did when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from bank_assets.reports.charts import Chart, Series

EVENTS: Final[Mapping[str, str]] = {
    "recalibration": "recalibrated",
    "refused": "refused by a gate",
    "search": "search",
    "model": "new model",
    "alert": "alert",
}
LEFT_OUT: Final = "oracle"
"""At 187,110 EUR it would press all others into the lower half."""
ENOUGH: Final = 30
"""Outcomes from which on a month's rate is drawn."""


def replay_charts(
    policies: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, str]], *, followed: str, source: str
) -> list[Chart]:
    """Three charts over the same time.

    Args:
        policies: results with `name` and monthly figures in `months`, as in `replay.json`.
        events: of the policy that is followed, with `day` and `kind`.
        followed: its name.
        source: label of the data; a simulation says so in the title.
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
