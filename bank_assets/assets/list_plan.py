"""The call plan of a scored list, and what is stored of it."""

from collections.abc import Collection
from typing import Any

import pyarrow as pa

from bank_assets.contract.contract import Contract
from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.planner import CallLimits, PlanSettings, plan_calls
from bank_assets.core.economics.suppression import CUSTOMER_ID, SuppressionList
from bank_assets.store.call_lists import ListScores
from bank_assets.store.warehouse import arrays_of


def plan_of(
    scored: pa.Table,
    economics: Economics,
    contract: Contract,
    budget_eur: float | None,
    suppressed: Collection[str],
    *,
    list_id: str,
) -> CallPlan:
    """Choose whom of a scored campaign to call; a budget of None sets no limit."""
    rows = arrays_of(scored)
    settings = PlanSettings(
        economics.on_record(rows), CallLimits(budget_eur), suppression=SuppressionList.of(suppressed)
    )
    return plan_calls(rows["contact_id"], rows["probability"], rows, contract, settings, list_id)


def scores_of(scored: pa.Table, facts: dict[str, Any]) -> ListScores:
    """The scores of a list, for its CSV."""
    return ListScores(
        scored.column("contact_date").to_pylist(),
        scored.column("probability_low").to_numpy(),
        scored.column("probability_high").to_numpy(),
        facts["champion"],
        facts["digest"],
        facts["as_of"],
        scored.column(CUSTOMER_ID).to_pylist() if CUSTOMER_ID in scored.column_names else None,
    )


def called_rows(scored: pa.Table, plan: CallPlan) -> pa.Table:
    """The called contacts, first call first."""
    called = scored.take(pa.array(plan.call_order))
    return called.append_column("rank", pa.array(plan.rank[plan.call_order]))


def totals_of(plan: CallPlan, economics: Economics) -> dict[str, Any]:
    """The stored totals of a plan: who is called, the expected profit, and why others are excluded."""
    called = plan.called.to_dict()
    return {
        "calls": len(plan.call_order),
        "contacts": len(plan.contact_id),
        "excluded": plan.excluded,
        "expected_profit_eur": float(called["expected_profit_eur"] or 0.0),
        "called": called,
        "everyone": plan.everyone.to_dict(),
        "economics": economics.to_dict(),
        "budget_eur": plan.budget_eur,
    }
