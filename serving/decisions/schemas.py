"""Bodies of predictions: a customer in, a decision out, with the contract's bounds as types."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bank_assets.contract.columns import Column, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.contract.values import IDENTIFIER_LENGTH, PRINTABLE
from bank_assets.core.economics.economics import MAXIMUM_EUR
from bank_assets.core.model.reasons import ReasonGiven
from serving.web.bodies import REASON

# Less is no amount of money. A value near 0 makes a break-even beyond what a double, and so a record, can hold.
MINIMUM_EUR: Final = 0.01

_NUMBERS: Final = {ColumnKind.INTEGER: int, ColumnKind.DECIMAL: float}

_IDENTIFIER = Meta(min_length=1, max_length=IDENTIFIER_LENGTH, pattern=PRINTABLE)
ContactId = Annotated[str, _IDENTIFIER, Meta(description="Identifier of the contact, unique over all deliveries.")]
CustomerId = Annotated[
    str, _IDENTIFIER, Meta(description="Identifier of the person behind the contact; default the contact itself.")
]
DecisionId = Annotated[str, Meta(min_length=1, max_length=64, pattern=PRINTABLE)]
Reason = Annotated[str, REASON]
Amount = Annotated[float, Meta(ge=MINIMUM_EUR, le=MAXIMUM_EUR)]


class EconomicsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a call costs and what a subscription is worth; what is left out is the platform's own."""

    cost_eur: Annotated[Amount | None, Meta(description="Cost of one call, EUR.")] = None
    value_eur: Annotated[Amount | None, Meta(description="Value of one subscription, EUR.")] = None


class PredictionRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One customer, as known before the call: what every contract has; `request_type` adds a contract's columns."""

    contact_id: ContactId | None = None
    customer_id: CustomerId | None = None
    contact_date: Annotated[dt.date | None, Meta(description="Day of the planned call; default today (UTC).")] = None
    economics: EconomicsRequest | None = None


def request_type(contract: Contract) -> type[PredictionRequest]:
    """The request of a contract: its payload columns by their delivery names.

    Attributes are the columns' table names, since a delivery name may be no Python name at all.
    """
    columns = sorted(contract.payload, key=lambda column: column.is_optional)  # fields with a default come last
    made = msgspec.defstruct(
        "PredictionRequest",
        [_field(column) for column in columns],
        bases=(PredictionRequest,),
        module=__name__,
        namespace={"__doc__": "One customer, as known before the call."},
        frozen=True,
        forbid_unknown_fields=True,
        rename={column.table: column.source for column in columns},
    )
    return cast("type[PredictionRequest]", made)


def _field(column: Column) -> tuple[str, Any] | tuple[str, Any, Any]:
    unit = f" Unit: {column.unit}." if column.unit else ""
    low, high = column.bounds
    meta = Meta(
        ge=low,
        le=high,
        extra_json_schema={
            "title": column.source,
            "description": column.description + unit,
            "examples": [column.typical],
        },
    )
    kind: Any = Literal[column.categories] if column.categories else _NUMBERS[column.kind]
    field = (column.table, Annotated[kind, meta])
    return (*field, column.default) if column.is_optional else field


class ModelReference(Struct, frozen=True):
    """The model version that answered."""

    name: str
    version: str
    digest: str


class Reasons(Struct, frozen=True):
    """Why a probability is what it is: base + sum of the contributions = probability, and so in log-odds."""

    base_probability: Annotated[float, Meta(description="Mean probability of the contacts learned from.")]
    base_log_odds: Annotated[float, Meta(description="Mean log-odds of the contacts learned from.")]
    reasons: Annotated[
        list[ReasonGiven],
        Meta(description="Contributions are signed: 0.12 raises the probability by 12 percentage points."),
    ]


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


ReasonNotToCall = Literal[
    "suppressed",
    "subscribed_recently",
    "refused_recently",
    "on_another_list",
    "contacted_too_often",
    "no_calling_hours",
    "not_worth_calling",
]
WhyNot = Annotated[
    ReasonNotToCall | None,
    Meta(
        description="Why not to call, null where the decision is to call: `suppressed` for a customer on the "
        "suppression list, or a rule of a declared contact policy (`flags` say until when), whatever the call would "
        "bring; else `not_worth_calling`."
    ),
]


Propensity = Annotated[
    float | UnsetType,
    Meta(
        description="Probability of the decision to be `call`, if a randomized answer was requested: 1 for a call that "
        "is worth its cost, else the platform's learning share."
    ),
]


class Answer(Struct, frozen=True):
    """The part of a decision that every answer contains."""

    id: str
    probability: float
    probability_low: float
    probability_high: float
    prediction: Literal["yes", "no"]
    decision: Literal["call", "do_not_call"]
    reason: WhyNot
    expected_profit_eur: float
    stale_features: bool
    flags: list[Flag]


class BatchRow(Answer, frozen=True):
    """Answer to one good row of an upload."""

    line: int
    contact_id: str | None


class FullAnswer(Answer, frozen=True):
    """A decision with the model, economics and day that it was made from."""

    threshold: float
    economics: EconomicsUsed
    model: ModelReference
    as_of: str | None
    decided_at: str
    contact_date: str


class Prediction(FullAnswer, frozen=True):
    """A decision that is on record."""

    reasons: Reasons | UnsetType = UNSET
    propensity: Propensity = UNSET
