"""`/api/v1/predictions`: decide, read, search, replay. HTTP only."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Engine

from serving.decisions import records
from serving.decisions.payloads import Payloads, check_date, customer_of
from serving.decisions.record_schemas import DecisionRecord, Replay, SearchPage
from serving.decisions.replaying import Replayer
from serving.decisions.schemas import Prediction
from serving.decisions.scoring import DecisionRequest, prediction_of
from serving.web.access import identity_of, note_decision
from serving.web.answers import JsonAnswer
from serving.web.bodies import JsonBody, read_whole
from serving.web.openapi import secured

PATH = "/api/v1/predictions"
SINGLE_BODY_BYTES = 65_536


def create_route(payloads: Payloads) -> HTTPRouteHandler:
    """The route that decides, for requests under a contract."""
    body = JsonBody(payloads.struct, payloads.request_of, example=customer_of(payloads), scope="predict")

    @post(
        PATH,
        operation_id="create_prediction",
        **body.route,
        tags=["predictions"],
        request_max_body_size=SINGLE_BODY_BYTES,
        responses={201: ResponseSpec(Prediction, description="Decided and on record.", generate_examples=False)},
        summary="Decide about one customer",
    )
    async def create(
        request: Request[Any, Any, Any],
        reasons: Annotated[bool, QueryParameter(description="Add signed reasons (some 10 ms).")] = False,
    ) -> JsonAnswer:
        """Score, decide and record; the answer leaves after the record is on disk."""
        # Taken from the app's state, not by dependency injection, which costs this one busy route 0.1 ms.
        services = request.app.state.services
        data = body.read(await read_whole(request, SINGLE_BODY_BYTES), request.scope["headers"])
        check_date(data.contact_date)
        decided = await services.decider.decide(DecisionRequest(data, identity_of(request).name))
        note_decision(request, decided.draft.id, decided.draft.model_version)
        answer = prediction_of(decided)
        if reasons:
            given = await asyncio.to_thread(services.explaining.reasons_of, decided.draft)
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
        ledger: NamedDependency[Engine],
        contact_id: Annotated[str | None, QueryParameter(max_length=64)] = None,
        batch_id: Annotated[str | None, QueryParameter(max_length=36)] = None,
        actor: Annotated[str | None, QueryParameter(max_length=200)] = None,
        decision: Annotated[str | None, QueryParameter(pattern="^(call|do_not_call)$")] = None,
        model_version: Annotated[str | None, QueryParameter(max_length=20)] = None,
        since: Annotated[str | None, QueryParameter(description="First time, ISO.", max_length=40)] = None,
        until: Annotated[str | None, QueryParameter(description="End, exclusive, ISO.", max_length=40)] = None,
        cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.", max_length=40)] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = 50,
    ) -> SearchPage:
        """Every given criterion must fit."""
        return records.search(
            ledger,
            contact_id=contact_id,
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
    def read(
        self, prediction_id: FromPath[str], ledger: NamedDependency[Engine], replayer: NamedDependency[Replayer]
    ) -> DecisionRecord:
        """Inputs, numbers, model with lineage, place in the chain, outcomes."""
        return records.full_record(ledger, prediction_id, replayer.decision_document)

    @post(
        "/{prediction_id:str}/replay",
        operation_id="replay_prediction",
        **secured("audit", 404),
        status_code=200,
        sync_to_thread=True,
        summary="Run a decision again",
    )
    def replay(self, prediction_id: FromPath[str], replayer: NamedDependency[Replayer]) -> Replay:
        """Re-score with the recorded model version and inputs, and compare to the last bit."""
        return replayer.replay(prediction_id)
