"""`/campaign/lists/{id}/dispositions`: an analyst reports what the calls of a list came to."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Request, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody
from litestar.response import Template
from sqlalchemy import Engine

from bank_assets.contract.feeds import DISPOSITION_FEED
from bank_assets.ledger import feeds
from serving.campaigns.lists import recorded_list
from serving.feeds.reports import FeedAnswer, FeedReports, ReportOrigin
from serving.feeds.view_models import DispositionsView
from serving.web.access import identity_of
from serving.web.problems import FieldError, PayloadError
from serving.web.templating import show
from serving.web.view_models import PartPage

FILE_BYTES: Final = 50_000_000


def dispositions_view(ledger: Engine, list_id: str, answer: FeedAnswer | None = None) -> DispositionsView:
    """What is on record about the calls of a list, and what became of a file."""
    return DispositionsView(list_id, feeds.counts_of(ledger, list_id), answer)


@post(
    "/campaign/lists/{list_id:str}/dispositions",
    name="page:campaign:dispositions",
    opt={"needs": "outcomes"},
    request_max_body_size=FILE_BYTES,
    status_code=200,
)
async def report(
    request: Request[Any, Any, Any],
    list_id: FromPath[str],
    data: MultipartBody[dict[str, Any]],
    ledger: NamedDependency[Engine],
    feed_reports: NamedDependency[FeedReports],
) -> Template:
    """Put the rows of an uploaded file on record; rows that name no list belong to this one."""
    file = data.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise PayloadError(FieldError("file", "a CSV file", "nothing"))
    content, origin = await file.read(), ReportOrigin(identity_of(request).name, "page", file.filename, list_id)

    def take() -> DispositionsView:
        recorded_list(ledger, list_id)
        return dispositions_view(ledger, list_id, feed_reports.take_csv(DISPOSITION_FEED, content, origin))

    part = await asyncio.to_thread(take)
    return show(request, PartPage("What the calls came to", part), part)
