"""What the pages of call lists and of saved plans show."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.core.campaigns.life import Action
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.store.list_exports import LeftOut
from bank_assets.store.list_states import ListState
from serving.feeds.view_models import DispositionsView
from serving.web.view_models import Table, described


@dataclass(frozen=True, slots=True)
class ListTable:
    """Call lists on record, newest first."""

    template: ClassVar[str] = "partials/_call_lists.html"
    states: list[ListState] = described("The lists of this part.")
    text: str = described("What was searched for, or empty.")
    before: str = described("Id after which the next part begins, empty at the end.")


@dataclass(frozen=True, slots=True)
class ListsPage:
    """All call lists, with a search."""

    template: ClassVar[str] = "pages/call_lists.html"
    title: str = described("Title of the page.")
    table: ListTable = described("The lists found.")


@dataclass(frozen=True, slots=True)
class ListEvent:
    """Something that happened to a list."""

    at: str = described("When, UTC.")
    actor: str = described("Who did it.")
    text: str = described("What was done, in words.")


@dataclass(frozen=True, slots=True)
class CallListView:
    """A call list on record: where it stands, what is due, what it was made under, its files."""

    template: ClassVar[str] = "partials/_call_list.html"
    kept: CampaignList = described("The list on record.")
    stage: str = described("Where it stands, in words.")
    due: str = described("What is due next.")
    actions: list[Action] = described("What may be done with it now.")
    settings: list[tuple[str, str]] = described("What it was made under: name and value.")
    history: list[ListEvent] = described("What happened to it, oldest first.")
    revise: str = described("Address of a plan with its settings; empty if the file of its customers is not kept.")
    has_file: bool = described("True if its files are still kept.")
    replaced_by: str = described("Id of the list that revises it, or empty.")
    reported: DispositionsView = described("What its calls came to, and the form that reports it.")
    refused: str = described("The action that was refused because its reason is too short, or empty.")


@dataclass(frozen=True, slots=True)
class LeftOutView:
    """Calls of a list that an export leaves out."""

    template: ClassVar[str] = "partials/_left_out.html"
    list_id: str = described("Id of the list, empty on the page of the list itself.")
    calls: list[LeftOut] = described("The calls, and why they must not be made any more.")


@dataclass(frozen=True, slots=True)
class CallListPage:
    """A call list on record, as a page."""

    template: ClassVar[str] = "pages/call_list.html"
    title: str = described("Title of the page.")
    part: CallListView = described("The list.")


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan that somebody saved."""

    id: str = described("Its id.")
    name: str = described("Its name.")
    by: str = described("Who saved it, and when.")
    href: str = described("Address of the plan as it would be now.")


@dataclass(frozen=True, slots=True)
class PlansPage:
    """Saved plans, some of them side by side."""

    template: ClassVar[str] = "pages/plans.html"
    title: str = described("Title of the page.")
    plans: list[SavedPlan] = described("Saved plans, newest first.")
    compared: Table = described("The chosen plans side by side; no rows with fewer than two.")
    chosen: list[str] = described("Ids of the chosen plans.")
