"""`/api/v1/predictions`, `/api/v1/audit`: decide, read, search, replay, verify, erase."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter, RawBody

from bank_assets.ledger import chain, decisions
from bank_assets.store.personal_files import PersonalData
from serving.decisions.payloads import Payloads, checked
from serving.decisions.record_schemas import (
    DecisionRecord,
    ErasureAnswer,
    ErasureRequest,
    Replay,
    SearchPage,
    VerifyAnswer,
)
from serving.decisions.records import Records, anchor_of
from serving.decisions.schemas import Prediction
from serving.decisions.scoring import DecisionRequest, prediction_of
from serving.web.access import identity_of, note_decision
from serving.web.answers import JsonAnswer
from serving.web.bodies import BODY_BYTES, JsonBody, check_either, read_whole
from serving.web.openapi import secured
from serving.web.problems import FieldError, PayloadError

PATH = "/api/v1/predictions"
ERASURE = JsonBody(ErasureRequest, example={"customer_id": "k-1", "reason": "request of 2026-11-20"}, scope="admin")


def create_route(payloads: Payloads) -> HTTPRouteHandler:
    """The route that decides, for requests under a contract."""
    body = JsonBody(payloads.struct, payloads.request_of, example=payloads.example, scope="predict")
    if payloads.sent.sender is not None:
        body.read_by(payloads.request_of)

    @post(
        PATH,
        operation_id="create_prediction",
        **body.route,
        tags=["predictions"],
        request_max_body_size=BODY_BYTES,
        responses={201: ResponseSpec(Prediction, description="Decided and on record.", generate_examples=False)},
        summary="Decide about one customer",
    )
    async def create(
        request: Request[Any, Any, Any],
        reasons: Annotated[bool, QueryParameter(description="Add signed reasons (some 10 ms).")] = False,
        explore: Annotated[
            bool, QueryParameter(description="Randomize the answer, so that its outcome teaches.")
        ] = False,
    ) -> JsonAnswer:
        """Score, decide and record; the answer leaves after the record is on disk."""
        # Taken from the app's state, not by dependency injection, which costs this one busy route 0.1 ms.
        services = request.app.state.services
        data = checked(body.read(await read_whole(request, BODY_BYTES), request.scope["headers"]))
        if explore and data.contact_id is None:
            raise PayloadError(
                FieldError("contact_id", "the id of the contact, by which its outcome will be known", "none")
            )
        decided = await services.decider.decide(DecisionRequest(data, identity_of(request).name, explores=explore))
        note_decision(request, decided.draft.id, decided.draft.model_version)
        answer = prediction_of(decided)
        if reasons:
            given = await asyncio.to_thread(services.records.reasons_of, decided.draft)
            answer = msgspec.structs.replace(answer, reasons=given)
        return JsonAnswer(answer, 201, ((b"location", f"{PATH}/{answer.id}".encode()),))

    return create


class PredictionsController(Controller):
    """Decisions on record."""

    path = PATH
    tags = ("predictions",)

    @get(
        "/",
        operation_id="search_predictions",
        **secured("audit"),
        sync_to_thread=True,
        summary="Search decisions, newest first",
    )
    def search(
        self,
        records: NamedDependency[Records],
        contact_id: Annotated[str | None, QueryParameter(max_length=64)] = None,
        customer_id: Annotated[str | None, QueryParameter(description="Person.", max_length=64)] = None,
        batch_id: Annotated[str | None, QueryParameter(description="Upload, or call list.", max_length=36)] = None,
        actor: Annotated[str | None, QueryParameter(max_length=200)] = None,
        decision: Annotated[str | None, QueryParameter(pattern="^(call|do_not_call)$")] = None,
        model_version: Annotated[str | None, QueryParameter(max_length=20)] = None,
        since: Annotated[str | None, QueryParameter(description="First time, ISO.", max_length=40)] = None,
        until: Annotated[str | None, QueryParameter(description="End, exclusive, ISO.", max_length=40)] = None,
        cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.", max_length=80)] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = 50,
    ) -> SearchPage:
        """Every given criterion must fit. Rows of call lists are found by contact, customer or batch (their list)."""
        return records.search(
            contact_id=contact_id,
            customer_id=customer_id,
            batch_id=batch_id,
            actor=actor,
            decision=decision,
            model_version=model_version,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
        )

    @get(
        "/{prediction_id:str}",
        operation_id="get_prediction",
        **secured("audit", 404),
        sync_to_thread=True,
        summary="The full record of a decision",
    )
    def read(self, prediction_id: FromPath[str], records: NamedDependency[Records]) -> DecisionRecord:
        """Inputs, numbers, model with lineage, place in the chain, outcomes."""
        return records.full(records.get(prediction_id))

    @post(
        "/{prediction_id:str}/replay",
        operation_id="replay_prediction",
        **secured("audit", 404),
        status_code=200,
        sync_to_thread=True,
        summary="Run a decision again",
    )
    def replay(self, prediction_id: FromPath[str], records: NamedDependency[Records]) -> Replay:
        """Re-score with the recorded model version and inputs, and compare to the last bit."""
        return records.replay(records.get(prediction_id))


class AuditController(Controller):
    """Proof that the record is whole, and removal of a customer's data."""

    path = "/api/v1/audit"
    tags = ("audit",)

    @get("/verify", operation_id="verify_chain", **secured("audit"), sync_to_thread=True, summary="Verify the record")
    def verify(
        self,
        records: NamedDependency[Records],
        anchor_seq: Annotated[int | None, QueryParameter(ge=1, le=10**15, description="Anchor kept earlier.")] = None,
        anchor_hash: Annotated[str | None, QueryParameter(pattern="^[0-9a-f]{64}$")] = None,
        anchor: Annotated[
            str | None, QueryParameter(description="`anchor` of an earlier answer, instead of the other two.")
        ] = None,
    ) -> VerifyAnswer:
        """Recomputes both chains and all that they cover; an anchor also proves that nothing was cut off their ends."""
        if anchor is not None:
            return records.verify(anchor_of(anchor))
        if (anchor_seq is None) != (anchor_hash is None):
            raise PayloadError(FieldError("anchor_seq", "anchor_seq and anchor_hash together", "one of them"))
        return records.verify(chain.Anchor(anchor_seq, anchor_hash) if anchor_seq and anchor_hash else None)

    @post(
        "/erasures",
        operation_id="erase_payloads",
        **ERASURE.route,
        status_code=200,
        sync_to_thread=True,
        request_max_body_size=BODY_BYTES,
        summary="Remove a customer's data from the record",
    )
    def erase(
        self, request: Request[Any, Any, Any], body: RawBody, personal_data: NamedDependency[PersonalData]
    ) -> ErasureAnswer:
        """Payloads, salts and ids go, decisions stay; replay answers `erased` from then on.

        Files lose the rows of a contact or customer; a prediction alone is erased on record only.
        """
        data = ERASURE.read(body, request.scope["headers"])
        check_either(data, "contact_id", "customer_id", "prediction_id")
        note: dict[str, Any] = {"actor": identity_of(request).name, "reason": data.reason}
        if data.prediction_id is not None:
            return ErasureAnswer(decisions.erase(personal_data.ledger, decision_id=data.prediction_id, **note))
        return ErasureAnswer(*personal_data.erase(contact_id=data.contact_id, customer_id=data.customer_id, **note))
