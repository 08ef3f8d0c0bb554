"""Bodies of outcome reports.

What lives here: shapes and bounds. What must not: logic. Called by the outcomes route, and by records that show them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from serving.decisions.schemas import ContactId, DecisionId

SECONDS_OF_A_DAY = 86_400
"""No call is longer."""


class OutcomeReport(Struct, frozen=True):
    """One report of an outcome, as kept."""

    id: int
    decision_id: str | None
    contact_id: str | None
    y: str
    duration: int | None
    arrived_at: str
    recorded_at: str
    actor: str


class OutcomeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a contact: by decision (`prediction_id`) or by `contact_id`, exactly one of them."""

    y: Annotated[Literal["no", "yes"], Meta(description="Subscribed to a term deposit.")]
    prediction_id: Annotated[DecisionId | None, Meta(description="Id of the decision.")] = None
    contact_id: ContactId | None = None
    duration: Annotated[int, Meta(ge=0, le=SECONDS_OF_A_DAY)] | None = None
    arrived_at: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="When the report arrived (data time), ISO date or time, UTC if no zone is given; default "
                "now. The same report twice is kept once.",
            ),
        ]
        | None
    ) = None


class OutcomeAnswer(Struct, frozen=True):
    """The report as kept."""

    outcome: OutcomeReport
    is_new: bool
    corrects_earlier: bool
