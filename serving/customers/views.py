"""From the record of a customer to its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from litestar import Request
from sqlalchemy import Engine

from bank_assets.core.economics.call_plan import REASON_TEXTS
from bank_assets.core.words import pct
from bank_assets.ledger import decisions
from bank_assets.ledger.persons import PersonRecord
from serving.customers.schemas import PolicyAnswer
from serving.customers.view_models import CustomerView, Section
from serving.web.access import identity_of
from serving.web.templating import moment, words
from serving.web.view_models import WATCH, Notice

SHOWN: Final = 50
DO_NOT_CALL: Final = "Do not call"


def customer_href(customer_id: str) -> str:
    """Address of a customer's page."""
    return f"/customers?id={quote(customer_id, safe='')}"


def customer_view(
    request: Request[Any, Any, Any], answer: PolicyAnswer, person: PersonRecord, ledger: Engine
) -> CustomerView:
    """Arrange what is on record."""
    found = decisions.search(ledger, customer_id=answer.customer_id, limit=SHOWN).decisions
    may_audit = "audit" in identity_of(request).scopes
    sections = [
        Section("Decisions", _DECIDED, [*map(_decision(may_audit), found)]),
        Section("Lists", ["List", "Made", "Contact", "Planned for", "On the list"], [*map(_listed, person.lists)]),
        Section("Dispositions", ["List", *_CALLED.values()], [*map(_called, person.dispositions)]),
        *(_section(title, getattr(person, title.lower()), names) for title, names in _KINDS.items()),
    ]
    notices = [replace(one, href="", action="") for one in notices_of(answer)]  # they lead to this page
    return CustomerView(answer, list(person.contact_ids), notices, sections)


_DECIDED: Final = ["Decided", "Contact", "Decision", "Probability", "By"]
_CALLED: Final = {"called_at": "Called", "contact_id": "Contact", "disposition": "Disposition", "actor": "By"}
_KINDS: Final = {
    "Outcomes": {"arrived_at": "Arrived", "contact_id": "Contact", "y": "Outcome", "actor": "By"},
    "Subscriptions": {"on_day": "Day", "kind": "What", "actor": "By"},
    "Objections": {"at": "Since", "customer_id": "Customer", "reason": "Reason", "actor": "By"},
}


def _section(title: str, rows: Sequence[Any], names: Mapping[str, str]) -> Section:
    return Section(title, list(names.values()), [("", _cells(row, names)) for row in rows])


def _called(row: Any) -> tuple[str, list[str]]:
    href = f"/campaign/lists/{row.list_id}" if row.list_name else ""
    return href, [row.list_name or row.list_id or "no list", *_cells(row, _CALLED)]


def _cells(row: Any, names: Iterable[str]) -> list[str]:
    return [_cell(row, name) for name in names]


def _cell(row: Any, name: str) -> str:
    text = str(getattr(row, name) or "")
    if name.endswith("_at"):
        return text[:10]  # the day as it was reported, in whatever zone
    if name == "at":
        return moment(text)
    return words(text) if name in ("disposition", "kind") else text


def _decision(may_audit: bool) -> Callable[[Any], tuple[str, list[str]]]:
    def shown(one: Any) -> tuple[str, list[str]]:
        cells = [moment(one.decided_at), one.contact_id or "", words(one.decision), pct(one.probability), one.actor]
        return f"/audit/{one.id}" if may_audit else "", cells

    return shown


def _listed(one: Any) -> tuple[str, list[str]]:
    why = "to call" if one.is_called else REASON_TEXTS.get(one.reason, words(one.reason))
    return f"/campaign/lists/{one.list_id}", [
        one.name, moment(one.created_at), one.contact_id or "", one.contact_date, why
    ]  # fmt: skip


def notices_of(answer: PolicyAnswer) -> list[Notice]:
    """What to know before somebody calls this customer."""
    href = customer_href(answer.customer_id)
    found = []
    if not answer.may_be_called and not answer.callers:
        until = f"A call is possible from {answer.until} on." if answer.until else "No profit overrides that."
        found.append(Notice(WATCH, DO_NOT_CALL, f"{answer.text}. {until}", href, "See the customer"))
    called = [one for one in answer.open_lists if one.is_called]
    held_out = [one for one in answer.open_lists if not one.is_called]
    if called:
        names = ", ".join(f"{one.name} for {one.day}" for one in called)
        only = f" No other call is allowed: {answer.text}." if answer.callers and not answer.may_be_called else ""
        text = f"An open list calls this customer: {names}.{only}"
        found.append(Notice(WATCH, "On a call list", text, href, "See the lists"))
    if held_out:
        names = ", ".join(one.name for one in held_out)
        text = f"A call would spoil the comparison of {names}, which holds this customer out."
        found.append(Notice(WATCH, "Held out", text, href, "See the lists"))
    return found
