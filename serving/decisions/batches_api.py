"""`POST /api/v1/predictions/batch`: an upload in, a streamed JSON document out. HTTP only."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Annotated, Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from bank_assets.core.economics.economics import MAXIMUM_EUR
from serving.decisions.api import PATH
from serving.decisions.batches import MAX_ROWS, Batches, Upload
from serving.decisions.payloads import Payloads, check_date, customer_of
from serving.decisions.schemas import MINIMUM_EUR, EconomicsRequest
from serving.decisions.uploads import csv_rows, json_rows
from serving.web.access import identity_of
from serving.web.bodies import JSON, check_format
from serving.web.openapi import body_of, inlined, secured

CSV = "text/csv"
BATCH_BODY_BYTES = 100_000_000
SPOOL_BYTES = 2_000_000
"""Uploads beyond this go to a temporary file that has no name and vanishes with the request."""

Amount = Annotated[float | None, QueryParameter(ge=MINIMUM_EUR, le=MAXIMUM_EUR)]


def batch_route(payloads: Payloads) -> HTTPRouteHandler:
    """The route, for rows under a contract."""
    customer = customer_of(payloads)
    content = {
        **body_of({"type": "string"}, ",".join(customer) + "\n" + ",".join(map(str, customer.values())) + "\n", CSV),
        **body_of({"type": "array", "maxItems": MAX_ROWS, "items": inlined(payloads.struct)}, [customer]),
    }

    @post(
        f"{PATH}/batch",
        operation_id="create_predictions",
        **secured("predict", content=content),
        tags=["predictions"],
        request_max_body_size=BATCH_BODY_BYTES,
        status_code=201,
        summary="Decide about up to 100,000 customers",
        media_type="application/json",
    )
    async def create_batch(
        request: Request[Any, Any, Any],
        batches: NamedDependency[Batches],
        cost_eur: Amount = None,
        value_eur: Amount = None,
        contact_date: Annotated[
            dt.date | None, QueryParameter(description="Contact date of rows without one; default today.")
        ] = None,
    ) -> Stream:
        """Send CSV (`text/csv`, the delivery's column names) or a JSON array (`application/json`).

        Good rows are scored and recorded, bad rows are named with line, field, expected and found. The answer is one
        JSON document: batch_id, model, predictions, errors, rows, recorded, rejected, is_complete, problem.
        """
        check_format("content-type", request.headers.get("content-type", ""), (CSV, JSON))
        check_format("content-encoding", request.headers.get("content-encoding", ""), ())
        check_date(contact_date)
        file = await _spooled(request)
        try:
            is_csv = request.headers["content-type"].strip().lower().startswith(CSV)
            stated = EconomicsRequest(cost_eur, value_eur) if cost_eur is not None or value_eur is not None else None
            rows = csv_rows(file, payloads) if is_csv else json_rows(file)
            answer = await batches.start(Upload(rows, is_csv, identity_of(request).name, stated, contact_date))
        except BaseException:
            file.close()
            raise
        return Stream(_closing(file, answer), media_type="application/json", status_code=201)

    return create_batch


async def _spooled(request: Request[Any, Any, Any]) -> IO[bytes]:
    file = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  closed when the answer has left
    try:
        async for part in request.stream():
            file.write(part)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


async def _closing(file: IO[bytes], answer: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for part in answer:
            yield part
    finally:
        file.close()
