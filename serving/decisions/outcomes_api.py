"""`POST /api/v1/outcomes`: what became of a contact. HTTP only; `bank_assets.ledger.outcomes` keeps it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import RawBody
from sqlalchemy import Engine

from bank_assets.ledger import outcomes
from serving.decisions.record_schemas import OutcomeAnswer, OutcomeReport, OutcomeRequest
from serving.decisions.records import check_either, iso_time
from serving.web.access import identity_of
from serving.web.answers import from_record
from serving.web.bodies import JsonBody
from serving.web.problems import FieldError, PayloadError

BODY = JsonBody(
    OutcomeRequest, example={"contact_id": "c-1", "y": "yes", "duration": 210}, scope="outcomes", problems=(404,)
)


@post(
    "/api/v1/outcomes",
    operation_id="report_outcome",
    **BODY.route,
    tags=["outcomes"],
    request_max_body_size=65_536,
    sync_to_thread=True,
    summary="Report an outcome",
)
def report(request: Request[Any, Any, Any], body: RawBody, ledger: NamedDependency[Engine]) -> Response[OutcomeAnswer]:
    """201 for a new report (also a correction), 200 for one that is already on record."""
    data = BODY.read(body, request.scope["headers"])
    check_either(data, "prediction_id", "contact_id")
    arrived_at = iso_time("arrived_at", data.arrived_at)
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    if arrived_at is not None and arrived_at > tomorrow:
        # What arrived last is what counts: a report from the future would outweigh every correction to come.
        raise PayloadError(FieldError("arrived_at", "a time that is not in the future", repr(data.arrived_at)))
    recorded = outcomes.record(
        ledger,
        y=data.y,
        actor=identity_of(request).name,
        decision_id=data.prediction_id,
        contact_id=data.contact_id,
        duration=data.duration,
        arrived_at=arrived_at,
    )
    answer = OutcomeAnswer(from_record(OutcomeReport, recorded.outcome), recorded.is_new, recorded.corrects)
    return Response(answer, status_code=201 if recorded.is_new else 200)
