"""`/customers`: one customer's record; `/customers/objections`: who must not be called."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping
from dataclasses import astuple
from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody, QueryParameter, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Engine

from bank_assets.contract.values import IDENTIFIER_LENGTH, plain_identifier, spreadsheet_text
from bank_assets.ledger.campaigns import TAKEN_BACK
from bank_assets.ledger.events import newest
from bank_assets.ledger.persons import Objection, about, objections
from serving.customers.contact_rules import ContactRules
from serving.customers.objections import Objections, ObjectionsTaken, sent_texts
from serving.customers.suppressions import Suppressions
from serving.customers.view_models import CustomersPage, ObjectionsView, SuppressionView
from serving.customers.views import customer_href, customer_view
from serving.web.access import identity_of
from serving.web.bodies import reason_fault
from serving.web.chrome import Page
from serving.web.problems import FieldError, NotFoundError, PayloadError
from serving.web.templating import is_partial, moment, show
from serving.web.view_models import PartPage, Table

UPLOAD_BYTES: Final = 20_000_000
SHOWN: Final = 100
OBJECTIONS: Final = "/customers/objections"


@get("/customers/{customer_id:str}", name="page:customers:record", sync_to_thread=False)
def record(customer_id: FromPath[str]) -> Redirect:
    """The address of a customer in earlier releases, which cannot hold every identifier."""
    return Redirect(customer_href(customer_id), status_code=303)


@get("/customers", name="page:customers", sync_to_thread=True)
def customers(
    request: Request[Any, Any, Any],
    ledger: NamedDependency[Engine],
    contact_rules: NamedDependency[ContactRules],
    customer_objections: NamedDependency[Objections],
) -> Response[Any]:
    """Search for a customer, or everything on record about one."""
    customer_id = plain_identifier(request.query_params.get("id", "")[: IDENTIFIER_LENGTH + 1])
    if not customer_id:
        return show(request, CustomersPage("Customers", "", None, ""))
    answer = contact_rules.of(customer_id)
    person = about(ledger, answer.customer_id)
    found = None if person.is_empty else customer_view(request, answer, person, ledger)
    zeros = customer_objections.known.with_zeros([customer_id]) if found is None else None
    hint = f"{zeros[1]} is known: were leading zeros lost?" if zeros else ""
    return show(request, CustomersPage("Customers", customer_id, found, hint))


@get(OBJECTIONS, name="page:customers:objections", sync_to_thread=True)
def objected(
    request: Request[Any, Any, Any],
    ledger: NamedDependency[Engine],
    suppressions: NamedDependency[Suppressions],
    search: Annotated[str, QueryParameter(max_length=64)] = "",
) -> Response[Any]:
    """Who must not be called; after a form without scripts also what it did."""
    page = _objections(request, ledger, suppressions, search.strip(), message=_result(request.query_params))
    return show(request, page)


def _result(sent: Mapping[str, str]) -> str:
    counts = [sent.get(name, "") for name in ("ids", "added", "known")]
    if not all(text.isdecimal() and len(text) < 10 for text in counts):
        return ""
    ids, added, known = map(int, counts)
    hint = "check the others, or whether leading zeros were lost." if known < ids else ""
    return ObjectionsTaken(ids, added, known, [], hint).sentence


def _objections(
    request: Request[Any, Any, Any],
    ledger: Engine,
    suppressions: Suppressions,
    search: str = "",
    *,
    message: str = "",
    fault: str = "",
) -> ObjectionsView:
    form = SuppressionView(len(suppressions.read().customer_ids), message)
    rows, may_remove = objections(ledger, search, SHOWN), "admin" in identity_of(request).scopes
    removed = [[moment(one.at), one.actor, one.content["reason"]] for one in newest(ledger, TAKEN_BACK, SHOWN)]
    taken_back = Table(["Taken back", "By", "Reason"], removed)
    return ObjectionsView("Objections", form, search, rows, len(rows) == SHOWN, taken_back, may_remove, fault)


@post(OBJECTIONS, name="page:customers:object", request_max_body_size=UPLOAD_BYTES, status_code=200)
async def add(
    request: Request[Any, Any, Any],
    data: MultipartBody[dict[str, Any]],
    customer_objections: NamedDependency[Objections],
) -> Response[Any]:
    """Put people on the suppression list."""
    return await take_objections(request, data, customer_objections)


async def take_objections(
    request: Request[Any, Any, Any], data: dict[str, Any], customer_objections: Objections, action: str = OBJECTIONS
) -> Response[Any]:
    """Take the objections of a form; what cannot be used comes back in the form, and nobody is added then."""
    key, reason = str(data.get("list", "")), str(data.get("reason", "")).strip()
    try:
        ids = await _ids_of(data, customer_objections)
    except PayloadError as error:
        total = len((await asyncio.to_thread(customer_objections.suppressions.read)).customer_ids)
        text = "\n".join(await sent_texts(data, "ids"))
        refused = SuppressionView(total, "", key, action, text, reason, error.errors)
        return show(request, PartPage("Nobody was added", refused), refused, status=422)
    actor = identity_of(request).name
    taken = await asyncio.to_thread(customer_objections.take, ids, reason=reason or "page", actor=actor)
    if not is_partial(request):
        counts = {"ids": str(taken.ids), "added": str(taken.added), "known": str(taken.known)}
        return Redirect(OBJECTIONS, status_code=303, query_params=counts)
    part = SuppressionView(len(customer_objections.suppressions.current.customer_ids), taken.sentence, key, action)
    return show(request, part, headers={"HX-Trigger": "suppressions-changed"})


async def _ids_of(data: dict[str, Any], customer_objections: Objections) -> list[str]:
    texts = await sent_texts(data, "ids", "file")
    ids = [one for text in texts for one in await asyncio.to_thread(customer_objections.ids_of, text)]
    if not ids:
        raise PayloadError(FieldError("Customer ids", "at least one, one per line", "none"))
    return ids


@post(
    f"{OBJECTIONS}/remove",
    name="page:customers:remove",
    opt={"needs": "admin"},
    status_code=303,
    sync_to_thread=True,
)
def remove(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    ledger: NamedDependency[Engine],
    suppressions: NamedDependency[Suppressions],
) -> Response[Any]:
    """Take an objection back, with a reason."""
    customer_id, reason = str(data.get("customer_id", "")), str(data.get("reason", "")).strip()
    if fault := reason_fault(reason):
        return show(request, _objections(request, ledger, suppressions, customer_id, fault=fault), status=422)
    if not suppressions.remove(customer_id, reason=reason, actor=identity_of(request).name):
        raise NotFoundError("objection: expected one of this customer, found none; somebody may have taken it back.")
    return Redirect(OBJECTIONS, status_code=303)


@get(f"{OBJECTIONS}.csv", name="page:customers:export", sync_to_thread=True)
def export(ledger: NamedDependency[Engine]) -> Response[bytes]:
    """All objections as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(Objection.__dataclass_fields__)
    writer.writerows([spreadsheet_text(field) for field in astuple(one)] for one in objections(ledger))
    headers = {"Content-Disposition": 'attachment; filename="objections.csv"'}
    return Response(text.getvalue().encode(), media_type="text/csv", headers=headers)


PAGE = Page("/customers", "Customers", "predict", (customers, objected, add, remove, export, record))
