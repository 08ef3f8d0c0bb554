"""What the Campaign page shows: the choice of a list, its plan, the lists that were made."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from bank_assets.reports.charts import Chart
from serving.web.view_models import Notice, ProblemPart, Tile, described


@dataclass(frozen=True, slots=True)
class ListChoice:
    """A list to choose."""

    key: str = described("Names the list in addresses.")
    name: str = described("Name of the file.")
    kind: str = described("delivered or uploaded.")
    is_chosen: bool = described("True for the list of this plan.")


@dataclass(frozen=True, slots=True)
class PlanForm:
    """What an analyst sets, as text of the form."""

    list_key: str = described("Key of the chosen list, or empty.")
    cost_eur: str = described("Cost of a call, EUR.")
    value_eur: str = described("Value of a subscription, EUR.")
    budget_eur: str = described("Largest total cost, EUR; empty for no limit.")
    capacity: str = described("Largest number of calls; empty for no limit.")
    holdout_pct: str = described("Share kept back at random, per cent.")
    rate_without_pct: str = described(
        "Subscription rate assumed without a call, per cent; empty for half of the expected."
    )
    max_contacts: str = described("Largest number of contacts in a campaign, this one included; empty for no rule.")
    min_days: str = described("Fewest days since the last contact; empty for no rule.")

    def hidden(self) -> list[tuple[str, str]]:
        """Name and value of each field, for a form that sends the plan again."""
        return [("list" if name == "list_key" else name, value) for name, value in asdict(self).items()]


@dataclass(frozen=True, slots=True)
class DecileRow:
    """One tenth of the list by expected profit."""

    decile: int = described("1 for the best tenth.")
    n_contacts: int = described("Contacts in it.")
    n_called: int = described("Of these, on the call list.")
    mean_probability: float | None = described("Mean probability, [0, 1]; None without contacts.")
    expected_subscriptions: float = described("Expected subscriptions if all were called.")
    expected_profit_eur: float = described("Expected profit if all were called, EUR.")


@dataclass(frozen=True, slots=True)
class CallRow:
    """One contact on the call list."""

    rank: int = described("Place in the call order.")
    contact_id: str = described("Whom to call.")
    contact_date: str = described("Planned day (ISO).")
    probability: float = described("Probability, [0, 1].")
    low: float = described("Lower end of its range.")
    high: float = described("Upper end of its range.")
    decile: int = described("Tenth of the list.")
    expected_profit_eur: float = described("Expected profit of the call, EUR.")


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of the plan beside calling everyone."""

    name: str = described("What the figure is.")
    plan: str = described("Of the plan, formatted.")
    everyone: str = described("Of calling everyone, formatted.")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Contacts that are not called, by reason."""

    reason: str = described("Why, in words.")
    n_contacts: int = described("How many.")


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan: what it costs and brings, whom it calls, how its effect can be measured."""

    template: ClassVar[str] = "partials/_plan.html"
    form: PlanForm = described("What was set, for the form that makes the list.")
    list_name: str = described("Name of the list.")
    model_version: str = described("Model version that scored it.")
    summary: str = described("The plan in one sentence.")
    tiles: list[Tile] = described("Calls, cost, expected subscriptions and profit with intervals, cut-off.")
    notices: list[Notice] = described("What to know about this list: rejected rows, stale days, limits that bind.")
    curve: Chart = described("Expected profit by number of calls, the best first.")
    compared: list[Compared] = described("The plan beside calling everyone.")
    deciles: list[DecileRow] = described("Tenths of the list.")
    calls: list[CallRow] = described("The first calls.")
    n_calls: int = described("All calls.")
    left_out: list[LeftOut] = described("Why others are not called.")
    n_contacts: int = described("Usable contacts of the list.")
    holdout: list[str] = described("Sentences about the hold-out group and the size of its test.")
    rejected: list[str] = described("First rows of the file that do not fit, with line and reason.")
    n_rejected: int = described("All rows that do not fit.")


@dataclass(frozen=True, slots=True)
class KeptRow:
    """One call list that was made."""

    id: str = described("Id of the list, in every row of its file.")
    created_at: str = described("When (ISO).")
    actor: str = described("Who made it.")
    name: str = described("File it was made from.")
    model_version: str = described("Model version that scored it.")
    n_calls: int = described("Calls on it.")
    expected_profit_eur: float | None = described("Expected profit, EUR.")


@dataclass(frozen=True, slots=True)
class CallListView:
    """A call list on record, ready for download."""

    template: ClassVar[str] = "partials/_call_list.html"
    kept: KeptRow = described("The list.")
    digest: str = described("Sha256 of the file of calls.")
    n_held_out: int = described("Contacts held out.")
    has_file: bool = described("True if its files are still kept.")


@dataclass(frozen=True, slots=True)
class CallListPage:
    """A call list on record, as a page."""

    template: ClassVar[str] = "pages/call_list.html"
    title: str = described("Title of the page.")
    part: CallListView = described("The list.")


@dataclass(frozen=True, slots=True)
class SuppressionView:
    """Who must not be called."""

    template: ClassVar[str] = "partials/_suppressions.html"
    n_suppressed: int = described("Contacts on the suppression list.")
    message: str = described("What the last change did, or empty.")
    list_key: str = described("Key of the chosen list, to come back to.")


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """The whole page."""

    template: ClassVar[str] = "pages/campaign.html"
    title: str = described("Title of the page.")
    form: PlanForm = described("What is set.")
    choices: list[ListChoice] = described("Lists to choose from.")
    plan: PlanView | None = described("The plan, None before a list is chosen.")
    fault: ProblemPart | None = described("What is wrong with the form, None if nothing is.")
    suppression: SuppressionView = described("The suppression list.")
    kept: list[KeptRow] = described("Lists made earlier, the newest first.")
    kept_days: int = described("Days that an upload is kept.")
