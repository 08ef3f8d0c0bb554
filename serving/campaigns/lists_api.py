"""`/api/v1/lists`: call lists on record; make, find, export, revise, withdraw and close them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter, RawBody
from msgspec import Meta

from bank_assets.core.campaigns.life import ALLOWED, Action
from bank_assets.core.economics.planner import PlanSettings
from bank_assets.store.list_states import ListState
from serving.campaigns.api import PLAN_BODY_BYTES, planned_under, scored_contacts
from serving.campaigns.lists import Lists
from serving.campaigns.schemas import ListRequest
from serving.campaigns.shown import check_shown, shown_of
from serving.champion.champion import ChampionStore
from serving.decisions.payloads import Payloads, check_date
from serving.decisions.schemas import Reason
from serving.web.access import identity_of
from serving.web.bodies import BODY_BYTES, JsonBody, check_either
from serving.web.openapi import secured
from serving.web.problems import FieldError, PayloadError

PATH = "/api/v1/lists"
MOST_LISTS = 200


class ListEntry(msgspec.Struct, frozen=True):
    """Something that happened to a list."""

    at: str
    actor: str
    kind: str
    content: dict[str, Any]


class CallList(msgspec.Struct, frozen=True):
    """A call list on record and where it stands."""

    id: str
    created_at: str
    actor: str
    name: str
    stage: str
    due: Annotated[str, Meta(description="What is due next, as a sentence.")]
    actions: Annotated[list[str], Meta(description="What may be done with it now.")]
    model_version: str
    model_digest: str
    economics: dict[str, Any]
    request: Annotated[dict[str, Any], Meta(description="What it was made under: limits, rules, seed of the draws.")]
    summary: dict[str, Any]
    content_digest: Annotated[str, Meta(description="SHA-256 of the file of calls.")]
    revises: str | None
    history: list[ListEntry]


class CallLists(msgspec.Struct, frozen=True):
    """Lists on record, newest first."""

    lists: list[CallList]
    next: Annotated[str | None, Meta(description="`before` of the next part, null at the end.")]


class ReasonRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: Reason


class ExportRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which group of a list."""

    group: Literal["calls", "holdout"] = "calls"


WITHDRAWAL = JsonBody(ReasonRequest, example={"reason": "the wrong file"}, scope="predict", problems=(404, 409))
EXPORT = JsonBody(ExportRequest, example={"group": "calls"}, scope="predict", problems=(404, 409))


def answer_of(state: ListState) -> CallList:
    """A list as the API shows it."""
    kept, record = state.kept, state.record
    return CallList(
        **{name: getattr(kept, name) for name in CallList.__struct_fields__ if hasattr(kept, name)},
        stage=record.stage,
        due=record.due,
        actions=[action for action, stages in ALLOWED.items() if record.stage in stages],
        history=[ListEntry(one.at, one.actor, one.kind, one.content) for one in state.facts.events],
    )


class ListsController(Controller):
    """Call lists on record."""

    path = PATH
    tags = ("campaigns",)

    @get("/", operation_id="get_lists", **secured("predict"), sync_to_thread=True, summary="Call lists, newest first")
    def find(
        self,
        lists: NamedDependency[Lists],
        q: Annotated[str, QueryParameter(max_length=200, description="In its name, id or author's name.")] = "",
        before: Annotated[str, QueryParameter(max_length=36, description="`next` of the part before.")] = "",
        limit: Annotated[int, QueryParameter(ge=1, le=MOST_LISTS)] = 50,
    ) -> CallLists:
        """What was made of which model, where it stands, and what is due."""
        found = [answer_of(one) for one in lists.find(q, before, limit + 1)]
        return CallLists(found[:limit], found[limit - 1].id if len(found) > limit else None)

    @get("/{list_id:str}", operation_id="get_list", **secured("predict", 404), sync_to_thread=True, summary="A list")
    def read(self, list_id: FromPath[str], lists: NamedDependency[Lists]) -> CallList:
        """What it was made under, where it stands, what is due, what happened to it."""
        return answer_of(lists.get(list_id))

    @post(
        "/{list_id:str}/export",
        operation_id="export_list",
        **EXPORT.route,
        status_code=200,
        sync_to_thread=True,
        request_max_body_size=BODY_BYTES,
        summary="The file of a list",
    )
    def export(
        self, request: Request[Any, Any, Any], body: RawBody, list_id: FromPath[str], lists: NamedDependency[Lists]
    ) -> Response[bytes]:
        """CSV with the digest on record; the export is on record before the file leaves."""
        data = EXPORT.read(body, request.scope["headers"])
        content = lists.export(list_id, data.group, identity_of(request).name)
        return Response(content, media_type="text/csv")


