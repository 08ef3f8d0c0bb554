"""`/api/v1/outcomes/batch`, `/api/v1/subscriptions/batch` and the signed webhook: what comes back from a campaign."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, RawBody
from msgspec import Meta

from bank_assets.contract.feeds import DISPOSITION_FEED, FEEDS, SUBSCRIPTION_FEED, Feed
from bank_assets.store.standard_webhooks import verified
from serving.decisions.uploads import MAX_ROWS, raw_rows
from serving.feeds.reports import FeedAnswer, FeedReports, ReportOrigin, row_type
from serving.settings import ServingSettings
from serving.web.access import identity_of
from serving.web.bodies import JSON, JsonBody, check_format
from serving.web.openapi import body_of, inlined, secured
from serving.web.problems import NotFoundError

CSV: Final = "text/csv"
FEED_BODY_BYTES: Final = 50_000_000
WEBHOOK_BYTES: Final = 5_000_000  # read before the sender is known
EXAMPLES: Final = {
    DISPOSITION_FEED.name: {"contact_id": "c-1", "disposition": "subscribed", "called_at": "2010-11-22T10:00:00Z"},
    SUBSCRIPTION_FEED.name: {"customer_id": "k-1", "on_day": "2010-11-24"},
}
FileName = Annotated[str, QueryParameter(max_length=250, description="Name of the file, by which its sender is known.")]


class WebhookMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a dialer or of the bank's books."""

    type: Literal["dispositions", "subscriptions"]
    data: Annotated[list[msgspec.Raw], Meta(description="Rows as `POST .../batch` takes them.")]
    timestamp: Annotated[str, Meta(max_length=40, description="When it happened; not used.")] | None = None


MESSAGE: Final = JsonBody(
    WebhookMessage,
    example={"type": DISPOSITION_FEED.name, "data": [EXAMPLES[DISPOSITION_FEED.name]]},
    scope=None,
    problems=(404,),
)


def _route(feed: Feed) -> dict[str, Any]:
    row = EXAMPLES[feed.name]
    content = {
        **body_of({"type": "string"}, f"{','.join(row)}\n{','.join(row.values())}\n", CSV),
        **body_of({"type": "array", "maxItems": MAX_ROWS, "items": inlined(row_type(feed))}, [row]),
    }
    options = {
        "tags": ["outcomes"],
        "request_max_body_size": FEED_BODY_BYTES,
        "sync_to_thread": True,
        "status_code": 200,
    }
    return secured("outcomes", content=content) | options


def _take(feed: Feed, request: Request[Any, Any, Any], body: bytes, reports: FeedReports, file_name: str) -> FeedAnswer:
    for header, formats in (("content-type", (CSV, JSON)), ("content-encoding", ())):
        check_format(header, request.headers.get(header, ""), formats)
    origin = ReportOrigin(identity_of(request).name, "api", file_name)
    if request.headers["content-type"].strip().lower().startswith(CSV):
        return reports.take_csv(feed, body, origin)
    return reports.take_json(feed, raw_rows(body), origin)


@post(
    "/api/v1/outcomes/batch",
    operation_id="report_dispositions",
    **_route(DISPOSITION_FEED),
    summary="Report what up to 100,000 calls came to",
)
def report_dispositions(
    request: Request[Any, Any, Any], body: RawBody, feed_reports: NamedDependency[FeedReports], file_name: FileName = ""
) -> FeedAnswer:
    """Send CSV or a JSON array. Rows on record already add nothing; of contradicting rows the last arrival counts."""
    return _take(DISPOSITION_FEED, request, body, feed_reports, file_name)


@post(
    "/api/v1/subscriptions/batch",
    operation_id="report_subscriptions",
    **_route(SUBSCRIPTION_FEED),
    summary="Report up to 100,000 subscriptions and cancellations from the bank's books",
)
def report_subscriptions(
    request: Request[Any, Any, Any], body: RawBody, feed_reports: NamedDependency[FeedReports], file_name: FileName = ""
) -> FeedAnswer:
    """All subscriptions, whoever was called or not: the lift of a list compares both."""
    return _take(SUBSCRIPTION_FEED, request, body, feed_reports, file_name)


@post(
    "/api/v1/webhooks/feedback",
    operation_id="receive_webhook",
    **MESSAGE.route,
    tags=["outcomes"],
    request_max_body_size=WEBHOOK_BYTES,
    sync_to_thread=True,
    status_code=200,
    summary="Receive dispositions or subscriptions as a signed webhook",
)
def receive(
    request: Request[Any, Any, Any],
    body: RawBody,
    settings: NamedDependency[ServingSettings],
    feed_reports: NamedDependency[FeedReports],
) -> FeedAnswer:
    """A message signed by Standard Webhooks (v1) within five minutes; the same message again adds nothing."""
    if not settings.webhook_secrets:
        raise NotFoundError(
            "webhook: expected BANK_WEBHOOK_SECRETS to name a secret, found none; set it, or use a key."
        )
    verified(settings.webhook_secrets, dict(request.headers), body, time.time())
    message = MESSAGE.read(body, request.scope["headers"])
    return feed_reports.take_json(FEEDS[message.type], message.data, ReportOrigin("webhook", "webhook"))


HANDLERS: Final = (report_dispositions, report_subscriptions, receive)
