"""A home of an earlier release works; `make_old_home.py` made it with that release's own code."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from litestar.testing import TestClient

from bank_assets.contract.names import MODEL_NAME
from bank_assets.ledger import accounts, chain, promotions
from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.deliveries import due_outcome_months
from bank_assets.settings import load_settings
from bank_assets.spark.etl import month_tables
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.derivations import stale
from bank_assets.store.lineage import passed_months, stale_scores
from bank_assets.store.registry import Registry
from bank_assets.store.relocation import relocate
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.waiting import wait_until
from serving.app import create_app
from serving.settings import load_serving_settings

HERE = Path(__file__).parent
TOLD = json.loads((HERE / "home-765f22d.json").read_text())
DECISIONS = {one["id"]: one for one in TOLD["decisions"]}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    home = tmp_path_factory.mktemp("bank")
    with tarfile.open(HERE / "home-765f22d.tar.xz") as archive:
        archive.extractall(home, filter="data")
    return {"BANK_HOME": str(home), "BANK_CODE_VERSION": "later"}


@pytest.fixture(scope="module")
def settings(environment):
    return load_settings(environment)


@pytest.fixture(scope="module")
def client(environment):
    app = create_app(load_serving_settings(environment))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        wait_until(lambda: app.state.services.store.champion is not None, seconds=120)
        yield client


@pytest.fixture(scope="module")
def ledger(settings, client):
    """The ledger as the started app has brought it to this version's tables."""
    engine = open_ledger(settings.ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def store(settings):
    return Warehouse(settings.warehouse)


def assert_holds(found, reported, path=""):
    """Every earlier alert is still there; there may be more."""
    if isinstance(reported, dict):
        for name, value in reported.items():
            assert name in found, f"{path}.{name} is gone"
            assert_holds(found[name], value, f"{path}.{name}")
    else:
        assert found == reported, path


def test_its_chain_verifies_against_its_anchor(ledger):
    result = chain.verify(ledger, chain.Anchor(*TOLD["anchor"]))
    assert result.ok, result.why
    assert (result.n >= len(DECISIONS), result.erased) == (True, 1)


@pytest.mark.parametrize("decision_id", DECISIONS)
def test_its_decisions_are_found_and_replay_identically(client, decision_id):
    assert_holds(client.get(f"/api/v1/predictions/{decision_id}").json(), DECISIONS[decision_id])
    replay = client.post(f"/api/v1/predictions/{decision_id}/replay").json()
    assert replay["status"] == TOLD["replays"][decision_id], replay
    assert replay["record_fault"] is None


def test_its_pages_open(client):
    record = f"/audit/{next(iter(DECISIONS))}"
    for path in ("/", "/predict", "/campaign", "/monitoring", "/model", "/audit", record):
        response = client.get(path, headers={"accept": "text/html"})
        assert response.status_code == 200, f"{path}: {response.text[:300]}"


def test_it_continues_the_same_chain_of_decisions(client, ledger):
    before = chain.anchor(ledger)
    made = client.post("/api/v1/predictions", json=PAYLOAD | {"contact_date": "2010-11-17"})
    assert made.status_code == 201, made.text
    assert chain.verify(ledger, before).ok
    assert made.json()["model"]["version"] == "2"


def test_its_suppressed_customer_is_not_called(client):
    made = client.post("/api/v1/predictions", json=PAYLOAD | {"contact_date": "2010-11-17", "contact_id": "c-2"})
    assert made.json()["decision"] == "do_not_call"


def test_its_users_and_keys_are_let_in(ledger):
    assert accounts.log_in(ledger, "ada", "a long enough password", hours=1)
    assert accounts.key_identity(ledger, TOLD["key"]).scopes == {"predict", "audit"}


def test_its_registry_has_its_champion_and_both_versions(settings):
    registry = Registry(settings.mlflow_uri, settings.mlflow_artifacts, settings.home / "models")
    champion = registry.champion()
    assert champion.version == "2"
    assert registry.by_alias("previous_champion").version == "1"
    for version in ("1", "2"):
        assert registry.scorer(version).decision["recipe"]["algorithm"] == "lightgbm"
    assert registry.bundles.read("2", champion.digest)


def test_its_bundles_are_read_and_written_where_it_was_moved_to(settings, tmp_path):
    home = tmp_path / "moved [home] ä"
    shutil.copytree(settings.home, home, ignore=shutil.ignore_patterns("models", "serving"))
    moved = load_settings({"BANK_HOME": str(home)})
    registry = Registry(moved.mlflow_uri, moved.mlflow_artifacts, home / "models")
    for version in ("1", "2"):
        before = registry.client.get_model_version_download_uri(MODEL_NAME, version)
        (bundle,) = (settings.home / "models").glob(f"{version}*")
        shutil.copytree(bundle, home / before.removeprefix("file:///srv/bank/"))
    assert registry.scorer("1").digest == registry.get("1").digest  # before anything is rewritten
    shutil.rmtree(home / "models")
    experiment = registry.experiment_id()
    run = registry.client.create_run(experiment)
    assert run.info.artifact_uri.startswith(f"{moved.mlflow_artifacts}/")
    assert registry.client.get_model_version_download_uri(MODEL_NAME, "2").startswith(f"{moved.mlflow_artifacts}/")
    assert registry.scorer("2").digest == registry.get("2").digest
    assert relocate(moved.mlflow_uri, moved.mlflow_artifacts) is None  # nothing is left to do


def test_its_history_of_champions_is_read(ledger):
    rows = [[row.kind, row.to_version, row.as_of] for row in promotions.history(ledger)]
    assert rows == TOLD["promotions"]
    days = np.array(["2009-08-31", "2009-09-01", "2010-06-01"], "datetime64[D]")
    assert list(ChampionHistory.of(ledger).version_on(days)) == [None, "1", "2"]


def test_its_tables_are_read(store, settings):
    rows = {name: sum(entry.rows for entry in store.manifest(name).values()) for name in TOLD["rows"]}
    assert rows == TOLD["rows"]
    for name in rows:
        store.read(name)
    contacts = ContactStore(store, settings.contract).read(passed_months(store))
    assert len(contacts) == rows["contacts"]
    assert len(contacts.features()["subscription_rate_7d"]) == len(contacts)


def test_what_the_next_run_makes_again(store, ledger, settings):
    """Nothing, but the outcome that was reported after that home's last run."""
    months = list(store.manifest("contacts"))
    tables = {month: stale(month_tables(store, settings.warehouse, month, settings.contract)) for month in months}
    again = {
        "months of contacts": sum(bool(found) for found in tables.values()),
        "months of scores": len(stale_scores(store, ChampionHistory.of(ledger))),
        "months of reported outcomes": len(due_outcome_months(settings, ledger)),
    }
    assert again == {"months of contacts": 0, "months of scores": 0, "months of reported outcomes": 1}
