"""`/campaign/plans`: save a plan under a name, open it again, compare plans side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Engine

from bank_assets.ledger import plans
from bank_assets.ledger.plans import Plan
from bank_assets.reports.formats import count, eur, number
from serving.campaigns.desk import PlanDesk
from serving.campaigns.form import FIELDS
from serving.campaigns.list_view_models import PlansPage, SavedPlan
from serving.campaigns.saved_plans import save_plan
from serving.campaigns.shown import LABELS
from serving.web.access import identity_of
from serving.web.problems import FieldError, PayloadError
from serving.web.templating import moment, show
from serving.web.view_models import Table

SHOWN_PLANS: Final = 200
LONGEST_NAME: Final = 100
_FIGURES: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "n_calls": ("Calls", count),
    "cost_eur": ("Cost", eur),
    "expected_subscriptions": ("Expected subscriptions", partial(number, digits=1)),
    "profit_eur": ("Expected profit", eur),
    "profit_low_eur": ("Profit, low", eur),
    "profit_high_eur": ("Profit, high", eur),
    "n_held_out": ("Held out", count),
}


@post("/campaign/plans", name="page:campaign:save", status_code=303, sync_to_thread=True)
def save(
    request: Request[Any, Any, Any], data: URLEncodedBody[dict[str, Any]], desk: NamedDependency[PlanDesk]
) -> Redirect:
    """Save the plan of a form with what it comes to now."""
    name = str(data.get("name", "")).strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise PayloadError(FieldError("name", f"1 to {LONGEST_NAME} visible characters", repr(name[:LONGEST_NAME])))
    save_plan(desk, name, desk.form(data), identity_of(request).name)
    return Redirect("/campaign/plans", status_code=303)


@get("/campaign/plans", name="page:campaign:plans", sync_to_thread=True)
def saved_plans(
    request: Request[Any, Any, Any],
    ledger: NamedDependency[Engine],
    compare: Annotated[list[str] | None, QueryParameter(max_items=20)] = None,
) -> Response[Any]:
    """Saved plans, newest first, and some of them side by side."""
    found, chosen = plans.saved(ledger, SHOWN_PLANS), list(dict.fromkeys(compare or ()))
    compared = plans.chosen(ledger, chosen)[::-1] if len(chosen) > 1 else []
    return show(request, PlansPage("Saved plans", [_line(one) for one in found], _compared(compared), chosen))


def address_of(plan: Plan) -> str:
    """Address of the page that plans a saved plan anew and says what is no longer as it was saved."""
    shown = msgspec.json.encode(plan.summary["shown"], order="deterministic").decode()
    return "/campaign?" + urlencode({"list": plan.list_key, **dict(sorted(plan.settings.items())), "shown": shown})


def _line(plan: Plan) -> SavedPlan:
    return SavedPlan(plan.id, plan.name, f"{moment(plan.created_at)} by {plan.actor}", address_of(plan))


def _compared(found: Sequence[Plan]) -> Table:
    """Settings and figures of plans, one column each; settings that none of them states are left out."""
    head = ["", *(plan.name for plan in found)]
    rows = [["List", *(plan.summary["list"] for plan in found)]]
    rows += [["Model", *(plan.summary["shown"]["model"] for plan in found)]]
    rows += [[label, *(_stated(plan, field) for plan in found)] for field, (label, *_) in FIELDS.items()]
    rows += [[label, *(write(plan.summary[key]) for plan in found)] for key, (label, write) in _FIGURES.items()]
    rows += [[LABELS["excluded"], *(plan.summary["shown"]["excluded"] for plan in found)]]
    return Table(head, [row for row in rows if any(row[1:])])


def _stated(plan: Plan, field: str) -> str:
    """A setting with its unit, as it was typed; empty if the plan does not state it."""
    unit = {"eur": " EUR", "pct": " %"}.get(field.rpartition("_")[2], "")
    return f"{text}{unit}" if (text := plan.settings.get(field, "")) else ""


HANDLERS: Final = (save, saved_plans)
