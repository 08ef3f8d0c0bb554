"""Saved plans, for the page and the API alike: save what a form comes to, find plans again, plan one anew."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from bank_assets.ledger import plans
from bank_assets.ledger.models import canonical_json
from bank_assets.ledger.plans import Plan
from serving.campaigns.call_lists import ScoredList
from serving.campaigns.desk import PlanDesk
from serving.campaigns.form import FIELDS
from serving.campaigns.planning import PlannedCampaign
from serving.campaigns.shown import Shown, shown_of
from serving.campaigns.view_models import PlanForm
from serving.web.problems import NotFoundError


@dataclass(frozen=True, slots=True)
class PlanNow:
    """What a saved plan comes to under today's model, data and rules."""

    chosen: ScoredList
    planned: PlannedCampaign
    shown: Shown


def save_plan(desk: PlanDesk, name: str, form: PlanForm, actor: str) -> Plan:
    """Put the settings of a form on record under a name, with what they come to now."""
    chosen, planned = desk.planned(form)
    shown = shown_of(chosen, planned)
    return plans.save(
        desk.lists.ledger,
        Plan(
            name=name,
            actor=actor,
            list_key=form.list_key,
            settings={field: text for field, text in asdict(form).items() if field in FIELDS},
            summary={"shown": shown, "list": chosen.name, **figures_of(planned)},
            digest=hashlib.sha256(canonical_json(shown).encode()).hexdigest(),
        ),
    )


def figures_of(planned: PlannedCampaign) -> dict[str, Any]:
    """What a plan comes to: calls, EUR, subscriptions, held-out contacts."""
    called, profit = planned.plan.called, planned.forecast.profit_eur
    return {
        "n_calls": called.n_calls,
        "cost_eur": called.cost_eur,
        "expected_subscriptions": called.expected_subscriptions,
        "profit_eur": profit.expected,
        "profit_low_eur": profit.low,
        "profit_high_eur": profit.high,
        "n_held_out": planned.plan.summary()["holdout"]["n_held_out"],
    }


def recorded_plan(desk: PlanDesk, plan_id: str) -> Plan:
    """A saved plan by its id; `NotFoundError` if there is none."""
    found = plans.chosen(desk.lists.ledger, [plan_id])
    if not found:
        raise NotFoundError(f"plan: expected a saved one, found none with id {plan_id[:40]!r}.")
    return found[0]


def planned_again(desk: PlanDesk, plan: Plan) -> PlanNow:
    """A saved plan as it would be now; errors are those of `PlanDesk.planned`."""
    chosen, planned = desk.planned(desk.form({"list": plan.list_key, **plan.settings}))
    return PlanNow(chosen, planned, shown_of(chosen, planned))
