"""What is recorded of decisions: the facts that the decisions of one model share, and the rows of a planned list.

Serving and the pipeline record by it, so that a row of a list replays like a single decision, whoever made the list.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any, Final

import numpy as np
import onnxruntime

from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.contract.names import MODEL_NAME
from bank_assets.core.economics.call_plan import HELD_OUT, CallPlan
from bank_assets.core.economics.planner import PlanSettings
from bank_assets.core.economics.suppression import CUSTOMER_ID
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.feature_set import is_stale
from bank_assets.ledger.blocks import ListRows, Same
from bank_assets.store.call_lists import ListScores

ON_PROBATION: Final = "model_on_probation"


@cache
def cpu_architecture() -> str:
    """The processor's architecture, as recorded."""
    return platform.machine()


def facts_of_model(
    version: str, digest: str, decision: Mapping[str, Any], run_id: str | None, contract: Contract, code_version: str
) -> dict[str, Any]:
    """The model version, the contract by which its input was read, and the code that ran.

    `decision` is the content of the model's decision.json.
    """
    return {
        "model_name": MODEL_NAME,
        "model_version": version,
        "model_digest": digest,
        "mlflow_run_id": run_id,
        "training_snapshot": decision["training"].get("snapshot"),
        "contract_version": contract.reference,
        "code_version": code_version,
        "onnxruntime_version": onnxruntime.__version__,
        "cpu_architecture": cpu_architecture(),
    }


def flags_of_model(version: str, decision: Mapping[str, Any]) -> list[dict[str, str]]:
    """Warnings that come with every decision of a model."""
    if not decision.get("is_on_probation", False):
        return []
    found = f"version {version}, which decides until the gate of a first model opens"
    expected = "a version that passed its gate"
    return [{"flag": ON_PROBATION, "field": "model", "expected": expected, "found": found}]


def facts_of_list(
    facts: Mapping[str, Any],
    decision: Mapping[str, Any],
    state: AsOfState,
    plans: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """The facts of a model with what all rows of a list share: as-of features, the mix of each day, flags.

    `plans` are `plans_by_day` of the whole list, under the contract of the model that scored it.
    """
    days = np.array(list(plans), dtype="datetime64[D]")
    return {
        **facts,
        "as_of": str(state.as_of),
        "as_of_features": state.to_dict(),
        "plan_of_the_day": dict(plans),
        "stale_days": days[is_stale(days, state)].astype(str).tolist(),
        "f1_threshold": float(decision["thresholds"]["f1"]),
        "flags": flags_of_model(facts["model_version"], decision),
    }


def made_under(plan: CallPlan, settings: PlanSettings, scores: ListScores, **read: str | int) -> dict[str, Any]:
    """What a list is made under, from which its groups can be drawn again; `read` are facts of the file."""
    days, concerned = np.asarray(scores.contact_date, "datetime64[D]"), plan.is_called | (plan.reason == HELD_OUT)
    days = days[concerned] if concerned.any() else days
    return {
        **read,
        "first_day": str(days.min()),
        "last_day": str(days.max()),
        "budget_eur": settings.limits.budget_eur,
        "capacity": settings.limits.capacity,
        "rules": asdict(settings.rules),
        "contact_policy": settings.policy.to_dict(),
        "holdout_share": settings.holdout_share,
        "holdout_seed": plan.list_id,  # of all draws
        "learning": asdict(settings.learning),
        "suppression_sha256": settings.suppression.digest,
        "as_of": scores.as_of,
    }


def rows_of_list(
    plan: CallPlan, scores: ListScores, frame: Mapping[str, Any], contract: Contract, calls_from: float | None
) -> ListRows:
    """Every row of a planned list as a decision.

    `frame` holds the payload by `contract`, in arrays or as other columns that `ledger.blocks` takes. A call was
    decided by the threshold `calls_from` of a model, or by break-even.
    """
    n = len(plan.contact_id)
    threshold: Any = plan.cost_eur / plan.value_eur if calls_from is None else Same(calls_from, n)
    named = frame.get(CUSTOMER_ID)
    if isinstance(named, np.ndarray):
        named = [one or None for one in named]
    integers = {column.source for column in contract.payload if column.kind is ColumnKind.INTEGER}
    payload: dict[str, Any] = {
        name: column.astype(np.int64) if name in integers and isinstance(column, np.ndarray) else column
        for name, column in ((name, frame[name]) for name in contract.payload_columns)
    }
    return ListRows(
        plan.contact_id,
        Same(None, n) if named is None else named,
        payload,
        {
            "contact_date": np.asarray(scores.contact_date, "datetime64[D]"),
            "probability": plan.probability,
            "probability_low": scores.low,
            "probability_high": scores.high,
            "decision": np.array(["do_not_call", "call"], object)[plan.is_called.astype(np.int8)],
            "reason": plan.reason,
            "propensity": plan.propensity,
            "rank": plan.rank,
            "decile": plan.decile,
            "threshold": threshold,
            "cost_eur": plan.cost_eur,
            "value_eur": plan.value_eur,
            "expected_profit_eur": plan.expected_profit_eur,
        },
    )
