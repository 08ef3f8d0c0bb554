"""Bodies about the champion and its history."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from serving.decisions.schemas import Reason


class ModelInfo(Struct, frozen=True):
    """The champion."""

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
    is_on_probation: Annotated[
        bool, Meta(description="True if it decides although the gate of a first model refused every candidate.")
    ]
    recalibration: dict[str, Any] | None


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
    """Make an earlier version the champion again."""

    version: Annotated[
        str, Meta(min_length=1, max_length=20, pattern="^[0-9]+$", description="Version in the registry.")
    ]
    reason: Annotated[Reason, Meta(description="Why; kept in the history.")]
