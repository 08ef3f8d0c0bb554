"""The call plan of a scored list, and what is stored of it."""

from dataclasses import asdict, replace
from typing import Any, Final

import pyarrow as pa

from bank_assets.contract.contract import Contract
from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.core.economics.calling_hours import CallingHours
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.economics.suppression import CUSTOMER_ID, persons_of
from bank_assets.spark.scoring import SCORED_SCHEMA
from bank_assets.store.call_lists import ListScores
from bank_assets.store.warehouse import arrays_of

PLANNED: Final = pa.schema([("rank", pa.int64()), ("propensity", pa.float64()), ("reason", pa.string())])
"""What a called contact has besides its scores."""
LISTED_SCHEMA: Final = pa.schema([*SCORED_SCHEMA, *PLANNED])


def plan_of(scored: pa.Table, settings: PlanSettings, contract: Contract, list_id: str) -> CallPlan:
    """Choose whom of a scored campaign to call, by the amounts that its rows carry."""
    rows = arrays_of(scored)
    settings = replace(settings, economics=settings.economics.on_record(rows))
    return plan_calls(rows["contact_id"], rows["probability"], rows, contract, settings, list_id)


def exploring_each_day(scored: pa.Table, settings: PlanSettings) -> PlanSettings:
    """The same settings with the learning budget of a campaign of several days, by the costs that its rows carry."""
    if not settings.learning.minimum:
        return settings
    rows = arrays_of(scored)
    costed = replace(settings, economics=settings.economics.on_record(rows))
    return replace(settings, learning=costed.exploring_each_day(rows, rows["contact_date"]).learning)


def planned_calls(scored: pa.Table) -> tuple[list[str], Any]:
    """The person behind each contact of a scored campaign, and the day planned for the call."""
    rows = arrays_of(scored)
    return [str(one) for one in persons_of(rows["contact_id"], rows)], rows["contact_date"]


def scores_of(scored: pa.Table, facts: dict[str, Any], hours: CallingHours | None = None) -> ListScores:
    """The scores of a list, for its CSV."""
    return ListScores(
        scored.column("contact_date").to_pylist(),
        scored.column("probability_low").to_numpy(),
        scored.column("probability_high").to_numpy(),
        facts["champion"],
        facts["digest"],
        facts["as_of"],
        scored.column(CUSTOMER_ID).to_pylist() if CUSTOMER_ID in scored.column_names else None,
        None if hours is None else hours.windows(arrays_of(scored)["contact_date"], arrays_of(scored)),
    )


def called_rows(scored: pa.Table, plan: CallPlan) -> pa.Table:
    """The called contacts, first call first, with the probability of having been called, and why they are."""
    order = plan.call_order
    called = scored.take(pa.array(order))
    for planned in PLANNED:
        values = getattr(plan, planned.name)[order].tolist()
        called = called.append_column(planned, pa.array(values, planned.type))
    return called


def totals_of(plan: CallPlan, settings: PlanSettings) -> dict[str, Any]:
    """The stored totals of a plan, why others are excluded, and what draws it again beside the list's name."""
    called = plan.called.to_dict()
    return {
        "calls": len(plan.call_order),
        "contacts": len(plan.contact_id),
        "excluded": plan.excluded,
        "expected_profit_eur": float(called["expected_profit_eur"] or 0.0),
        "called": called,
        "everyone": plan.everyone.to_dict(),
        "economics": settings.economics.to_dict(),
        "budget_eur": plan.budget_eur,
        "learning": {**asdict(settings.learning), **plan.summary()["learning"]},
    }
