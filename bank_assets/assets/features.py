"""Stage features: the frozen training snapshot. The formulas of the features are in `core.features.feature_set`."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.assets.materialization import ML_OWNERS, derive
from bank_assets.core.features.contacts import Contacts
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.sources.source import Source, landed_source
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.derivations import DerivedTable, Made
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REPORTED_OUTCOMES, contract_setting, passed_months

TRAINING_SET = DerivedTable("training_set", "1")


class TrainingSetConfig(dg.Config):
    """Which data to learn from."""

    as_of: str | None = None
    """First day whose contacts are left out, ISO; default: the first day of the open example campaign, else the day
    after the last contact."""


@dg.asset(
    deps=["contacts", "outcomes", "contacts_validation", REPORTED_OUTCOMES.name],
    code_version=TRAINING_SET.code_version,
    kinds={"parquet", "python"},
    owners=ML_OWNERS,
)
def training_set(
    context: dg.AssetExecutionContext,
    config: TrainingSetConfig,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Frozen snapshot of every contact with a known outcome, with features as of its own day.

    Reads: contacts of the months that passed their gate, outcomes delivered or reported to the app.
    Writes: `training_set`, content-hashed.
    Guarantees: no outcome known after `as_of`, no column known after the call.
    Fails when: no month passed its gate.
    """
    store = warehouse.open()
    months, contacts = passed_months(store), ContactStore(store, settings.contract)
    as_of = np.datetime64(config.as_of, "D") if config.as_of else contacts.learning_as_of(settings.landing, months)
    derived = TRAINING_SET.of(
        store,
        inputs={
            "contacts": store.digests(CONTACTS, months),
            # Outcomes are stored by month of arrival, which may be a month without contacts.
            "outcomes": store.digests(OUTCOMES),
            "told": store.digests(REPORTED_OUTCOMES.name),
        },
        settings={"as_of": str(as_of), **contract_setting(settings.contract)},
    )

    def work() -> Made:
        known = contacts.read(months)
        learnable = known.rows(known.known_as_of(as_of)).in_time_order()
        context.log.info("training set of %d contacts before %s", len(learnable), as_of)
        return _snapshot(learnable, as_of, months, landed_source(settings.landing))

    return derive(derived, work, _headline)


def _snapshot(learnable: Contacts, as_of: np.datetime64, months: list[str], source: Source | None) -> Made:
    data = learnable.learning_data(as_of)
    return Made(
        pa.table(data.to_columns(learnable.contact_ids)),
        {
            "as_of": str(as_of),
            "months": months,
            "subscription_rate": float(data.is_subscribed.mean()),
            "rare": rare_categories(learnable),
            "source": source.label if source else "deliveries",
            "is_real": bool(source and source.is_real),
            "first_day": str(data.contact_dates.min()),
            "last_day": str(data.contact_dates.max()),
        },
    )


def _headline(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "as_of": stored["as_of"],
        "subscription_rate": stored["subscription_rate"],
        "months": len(stored["months"]),
        "rare_categories": len(stored["rare"]),
    }


def rare_categories(contacts: Contacts, minimum: int = 50) -> list[str]:
    """Categories with fewer contacts than a model can learn from, as `column=value (n)`."""
    found = []
    for name, column in contacts.frame.items():
        if column.dtype == object:
            counts = pc.value_counts(pa.array(column, pa.string())).to_pylist()
            found += [f"{name}={row['values']} ({row['counts']})" for row in counts if row["counts"] < minimum]
    return sorted(found)
