"""Makes `home-765f22d.tar.xz`, a small home of an earlier release, from simulated contacts; run it at commit 765f22d.

Command: `BANK_HOME=<empty folder> BANK_SOURCE=simulated BANK_SIMULATED_ROWS=6000 .venv/bin/python <this file> <folder>`
"""
# ruff: noqa: I001  the modules are another release's

import contextlib
import json
import os
import sqlite3
import sys
import tarfile
import threading
from pathlib import Path

import dagster as dg
import numpy as np
from litestar.testing import TestClient

from bank_assets.assets.promotion import move_aliases
from bank_assets.assets.tables import passed_months
from bank_assets.contract import PAYLOAD_COLUMNS
from bank_assets.core.model.background import build_background
from bank_assets.core.model.bundle import BundleParts, ModelLineage, bundle_files
from bank_assets.core.training.recipes import Recipe
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.feature_set import FEATURES, GROUPS
from bank_assets.core.model.ranges import fit_ranges
from bank_assets.core.model.scorer import Scorer
from bank_assets.definitions import build_defs
from bank_assets.demo.client import CUSTOMER
from bank_assets.ledger import accounts, campaigns, chain, promotions
from bank_assets.ledger.engine import open_ledger
from bank_assets.resources.contact_store import ContactStore
from bank_assets.resources.registry import Registry
from bank_assets.resources.warehouse import Warehouse
from bank_assets.settings import load_settings
from bank_assets.sources.landing import land_source
from bank_assets.sources.source import resolve_source
from serving.app import create_app
from serving.settings import load_serving_settings

DATA = (
    "raw_contacts", "contacts", "outcomes", "rejected_contacts", "contacts_validation", "ledger_outcomes",
    "contact_profiles", "drift_report", "contact_scores", "performance_report",
)  # fmt: skip
STATE = ("contact_scores", "performance_report", "drift_report", "as_of_state")
FITS = (("first", "2009-09-01", 12), ("refit", "2010-06-01", 16))
"""Kind, as-of day and trees of a model."""
ADDRESSES = (
    ("runs", "artifact_uri"), ("logged_models", "artifact_location"), ("experiments", "artifact_location"),
    ("model_versions", "storage_location"),
)  # fmt: skip
KEPT = ("landing/source.json", "ledger.db", "mlflow.db", "models", "serving", "reports", "warehouse")
DROPPED = ("data_docs", ".html", "training_set", "objects", "secret", ".lock", ".host")
"""Parts of paths to leave out: large files, and what belongs to a machine."""


def run(settings, assets):
    months = ("2008-05-01", "2010-11-01")
    edges = {f"dagster/asset_partition_range_{edge}": key for edge, key in zip(("start", "end"), months, strict=True)}
    with dg.instance_for_test() as instance:
        build_defs(settings=settings).resolve_job_def("main_job").execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in assets], tags=edges, instance=instance
        )


def fit(settings, registry, ledger, kind, as_of, trees):
    """A model of what was known on a day, the champion from then on."""
    import mlflow

    store = Warehouse(settings.warehouse)
    data = ContactStore(store).read(passed_months(store)).learning_data(np.datetime64(as_of, "D"))
    made = fit_deployment(Recipe("lightgbm", parameters={"n_estimators": trees, "num_leaves": 7}), data)
    economics = Economics(settings.cost_eur, settings.value_eur)
    run_id = registry.client.create_run(registry.experiment_id(), run_name=kind).info.run_id
    lineage = ModelLineage(as_of, "5f" * 32, len(data), "simulated", False, run_id, "765f22d")
    daily = DailyProfiles.from_table(store.read("contact_profiles"))
    reference = daily.window(data.contact_dates.min().astype(object), np.datetime64(as_of, "D").astype(object))
    bare = {"probability": [0.0, 1.0], "low": [0.0, 1.0], "high": [0.0, 1.0]}
    parts = BundleParts(made.recipe, [], bare, economics, 0.3, {}, lineage, made.feature_ranges)
    proba = Scorer(bundle_files(made.graph, parts, {})).raw_probability(data.features)
    ranges = fit_ranges(data.contact_dates, proba, data.is_subscribed.astype(np.float64))
    background = build_background({name: data.features[name] for name in FEATURES}, GROUPS, seed=1, n_rows=20)
    parts = BundleParts(
        made.recipe, [], ranges, economics, 0.3, {"roc_auc": 0.7}, lineage, made.feature_ranges, background
    )
    version = registry.register(
        bundle_files(made.graph, parts, reference.to_dict()), run_id=run_id, kind=kind, as_of=as_of
    ).version
    before = promotions.latest(ledger)
    move_aliases(registry, before and before.to_version, version)
    promotions.record(
        ledger, kind=kind, decision="promoted", from_version=before and before.to_version, to_version=version,
        reasons=[f"made for the test of upgrades, {trees} trees"], evidence={"rows": len(data)}, actor="pipeline",
        as_of=as_of,
    )  # fmt: skip
    mlflow.MlflowClient().set_terminated(run_id)


