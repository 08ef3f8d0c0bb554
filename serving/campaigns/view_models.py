"""What the Campaign page shows: the choice of a list, its plan, the lists that were made."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.reports.charts import Chart
from bank_assets.store.campaign_files import CampaignFile
from serving.campaigns.call_lists import ScoredList
from serving.campaigns.list_view_models import ListTable
from serving.customers.view_models import SuppressionView
from serving.web.view_models import Notice, ProblemPart, Table, Tile, described


@dataclass(frozen=True, slots=True)
class PlanForm:
    """What an analyst sets, as text of the form."""

    list_key: str = described("Key of the chosen list, or empty.")
    cost_eur: str = described("Cost of a call, EUR.")
    value_eur: str = described("Value of a subscription, EUR.")
    budget_eur: str = described("Largest total cost, EUR; empty for no limit.")
    capacity: str = described("Largest number of calls; empty for no limit.")
    holdout_pct: str = described("Share kept back at random, per cent.")
    learning_pct: str = described("Share of the eligible contacts to explore, per cent.")
    learning_calls: str = described("Fewest explored calls of the list; empty for the usual number of each day.")
    learning_eur: str = described("Largest cost of the explored calls, EUR; empty for no limit but the share.")
    rate_without_pct: str = described(
        "Subscription rate assumed without a call, per cent; empty for half of the expected."
    )
    max_contacts: str = described("Largest number of contacts in a campaign, this one included; empty for no rule.")
    min_days: str = described("Fewest days since the last contact; empty for no rule.")
    revises: str = described("Id of the list that the new one replaces, or empty.", default="")

    def hidden(self) -> list[tuple[str, str]]:
        """Name and value of each field, for a form that sends the plan again."""
        return [("list" if name == "list_key" else name, value) for name, value in asdict(self).items()]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan: what it costs and brings, whom it calls, how its effect can be measured."""

    template: ClassVar[str] = "partials/_plan.html"
    form: PlanForm = described("What was set, for the form that makes the list.")
    chosen: ScoredList = described("The list, its rows and the model that scored it.")
    plan: CallPlan = described("Whom to call.")
    summary: str = described("The plan in one sentence.")
    tiles: list[Tile] = described("Calls, cost, expected subscriptions and profit with intervals, cut-off.")
    notices: list[Notice] = described("What to know about this list: rejected rows, stale days, limits that bind.")
    curve: Chart = described("Expected profit by number of calls, the best first.")
    compared: Table = described("The plan beside calling everyone.")
    ranking: Table = described("Calls in the order of expected profit beside as many calls in random order.")
    deciles: Sequence[tuple[float, ...]] = described(
        "Tenths of the list by expected profit, the best first: number, contacts, called, and the subscriptions and "
        "profit (EUR) to expect if all were called."
    )
    calls: list[int] = described("Rows of the first calls in the list.")
    left_out: dict[str, int] = described("How many are not called, by the reason in words.")
    protected: list[tuple[str, str, str]] = described(
        "First contacts that the contact policy excludes: contact, why, and the first day on which it does not."
    )
    holdout: list[str] = described("Sentences about the hold-out group and the size of its test.")
    learning: list[str] = described("Sentences about the explored calls: their cost, and who is out of reach.")
    rejected: list[str] = described("First rows of the file that do not fit, with line and reason.")
    shown: str = described("What this plan rests on, as JSON for the form that makes the list.")
    changed: Table = described("What is no longer as it was shown; no rows if nothing changed.")


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """The whole page."""

    template: ClassVar[str] = "pages/campaign.html"
    title: str = described("Title of the page.")
    form: PlanForm = described("What is set.")
    choices: list[CampaignFile] = described("Lists to choose from.")
    plan: PlanView | None = described("The plan, None before a list is chosen.")
    fault: ProblemPart | None = described("What is wrong with the form, None if nothing is.")
    suppression: SuppressionView = described("The suppression list.")
    kept: ListTable = described("Lists made last.")
    kept_days: int = described("Days that an upload is kept.")
    at_most: int = described("Rows of an upload that this page plans; a longer one is delivered to the pipeline.")
    notices: list[Notice] = described("What became of an upload.")
