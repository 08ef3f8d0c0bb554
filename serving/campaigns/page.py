"""`/campaign`: choose a list, plan it, add people to the suppression list."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import MultipartBody
from litestar.response import Redirect

from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.reports.formats import count
from serving.campaigns.call_lists import CallLists, example_list
from serving.campaigns.desk import PlanDesk
from serving.campaigns.list_page import HANDLERS as LISTS
from serving.campaigns.plans_page import HANDLERS as PLANS
from serving.campaigns.read_out_page import HANDLERS as READ_OUTS
from serving.campaigns.shown import read_shown
from serving.campaigns.view_models import SuppressionView
from serving.campaigns.views import plan_view
from serving.champion.champion import ChampionStore
from serving.customers.suppressions import Suppressions
from serving.web.access import identity_of
from serving.web.chrome import Page
from serving.web.problems import FieldError, PayloadError, problem_of
from serving.web.templating import is_partial, show
from serving.web.view_models import ProblemPart

UPLOAD_BYTES: Final = 20_000_000


@get("/campaign", name="page:campaign", sync_to_thread=True)
def campaign(request: Request[Any, Any, Any], desk: NamedDependency[PlanDesk]) -> Response[Any]:
    """The plan of the chosen list; the same address gives page or plan alone."""
    desk.store.current  # noqa: B018  without a model the page says so
    form = desk.form(request.query_params)
    part, fault = None, None
    try:
        if form.list_key:
            shown = request.query_params.get("shown")  # of a saved plan that is opened again
            part = plan_view(*desk.planned(form), form, None if shown is None else read_shown(shown))
    except PayloadError as error:
        if is_partial(request):
            raise
        way = "Correct the form beside and plan again."
        fault = ProblemPart(problem_of(error), way, "/campaign", "Start with an empty form")
    if is_partial(request) and part is None:
        return Response("", status_code=204)
    return show(request, desk.page(form, part, fault), part, status=422 if fault else 200)


@get("/campaign/example.csv", name="page:campaign:example", sync_to_thread=False)
def example(store: NamedDependency[ChampionStore], call_lists: NamedDependency[CallLists]) -> Response[str]:
    """A list of one customer, to be filled in and uploaded."""
    content = example_list(store.state.as_of, call_lists.payloads.contract)
    return Response(
        content, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="example.csv"'}
    )


@post("/campaign/upload", name="page:campaign:upload", request_max_body_size=UPLOAD_BYTES, status_code=303)
async def upload(data: MultipartBody[dict[str, Any]], call_lists: NamedDependency[CallLists]) -> Redirect:
    """Keep an uploaded list and plan it."""
    file = data.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise PayloadError(FieldError("file", "a CSV file", "nothing"))
    kept = await asyncio.to_thread(call_lists.keep_upload, file.filename, await file.read())
    return Redirect("/campaign", status_code=303, query_params={"list": kept.key})


@post("/campaign/suppressions", name="page:campaign:suppressions", request_max_body_size=UPLOAD_BYTES, status_code=200)
async def suppress(
    request: Request[Any, Any, Any], data: MultipartBody[dict[str, Any]], suppressions: NamedDependency[Suppressions]
) -> Response[Any]:
    """Add people who must not be called; the plan follows."""
    requested: frozenset[str] = frozenset().union(
        *[SuppressionList.from_text(text).customer_ids for text in await _texts_of(data)]
    )
    if not requested:
        raise PayloadError(FieldError("ids", "at least one customer id, one per line", "none"))
    new = await asyncio.to_thread(suppressions.add, requested, reason="campaign page", actor=identity_of(request).name)
    key = str(data.get("list", ""))
    if not is_partial(request):
        return Redirect("/campaign", status_code=303, query_params={"list": key} if key else {})
    total = len(suppressions.current.customer_ids)
    part = SuppressionView(total, f"{count(new)} added, {count(len(requested) - new)} were on the list already.", key)
    return show(request, part, part, headers={"HX-Trigger": "suppressions-changed"})


async def _texts_of(data: dict[str, Any]) -> list[str]:
    """The texts of a form's field and files; a name may be sent more than once, and no objection may get lost."""
    texts = []
    for part in (one for name in ("ids", "file") for one in _listed(data.get(name, ""))):
        try:
            texts.append((await part.read()).decode("utf-8-sig") if isinstance(part, UploadFile) else str(part))
        except UnicodeDecodeError as error:
            raise PayloadError(FieldError("file", "text in UTF-8", f"byte {error.start} is not")) from None
    return texts


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


PAGE = Page("/campaign", "Campaign", "predict", (campaign, example, upload, suppress, *LISTS, *PLANS, *READ_OUTS))
