"""`POST /api/v1/outcomes`: what became of a contact. HTTP only; `bank_assets.ledger.outcomes` keeps it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from sqlalchemy import Engine

from bank_assets.ledger import outcomes
from serving.access import identity_of, needs
from serving.errors import FieldError, PayloadError
from serving.schemas import OutcomeAnswer, OutcomeRequest
from serving.services.records import outcome_report


@post(
    "/api/v1/outcomes",
    operation_id="report_outcome",
    tags=["outcomes"],
    guards=[needs("outcomes")],
    request_max_body_size=65_536,
    sync_to_thread=True,
    summary="Report an outcome",
)
def report(
    request: Request[Any, Any, Any], data: JSONBody[OutcomeRequest], ledger: NamedDependency[Engine]
) -> Response[OutcomeAnswer]:
    """201 for a new report (also a correction), 200 for one that is already on record."""
    if (data.prediction_id is None) == (data.contact_id is None):
        raise PayloadError(
            (
                FieldError(
                    "prediction_id",
                    "either prediction_id or contact_id",
                    "both" if data.contact_id is not None else "neither",
                ),
            )
        )
    recorded = outcomes.record(
        ledger,
        y=data.y,
        actor=identity_of(request).name,
        decision_id=data.prediction_id,
        contact_id=data.contact_id,
        duration=data.duration,
        arrived_at=_moment(data.arrived_at),
    )
    answer = OutcomeAnswer(outcome_report(recorded.outcome), recorded.is_new, recorded.corrects)
    return Response(answer, status_code=201 if recorded.is_new else 200)


def _moment(arrived: dt.date | dt.datetime | None) -> str | None:
    """Data time as the ledger writes times; a day is its midnight."""
    if arrived is None:
        return None
    if not isinstance(arrived, dt.datetime):
        arrived = dt.datetime.combine(arrived, dt.time())
    moment = arrived.replace(tzinfo=dt.UTC) if arrived.tzinfo is None else arrived
    try:
        return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)
    except OverflowError:
        raise PayloadError((FieldError("arrived_at", "a time from the year 1 to 9999", str(arrived)),)) from None
