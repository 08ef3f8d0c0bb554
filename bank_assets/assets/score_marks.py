"""What the scores of a month rest on, as fingerprints: which of them are out of date without making any.

What lives here: fingerprints of `contact_scores` and `ledger_outcomes`, and the months whose scores are stale.
What must not: making scores. Called by the assets, by the loop and by the command line.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Engine

from bank_assets.assets.materialization import combined_digest
from bank_assets.assets.tables import passed_months
from bank_assets.ledger import outcomes as ledger_outcomes_table
from bank_assets.store.champion_history import Reign
from bank_assets.store.warehouse import Warehouse, fingerprint

SCORES: Final = "contact_scores"
EXPORTED: Final = "ledger_outcomes"
SCORES_VERSION: Final = "2"


def outcomes_by_month(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Outcomes of identified contacts, by month of arrival."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in ledger_outcomes_table.export(engine):
        if row.contact_id is not None:
            arrived_on = date.fromisoformat(row.arrived_at[:10])
            found.setdefault(row.arrived_at[:7], []).append(
                {
                    "contact_id": row.contact_id,
                    "is_subscribed": row.y == "yes",
                    "duration_seconds": row.duration,
                    "arrived_on": arrived_on,
                }
            )
    return found


def outcome_marks(engine: Engine) -> dict[str, str]:
    """Fingerprint by month of arrival of what the app was told; the nightly schedule asks which months are due."""
    return {month: outcome_mark(rows) for month, rows in outcomes_by_month(engine).items()}


def outcome_mark(rows: Sequence[Mapping[str, Any]]) -> str:
    """Fingerprint of the outcomes that arrived in a month."""
    return fingerprint(inputs=[json.dumps(list(rows), sort_keys=True, default=str)], code_version="1", settings={})


def score_marks(store: Warehouse, reign: Reign, asked: Sequence[str]) -> dict[str, str]:
    """Fingerprint of the scores of some months: what was delivered and who was champion up to their end.

    A score of a morning rests on what came before it, so a new month leaves the scores of earlier ones as they are, and
    a champion of today leaves those of yesterday.

    Args:
        store: the tables.
        reign: champions.
        asked: months `YYYY-MM`.

    Returns:
        Fingerprint by month.
    """
    inputs = {
        "contacts": combined_digest(store, "contacts", passed_months(store)),
        "outcomes": combined_digest(store, "outcomes", sorted(store.manifest("outcomes"))),
        "ledger": combined_digest(store, EXPORTED, sorted(store.manifest(EXPORTED))),
    }
    starts = [str(day) for day in reign.starts]
    marks = {}
    for month in asked:
        in_force = sum(start[:7] <= month for start in starts)
        marks[month] = fingerprint(
            inputs={
                name: {key: digest for key, digest in digests.items() if key <= month}
                for name, digests in inputs.items()
            },
            code_version=SCORES_VERSION,
            settings={"starts": starts[:in_force], "versions": list(reign.versions[:in_force])},
        )
    return marks


def stale_months(store: Warehouse, reign: Reign) -> list[str]:
    """Months that passed their gate, had a champion, and were scored from other contacts or by others; ascending."""
    if not len(reign.starts):
        return []
    first = str(reign.starts[0])[:7]
    asked = [month for month in passed_months(store) if month >= first]
    return [
        month for month, mark in score_marks(store, reign, asked).items() if not store.is_unchanged(SCORES, month, mark)
    ]
