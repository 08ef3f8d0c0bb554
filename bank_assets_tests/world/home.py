"""A home as the data job leaves it, made in a second without Spark or MLflow.

Only the writing of the tables is replaced. Fingerprints, digests and bundles are the real ones.
"""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.uci import MONTHS, UCI
from bank_assets.core.features.contacts import Contacts
from bank_assets.core.model.bundle import NO_RANGES, ModelLineage
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.training.recipes import Recipe
from bank_assets.landing.register import manifest_of
from bank_assets.ledger import promotions
from bank_assets.ledger.engine import open_ledger
from bank_assets.settings import Settings
from bank_assets.spark.etl import TABLES, month_fingerprint
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.bundles import make_bundle

PAYLOAD = (*UCI.numeric_columns, *UCI.category_columns)


def delivery_text(contacts: Contacts) -> str:
    """Contacts as a delivery, with their outcomes where they have one."""
    days = pd.to_datetime(contacts.contact_dates)
    rows = pd.DataFrame({name: contacts.frame[name] for name in PAYLOAD})
    for name in UCI.numeric_columns:
        rows[name] = rows[name].astype(int)
    rows["contact_id"], rows["contact_date"] = contacts.contact_ids, days.strftime("%Y-%m-%d")
    rows["day"], rows["month"] = days.day, [MONTHS[day.month - 1] for day in days]
    rows["duration"], rows["y"] = 120, np.where(contacts.is_subscribed, "yes", "no")
    rows.loc[~contacts.has_outcome, ["duration", "y"]] = [0, ""]
    return rows[list(UCI.delivery_columns)].to_csv(index=False, sep=";")


def campaign_text(contacts: Contacts) -> str:
    """The same customers as a campaign file."""
    lines = [line.split(";") for line in delivery_text(contacts).splitlines()]
    keep = [index for index, column in enumerate(lines[0]) if column in UCI.campaign_columns]
    return "\n".join(";".join(line[index] for index in keep) for line in lines) + "\n"


def land(settings: Settings, contacts: Contacts, name: str = "") -> list[Path]:
    """Put contacts into the landing folder: one file a month, or one file of the given name."""
    folder = settings.landing / "contacts"
    folder.mkdir(parents=True, exist_ok=True)
    months = np.datetime_as_string(contacts.contact_dates.astype("datetime64[M]"))
    parts = {name: np.ones(len(contacts), bool)} if name else {f"{month}.csv": months == month for month in set(months)}
    paths = []
    for file, mine in sorted(parts.items()):
        paths.append(folder / file)
        paths[-1].write_text(delivery_text(contacts.rows(mine)))
    return paths


def make_tables(settings: Settings, months: list[str], *, held: tuple[str, ...] = ()) -> None:
    """What the data job makes of registered deliveries, for some months; those in `held` fail their gate."""
    store = Warehouse(settings.warehouse)
    for month in months:
        mark = month_fingerprint(settings.warehouse, month, settings.contract)
        rows = _delivered(settings, month)
        made = {
            TABLES[0]: _contacts(rows),
            TABLES[1]: _outcomes(rows),
            TABLES[2]: pa.table({"contact_id": pa.array([], pa.string())}),
        }
        for table, content in made.items():
            counts = {"rows_in": len(rows), "rejected": 0, "superseded": 0, "codes": {}}
            store.write(table, month, content, mark, {"contacts": counts})
        digest = store.manifest("contacts")[month].digest
        passed = {"passed": month not in held, "errors": [], "warnings": [], "contacts_digest": digest}
        store.write("contacts_validation", month, pa.table({"month": [month]}), "gate", passed)
        if month in held:  # the run stopped at the gate
            continue
        store.write("contact_profiles", month, _profile(rows), f"profile-{digest}")
        store.write("drift_report", month, pa.table({"column": ["age"]}), "drift", {"message": ""})


def _delivered(settings: Settings, month: str) -> pd.DataFrame:
    parts = []
    for delivery in manifest_of(settings.warehouse, [month]):
        part = pd.read_csv(delivery.path, sep=";")
        parts.append(part.assign(delivery_arrival=delivery.arrival))
    rows = pd.concat(parts)
    rows = rows[rows["contact_date"].str[:7] == month]
    return rows.drop_duplicates("contact_id", keep="last")


