"""The picture of a replay: what each policy earned, whether the platform's probabilities held, and what it did when.

What lives here: PNG bytes from the replay's values. What must not: figures that `core.replay` did not compute, files.
Called by the replay command; the README shows the picture.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

COLOURS: Final[Mapping[str, str]] = {
    "platform": "#b5121b",
    "hindsight": "#555555",
    "weekly": "#1f6fb4",
    "contact_all": "#e08a1e",
    "monthly": "#3a9d5d",
    "drift_only": "#7b5ea7",
    "f1_threshold": "#17a2b8",
    "never": "#8c6d46",
    "contact_none": "#aaaaaa",
}
"""The oracle is left out of the picture: at 187,110 EUR it would press all others into the lower half."""
EVENTS: Final = (("alert", "alerts", "#b5121b"), ("model", "new model", "#1f6fb4"), ("search", "search", "#3a9d5d"),
                 ("refused", "refused by a gate", "#555555"), ("recalibration", "recalibrated", "#e08a1e"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class PolicySeries:
    """One policy's line.

    Attributes:
        name: the policy.
        days: days with contacts, (n_days,).
        profit_eur: profit of each day, EUR, (n_days,).
    """

    name: str
    days: NDArray[np.datetime64]
    profit_eur: NDArray[np.float64]


def replay_chart(
    series: Sequence[PolicySeries],
    months: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, str]],
    *,
    followed: str,
    source: str,
) -> bytes:
    """Three panels over one time axis.

    Args:
        series: policies, as they are to be listed.
        months: monthly figures of the policy that is followed.
        events: its events.
        followed: its name.
        source: label of the data; a simulation says so in the picture.

    Returns:
        A PNG image.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 10), layout="constrained")
    money, rates, line = figure.subplots(3, 1, sharex=True, height_ratios=[5, 3, 2])
    for one in series:
        if one.name in COLOURS:
            total = float(one.profit_eur.sum())
            money.plot(
                one.days,
                np.cumsum(one.profit_eur),
                color=COLOURS[one.name],
                linewidth=2.4 if one.name == followed else 1.2,
                linestyle="--" if one.name in ("hindsight", "contact_all", "contact_none") else "-",
                label=f"{one.name}  {total:,.0f} EUR",
            )
    money.axhline(0.0, color="#cccccc", linewidth=0.8)
    money.set(title=f"Cumulative profit, EUR ({source})", ylabel="EUR")
    money.legend(loc="upper left", fontsize=8)
    _rates(rates, months, followed)
    _events(line, events, followed)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return image.getvalue()


def _rates(axis: Any, months: Sequence[Mapping[str, Any]], followed: str) -> None:
    shown = [month for month in months if month["subscription_rate"] is not None and month["outcomes"] >= 30]
    middle = [np.datetime64(month["month"], "M").astype("datetime64[D]") + np.timedelta64(14, "D") for month in shown]
    axis.plot(middle, [month["subscription_rate"] for month in shown], color="#222222", marker="o", label="subscribed")
    predicted = [np.nan if month["mean_probability"] is None else month["mean_probability"] for month in shown]
    colour = COLOURS.get(followed, "#b5121b")
    axis.plot(middle, predicted, color=colour, marker="x", linestyle="--", label="mean probability")
    axis.set(
        title=f"Subscription rate against mean probability of {followed}, months with 30 contacts or more", ylim=(0, 1)
    )
    axis.legend(loc="upper left", fontsize=8)


def _events(axis: Any, events: Sequence[Mapping[str, str]], followed: str) -> None:
    for height, (kind, _, colour) in enumerate(reversed(EVENTS)):
        days = np.asarray([event["day"] for event in events if event["kind"] == kind], dtype="datetime64[D]")
        if len(days):
            axis.scatter(days, np.full(len(days), height), color=colour, marker="|", s=90)
        axis.annotate(f"{len(days)}", (1.005, height), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axis.set_yticks(range(len(EVENTS)), [label for _, label, _ in reversed(EVENTS)])
    axis.set(title=f"What {followed} did, and how often", ylim=(-0.6, len(EVENTS) - 0.4))
