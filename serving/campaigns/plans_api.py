"""`/api/v1/plans`: plans saved under a name; save, find, plan anew, and make call lists of them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, RawBody
from msgspec import Meta

from bank_assets.core.campaigns.life import Stage
from bank_assets.ledger import plans
from bank_assets.ledger.plans import Plan
from serving.campaigns.desk import PlanDesk
from serving.campaigns.form import fields_of
from serving.campaigns.lists_api import PATH as LISTS
from serving.campaigns.lists_api import CallList, answer_of
from serving.campaigns.plans_page import address_of
from serving.campaigns.saved_plans import figures_of, planned_again, recorded_plan, save_plan
from serving.campaigns.schemas import ListOfPlan, PlanToSave
from serving.campaigns.shown import Shown, changes, check_shown
from serving.web.access import identity_of
from serving.web.bodies import BODY_BYTES, JsonBody
from serving.web.openapi import secured

PATH: Final = "/api/v1/plans"
MOST_PLANS: Final = 200


class CampaignPlan(msgspec.Struct, frozen=True):
    """A saved plan; what is made of it is a list, with an id of its own."""

    id: str
    created_at: str
    actor: str
    name: str
    stage: Annotated[str, Meta(description="Always `planned`; the stages of a list follow.")]
    file: Annotated[str, Meta(description="Of the customers: `delivered:<name>` or `uploaded:<name>`.")]
    settings: Annotated[dict[str, str], Meta(description="Fields of the Campaign page, as they are written there.")]
    summary: Annotated[dict[str, Any], Meta(description="What the plan came to when it was saved.")]
    shown: Annotated[Shown, Meta(description="What it rested on then.")]
    page: Annotated[str, Meta(description="Address of the page that plans it anew.")]


class CampaignPlans(msgspec.Struct, frozen=True):
    """Saved plans, newest first."""

    plans: list[CampaignPlan]
    next: Annotated[str | None, Meta(description="`before` of the next part, null at the end.")]


class PlanChange(msgspec.Struct, frozen=True):
    """Something that is no longer as it was saved."""

    what: str
    saved: str
    now: str


class CurrentPlan(msgspec.Struct, frozen=True):
    """What a saved plan comes to under today's model, data and rules."""

    shown: Annotated[Shown, Meta(description="What it rests on now; send it back to make the list of it.")]
    summary: dict[str, Any]
    changes: Annotated[list[PlanChange], Meta(description="What is no longer as it was saved.")]


_SAVED: Final = {"name": "november, small", "file": "delivered:example.csv", "capacity": 100, "holdout_share": 0.1}
SAVE: Final = JsonBody(PlanToSave, example=_SAVED, scope="predict", problems=(404,))
MAKE: Final = JsonBody(ListOfPlan, example={}, scope="predict", problems=(404, 409))


def answer_of_plan(plan: Plan) -> CampaignPlan:
    """A plan as the API shows it."""
    return CampaignPlan(
        id=plan.id,
        created_at=plan.created_at,
        actor=plan.actor,
        name=plan.name,
        stage=Stage.PLANNED,
        file=plan.list_key,
        settings={name: text for name, text in plan.settings.items() if text},
        summary={name: value for name, value in plan.summary.items() if name != "shown"},
        shown=plan.summary["shown"],
        page=address_of(plan),
    )


class PlansController(Controller):
    """Saved plans."""

    path = PATH
    tags = ("campaigns",)

    @get("/", operation_id="get_plans", **secured("predict"), sync_to_thread=True, summary="Saved plans, newest first")
    def find(
        self,
        desk: NamedDependency[PlanDesk],
        q: Annotated[str, QueryParameter(max_length=200, description="In its name, id or author's name.")] = "",
        before: Annotated[str, QueryParameter(max_length=36, description="`next` of the part before.")] = "",
        limit: Annotated[int, QueryParameter(ge=1, le=MOST_PLANS)] = 50,
    ) -> CampaignPlans:
        """What was planned of which file, and what it came to at that time."""
        found = [*map(answer_of_plan, plans.saved(desk.lists.ledger, limit + 1, text=q, before=before))]
        return CampaignPlans(found[:limit], found[limit - 1].id if len(found) > limit else None)

    @get("/{plan_id:str}", operation_id="get_plan", **secured("predict", 404), sync_to_thread=True, summary="A plan")
    def read(self, plan_id: FromPath[str], desk: NamedDependency[PlanDesk]) -> CampaignPlan:
        """Its settings, and what it came to when it was saved."""
        return answer_of_plan(recorded_plan(desk, plan_id))

    @post(
        "/",
        operation_id="save_plan",
        **SAVE.route,
        sync_to_thread=True,
        request_max_body_size=BODY_BYTES,
        summary="Save a plan of a kept file under a name",
    )
    def save(
        self, request: Request[Any, Any, Any], body: RawBody, desk: NamedDependency[PlanDesk]
    ) -> Response[CampaignPlan]:
        """Settings that are left out are the platform's own. Nobody is called; the plan can be opened on its page."""
        data = SAVE.read(body, request.scope["headers"])
        terms = msgspec.to_builtins(data)
        fields = fields_of(terms, terms["economics"] or {}, desk.call_lists.payloads.contract.signs())
        form = desk.form({**fields, "list": data.file})
        plan = answer_of_plan(save_plan(desk, data.name, form, identity_of(request).name))
        return Response(plan, status_code=201, headers={"Location": f"{PATH}/{plan.id}"})

    @post(
        "/{plan_id:str}/plan",
        operation_id="plan_again",
        **secured("predict", 404),
        status_code=200,
        sync_to_thread=True,
        summary="What a saved plan comes to now",
    )
    def again(self, plan_id: FromPath[str], desk: NamedDependency[PlanDesk]) -> CurrentPlan:
        """Planned under today's model, data and rules; nothing is recorded."""
        plan = recorded_plan(desk, plan_id)
        now = planned_again(desk, plan)
        changed = [PlanChange(*row) for row in changes(plan.summary["shown"], now.shown).rows]
        return CurrentPlan(now.shown, {"list": now.chosen.name, **figures_of(now.planned)}, changed)

    @post(
        "/{plan_id:str}/list",
        operation_id="make_list_of_plan",
        **MAKE.route,
        sync_to_thread=True,
        request_max_body_size=BODY_BYTES,
        summary="Put a saved plan on record as a call list",
    )
    def make(
        self, request: Request[Any, Any, Any], body: RawBody, plan_id: FromPath[str], desk: NamedDependency[PlanDesk]
    ) -> Response[CallList]:
        """409 if the plan is no longer the one that was saved, or that the client agreed to since."""
        data, plan = MAKE.read(body, request.scope["headers"]), recorded_plan(desk, plan_id)
        now = planned_again(desk, plan)
        check_shown(plan.summary["shown"] if data.shown is None else data.shown, now.shown)
        state = desk.lists.make(now.chosen, now.planned, identity_of(request).name)
        return Response(answer_of(state), status_code=201, headers={"Location": f"{LISTS}/{state.kept.id}"})