def decide(settings):
    """Decisions of several kinds through the app; returns the answers by id."""
    app = create_app(settings)
    customers = [
        CUSTOMER | {"contact_date": "2010-11-17"},
        CUSTOMER
        | {
            "contact_date": "2010-11-20",
            "contact_id": "c-1",
            "age": 67,
            "poutcome": "success",
            "pdays": 90,
            "previous": 2,
        },
        CUSTOMER | {"contact_date": "2011-01-03", "contact_id": "c-2", "balance": -300, "default": "yes"},
        CUSTOMER | {"contact_date": "2010-11-18", "contact_id": "c-3", "economics": {"cost_eur": 9, "value_eur": 41.5}},
        CUSTOMER | {"contact_date": "2010-11-18", "contact_id": "c-4"},
    ]
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for _ in range(2_000):
            if app.state.services.store.champion is not None:
                break
            threading.Event().wait(0.1)
        made = [client.post("/api/v1/predictions", json=customer) for customer in customers]
        assert all(one.status_code == 201 for one in made), [one.text for one in made]
        text = "\n".join(
            ",".join(str(row[name]) for name in (*PAYLOAD_COLUMNS, "contact_date"))
            for row in [customers[0] | {"age": age} for age in (19, 44, 71)]
        )
        batch = client.post(
            "/api/v1/predictions/batch", content=",".join((*PAYLOAD_COLUMNS, "contact_date")) + "\n" + text + "\n",
            headers={"content-type": "text/csv"},
        )  # fmt: skip
        assert batch.status_code in (200, 201), batch.text
        ids = [one.json()["id"] for one in made]
        client.post("/api/v1/outcomes", json={"prediction_id": ids[1], "y": "yes", "duration": 210})
        client.post("/api/v1/audit/erasures", json={"contact_id": "c-4", "reason": "request of the customer"})
        found = client.get("/api/v1/predictions?limit=50").json()
        every = [client.get(f"/api/v1/predictions/{one['id']}").json() for one in found["predictions"]]
        replays = {one["id"]: client.post(f"/api/v1/predictions/{one['id']}/replay").json()["status"] for one in every}
    return {"decisions": every, "replays": replays}


def main(target):
    settings = load_settings()
    if not Warehouse(settings.warehouse).manifest("drift_report"):
        land_source(resolve_source(settings), settings)
        run(settings, DATA)
    ledger = open_ledger(settings.ledger_url)
    registry = Registry(settings.mlflow_uri, settings.mlflow_artifacts, settings.home / "models")
    for kind, as_of, trees in FITS:
        fit(settings, registry, ledger, kind, as_of, trees)
    run(settings, STATE)
    campaigns.suppress(ledger, ["c-2"], reason="objected", actor="admin")
    accounts.create_user(ledger, "ada", "a long enough password", "analyst")
    key = accounts.create_key(ledger, "program", ["predict", "audit"])
    reported = decide(load_serving_settings(dict(os.environ)))
    head = chain.verify(ledger).head
    reported |= {
        "anchor": [head.seq, head.hash],
        "key": key,
        "promotions": [[row.kind, row.to_version, row.as_of] for row in promotions.history(ledger)],
        "rows": {
            name: sum(entry.rows for entry in Warehouse(settings.warehouse).manifest(name).values())
            for name in (*DATA[1:], "as_of_state")
        },
    }
    ledger.dispose()
    _forget_place(settings.home)
    (target / "home-765f22d.json").write_text(json.dumps(reported, indent=1, sort_keys=True) + "\n")
    with tarfile.open(target / "home-765f22d.tar.xz", "w:xz", preset=9) as archive:
        for name in KEPT:
            archive.add(settings.home / name, name, filter=_kept)


def _forget_place(home):
    """MLflow keeps absolute addresses of artifacts; the place where the home was made is removed."""
    with contextlib.closing(sqlite3.connect(home / "mlflow.db", isolation_level=None)) as database:
        for table, column in ADDRESSES:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, '/srv/bank')", [str(home)])
        database.execute("VACUUM")


def _kept(member):
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    return None if any(part in member.name for part in DROPPED) else member


if __name__ == "__main__":
    main(Path(sys.argv[1]))
