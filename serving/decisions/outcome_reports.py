"""`POST /api/v1/outcomes`: what became of a contact; outcome and length of the call have the names of the contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.contract.values import found_words
from bank_assets.ledger import outcomes
from serving.decisions.payloads import Payloads, as_text_is_read, usable_id
from serving.decisions.record_schemas import OutcomeAnswer, OutcomeRequest
from serving.decisions.records import iso_time
from serving.web.access import identity_of
from serving.web.bodies import BODY_BYTES, JsonBody, RawHeaders, check_either, fault
from serving.web.openapi import inlined
from serving.web.problems import FieldError, PayloadError


def read_outcome(body: bytes, headers: RawHeaders, contract: Contract) -> OutcomeRequest:
    """A report of an outcome, judged as a row of an outcomes delivery is."""
    data = _body(contract).read(body, headers)
    check_either(data, "prediction_id", "contact_id")
    arrived_at = iso_time("arrived_at", data.arrived_at, keeps_day=True)
    first, tomorrow = f"{contract.first_month}-01", dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    if arrived_at is not None and not first <= arrived_at <= tomorrow.isoformat():
        # What arrived last is what counts: a report from the future would outweigh every correction to come.
        expected = f"a time from {first} on that is not in the future"
        raise PayloadError(FieldError("arrived_at", expected, found_words(data.arrived_at or "")))
    return msgspec.structs.replace(data, contact_id=usable_id(data.contact_id), arrived_at=arrived_at)


def outcome_route(payloads: Payloads) -> HTTPRouteHandler:
    """The route that takes reports of outcomes under a contract."""

    @post(
        "/api/v1/outcomes",
        operation_id="report_outcome",
        **_body(payloads.contract).route,
        tags=["outcomes"],
        request_max_body_size=BODY_BYTES,
        sync_to_thread=True,
        summary="Report an outcome",
    )
    def report(
        request: Request[Any, Any, Any], body: RawBody, ledger: NamedDependency[Engine]
    ) -> Response[OutcomeAnswer]:
        """201 for a new report (also a correction), 200 for one that is already on record."""
        data = read_outcome(body, request.scope["headers"], payloads.contract)
        recorded = outcomes.record(
            ledger,
            y=data.y,
            actor=identity_of(request).name,
            decision_id=data.prediction_id,
            contact_id=data.contact_id,
            duration=data.duration,
            arrived_at=data.arrived_at,
        )
        answer = OutcomeAnswer(recorded.outcome, recorded.is_new, recorded.corrects)
        return Response(answer, status_code=201 if recorded.is_new else 200)

    return report


@lru_cache(maxsize=8)
def _body(contract: Contract) -> JsonBody[OutcomeRequest]:
    """Bodies with the names of a contract; `y` and `duration` are understood under any."""
    sources = {column.table: column.source for column in contract.columns}
    names = {"y": contract.target.source, "duration": sources.get("duration_seconds", "duration")}
    fields = [(one.name, one.type, one.default) for one in msgspec.structs.fields(OutcomeRequest)]
    required = [field[:2] if field[2] is msgspec.NODEFAULT else field for field in fields]
    config: dict[str, Any] = {"frozen": True, "forbid_unknown_fields": True, "rename": names}
    text = {"__doc__": OutcomeRequest.__doc__}
    of: Any = msgspec.defstruct("OutcomeRequest", required, bases=(OutcomeRequest,), namespace=text, **config)

    def reread(raw: object) -> Any:
        """A decoded report; its texts are trimmed as the fields of a file are."""
        read = as_text_is_read(raw)
        if isinstance(read, Mapping):
            meant = {name: names[name] for name in names if names[name] not in read}
            read = {meant.get(name, name): value for name, value in read.items()}
        try:
            return msgspec.convert(read, of)
        except msgspec.ValidationError as error:
            raise PayloadError(fault(str(error), inlined(of), msgspec.json.encode(read))) from None

    example = {"contact_id": "c-1", "y": "yes", "duration": 210}
    named = {names.get(name, name): value for name, value in example.items()}
    return JsonBody(of, reread, example=named, scope="outcomes", problems=(404,))
