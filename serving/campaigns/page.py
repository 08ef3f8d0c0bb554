"""`/campaign`: choose a list, plan it, make the call list, add people to the suppression list."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Engine

from bank_assets.core.economics.planner import PlanSettings
from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.ledger import campaigns
from bank_assets.reports.formats import count
from bank_assets.store.campaign_files import KEPT_DAYS
from serving.campaigns.call_lists import CallLists, example_list
from serving.campaigns.dispositions import dispositions_view, report
from serving.campaigns.form import plan_form, settings_of
from serving.campaigns.view_models import CallListPage, CallListView, CampaignPage, SuppressionView
from serving.campaigns.views import plan_view
from serving.champion.champion import ChampionStore
from serving.customers.suppressions import Suppressions
from serving.web.access import identity_of
from serving.web.chrome import Page
from serving.web.problems import FieldError, NotFoundError, PayloadError, problem_of
from serving.web.templating import is_partial, show
from serving.web.view_models import ProblemPart

TITLE: Final = "Plan a campaign"
UPLOAD_BYTES: Final = 20_000_000
SHOWN_LISTS: Final = 20


@get("/campaign", name="page:campaign", sync_to_thread=True)
def campaign(
    request: Request[Any, Any, Any],
    store: NamedDependency[ChampionStore],
    call_lists: NamedDependency[CallLists],
    ledger: NamedDependency[Engine],
    suppressions: NamedDependency[Suppressions],
    planning: NamedDependency[PlanSettings],
) -> Response[Any]:
    """The plan of the chosen list; the same address gives page or plan alone."""
    store.current  # noqa: B018  without a model the page says so
    signs = call_lists.payloads.contract.signs()
    form = plan_form(request.query_params, planning, signs)
    part, fault = None, None
    try:
        if form.list_key:
            settings = settings_of(form, planning, signs)
            part = plan_view(*call_lists.planned(form.list_key, settings, store.current, store.state), form)
    except PayloadError as error:
        if is_partial(request):
            raise
        way = "Correct the form beside and plan again."
        fault = ProblemPart(problem_of(error), way, "/campaign", "Start with an empty form")
    page = CampaignPage(
        title=TITLE,
        form=form,
        choices=call_lists.files.all(),
        plan=part,
        fault=fault,
        suppression=SuppressionView(len(suppressions.read().customer_ids), "", form.list_key),
        kept=campaigns.lists(ledger, limit=SHOWN_LISTS),
        kept_days=KEPT_DAYS,
    )
    if is_partial(request) and part is None:
        return Response("", status_code=204)
    return show(request, page, part, status=422 if fault else 200)


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


@post("/campaign/lists", name="page:campaign:make", status_code=201, sync_to_thread=True)
def make(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    store: NamedDependency[ChampionStore],
    call_lists: NamedDependency[CallLists],
    planning: NamedDependency[PlanSettings],
    ledger: NamedDependency[Engine],
) -> Response[Any]:
    """Put the planned list on record and offer its files."""
    signs = call_lists.payloads.contract.signs()
    form = plan_form(data, planning, signs)
    planned = call_lists.planned(form.list_key, settings_of(form, planning, signs), store.current, store.state)
    kept = call_lists.keep(*planned, identity_of(request).name)
    if not is_partial(request):
        return Redirect(f"/campaign/lists/{kept.id}", status_code=303)
    part = CallListView(kept, True, dispositions_view(ledger, kept.id))
    return show(request, CallListPage("Call list", part), part, status=201)


@get("/campaign/lists/{list_id:str}", name="page:campaign:list", sync_to_thread=True)
def kept_list(
    request: Request[Any, Any, Any],
    list_id: FromPath[str],
    ledger: NamedDependency[Engine],
    call_lists: NamedDependency[CallLists],
) -> Response[Any]:
    """A call list on record."""
    kept = campaigns.get_list(ledger, list_id)
    if kept is None:
        raise NotFoundError(f"call list: expected one on record, found none with id {list_id[:40]!r}.")
    part = CallListView(kept, call_lists.has_file(kept.id), dispositions_view(ledger, kept.id))
    return show(request, CallListPage("Call list", part), part)


@get("/campaign/lists/{list_id:str}/{file_name:str}", name="page:campaign:download", sync_to_thread=True)
def download(
    list_id: FromPath[str], file_name: FromPath[str], call_lists: NamedDependency[CallLists]
) -> Response[bytes]:
    """`calls.csv` or `holdout.csv` of a kept list."""
    content = call_lists.content(list_id, file_name.removesuffix(".csv"))
    attachment = f'attachment; filename="{list_id}-{file_name}"'
    return Response(content, media_type="text/csv", headers={"Content-Disposition": attachment})


PAGE = Page(
    "/campaign", "Campaign", "predict", (campaign, example, upload, suppress, make, kept_list, download, report)
)
