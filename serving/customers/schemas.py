"""Bodies about customers: objections, and what the contact policy allows."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from msgspec import Meta, Struct

from bank_assets.contract.id_lists import MOST_IDS
from bank_assets.contract.values import IDENTIFIER_LENGTH, PRINTABLE
from serving.web.bodies import REASON

Id = Annotated[str, Meta(min_length=1, max_length=IDENTIFIER_LENGTH, pattern=PRINTABLE)]


class ObjectionsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """People who object to direct marketing."""

    customer_ids: Annotated[
        list[Id],
        Meta(min_length=1, max_length=MOST_IDS, description="Customers, or contacts that name no customer."),
    ]
    reason: Annotated[str, REASON, Meta(description="How they objected.")] = "objection"


class ObjectionsAnswer(Struct, frozen=True):
    """What became of some objections; nobody is lost, whether known or not."""

    added: int
    on_the_list_already: int
    known: Annotated[int, Meta(description="Identifiers that name a customer on record or on an offered list.")]
    unknown: Annotated[list[str], Meta(description="The first of the others.")]
    hint: Annotated[str, Meta(description="What may have gone wrong, such as lost leading zeros; or empty.")]


class ObjectionEntry(Struct, frozen=True):
    """An objection on record."""

    customer_id: str
    reason: str
    at: str
    actor: str


class ObjectionsPage(Struct, frozen=True):
    """Objections, the newest first."""

    objections: list[ObjectionEntry]
    total: Annotated[int, Meta(description="People on the suppression list, whatever was searched.")]


class Removed(Struct, frozen=True):
    """An objection that was taken back."""

    customer_id: str
    reason: str


class OpenList(Struct, frozen=True):
    """A call list that the customer is on and that is still open."""

    list_id: str
    name: str
    day: Annotated[str, Meta(description="Planned day of the call.")]
    is_called: Annotated[bool, Meta(description="False if the list holds the customer out.")]
    last_day: Annotated[str, Meta(description="Last day for which the list plans a call.")]
    may_call: Annotated[bool, Meta(description="Whether calls of this list are allowed on the day asked for.")]


class Hours(Struct, frozen=True):
    """First and last time of a call, in the customer's time zone."""

    first: str
    last: str


class PolicyAnswer(Struct, frozen=True):
    """Whether a customer may be called on a day: by the list that was named, else outside of all lists."""

    customer_id: str
    day: dt.date
    may_be_called: bool
    reason: Annotated[str | None, Meta(description="The rule that excludes the customer, null if none does.")]
    text: Annotated[str, Meta(description="The rule in words, or empty.")]
    until: Annotated[
        dt.date | None, Meta(description="First day on which no rule excludes the customer; null for an objection.")
    ]
    calling_hours: Annotated[Hours | None, Meta(description="Null if the policy declares none, or on a day without.")]
    open_lists: list[OpenList]
    policy: Annotated[dict[str, Any], Meta(description="The rules in force.")]

    @property
    def callers(self) -> list[OpenList]:
        """The open lists whose calls are allowed."""
        return [one for one in self.open_lists if one.may_call]
