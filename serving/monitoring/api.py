"""`/api/v1/withdrawals`: take deliveries and contacts back, and what was taken back."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import RawBody
from msgspec import Meta

from bank_assets.contract.values import PRINTABLE
from bank_assets.landing.register import Withdrawal, withdrawals
from bank_assets.landing.withdrawals import withdraw
from serving.decisions.schemas import ContactId, Reason
from serving.settings import ServingSettings
from serving.web.access import identity_of
from serving.web.answers import from_record
from serving.web.bodies import BODY_BYTES, JsonBody, check_either
from serving.web.openapi import secured
from serving.web.problems import NotFoundError


class WithdrawalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to take back: either a delivery or a contact."""

    delivery: (
        Annotated[
            str,
            Meta(
                max_length=300,
                pattern=PRINTABLE,
                description="A file as contacts/may.csv, or a content under any name by its sha256.",
            ),
        ]
        | None
    ) = None
    contact_id: ContactId | None = None
    reason: Reason


class WithdrawalEntry(msgspec.Struct, frozen=True):
    """A withdrawal on record."""

    at: str
    delivery: Annotated[str, Meta(description="Empty for a contact.")]
    contact_id: Annotated[str, Meta(description="Empty for a delivery.")]
    reason: str
    by: Annotated[str, Meta(description="Who took it back by this API; empty if a file did.")]
    by_sha256: Annotated[str, Meta(description="The file in landing/withdrawals that took it back.")]


class Withdrawals(msgspec.Struct, frozen=True):
    """All withdrawals, newest first."""

    withdrawals: list[WithdrawalEntry]


BODY = JsonBody(
    WithdrawalRequest, example={"contact_id": "c-1", "reason": "never called"}, scope="admin", problems=(404,)
)


class WithdrawalsController(Controller):
    """Deliveries and contacts that no longer count."""

    path = "/api/v1/withdrawals"
    tags = ("withdrawals",)

    @post(
        "/",
        operation_id="withdraw",
        **BODY.route,
        sync_to_thread=True,
        request_max_body_size=BODY_BYTES,
        summary="Take a delivery or a contact back",
    )
    def take_back(
        self, request: Request[Any, Any, Any], body: RawBody, settings: NamedDependency[ServingSettings]
    ) -> WithdrawalEntry:
        """What arrived of it until now no longer counts; tables, features and clock follow in the next run."""
        data = BODY.read(body, request.scope["headers"])
        check_either(data, "delivery", "contact_id")
        asked = Withdrawal(
            delivery=data.delivery or "",
            contact_id=data.contact_id or "",
            reason=data.reason,
            at=dt.datetime.now(dt.UTC).isoformat(),
            by=identity_of(request).name,
        )
        made = withdraw(settings.platform.warehouse, asked, settings.platform.tables)
        if made is None:
            raise NotFoundError(f"{asked.what}: expected a delivery or contact that arrived, found none; correct it.")
        return from_record(WithdrawalEntry, made)

    @get("/", operation_id="get_withdrawals", **secured("audit"), sync_to_thread=True, summary="What was taken back")
    def on_record(self, settings: NamedDependency[ServingSettings]) -> Withdrawals:
        """Who took what back, when and why."""
        made = withdrawals(settings.platform.warehouse)
        return Withdrawals([from_record(WithdrawalEntry, one) for one in reversed(made)])
