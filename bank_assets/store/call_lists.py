"""Call lists: the plan of a scored campaign as a table and as a CSV that a call centre takes.

What lives here: `CallList`, writing its CSV. What must not: the optimisation (`core.planner`), scoring.
Called by the `call_list` asset. A list's file name carries model version and fingerprint, so earlier lists are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
from sqlalchemy import Engine

from bank_assets.core.economics import Economics
from bank_assets.core.planner import CallLimits, plan_calls
from bank_assets.core.suppression import SuppressionList
from bank_assets.core.value_models import constant_economics
from bank_assets.ledger import campaigns
from bank_assets.store.atomic_files import replacing


@dataclass(frozen=True, slots=True)
class CallList:
    """A ranked list.

    Attributes:
        table: called contacts, first call first.
        summary: totals, JSON-able.
    """

    table: pa.Table
    summary: dict[str, Any]

    @staticmethod
    def suppressed_ids(engine: Engine) -> frozenset[str]:
        """Contacts that objected to marketing; absolute."""
        return campaigns.suppressed(engine)

    @classmethod
    def of(
        cls,
        scored: pa.Table,
        economics: Economics,
        budget_eur: float | None,
        suppressed: frozenset[str],
        *,
        list_id: str,
    ) -> CallList:
        """Plan a scored campaign.

        Args:
            scored: rows of `batch_scores`.
            economics: cost and value.
            budget_eur: limit of the total cost; None for none.
            suppressed: contacts that may not be called.
            list_id: identifier of the list.
        """
        ids = scored.column("contact_id").to_pylist()
        plan = plan_calls(
            ids,
            scored.column("probability").to_numpy(),
            constant_economics(economics, len(ids)),
            limits=CallLimits(budget_eur=budget_eur),
            suppression=SuppressionList.of(suppressed),
            list_id=list_id,
        )
        order = pa.array(plan.call_order)
        ranked = scored.take(order).append_column("rank", pa.array(plan.rank[plan.call_order]))
        called = plan.called.to_dict()
        return cls(
            ranked,
            {
                "calls": len(ranked),
                "contacts": len(ids),
                "excluded": plan.excluded,
                "expected_profit_eur": float(called["expected_profit_eur"] or 0.0),
                "called": called,
                "everyone": plan.everyone.to_dict(),
                "economics": economics.to_dict(),
                "budget_eur": budget_eur,
            },
        )


def write_call_list(ranked: CallList, folder: Path, version: str, mark: str) -> Path:
    """Write the list as CSV, whole or not at all.

    Args:
        ranked: the list.
        folder: where lists are kept.
        version: model version, part of the name.
        mark: fingerprint of the list, part of the name.

    Returns:
        The file.
    """
    path = folder / f"call-list-v{version}-{mark[:12]}.csv"
    with replacing(path) as stream:
        pa_csv.write_csv(ranked.table, stream)
    return path
