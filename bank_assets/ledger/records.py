"""What a decision consists of: before it is on record (`Draft`), as it is read back (`Decision`), a page of them.

What lives here: data only. Called by `decisions`, the app's scoring and everybody who reads the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Draft:
    """A decision that was made and is not yet on record.

    Attributes:
        id: UUIDv7 text, see `new_id`.
        decided_at: when, see `engine.utc_now`.
        actor: who asked: an API key's or user's name, or `local`.
        batch_id: groups the rows of one upload, else None.
        contact_id: whom it is about, if the client said so; erasable.
        contact_date: day of the planned call, ISO.
        payload: canonical JSON text of the payload, delivery spelling; erasable.
        probability: calibrated probability of a subscription, [0, 1].
        probability_low: lower end of its range, [0, 1].
        probability_high: upper end of its range, [0, 1].
        prediction: `yes` or `no`, by the model's F1 threshold.
        decision: `call` or `do_not_call`, by the economics.
        threshold: break-even probability used for the decision, [0, 1].
        expected_profit_eur: probability x value - cost, EUR.
        economics: canonical JSON text, cost and value in EUR.
        model_name: registered model.
        model_version: registry version.
        model_digest: digest of the bundle that scored.
        mlflow_run_id: run that trained it.
        training_snapshot: content hash of its training set.
        as_of: date of the as-of state used, ISO.
        as_of_features: canonical JSON text of the as-of features used.
        stale_features: contact date is too far past `as_of`.
        flags: canonical JSON text, list of warnings such as `outside_training_range`.
        contract_version: version of the column contract.
        code_version: revision of this code.
        onnxruntime_version: version of the runtime that scored.
        cpu_architecture: architecture that scored; replay is exact on the same one.
    """

    id: str
    decided_at: str
    actor: str
    batch_id: str | None
    contact_id: str | None
    contact_date: str
    payload: str
    probability: float
    probability_low: float
    probability_high: float
    prediction: str
    decision: str
    threshold: float
    expected_profit_eur: float
    economics: str
    model_name: str
    model_version: str
    model_digest: str
    mlflow_run_id: str | None
    training_snapshot: str | None
    as_of: str | None
    as_of_features: str
    stale_features: bool
    flags: str
    contract_version: str
    code_version: str
    onnxruntime_version: str
    cpu_architecture: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on record, as it is read back.

    Attributes:
        seq: position in the chain, from 1.
        payload: the customer's values by delivery name, None once erased.
        economics: cost and value used.
        as_of_features: as-of features used, by name.
        flags: warnings given with the answer.
        erased_at: when the payload was erased, else None.
        erased_why: reason of the erasure, else None.
        payload_hash: salted hash that binds the payload.
        previous_hash: hash of the record before.
        hash: hash of this record.

    The other attributes are those of `Draft`.
    """

    seq: int
    id: str
    decided_at: str
    actor: str
    batch_id: str | None
    contact_id: str | None
    contact_date: str
    payload: dict[str, Any] | None
    probability: float
    probability_low: float
    probability_high: float
    prediction: str
    decision: str
    threshold: float
    expected_profit_eur: float
    economics: dict[str, Any]
    model_name: str
    model_version: str
    model_digest: str
    mlflow_run_id: str | None
    training_snapshot: str | None
    as_of: str | None
    as_of_features: dict[str, Any]
    stale_features: bool
    flags: list[Any]
    contract_version: str
    code_version: str
    onnxruntime_version: str
    cpu_architecture: str
    payload_hash: str
    previous_hash: str
    hash: str
    erased_at: str | None
    erased_why: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search.

    Attributes:
        decisions: newest first.
        next_cursor: pass as `before_seq` for the next page; None at the end.
    """

    decisions: list[Decision]
    next_cursor: int | None
