"""What the read-outs of lists show."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from serving.web.view_models import Notice, Tile, described


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """What another policy would have earned."""

    text: str = described("The policy.")
    calls: str = described("How many customers it would have called.")
    profit: str = described("Its profit.")
    basis: str = described("What the profit rests on, or why there is none.")


@dataclass(frozen=True, slots=True)
class ReadOutView:
    """What a list came to: calls, money, what calling caused."""

    template: ClassVar[str] = "partials/_read_out.html"
    heading: str = described("Name of the list, or of all lists.")
    sentence: str = described("What calling earned, and whether that may be chance; or why nobody can say yet.")
    notices: list[Notice] = described("What to know: assumptions, breaches, a broken draw.")
    tiles: list[Tile] = described("Calls, subscriptions, cost, profit against its forecast, effect, exploration.")
    policies: list[PolicyLine] = described("What other policies would have earned; none until subscriptions are known.")
    facts: list[str] = described("Sentences about the groups compared and how subscriptions were counted.")


@dataclass(frozen=True, slots=True)
class ReadOutPage:
    """The read-out of a list as a page."""

    template: ClassVar[str] = "pages/read_out.html"
    title: str = described("Title of the page.")
    list_id: str = described("Id of the list.")
    part: ReadOutView = described("The read-out.")


@dataclass(frozen=True, slots=True)
class ListLine:
    """A list in the report."""

    href: str = described("Address of its page.")
    name: str = described("Its name.")
    made: str = described("When it was made, UTC.")
    cells: list[str] = described("Calls made, subscriptions, cost, profit.")
    sentence: str = described("What calling earned in it, in one sentence.")


@dataclass(frozen=True, slots=True)
class CampaignReportView:
    """What calling earned over all lists."""

    template: ClassVar[str] = "partials/_campaign_report.html"
    pooled: ReadOutView | None = described("The read-out over all measurable lists, None before there is one.")
    pool: str = described("Which of the lists are pooled, and why the others are not.")
    lists: list[ListLine] = described("The lists that were called, newest first.")


@dataclass(frozen=True, slots=True)
class CampaignReportPage:
    """One report for a manager; it can be printed."""

    template: ClassVar[str] = "pages/campaign_report.html"
    title: str = described("Title of the page.")
    part: CampaignReportView = described("The report.")
