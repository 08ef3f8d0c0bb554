"""`/audit`: search the record, open a decision, run it again, verify the chain."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from serving.decisions.form import labels_of
from serving.decisions.page import view_of
from serving.decisions.records import Records, anchor_of
from serving.decisions.view_models import AuditPage, ChainView, RecordPage, ReplayView, SearchResults
from serving.web.access import identity_of
from serving.web.chrome import Page
from serving.web.problems import FieldError, PayloadError
from serving.web.templating import is_partial, show
from serving.web.view_models import PartPage

PAGE_ROWS: Final = 50
CRITERIA: Final = ("id", "contact_id", "customer_id", "actor", "decision", "model_version", "since", "until")


def _sent(request: Request[Any, Any, Any], *names: str) -> dict[str, str]:
    """Fields of a search form, blanks trimmed; "" for one that is not in the address."""
    return {name: request.query_params.get(name, "").strip() for name in names}


@get("/audit", name="page:audit", sync_to_thread=True)
def audit(request: Request[Any, Any, Any], records: NamedDependency[Records]) -> Response[Any]:
    """Decisions that fit every criterion, newest first."""
    form, cursor = _sent(request, *CRITERIA), request.query_params.get("cursor") or None
    if form["id"]:
        address = f"/audit/{records.get(form['id']).id}"
        if is_partial(request):
            return Response("", headers={"HX-Redirect": address})
        return Redirect(address, status_code=303)
    if form["decision"] not in ("", "call", "do_not_call"):
        raise PayloadError(FieldError("decision", "call or do_not_call", repr(form["decision"][:40])))
    given = {name: text for name, text in form.items() if text}
    found = records.search(cursor=cursor, limit=PAGE_ROWS, **given)
    following = f"/audit?{urlencode({**given, 'cursor': found.next})}" if found.next else ""
    results = SearchResults(found.predictions, bool(given) or cursor is not None, following)
    return show(request, AuditPage("Audit", form, results), results)


@get("/audit/chain", name="page:audit:chain", sync_to_thread=True)
def verify(request: Request[Any, Any, Any], records: NamedDependency[Records]) -> Response[Any]:
    """Recompute both chains and all that they cover, and compare them with an anchor if one is given."""
    text = _sent(request, "anchor")["anchor"]
    part = ChainView(records.verify(anchor_of(text) if text else None), bool(text))
    return show(request, PartPage("Chain of records", part), part)


@get("/audit/{decision_id:str}", name="page:audit:record", sync_to_thread=True)
def record(
    request: Request[Any, Any, Any], decision_id: FromPath[str], records: NamedDependency[Records]
) -> Response[Any]:
    """Everything on record about one decision."""
    return show(request, _record_page(request, decision_id, records))


@post("/audit/{decision_id:str}/replay", name="page:audit:replay", status_code=200, sync_to_thread=True)
def replay(
    request: Request[Any, Any, Any], decision_id: FromPath[str], records: NamedDependency[Records]
) -> Response[Any]:
    """Run a decision again and compare every digit."""
    part = ReplayView(records.replay(records.get(decision_id)))
    return show(request, part if is_partial(request) else _record_page(request, decision_id, records, part))


def _record_page(
    request: Request[Any, Any, Any], decision_id: str, records: Records, replayed: ReplayView | None = None
) -> RecordPage:
    decision = records.get(decision_id)
    view, labels, row = view_of(request, decision, records), labels_of(records.contract), decision.listed
    title = f"Decision {decision.seq}" if row is None else f"Row {row.row} of {row.list_name}"
    may_open = "predict" in identity_of(request).scopes
    href = f"/campaign/lists/{row.list_id}" if row is not None and may_open else ""
    return RecordPage(title, view, records.full(decision), labels, replayed, href)


PAGE = Page("/audit", "Audit", "audit", (audit, verify, record, replay))
