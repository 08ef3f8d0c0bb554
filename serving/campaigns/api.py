"""`POST /api/v1/campaigns/plan`: whom to call under a budget. HTTP only."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from bank_assets.core.economics.economics import Economics
from serving.campaigns.requested_plans import contacts_of, plan_campaign
from serving.campaigns.schemas import PlanRequest
from serving.champion.champion import ChampionStore
from serving.customers.suppressions import Suppressions
from serving.decisions.payloads import Payloads
from serving.web.bodies import JsonBody

PLAN_BODY_BYTES = 100_000_000


def plan_route(payloads: Payloads) -> HTTPRouteHandler:
    """The route, for requests under a contract."""
    customer = payloads.example
    body_reader = JsonBody(
        PlanRequest,
        example={
            "contacts": [customer, {**customer, "contact_id": "c-2", "economics": {"value_eur": 80}}],
            "budget_eur": 500,
            "capacity": 100,
            "rules": {"max_contacts_in_campaign": 3},
            "suppressed": ["c-9"],
        },
        scope="predict",
    )

    @post(
        "/api/v1/campaigns/plan",
        operation_id="plan_campaign",
        **body_reader.route,
        tags=["campaigns"],
        status_code=200,
        request_max_body_size=PLAN_BODY_BYTES,
        summary="Whom to call under a budget and a capacity",
    )
    async def plan(
        request: Request[Any, Any, Any],
        body: RawBody,
        store: NamedDependency[ChampionStore],
        suppressions: NamedDependency[Suppressions],
        economics: NamedDependency[Economics],
    ) -> dict[str, Any]:
        """Calls in order, expected profit with interval, profit curve; nobody on the suppression list is in it."""
        data = body_reader.read(body, request.scope["headers"])
        champion, published = store.current, store.state

        def work() -> dict[str, Any]:
            contacts, suppression = contacts_of(data, payloads), suppressions.read()
            return plan_campaign(contacts, data, champion, published, economics, suppression, payloads)

        return await asyncio.to_thread(work)

    return plan
