"""Stage features: the frozen training snapshot, written here and read back for the stages that learn from it.

The formulas of the features are in `core.features.feature_set`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from bank_assets.assets.materialization import ML_OWNERS, derive, identity
from bank_assets.assets.training_rows import training_rows
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import effective_size
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.training.recipes import sample_facts
from bank_assets.settings import Settings
from bank_assets.sources.source import Source, landed_source, open_from
from bank_assets.store.contact_store import ContactStore, learning_as_of
from bank_assets.store.derivations import ALL, DerivedTable, Made
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REPORTED_OUTCOMES, contract_setting, passed_months, weighing
from bank_assets.store.warehouse import Warehouse, WarehouseError, arrays_of

TRAINING_SET = DerivedTable("training_set", "2")


class TrainingSetConfig(dg.Config):
    """Which data to learn from."""

    # First day whose contacts are left out, ISO; default: the first day of the open campaign that came with the source,
    # else the day after the last contact.
    as_of: str | None = None


@dg.asset(
    **identity(TRAINING_SET),
    deps=["contacts", "outcomes", "contacts_validation", REPORTED_OUTCOMES.name],
    kinds={"parquet", "python"},
    owners=ML_OWNERS,
)
def training_set(
    context: dg.AssetExecutionContext,
    config: TrainingSetConfig,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Frozen snapshot of every contact with a known outcome, with features as of its own day.

    Reads: contacts of the months that passed their gate, outcomes delivered or reported to the app.
    Writes: `training_set`, content-hashed.
    Guarantees: no outcome known after `as_of`, no column known after the call.
    Fails when: no month passed its gate.
    """
    months, contacts = passed_months(warehouse), ContactStore(warehouse, settings.contract, settings.feedback)
    as_of = (
        np.datetime64(config.as_of, "D")
        if config.as_of
        else learning_as_of(contacts.days(months), open_from(settings.landing))
    )
    limit = settings.learning_rows
    may_exceed = sum(entry.rows for month, entry in warehouse.manifest(CONTACTS).items() if month in months) > limit
    derived = TRAINING_SET.of(
        warehouse,
        inputs={
            "contacts": warehouse.digests(CONTACTS, months),
            # Outcomes are stored by month of arrival, which may be a month without contacts.
            "outcomes": warehouse.digests(OUTCOMES),
            "told": warehouse.digests(REPORTED_OUTCOMES.name),
        }
        | weighing([name for name in contacts.lists(months) if name < str(as_of)]),
        settings={"as_of": str(as_of), **contract_setting(settings.contract)}
        | ({"learning_rows": limit} if may_exceed else {}),
    )

    def work() -> Made:
        made = training_rows(contacts, months, as_of, limit, may_exceed=may_exceed)
        context.log.info("training set of %d contacts before %s", len(made.data), as_of)
        facts = {**_facts(made.data, landed_source(settings.landing)), "months": months, "rare": made.rare}
        return Made(pa.table(made.data.to_columns(made.contact_ids)), facts)

    return derive(derived, work, _headline)


def _facts(data: LearningData, source: Source | None) -> dict[str, Any]:
    size = {} if data.weights is None else {"effective_rows": round(effective_size(data.weights))}
    sample = {"sample": facts} if (facts := sample_facts(data)) else {}
    return {
        **size,
        **sample,
        "as_of": str(data.as_of),
        "subscription_rate": float(np.average(data.is_subscribed, weights=data.weights)),
        "source": source.label if source else "deliveries",
        "is_real": source is None or source.is_real,
        "first_day": str(data.contact_dates.min()),
        "last_day": str(data.contact_dates.max()),
    }


def _headline(stored: Mapping[str, Any]) -> dict[str, Any]:
    counts = {"months": len(stored["months"]), "rare_categories": len(stored["rare"])}
    shown = ("as_of", "subscription_rate", "effective_rows")
    sample = {f"sample_{name}": value for name, value in stored.get("sample", {}).items()}
    return {name: stored[name] for name in shown if name in stored} | counts | sample


@dataclass(frozen=True, slots=True)
class TrainingSnapshot:
    """The stored training set: its data, contact ids (n,), content digest and manifest metadata."""

    data: LearningData
    contact_ids: Any
    digest: str
    metadata: dict[str, Any]


def read_snapshot(store: Warehouse, contract: Contract) -> TrainingSnapshot:
    """Read `training_set`; `WarehouseError` if it was never materialized."""
    entry = store.entry(TRAINING_SET.name, ALL)
    if entry is None:
        raise WarehouseError("training_set: expected a snapshot, found none; materialize training_set first.")
    columns = arrays_of(store.read(TRAINING_SET.name, [ALL]))
    data = LearningData.from_columns(columns, np.datetime64(entry.metadata["as_of"], "D"), contract)
    return TrainingSnapshot(data, columns["contact_id"], entry.digest, dict(entry.metadata))
