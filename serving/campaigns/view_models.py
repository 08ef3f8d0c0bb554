"""What the Campaign page shows: the choice of a list, its plan, the lists that were made."""

# ruff: noqa: RUF009  `told` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from bank_assets.reports.charts import Chart
from serving.web.view_models import Notice, ProblemPart, Tile, told


@dataclass(frozen=True, slots=True)
class ListChoice:
    """A list to choose."""

    key: str = told("Names the list in addresses.")
    name: str = told("Name of the file.")
    kind: str = told("delivered or uploaded.")
    is_chosen: bool = told("True for the list of this plan.")


@dataclass(frozen=True, slots=True)
class PlanForm:
    """What an analyst sets, as text of the form."""

    list_key: str = told("Key of the chosen list, or empty.")
    cost_eur: str = told("Cost of a call, EUR.")
    value_eur: str = told("Value of a subscription, EUR.")
    budget_eur: str = told("Largest total cost, EUR; empty for no limit.")
    capacity: str = told("Largest number of calls; empty for no limit.")
    holdout_pct: str = told("Share kept back at random, per cent.")
    rate_without_pct: str = told("Subscription rate assumed without a call, per cent; empty for half of the expected.")
    max_contacts: str = told("Largest number of contacts in a campaign, this one included; empty for no rule.")
    min_days: str = told("Fewest days since the last contact; empty for no rule.")

    def hidden(self) -> list[tuple[str, str]]:
        """Name and value of each field, for a form that sends the plan again."""
        return [("list" if name == "list_key" else name, value) for name, value in asdict(self).items()]


@dataclass(frozen=True, slots=True)
class DecileRow:
    """One tenth of the list by expected profit."""

    decile: int = told("1 for the best tenth.")
    n_contacts: int = told("Contacts in it.")
    n_called: int = told("Of these, on the call list.")
    mean_probability: float | None = told("Mean probability, [0, 1]; None without contacts.")
    expected_subscriptions: float = told("Expected subscriptions if all were called.")
    expected_profit_eur: float = told("Expected profit if all were called, EUR.")


@dataclass(frozen=True, slots=True)
class CallRow:
    """One contact on the call list."""

    rank: int = told("Place in the call order.")
    contact_id: str = told("Whom to call.")
    contact_date: str = told("Planned day (ISO).")
    probability: float = told("Probability, [0, 1].")
    low: float = told("Lower end of its range.")
    high: float = told("Upper end of its range.")
    decile: int = told("Tenth of the list.")
    expected_profit_eur: float = told("Expected profit of the call, EUR.")


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of the plan beside calling everyone."""

    name: str = told("What the figure is.")
    plan: str = told("Of the plan, formatted.")
    everyone: str = told("Of calling everyone, formatted.")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Contacts that are not called, by reason."""

    reason: str = told("Why, in words.")
    n_contacts: int = told("How many.")


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan: what it costs and brings, whom it calls, how its effect can be measured."""

    template: ClassVar[str] = "partials/_plan.html"
    form: PlanForm = told("What was set, for the form that makes the list.")
    list_name: str = told("Name of the list.")
    model_version: str = told("Model version that scored it.")
    summary: str = told("The plan in one sentence.")
    tiles: list[Tile] = told("Calls, cost, expected subscriptions and profit with intervals, cut-off.")
    notices: list[Notice] = told("What to know about this list: rejected rows, stale days, limits that bind.")
    curve: Chart = told("Expected profit by number of calls, the best first.")
    compared: list[Compared] = told("The plan beside calling everyone.")
    deciles: list[DecileRow] = told("Tenths of the list.")
    calls: list[CallRow] = told("The first calls.")
    n_calls: int = told("All calls.")
    left_out: list[LeftOut] = told("Why others are not called.")
    n_contacts: int = told("Usable contacts of the list.")
    holdout: list[str] = told("Sentences about the hold-out group and the size of its test.")
    rejected: list[str] = told("First rows of the file that do not fit, with line and reason.")
    n_rejected: int = told("All rows that do not fit.")


@dataclass(frozen=True, slots=True)
class KeptRow:
    """One call list that was made."""

    id: str = told("Id of the list, in every row of its file.")
    created_at: str = told("When (ISO).")
    actor: str = told("Who made it.")
    name: str = told("File it was made from.")
    model_version: str = told("Model version that scored it.")
    n_calls: int = told("Calls on it.")
    expected_profit_eur: float | None = told("Expected profit, EUR.")


@dataclass(frozen=True, slots=True)
class CallListView:
    """A call list on record, ready for download."""

    template: ClassVar[str] = "partials/_call_list.html"
    kept: KeptRow = told("The list.")
    digest: str = told("Sha256 of the file of calls.")
    n_held_out: int = told("Contacts held out.")
    has_file: bool = told("True if its files are still kept.")


@dataclass(frozen=True, slots=True)
class CallListPage:
    """A call list on record, as a page."""

    template: ClassVar[str] = "pages/call_list.html"
    title: str = told("Title of the page.")
    part: CallListView = told("The list.")


@dataclass(frozen=True, slots=True)
class SuppressionView:
    """Who must not be called."""

    template: ClassVar[str] = "partials/_suppressions.html"
    n_suppressed: int = told("Contacts on the suppression list.")
    message: str = told("What the last change did, or empty.")
    list_key: str = told("Key of the chosen list, to come back to.")


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """The whole page."""

    template: ClassVar[str] = "pages/campaign.html"
    title: str = told("Title of the page.")
    form: PlanForm = told("What is set.")
    choices: list[ListChoice] = told("Lists to choose from.")
    plan: PlanView | None = told("The plan, None before a list is chosen.")
    fault: ProblemPart | None = told("What is wrong with the form, None if nothing is.")
    suppression: SuppressionView = told("The suppression list.")
    kept: list[KeptRow] = told("Lists made earlier, the newest first.")
    kept_days: int = told("Days that an upload is kept.")
