"""A database and a CSV file of the same rows lead to the same tables, the same training set and the same champion."""

import json
from io import StringIO

import dagster as dg
import pandas as pd
import pytest
from sqlalchemy import create_engine

from bank_assets.assets.features import read_snapshot
from bank_assets.contract.uci import UCI
from bank_assets.definitions import build_defs
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.loop.requests import RANGE_END, RANGE_START
from bank_assets.settings import Settings
from bank_assets.sources.landing import land_source
from bank_assets.sources.source import resolve_source
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.landing.landing_home import NOW
from bank_assets_tests.world.contacts import made_contacts
from bank_assets_tests.world.home import delivery_text, land

pytestmark = [pytest.mark.spark, pytest.mark.soak]  # two whole data runs

TABLES = ("contacts", "outcomes")
ASSETS = (
    *("raw_contacts", *TABLES, "rejected_contacts", "contacts_validation", "contact_profiles", "ledger_outcomes"),
    *("training_set", "logistic_regression", "challenger", "champion_scores", "champion_model"),
)


def trained(settings, instance):
    """The stages from the landing folder to the champion."""
    register_deliveries(settings.landing, settings.warehouse, UCI, now=NOW, settle_seconds=0)
    done = (
        build_defs(settings=settings)
        .resolve_job_def("main_job")
        .execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in ASSETS],
            tags={RANGE_START: "2020-01-01", RANGE_END: "2020-04-01"},
        )
    )
    assert done.success


def learned(settings):
    """Digests of the tables, and the champion without what names its run and its source."""
    store, registry = (
        Warehouse(settings.warehouse),
        Registry(settings.mlflow_uri, settings.mlflow_artifacts, settings.home / "models"),
    )
    files = registry.bundle(store.entry("challenger", "all").metadata["headline"]["version"])
    decision = json.loads(files["decision.json"])
    told = {name: decision["training"].pop(name) for name in ("source", "mlflow_run_id")}
    digests = {name: store.digests(name) for name in (*TABLES, "contact_profiles", "candidates")}
    snapshot, entry = read_snapshot(store, UCI), store.entry("training_set", "all")
    return digests, (snapshot.digest, entry.fingerprint), files["model.onnx"], decision, told["source"]


def test_tables_training_set_and_champion_are_those_of_a_csv_file_of_the_same_rows(spark, tmp_path):
    contacts, found = made_contacts(112, 25), {}
    rows = pd.read_csv(StringIO(delivery_text(contacts)), sep=";")
    address = f"sqlite:///{tmp_path / 'bank.db'}"
    rows.to_sql("contacts", create_engine(address), index=False)
    for name in ("csv", "database"):
        home = tmp_path / name
        settings = Settings(
            home=home,
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            mlflow_artifacts=(home / "mlartifacts").as_uri(),
            candidates=("logistic_regression/none",),
            source=address,
            source_query="contacts",
        )
        if name == "database":
            land_source(resolve_source(settings), settings)
        else:
            land(settings, contacts, "all.csv")
        with dg.instance_for_test() as instance:
            trained(settings, instance)
        found[name] = learned(settings)
    (*csv, told_csv), (*database, told_database) = found.values()
    assert csv == database
    assert all(csv[0].values())
    assert (told_csv, told_database) == ("deliveries", f"database {address}")
