"""Bodies about decisions on record: the record with its lineage, outcomes, searches, replay, verification, erasure."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct

from bank_assets.ledger.outcomes import OutcomeReport
from bank_assets.ledger.records import ListedRow
from serving.decisions.schemas import (
    ContactId,
    CustomerId,
    DecisionId,
    FullAnswer,
    ModelReference,
    Propensity,
    Reason,
)

Person = Annotated[str | None, Meta(description="Customer behind the contact: the contact itself if nobody is named.")]
WhyNotOnRecord = Annotated[
    str | None,
    Meta(
        description="Why not to call, null where the decision is to call: `suppressed`, a rule of the contact policy "
        "or `not_worth_calling`; for a row of a list any reason of a plan."
    ),
]

SECONDS_OF_A_DAY: Final = 86_400  # no call is longer


class OutcomeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a contact: by decision (`prediction_id`) or by `contact_id`, exactly one of them."""

    y: Annotated[Literal["no", "yes"], Meta(description="Whether the customer subscribed.")]
    prediction_id: Annotated[DecisionId | None, Meta(description="Id of the decision.")] = None
    contact_id: ContactId | None = None
    duration: Annotated[int, Meta(ge=0, le=SECONDS_OF_A_DAY)] | None = None
    arrived_at: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="When the report arrived (data time), ISO date or time, UTC if no zone is given; its day "
                "is the day as written. Default: now. The same report twice is kept once.",
            ),
        ]
        | None
    ) = None


class OutcomeAnswer(Struct, frozen=True):
    """The report as kept."""

    outcome: OutcomeReport
    is_new: bool
    corrects_earlier: bool


class Lineage(Struct, frozen=True):
    """Where a decision comes from."""

    mlflow_run_id: str | None
    training_snapshot: str | None
    data_source: str | None
    is_real_data: bool | None
    algorithm: str | None
    sampler: str | None
    hyper_parameters: dict[str, Any] | None
    git_revision: str | None
    code_version: str
    contract_version: str
    onnxruntime_version: str
    cpu_architecture: str


class ChainLink(Struct, frozen=True):
    """Place of a record in the hash chain: of a single decision its own, of a row that of the event of its list."""

    seq: int
    hash: str
    previous_hash: str
    payload_hash: str


class DecisionRecord(FullAnswer, frozen=True):
    """Everything on record about one decision."""

    reason: WhyNotOnRecord  # type: ignore[assignment]  # a row of a list has more reasons
    actor: str
    batch_id: str | None
    contact_id: str | None
    customer_id: Person
    payload: dict[str, Any] | None
    erased_at: str | None
    erased_why: str | None
    as_of_features: dict[str, Any]
    lineage: Lineage
    chain: ChainLink
    outcomes: list[OutcomeReport]
    listed: Annotated[
        ListedRow | None,
        Meta(
            description="Of a row of a call list: its place in the plan, and the proof that its record is in the block "
            "whose Merkle root the event of the list binds."
        ),
    ]
    propensity: Propensity = UNSET


class DecisionSummary(Struct, frozen=True):
    """One line of a search."""

    id: str
    seq: int
    decided_at: str
    actor: str
    contact_id: str | None
    customer_id: Person
    contact_date: str
    probability: float
    decision: str
    reason: WhyNotOnRecord
    expected_profit_eur: float
    model_version: str
    is_erased: bool
    list_name: Annotated[str | None, Meta(description="Call list that it is a row of, null for a single decision.")]


class SearchPage(Struct, frozen=True):
    """One page of a search, newest first; `next` is the cursor of the page after it."""

    predictions: list[DecisionSummary]
    next: str | None


class Replay(Struct, frozen=True):
    """Answer of a replay: the recorded numbers beside those of a new run of the recorded version."""

    id: str
    status: Annotated[
        Literal["identical", "different", "erased"],
        Meta(description="erased: the payload was removed on request or by retention, so there is nothing to re-run."),
    ]
    identical: bool | None
    recorded: dict[str, float]
    replayed: dict[str, float] | None
    model: ModelReference
    environment: Annotated[
        dict[str, dict[str, str]],
        Meta(
            description="What ran then and now: code, ONNX Runtime, processor. A difference explains unequal numbers."
        ),
    ]
    record_fault: Annotated[
        str | None,
        Meta(
            description="What shows that the record, its payload or its link to the record before was changed; null if "
            "their hashes fit. The whole chain: `GET /api/v1/audit/verify`."
        ),
    ]


class VerifyAnswer(Struct, frozen=True):
    """Result of a verification of both chains and of everything that they cover."""

    ok: bool
    records: int
    erased: int
    first_bad_seq: int | None
    why: str
    head_seq: int
    head_hash: str
    events: int
    rows: Annotated[int, Meta(description="Rows of call lists, which are decisions too.")]
    first_bad_event: int | None
    anchor: Annotated[str, Meta(description="Newest record of both chains, to be kept elsewhere.")]


class ErasureRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Remove a customer's data; the decisions stay and the chain still verifies."""

    reason: Annotated[Reason, Meta(description="Why, without personal data.")]
    contact_id: ContactId | None = None
    prediction_id: DecisionId | None = None
    customer_id: Annotated[CustomerId | None, Meta(description="Everything about a person.")] = None


class ErasureAnswer(Struct, frozen=True):
    """What lost the customer's data."""

    erased: Annotated[int, Meta(description="Records.")]
    files: Annotated[int, Meta(description="Files of lists and uploads.")] = 0
