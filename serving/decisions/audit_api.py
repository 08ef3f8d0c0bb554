"""`/api/v1/audit`: chain verification and erasure. HTTP only."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, RawBody
from sqlalchemy import Engine

from bank_assets.ledger import chain, decisions
from serving.decisions import records
from serving.decisions.record_schemas import ErasureAnswer, ErasureRequest, VerifyAnswer
from serving.web.access import identity_of
from serving.web.bodies import JsonBody
from serving.web.openapi import secured
from serving.web.problems import FieldError, PayloadError

BODY = JsonBody(ErasureRequest, example={"contact_id": "c-1", "reason": "request of 2026-11-20"}, scope="admin")


class AuditController(Controller):
    """Proof that the record is whole, and removal of a customer's data."""

    path = "/api/v1/audit"
    tags = ("audit",)

    @get(
        "/verify", operation_id="verify_chain", **secured("audit"), sync_to_thread=True, summary="Verify the hash chain"
    )
    def verify(
        self,
        ledger: NamedDependency[Engine],
        anchor_seq: Annotated[int | None, QueryParameter(ge=1, le=10**15, description="Anchor kept earlier.")] = None,
        anchor_hash: Annotated[str | None, QueryParameter(pattern="^[0-9a-f]{64}$")] = None,
    ) -> VerifyAnswer:
        """Recomputes every record (about 25,000 a second); an anchor also proves that no tail was cut off."""
        if (anchor_seq is None) != (anchor_hash is None):
            raise PayloadError(FieldError("anchor_seq", "anchor_seq and anchor_hash together", "one of them"))
        anchor = None if anchor_seq is None or anchor_hash is None else chain.Anchor(anchor_seq, anchor_hash)
        return records.verify(ledger, anchor)

    @post(
        "/erasures",
        operation_id="erase_payloads",
        **BODY.route,
        status_code=200,
        sync_to_thread=True,
        request_max_body_size=65_536,
        summary="Remove a customer's data from the record",
    )
    def erase(self, request: Request[Any, Any, Any], body: RawBody, ledger: NamedDependency[Engine]) -> ErasureAnswer:
        """Payloads and salts go, decisions stay; replay answers `erased` from then on."""
        data = BODY.read(body, request.scope["headers"])
        records.check_either(data, "contact_id", "prediction_id")
        erased = decisions.erase(
            ledger,
            actor=identity_of(request).name,
            reason=data.reason,
            contact_id=data.contact_id,
            decision_id=data.prediction_id,
        )
        return ErasureAnswer(erased)
