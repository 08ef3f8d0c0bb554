"""`/campaign/lists/{id}/read-out`, `/campaign/report` and `/api/v1/lists/{id}/read-out`: what lists came to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from bank_assets.core.quality.read_out import ReadOut
from serving.campaigns.read_out import ReadOuts
from serving.campaigns.read_out_view_models import CampaignReportPage, ReadOutPage
from serving.campaigns.read_out_views import NO_ROWS, read_out_view, report_view
from serving.web.openapi import secured
from serving.web.problems import NotFoundError
from serving.web.templating import show


@get("/campaign/lists/{list_id:str}/read-out", name="page:campaign:read-out", sync_to_thread=True)
def read_out_page(
    request: Request[Any, Any, Any], list_id: FromPath[str], read_outs: NamedDependency[ReadOuts]
) -> Response[Any]:
    """What a list came to; its page shows the same."""
    kept, found = read_outs.of(list_id)
    policies = read_outs.policies_of(kept, found)
    part = read_out_view(f"Read-out of {kept.name}", found, read_outs.days, policies)
    return show(request, ReadOutPage("Read-out", kept.id, part), part)


@get("/campaign/report", name="page:campaign:report", sync_to_thread=True)
def report_page(request: Request[Any, Any, Any], read_outs: NamedDependency[ReadOuts]) -> Response[Any]:
    """What calling earned over all lists, on one page for a manager; Home shows the same."""
    part = report_view(read_outs.report(), read_outs.days)
    return show(request, CampaignReportPage("What the calls brought", part), part)


@get(
    "/api/v1/lists/{list_id:str}/read-out",
    operation_id="read_out_list",
    **secured("predict", 404),
    tags=["campaigns"],
    sync_to_thread=True,
    summary="What a call list came to",
)
def read_out_route(list_id: FromPath[str], read_outs: NamedDependency[ReadOuts]) -> dict[str, Any]:
    """Calls, subscriptions, cost and profit; what calling caused, with a 95 % interval, or why nobody can say yet.

    `policies` holds what calling by other thresholds and by the champion before would have earned, each with a 90 %
    interval or the reason why there is none; it is empty until subscriptions are known.
    """
    kept, found = read_outs.of(list_id)
    if found is None:
        raise NotFoundError(NO_ROWS)
    policies = [asdict(one) for one in read_outs.policies_of(kept, found)]
    return {"list_id": kept.id, "attribution_days": read_outs.days, **_document(found), "policies": policies}


def _document(found: ReadOut) -> dict[str, Any]:
    lift = {**asdict(found.lift), "sentence": found.lift.sentence, "may_be_chance": found.lift.may_be_chance}
    ratio = {**asdict(found.ratio), "is_broken": found.ratio.is_broken}
    return {**asdict(found), "lift": lift, "ratio": ratio, "is_as_forecast": found.is_as_forecast}


HANDLERS: Final = (read_out_page, report_page)
