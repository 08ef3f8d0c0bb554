"""`/campaign`: choose a list, plan it, add people to the suppression list."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import MultipartBody
from litestar.response import Redirect

from serving.campaigns.call_lists import CallListService, example_list
from serving.campaigns.desk import SUPPRESSIONS, PlanDesk
from serving.campaigns.list_page import HANDLERS as LISTS
from serving.campaigns.plans_page import HANDLERS as PLANS
from serving.campaigns.read_out_page import HANDLERS as READ_OUTS
from serving.campaigns.shown import read_shown
from serving.champion.champion import ChampionStore
from serving.customers.objections import Objections
from serving.customers.page import take_objections
from serving.web.chrome import Page
from serving.web.problems import FieldError, PayloadError, problem_of
from serving.web.templating import is_partial, show
from serving.web.view_models import ProblemPart

UPLOAD_BYTES: Final = 20_000_000  # of objections, which are read into memory
LIST_BYTES: Final = 2_000_000_000  # of a list, which goes through a file; some twenty million rows


@get("/campaign", name="page:campaign", sync_to_thread=True)
def campaign(request: Request[Any, Any, Any], desk: NamedDependency[PlanDesk]) -> Response[Any]:
    """The plan of the chosen list; the same address gives page or plan alone."""
    desk.store.current  # noqa: B018  without a model the page says so
    form = desk.form(request.query_params)
    part, fault = None, None
    try:
        if form.list_key:
            shown = request.query_params.get("shown")  # of a saved plan that is opened again
            part = desk.view(*desk.planned(form), form, None if shown is None else read_shown(shown))
    except PayloadError as error:
        if is_partial(request):
            raise
        way = "Correct the form beside and plan again."
        fault = ProblemPart(problem_of(error), way, "/campaign", "Start with an empty form")
    if is_partial(request) and part is None:
        return Response("", status_code=204)
    page = desk.page(form, part, fault, delivered=request.query_params.get("delivered", ""))
    return show(request, page, part, status=422 if fault else 200)


@get("/campaign/example.csv", name="page:campaign:example", sync_to_thread=False)
def example(store: NamedDependency[ChampionStore], call_lists: NamedDependency[CallListService]) -> Response[str]:
    """A list of one customer, to be filled in and uploaded."""
    content = example_list(store.state.as_of, call_lists.payloads.contract)
    return Response(
        content, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="example.csv"'}
    )


@post("/campaign/upload", name="page:campaign:upload", request_max_body_size=LIST_BYTES, status_code=303)
async def upload(data: MultipartBody[dict[str, Any]], call_lists: NamedDependency[CallListService]) -> Redirect:
    """Keep an uploaded list and plan it; a longer one becomes a delivery, which the pipeline plans."""
    file = data.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise PayloadError(FieldError("file", "a CSV file", "nothing"))
    way_on = await asyncio.to_thread(call_lists.take_upload, file.filename, file.file)
    return Redirect("/campaign", status_code=303, query_params=way_on)


@post(SUPPRESSIONS, name="page:campaign:suppressions", request_max_body_size=UPLOAD_BYTES, status_code=200)
async def suppress(
    request: Request[Any, Any, Any],
    data: MultipartBody[dict[str, Any]],
    customer_objections: NamedDependency[Objections],
) -> Response[Any]:
    """Add people who must not be called; the plan follows."""
    return await take_objections(request, data, customer_objections, SUPPRESSIONS)


PAGE = Page("/campaign", "Campaign", "predict", (campaign, example, upload, suppress, *LISTS, *PLANS, *READ_OUTS))