def _dates(rows: pd.DataFrame) -> pa.Array:
    return pa.array([date.fromisoformat(day) for day in rows["contact_date"]], pa.date32())


def _contacts(rows: pd.DataFrame) -> pa.Table:
    columns: dict[str, Any] = {"contact_id": rows["contact_id"].to_numpy(object), "contact_date": _dates(rows)}
    for name in PAYLOAD:
        column, values = UCI.by_source[name], rows[name]
        if column.kind is ColumnKind.BOOLEAN:
            columns[column.table] = pa.array((values == "yes").to_numpy())
        elif column.kind is ColumnKind.INTEGER:
            columns[column.table] = pa.array(values.to_numpy(), pa.int32())
        else:
            columns[column.table] = values.to_numpy(object)
    return pa.table(columns | {"delivery_arrival": pa.array(rows["delivery_arrival"].to_numpy(), pa.int32())})


def _outcomes(rows: pd.DataFrame) -> pa.Table:
    rows = rows[rows["y"].notna()]
    return pa.table(
        {
            "contact_id": rows["contact_id"].to_numpy(object),
            "is_subscribed": (rows["y"] == "yes").to_numpy(),
            "duration_seconds": pa.array(rows["duration"].to_numpy(), pa.int32()),
            "arrived_on": _dates(rows),
            "delivery_arrival": pa.array(rows["delivery_arrival"].to_numpy(), pa.int32()),
        }
    )


def _profile(rows: pd.DataFrame) -> pa.Table:
    parts = []
    for name in PAYLOAD:
        counted = rows.groupby(["contact_date", name]).size().rename("count").reset_index()
        is_number = name in UCI.numeric_columns
        parts.append(
            pd.DataFrame(
                {
                    "contact_date": [date.fromisoformat(day) for day in counted["contact_date"]],
                    "column": name,
                    "number": counted[name].astype(float) if is_number else np.nan,
                    "category": None if is_number else counted[name].astype(str),
                    "count": counted["count"],
                }
            )
        )
    schema = pa.schema(
        [("contact_date", pa.date32()), ("column", pa.string()), ("number", pa.float64()), ("category", pa.string()),
         ("count", pa.int64())]
    )  # fmt: skip
    return pa.Table.from_pandas(pd.concat(parts), schema=schema, preserve_index=False)


def promote(settings: Settings, version: str, as_of: str, *, decision: str = "promoted", kind: str = "") -> None:
    """A real fit as of a day, kept as a fetched version, with its verdict on record."""
    store = Warehouse(settings.warehouse)
    months = [month for month, entry in store.manifest("contacts").items() if entry.rows]
    data = ContactStore(store, UCI).read(months).learning_data(np.datetime64(as_of, "D"))
    fit = fit_deployment(Recipe("logistic_regression"), data)
    lineage = ModelLineage(as_of, "0" * 64, len(data), "made", False, "", "", UCI)
    files = make_bundle(
        fit.graph, fit.recipe, ranges=dict(NO_RANGES), lineage=lineage, feature_ranges=fit.feature_ranges
    )
    folder = settings.home / "models" / version
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    engine = open_ledger(settings.ledger_url)
    before = next(iter(promotions.history(engine, promoted_only=True)), None)
    promotions.record(
        engine,
        kind=kind or ("refit" if before else "first"),
        decision=decision,
        from_version=before.to_version if before else None,
        to_version=version,
        reasons=["a test said so"],
        evidence={},
        actor="test",
        as_of=as_of,
    )
    engine.dispose()


def failed_run(instance: dg.DagsterInstance, request: dg.RunRequest) -> str:
    """A run of a request that failed."""

    @dg.job(name=request.job_name)
    def failing() -> None: ...

    run = instance.create_run_for_job(failing, status=dg.DagsterRunStatus.STARTED, tags=dict(request.tags))
    instance.report_run_failed(run)
    return run.run_id
