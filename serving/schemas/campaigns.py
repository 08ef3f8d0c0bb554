"""Bodies of campaign planning.

What lives here: shapes and bounds. What must not: logic. Called by the campaigns route and `services.campaigns`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from serving.schemas.predictions import EconomicsRequest


class PlanRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Customers and limits; the answer says whom to call."""

    contacts: Annotated[
        list[msgspec.Raw],
        Meta(min_length=1, max_length=100_000, description="Objects as in POST /predictions, each with a contact_id."),
    ]
    contact_date: Annotated[dt.date | None, Meta(description="Day of the calls; default today (UTC).")] = None
    economics: EconomicsRequest | None = None
    budget_eur: Annotated[float | None, Meta(description="Largest total cost, EUR; none for no limit.")] = None
    capacity: Annotated[int | None, Meta(description="Largest number of calls; none for no limit.")] = None
    holdout_share: Annotated[
        float, Meta(ge=0, le=0.5, description="Share kept back at random, to measure the effect.")
    ] = 0.0
    list_id: Annotated[
        str, Meta(min_length=1, max_length=64, description="Names the list; same name, same hold-out.")
    ] = "plan"
