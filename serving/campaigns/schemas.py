"""Bodies of campaign planning."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bank_assets.contract.values import PRINTABLE
from serving.decisions.schemas import Amount, CustomerId, EconomicsRequest


class RulesRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How often and how soon a customer may be called; who breaks a rule is left out, whatever the profit."""

    max_contacts_in_campaign: (
        Annotated[
            int,
            Meta(ge=1, le=1_000, description="Most contacts in this campaign, this one included."),
        ]
        | None
    ) = None
    min_days_since_previous_contact: (
        Annotated[
            int,
            Meta(ge=0, le=10_000, description="Fewest days since the last contact; who was never contacted passes."),
        ]
        | None
    ) = None


class LearningRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls that are drawn at random to learn from; the plan reserves them before it chooses the best calls."""

    share: Annotated[float, Meta(ge=0, le=1, description="Of the eligible contacts; 5 % is 0.05.")] = 0.0
    minimum: Annotated[int, Meta(ge=0, le=1_000_000, description="Fewest explored calls of the list.")] = 0
    maximum_eur: Annotated[
        float | None, Meta(description="Largest cost of the explored calls, EUR; none for no limit but the share.")
    ] = None


class ValueByBalance(Struct, frozen=True, forbid_unknown_fields=True):
    """Value of a subscription as a share of the customer's balance, kept between two amounts."""

    share: Annotated[float, Meta(gt=0, le=1, description="EUR of value per EUR of balance; 2 % is 0.02.")]
    minimum_eur: Annotated[Amount, Meta(description="Value of small and negative balances, EUR.")]
    maximum_eur: Annotated[Amount, Meta(description="Value of the largest balances, EUR.")]


class PlanLimits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Economics, rules and limits that a plan of the Campaign page can state too."""

    economics: Annotated[
        EconomicsRequest | None, Meta(description="Of contacts that state none; what is left out is the platform's.")
    ] = None
    rules: RulesRequest | None = None
    budget_eur: Annotated[float | None, Meta(description="Largest total cost, EUR; none for no limit.")] = None
    capacity: Annotated[int | None, Meta(description="Largest number of calls; none for no limit.")] = None
    holdout_share: Annotated[
        float, Meta(ge=0, le=0.5, description="Share kept back at random, to measure the effect.")
    ] = 0.0
    learning: Annotated[
        LearningRequest | None,
        Meta(description="Calls to learn from; if left out, the platform's budget, the minimum for each planned day."),
    ] = None


class PlanTerms(PlanLimits, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Economics, rules and limits of a plan."""

    contact_date: Annotated[dt.date | None, Meta(description="Day of the calls; default today (UTC).")] = None
    value_by_balance: Annotated[
        ValueByBalance | None, Meta(description="Takes the place of `economics.value_eur`.")
    ] = None
    suppressed: Annotated[
        list[CustomerId],
        Meta(max_length=1_000_000, description="Further people who must not be called, beside the platform's list."),
    ] = []


Contacts = Annotated[
    list[msgspec.Raw],
    Meta(
        min_length=1,
        max_length=100_000,
        description="Objects as in POST /predictions, each with a contact_id. One may state its own `economics`: "
        "what this call costs and what this subscription is worth.",
    ),
]
ListName = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=PRINTABLE, description="Names the list; same name, same draws."),
]
FileKey = Annotated[
    str,
    Meta(max_length=400, pattern=PRINTABLE, description="`delivered:<name>` or `uploaded:<name>`, as /campaign has."),
]
PlanName = Annotated[str, Meta(min_length=1, max_length=100, pattern=PRINTABLE)]


class PlanRequest(PlanTerms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Customers and limits; the answer says whom to call."""

    contacts: Contacts
    list_id: ListName = "plan"


class ListRequest(PlanTerms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A plan to be put on record: of contacts under a name, or of a file that the platform keeps."""

    contacts: Contacts | None = None
    list_id: ListName | None = None
    file: FileKey | None = None
    shown: Annotated[
        dict[str, str] | None,
        Meta(description="`shown` of the plan that somebody agreed to: 409 if the plan is another one now."),
    ] = None


class PlanToSave(PlanLimits, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A plan of a kept file, and the name under which it is saved."""

    name: PlanName
    file: FileKey


class ListOfPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody agreed to."""

    shown: Annotated[
        dict[str, str] | None,
        Meta(description="`shown` of the plan as it is now; if left out, as it was saved. 409 if it is another one."),
    ] = None
