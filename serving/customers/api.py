"""`/api/v1/objections` and `/api/v1/customers`: who must not be called, and when somebody may be."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, RawBody
from sqlalchemy import Engine

from bank_assets.contract.values import identifier_key, plain_identifier
from bank_assets.ledger.persons import objections
from serving.customers.contact_rules import ContactRules
from serving.customers.objections import Objections
from serving.customers.schemas import (
    ObjectionEntry,
    ObjectionsAnswer,
    ObjectionsPage,
    ObjectionsRequest,
    PolicyAnswer,
    Removed,
)
from serving.customers.suppressions import Suppressions
from serving.web.access import identity_of
from serving.web.answers import from_record
from serving.web.bodies import REASON, JsonBody
from serving.web.openapi import secured
from serving.web.problems import FieldError, NotFoundError, PayloadError

OBJECTIONS_BYTES: Final = 20_000_000
BODY: Final = JsonBody(
    ObjectionsRequest, example={"customer_ids": ["k-8"], "reason": "letter of 2026-11-20"}, scope="predict"
)
Text = Annotated[str, QueryParameter(max_length=64, description="Part of an identifier, in any case.")]


class ObjectionsController(Controller):
    """Objections to direct marketing."""

    path = "/api/v1/objections"
    tags = ("customers",)

    @get("/", operation_id="get_objections", **secured("predict"), sync_to_thread=True, summary="Who objected")
    def search(
        self,
        ledger: NamedDependency[Engine],
        suppressions: NamedDependency[Suppressions],
        search: Text = "",
        offset: Annotated[int, QueryParameter(ge=0, le=10**9)] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=10_000)] = 100,
    ) -> ObjectionsPage:
        """Newest first."""
        found = objections(ledger, search.strip(), limit, offset)
        total = len(suppressions.read().customer_ids)
        return ObjectionsPage([from_record(ObjectionEntry, one) for one in found], total)

    @post(
        "/",
        operation_id="add_objections",
        **BODY.route,
        sync_to_thread=True,
        request_max_body_size=OBJECTIONS_BYTES,
        summary="Put people on the suppression list",
    )
    def add(
        self, request: Request[Any, Any, Any], body: RawBody, customer_objections: NamedDependency[Objections]
    ) -> ObjectionsAnswer:
        """Holds for every decision after the answer; spellings that differ by case or unseen signs are one person."""
        data = BODY.read(body, request.scope["headers"])
        ids = {identifier_key(one): plain_identifier(one) for one in data.customer_ids}
        if "" in ids:
            raise PayloadError(FieldError("customer_ids", "identifiers with visible characters", "one without"))
        taken = customer_objections.take(list(ids.values()), reason=data.reason, actor=identity_of(request).name)
        return ObjectionsAnswer(taken.added, taken.ids - taken.added, taken.known, taken.unknown, taken.hint)

    @delete(
        "/{customer_id:str}",
        operation_id="take_objection_back",
        **secured("admin", 404),
        status_code=200,
        sync_to_thread=True,
        summary="Take an objection back",
    )
    def remove(
        self,
        request: Request[Any, Any, Any],
        customer_id: FromPath[str],
        suppressions: NamedDependency[Suppressions],
        reason: Annotated[
            str,
            QueryParameter(min_length=REASON.min_length, max_length=REASON.max_length, description="No personal data."),
        ],
    ) -> Removed:
        """The customer may be called again; who took the objection back, and why, stays on record."""
        if not suppressions.remove(customer_id, reason=reason, actor=identity_of(request).name):
            raise NotFoundError("objection: expected one of this customer, found none; check the id.")
        return Removed(customer_id, reason)


class CustomersController(Controller):
    """What is known about customers."""

    path = "/api/v1/customers"
    tags = ("customers",)

    @get(
        "/{customer_id:str}/contact-policy",
        operation_id="get_contact_policy",
        **secured("predict", 404),
        sync_to_thread=True,
        summary="May this customer be called",
    )
    def contact_policy(
        self,
        customer_id: FromPath[str],
        contact_rules: NamedDependency[ContactRules],
        day: Annotated[
            dt.date | None, QueryParameter(description="Day of the call; default today at the bank.")
        ] = None,
        list_id: Annotated[str, QueryParameter(description="List that calls; default a call outside of lists.")] = "",
    ) -> PolicyAnswer:
        """The rule that excludes the customer, until when, at which hours, and the open lists with what each may do."""
        return contact_rules.of(customer_id, day, list_id)
