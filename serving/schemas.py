"""Bodies of the JSON API, as msgspec structs whose bounds come from the contract.

What lives here: shapes, bounds, descriptions, examples. What must not: logic.
Called by the controllers, which decode and encode them; OpenAPI is made from them.

Field names are the delivery's own column names. Unknown fields are refused, so a post-contact column cannot slip in;
`serving.payloads` turns a refusal into field, expected and found.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bank_assets.contract import BY_SOURCE
from bank_assets.core.economics import MAXIMUM_EUR

if TYPE_CHECKING:  # a type checker cannot follow literals that are computed from the contract
    Job = str
    Marital = str
    Education = str
    YesNo = str
    Channel = str
    PreviousOutcome = str
else:
    Job = Literal[BY_SOURCE["job"].categories]
    Marital = Literal[BY_SOURCE["marital"].categories]
    Education = Literal[BY_SOURCE["education"].categories]
    YesNo = Literal[BY_SOURCE["default"].categories]
    Channel = Literal[BY_SOURCE["contact"].categories]
    PreviousOutcome = Literal[BY_SOURCE["poutcome"].categories]

CONTACT_ID_LENGTH: Final = 64
FIRST_DATE: Final = dt.date(1990, 1, 1)
LAST_DATE: Final = dt.date(2100, 1, 1)
"""Contact dates outside are taken for a mistake."""


def _bounded(name: str) -> Meta:
    column = BY_SOURCE[name]
    unit = f" Unit: {column.unit}." if column.unit else ""
    return Meta(
        ge=column.minimum,
        le=column.maximum,
        extra_json_schema={"title": name, "description": column.description + unit, "examples": [column.default]},
    )


def _one_of(name: str) -> Meta:
    column = BY_SOURCE[name]
    return Meta(extra_json_schema={"title": name, "description": column.description, "examples": [column.default]})


ContactId = Annotated[
    str, Meta(min_length=1, max_length=CONTACT_ID_LENGTH, description=BY_SOURCE["contact_id"].description)
]
Amount = Annotated[float, Meta(gt=0, le=MAXIMUM_EUR)]


class EconomicsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a call costs and what a subscription is worth; what is left out is the platform's own."""

    cost_eur: Annotated[Amount | None, Meta(description="Cost of one call, EUR, above 0.")] = None
    value_eur: Annotated[Amount | None, Meta(description="Value of one subscription, EUR, above 0.")] = None


class PredictionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One customer, as known before the call."""

    age: Annotated[int, _bounded("age")]
    job: Annotated[Job, _one_of("job")]
    marital: Annotated[Marital, _one_of("marital")]
    education: Annotated[Education, _one_of("education")]
    default: Annotated[YesNo, _one_of("default")]
    balance: Annotated[int, _bounded("balance")]
    housing: Annotated[YesNo, _one_of("housing")]
    loan: Annotated[YesNo, _one_of("loan")]
    contact: Annotated[Channel, _one_of("contact")]
    campaign: Annotated[int, _bounded("campaign")]
    pdays: Annotated[int, _bounded("pdays")]
    previous: Annotated[int, _bounded("previous")]
    poutcome: Annotated[PreviousOutcome, _one_of("poutcome")]
    contact_id: ContactId | None = None
    contact_date: Annotated[dt.date | None, Meta(description="Day of the planned call; default today (UTC).")] = None
    economics: EconomicsRequest | None = None


class ModelReference(Struct, frozen=True):
    """The model version that answered."""

    name: str
    version: str
    digest: str


class ReasonGiven(Struct, frozen=True):
    """One signed reason of a probability, in plain words; all of them add up to it."""

    group: str
    label: str
    probability_contribution: Annotated[
        float, Meta(description="Signed, as share of 1: 0.12 raises by 12 percentage points.")
    ]
    sentence: str


class Reasons(Struct, frozen=True):
    """Why a probability is what it is: base + sum of the contributions = probability."""

    base_probability: Annotated[float, Meta(description="Mean probability of the contacts learned from.")]
    reasons: list[ReasonGiven]


class EconomicsUsed(Struct, frozen=True):
    """The economics a decision was made with, EUR."""

    cost_eur: float
    value_eur: float


class Flag(Struct, frozen=True):
    """A warning that comes with an answer."""

    flag: str
    field: str
    expected: str
    found: str


class Prediction(Struct, frozen=True):
    """A decision that is on record."""

    id: str
    probability: float
    probability_low: float
    probability_high: float
    prediction: Literal["yes", "no"]
    decision: Literal["call", "do_not_call"]
    threshold: float
    expected_profit_eur: float
    economics: EconomicsUsed
    model: ModelReference
    as_of: str | None
    stale_features: bool
    decided_at: str
    contact_date: str
    flags: list[Flag]
    reasons: Reasons | UnsetType = UNSET


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
    """Place of a record in the hash chain."""

    seq: int
    hash: str
    previous_hash: str
    payload_hash: str


class DecisionRecord(Struct, frozen=True):
    """Everything on record about one decision."""

    id: str
    decided_at: str
    actor: str
    batch_id: str | None
    contact_id: str | None
    contact_date: str
    payload: dict[str, Any] | None
    erased_at: str | None
    erased_why: str | None
    probability: float
    probability_low: float
    probability_high: float
    prediction: str
    decision: str
    threshold: float
    expected_profit_eur: float
    economics: dict[str, Any]
    model: ModelReference
    as_of: str | None
    as_of_features: dict[str, Any]
    stale_features: bool
    flags: list[Any]
    lineage: Lineage
    chain: ChainLink
    outcomes: list[OutcomeReport]


class DecisionSummary(Struct, frozen=True):
    """One line of a search."""

    id: str
    seq: int
    decided_at: str
    actor: str
    contact_id: str | None
    contact_date: str
    probability: float
    decision: str
    expected_profit_eur: float
    model_version: str
    is_erased: bool


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


class OutcomeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a contact: by decision (`prediction_id`) or by `contact_id`, exactly one of them."""

    y: Annotated[YesNo, Meta(description="Subscribed to a term deposit.")]
    prediction_id: Annotated[str | None, Meta(description="Id of the decision.")] = None
    contact_id: ContactId | None = None
    duration: Annotated[int, Meta(ge=BY_SOURCE["duration"].minimum, le=BY_SOURCE["duration"].maximum)] | None = None
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


class ModelInfo(Struct, frozen=True):
    """The model in force."""

    name: str
    version: str
    digest: str
    mlflow_run_id: str | None
    loaded_at: str
    is_registry_reachable: bool | None
    registry_message: str
    algorithm: str
    sampler: str
    hyper_parameters: dict[str, Any]
    economics: dict[str, Any]
    thresholds: dict[str, Any]
    metrics: dict[str, Any]
    training: dict[str, Any]
    importance: dict[str, Any]
    as_of: str | None


class PromotionEntry(Struct, frozen=True):
    """One verdict of the promotion gate, or a rollback."""

    id: int
    at: str
    as_of: str | None
    kind: str
    from_version: str | None
    to_version: str | None
    decision: str
    reasons: list[str]
    evidence: dict[str, Any]
    actor: str


class ModelHistory(Struct, frozen=True):
    """Who was champion when, newest first."""

    promotions: list[PromotionEntry]


class RollbackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Put an earlier version in force."""

    version: Annotated[
        str, Meta(min_length=1, max_length=20, pattern="^[0-9]+$", description="Version in the registry.")
    ]
    reason: Annotated[str, Meta(min_length=3, max_length=1_000, description="Why; kept in the history.")]


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


class VerifyAnswer(Struct, frozen=True):
    """Result of a chain verification."""

    ok: bool
    records: int
    erased: int
    first_bad_seq: int | None
    why: str
    head_seq: int
    head_hash: str


class ErasureRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Remove a customer's data; the decisions stay and the chain still verifies."""

    reason: Annotated[str, Meta(min_length=3, max_length=1_000, description="Why, without personal data.")]
    contact_id: ContactId | None = None
    prediction_id: str | None = None


class ErasureAnswer(Struct, frozen=True):
    """How many payloads were removed."""

    erased: int
