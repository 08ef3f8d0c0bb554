"""`/campaign/lists`: make call lists, find them again, see where each stands, export, withdraw and close them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, URLEncodedBody
from litestar.response import Redirect

from bank_assets.core.campaigns.life import Action
from bank_assets.store.list_states import ListState
from serving.campaigns.desk import PlanDesk
from serving.campaigns.dispositions import dispositions_view, report
from serving.campaigns.list_view_models import CallListPage, CallListView, LeftOutView, ListsPage
from serving.campaigns.list_views import list_table, list_view
from serving.campaigns.lists import Lists
from serving.campaigns.shown import changes, read_shown, shown_of
from serving.web.access import identity_of
from serving.web.bodies import reason_fault
from serving.web.templating import is_partial, show
from serving.web.view_models import PartPage

SHOWN_LISTS: Final = 50


def _part(lists: Lists, state: ListState) -> CallListView:
    signs, reported = lists.call_lists.payloads.contract.signs(), dispositions_view(lists.ledger, state.kept.id)
    has_file, files = lists.call_lists.has_file(state.kept), {one.key for one in lists.call_lists.files.all()}
    return list_view(state, signs, reported, has_file=has_file, files=files)


@post("/campaign/lists", name="page:campaign:make", status_code=201, sync_to_thread=True)
def make(
    request: Request[Any, Any, Any], data: URLEncodedBody[dict[str, Any]], desk: NamedDependency[PlanDesk]
) -> Response[Any]:
    """Put the plan that was shown on record and offer its files; if it is another one by now, show that instead."""
    form, shown = desk.form(data), read_shown(str(data.get("shown", "")))
    chosen, planned = desk.planned(form)
    if changes(shown, shown_of(chosen, planned)).rows:
        plan = desk.view(chosen, planned, form, shown)
        return show(request, desk.page(form, plan), plan, status=409, headers={"HX-Retarget": "#plan"})
    state = desk.lists.make(chosen, planned, identity_of(request).name, form.revises)
    if not is_partial(request):
        return Redirect(f"/campaign/lists/{state.kept.id}", status_code=303)
    part = _part(desk.lists, state)
    return show(request, CallListPage("Call list", part), part, status=201)


@get("/campaign/lists", name="page:campaign:lists", sync_to_thread=True)
def all_lists(
    request: Request[Any, Any, Any],
    lists: NamedDependency[Lists],
    q: Annotated[str, QueryParameter(max_length=200)] = "",
    before: Annotated[str, QueryParameter(max_length=36)] = "",
) -> Response[Any]:
    """All lists on record, newest first; a search looks at their names, ids and authors."""
    table = list_table(lists, q.strip(), before, SHOWN_LISTS)
    return show(request, ListsPage("Call lists", table), table)


@get("/campaign/lists/{list_id:str}", name="page:campaign:list", sync_to_thread=True)
def kept_list(request: Request[Any, Any, Any], list_id: FromPath[str], lists: NamedDependency[Lists]) -> Response[Any]:
    """A call list on record."""
    part = _part(lists, lists.get(list_id))
    return show(request, CallListPage("Call list", part), part)


@get("/campaign/lists/{list_id:str}/left-out", name="page:campaign:left-out", sync_to_thread=True)
def left_out(request: Request[Any, Any, Any], list_id: FromPath[str], lists: NamedDependency[Lists]) -> Response[Any]:
    """Calls of a list that must not be made any more; its page shows the same."""
    calls = lists.left_out(list_id)
    page = PartPage("Calls that must not be made any more", LeftOutView(list_id, calls))
    return show(request, page, LeftOutView("", calls))


@get("/campaign/lists/{list_id:str}/{file_name:str}", name="page:campaign:download", sync_to_thread=True)
def download(
    request: Request[Any, Any, Any], list_id: FromPath[str], file_name: FromPath[str], lists: NamedDependency[Lists]
) -> Response[bytes]:
    """`calls.csv` or `holdout.csv` of a kept list; the export is on record, unless only its head was requested."""
    group, is_recorded = file_name.removesuffix(".csv"), not request.scope["bank"].is_head  # type: ignore[typeddict-item]
    content = lists.export(list_id, group, identity_of(request).name, is_recorded=is_recorded)
    attachment = f'attachment; filename="{list_id}-{file_name}"'
    return Response(content, media_type="text/csv", headers={"Content-Disposition": attachment})


def _ending(action: Action) -> Any:
    @post(f"/campaign/lists/{{list_id:str}}/{action}", name=f"page:campaign:{action}", sync_to_thread=True)
    def end(
        request: Request[Any, Any, Any],
        list_id: FromPath[str],
        data: URLEncodedBody[dict[str, Any]],
        lists: NamedDependency[Lists],
    ) -> Response[Any]:
        reason = str(data.get("reason", "")).strip()
        if reason_fault(reason):
            part = replace(_part(lists, lists.get(list_id)), refused=action)
            return show(request, CallListPage("Call list", part), part, status=422)
        lists.act(list_id, action, identity_of(request).name, {"reason": reason})
        if not is_partial(request):
            return Redirect(f"/campaign/lists/{list_id}", status_code=303)
        part = _part(lists, lists.get(list_id))
        return show(request, CallListPage("Call list", part), part)

    return end


withdraw, close = _ending(Action.WITHDRAW), _ending(Action.CLOSE)
HANDLERS: Final = (make, all_lists, kept_list, left_out, download, withdraw, close, report)