def _ending(action: Action, summary: str) -> HTTPRouteHandler:
    @post(
        f"{PATH}/{{list_id:str}}/{action}",
        operation_id=f"{action}_list",
        **WITHDRAWAL.route,
        tags=["campaigns"],
        status_code=200,
        sync_to_thread=True,
        request_max_body_size=BODY_BYTES,
        summary=summary,
    )
    def end(
        request: Request[Any, Any, Any], body: RawBody, list_id: FromPath[str], lists: NamedDependency[Lists]
    ) -> CallList:
        """409 if its stage does not allow it; the problem says what to do instead."""
        data = WITHDRAWAL.read(body, request.scope["headers"])
        lists.act(list_id, action, identity_of(request).name, {"reason": data.reason})
        return answer_of(lists.get(list_id))

    return end


withdraw = _ending(Action.WITHDRAW, "Nobody may call by a list any more")
close = _ending(Action.CLOSE, "No further call of a list is expected")


HANDLERS: Final = (ListsController, withdraw, close)


def list_routes(payloads: Payloads) -> list[HTTPRouteHandler]:
    """The routes that make lists, for requests under a contract."""
    example = {"contacts": [payloads.example], "list_id": "november", "economics": {"value_eur": 800}, "capacity": 100}
    body_reader = JsonBody(ListRequest, example=example, scope="predict", problems=(404, 409))

    def made(request: Request[Any, Any, Any], body: bytes, revises: str) -> Response[CallList]:
        """409 if the plan is not the one that the client was shown."""
        services = request.app.state.services
        data = body_reader.read(body, request.scope["headers"])
        state = make_list(data, services.lists, services.store, services.planning, identity_of(request).name, revises)
        return Response(answer_of(state), status_code=201, headers={"Location": f"{PATH}/{state.kept.id}"})

    def route(path: str, operation_id: str, summary: str) -> Any:
        return post(
            path,
            operation_id=operation_id,
            **body_reader.route,
            tags=["campaigns"],
            request_max_body_size=PLAN_BODY_BYTES,
            summary=summary,
        )

    @route(PATH, "make_list", "Put a plan on record as a call list")
    async def make(request: Request[Any, Any, Any], body: RawBody) -> Response[CallList]:
        """A plan of contacts or of a kept file; the list keeps its design, so its calls can teach."""
        return await asyncio.to_thread(made, request, body, "")

    @route(f"{PATH}/{{list_id:str}}/revise", "revise_list", "Replace a list before its first call")
    async def revise(request: Request[Any, Any, Any], body: RawBody, list_id: FromPath[str]) -> Response[CallList]:
        """The new list names the one that it replaces, which stays on record and cannot be exported any more."""
        return await asyncio.to_thread(made, request, body, list_id)

    return [make, revise]


def make_list(
    data: ListRequest, lists: Lists, store: ChampionStore, planning: PlanSettings, actor: str, revises: str
) -> ListState:
    """The list of a request.

    Raises:
        ConflictError: the plan is not the one that was shown, or the list to revise was called already.
    """
    check_either(data, "contacts", "file")
    if data.contacts is not None and data.list_id is None:
        raise PayloadError(FieldError("list_id", "a name: lists of one name are versions of one draw", "nothing"))
    check_date(data.contact_date)
    call_lists, champion, published = lists.call_lists, store.current, store.state
    if data.file is None:
        chosen = scored_contacts(data, champion, published, call_lists.payloads)
    else:
        chosen = call_lists.scored(data.file, champion, published)
    chosen, planned = planned_under(data, chosen, planning, call_lists, revises)
    if data.shown is not None:
        check_shown(data.shown, shown_of(chosen, planned))
    return lists.make(chosen, planned, actor, revises)
