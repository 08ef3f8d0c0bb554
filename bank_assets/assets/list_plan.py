"""The call plan of a scored list, and what is stored of it."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from bank_assets.contract.contract import Contract
from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.core.economics.calling_hours import CallingHours
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.economics.suppression import CUSTOMER_ID, persons_of
from bank_assets.spark.scoring import SCORED_SCHEMA
from bank_assets.store.call_lists import ListScores
from bank_assets.store.lineage import BATCH
from bank_assets.store.stored_columns import StoredTable, compact
from bank_assets.store.warehouse import Warehouse

PLANNED: Final = pa.schema([("rank", pa.int64()), ("propensity", pa.float64()), ("reason", pa.string())])
"""What a called contact has besides its scores."""
LISTED_SCHEMA: Final = pa.schema([*SCORED_SCHEMA, *PLANNED])
_NOT_PLANNED_BY: Final = {
    "probability_low",
    "probability_high",
    "decile",
    "expected_profit_eur",
    "decision",
    "model_version",
}
BLOCK_ROWS: Final = 1_000_000  # called contacts that are in memory with all columns, some 100 MB

Scored: TypeAlias = Any  # a table in memory, or a `StoredTable`


def scored_rows(store: Warehouse, name: str) -> Scored:
    """The scores of a campaign, which stay in their files."""
    files = store.files(BATCH.name, [name])
    return StoredTable(files) if files else SCORED_SCHEMA.empty_table()


def planned_rows(scored: Scored) -> dict[str, Any]:
    """What a plan reads of a scored campaign, (n,) by name."""
    return {name: compact(scored.column(name)) for name in scored.column_names if name not in _NOT_PLANNED_BY}


def plan_of(scored: Scored, settings: PlanSettings, contract: Contract, list_id: str) -> CallPlan:
    """Choose whom of a scored campaign to call, by the amounts that its rows carry."""
    rows = planned_rows(scored)
    settings = replace(settings, economics=settings.economics.on_record(rows))
    return plan_calls(rows.pop("contact_id"), rows["probability"], rows, contract, settings, list_id)


def exploring_each_day(scored: Scored, settings: PlanSettings) -> PlanSettings:
    """The same settings with the learning budget of a campaign of several days, by the costs that its rows carry."""
    if not settings.learning.minimum:
        return settings
    rows = planned_rows(scored)
    costed = replace(settings, economics=settings.economics.on_record(rows))
    return replace(settings, learning=costed.exploring_each_day(rows, rows["contact_date"]).learning)


def planned_calls(scored: Scored) -> tuple[Any, Any]:
    """The person behind each contact of a scored campaign, and the day planned for the call."""
    named = (name for name in ("contact_id", "contact_date", CUSTOMER_ID) if name in scored.column_names)
    rows = {name: compact(scored.column(name)) for name in named}
    return persons_of(rows["contact_id"], rows), rows["contact_date"]


def scores_of(scored: Scored, facts: dict[str, Any], hours: CallingHours | None = None) -> ListScores:
    """The scores of a list, for its CSV."""
    days = compact(scored.column("contact_date"))
    return ListScores(
        days,
        scored.column("probability_low").to_numpy(),
        scored.column("probability_high").to_numpy(),
        facts["champion"],
        facts["digest"],
        facts["as_of"],
        compact(scored.column(CUSTOMER_ID)) if CUSTOMER_ID in scored.column_names else None,
        None if hours is None else hours.windows(days, planned_rows(scored)),
    )


def called_rows(scored: Scored, plan: CallPlan) -> pa.RecordBatchReader:
    """The called contacts, first call first, with the probability of having been called, and why they are."""
    schema, order = pa.schema([*scored.schema.remove_metadata(), *PLANNED]), plan.call_order

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in np.array_split(order, max(-(-len(order) // BLOCK_ROWS), 1)):
            columns = [scored.column(name).take(pa.array(rows)).combine_chunks() for name in scored.column_names]
            columns += [pa.array(getattr(plan, one.name)[rows].tolist(), one.type) for one in PLANNED]
            yield pa.record_batch(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


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
