"""What the home page shows."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from serving.monitoring.view_models import AlertLine
from serving.web.view_models import Notice, Tile, described


@dataclass(frozen=True, slots=True)
class HomePage:
    """State of the platform at a glance."""

    template: ClassVar[str] = "pages/home.html"
    title: str = described("Title of the page.")
    part: HomeState = described("The state itself.")
    may_predict: bool = described("True if this person may open Predict and Campaign.")
    may_audit: bool = described("True if this person may open Audit.")


@dataclass(frozen=True, slots=True)
class HomeState:
    """State of the platform; refreshes itself every 15 seconds where scripts run."""

    template: ClassVar[str] = "partials/_home.html"
    attention: list[Notice] = described("What a person must do or know, the most urgent first; empty if nothing.")
    alerts: list[AlertLine] = described("The latest alerts, newest first.")
    model: list[Tile] = described("The champion: version, algorithm, since when, quality.")
    data: list[Tile] = described("Freshness of the data, and the last day the loop judged.")
    decisions: list[Tile] = described("Decisions on record, waiting, and their chain.")
    digest: str = described("Of all of it: a page that shows this state already is not drawn again.", default="")
