"""Stage features: the frozen training snapshot.

Reads contacts and outcomes, writes `training_set`. Feature formulas live in `core.features`; here is only the hand-over
from tables to arrays.
"""

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bank_assets.assets.materialization import ML_OWNERS, Stopwatch, combined_digest, result, unchanged
from bank_assets.assets.score_marks import EXPORTED
from bank_assets.assets.tables import passed_months
from bank_assets.core.contacts import Contacts
from bank_assets.core.learning_table import to_columns
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.sources.source import landed_source
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import fingerprint

CODE_VERSION = "1"
TABLE = "training_set"


class TrainingSetConfig(dg.Config):
    """Which data to learn from."""

    as_of: str | None = None
    """First day whose contacts are left out, ISO; default: the first day of the open example campaign, else the day
    after the last contact."""


@dg.asset(
    deps=["contacts", "outcomes", "contacts_validation", EXPORTED],
    code_version=CODE_VERSION,
    kinds={"parquet", "python"},
    owners=ML_OWNERS,
)
def training_set(
    context: dg.AssetExecutionContext,
    config: TrainingSetConfig,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Frozen snapshot of every contact with a known outcome, with features as of its own morning.

    Reads: contacts of the months that passed their gate, outcomes delivered or told to the app.
    Writes: `training_set`, content-hashed.
    Guarantees: no outcome known after `as_of`, no column known after the call.
    Fails when: no month passed its gate.
    """
    watch, store = Stopwatch(), warehouse.open()
    months = passed_months(store)
    contacts = ContactStore(store)
    as_of = np.datetime64(config.as_of, "D") if config.as_of else contacts.learning_as_of(settings.landing, months)
    mark = fingerprint(
        inputs={
            "contacts": combined_digest(store, "contacts", months),
            # An outcome lies in the month in which it arrived, which need not be one with contacts.
            "outcomes": combined_digest(store, "outcomes", sorted(store.manifest("outcomes"))),
            "told": combined_digest(store, EXPORTED, sorted(store.manifest(EXPORTED))),
        },
        code_version=CODE_VERSION,
        settings={"as_of": str(as_of)},
    )
    entry = store.entry(TABLE, "all")
    if entry is not None and store.is_unchanged(TABLE, "all", mark):
        return unchanged(entry, watch, {"as_of": str(as_of)})
    known = contacts.read(months)
    learnable = known.rows(known.known_as_of(as_of)).in_time_order()
    data = learnable.learning_data(as_of)
    table = pa.table(to_columns(learnable.contact_ids, data))
    rare = rare_categories(learnable)
    source = landed_source(settings.landing)
    entry = store.write(
        TABLE,
        "all",
        table,
        mark,
        {
            "as_of": str(as_of),
            "months": months,
            "subscription_rate": float(data.is_subscribed.mean()),
            "rare": rare,
            "source": source.label if source else "deliveries",
            "is_real": bool(source and source.is_real),
            "first_day": str(data.contact_dates.min()),
            "last_day": str(data.contact_dates.max()),
        },
    )
    context.log.info("training set of %d contacts before %s", len(data), as_of)
    return result(
        entry,
        watch,
        {
            "as_of": str(as_of),
            "subscription_rate": float(data.is_subscribed.mean()),
            "months": len(months),
            "rare_categories": len(rare),
        },
        table.schema,
    )


def rare_categories(contacts: Contacts, minimum: int = 50) -> list[str]:
    """Categories with fewer contacts than a model can learn from, as `column=value (n)`."""
    found = []
    for name, column in contacts.frame.items():
        if column.dtype == object:
            counts = pc.value_counts(pa.array(column, pa.string())).to_pylist()
            found += [f"{name}={row['values']} ({row['counts']})" for row in counts if row["counts"] < minimum]
    return sorted(found)
