"""The champion: the last good bundle, swaps, refusals, rollback, and the app without a champion."""

import json
import logging
import shutil
import threading

import pytest
from litestar.testing import TestClient

from bank_assets.contract.uci import UCI
from bank_assets.ledger.engine import open_ledger
from bank_assets.store.registration import register
from bank_assets.store.registry import Registry, RegistryUnavailableError
from bank_assets_tests.serving.champion.stored import store_of, under
from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.bundles import AS_OF
from bank_assets_tests.world.contracts import WIDER
from bank_assets_tests.world.waiting import wait_until
from serving.app import create_app
from serving.champion.champion import ChampionStore

pytestmark = pytest.mark.slow

PATH = "/api/v1/predictions"


def test_without_a_model_the_answer_says_what_to_do(serving_settings, registry, published, payload):
    registry.alias = None
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        wait_until(lambda: store_of(client).is_registry_reachable)
        response = client.post(PATH, json=payload)
        assert response.status_code == 503
        assert "make run" in response.json()["detail"]
        assert response.headers["retry-after"]
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
        assert client.get("/health/live").status_code == 200
        assert client.get("/api/v1/model").status_code == 503
        registry.alias = "1"
        wait_until(lambda: client.post(PATH, json=payload).status_code == 201)
        assert client.get("/health/ready").status_code == 200


def test_without_a_published_state_the_answer_says_what_to_do(serving_settings, registry, payload):
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        wait_until(lambda: store_of(client).champion is not None)
        response = client.post(PATH, json=payload)
        assert (response.status_code, response.json()["type"]) == (503, "/problems/no-state")


def test_the_last_good_model_answers_when_the_registry_is_down(serving_settings, registry, published, payload):
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        wait_until(lambda: store_of(client).champion is not None)
        before = client.post(PATH, json=payload).json()
    registry.is_down = True
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        after = client.post(PATH, json=payload).json()
        assert after["probability"] == before["probability"]
        wait_until(lambda: store_of(client).is_registry_reachable is False)
        ready = client.get("/health/ready").json()
        assert (ready["status"], ready["is_registry_reachable"]) == ("ready", False)
        assert "a test broke it" in ready["registry"]


def test_a_change_of_alias_is_picked_up(client, payload, registry):
    registry.alias = "2"
    wait_until(lambda: client.post(PATH, json=payload).json()["model"]["version"] == "2", seconds=5)
    assert client.get("/health/ready").json()["model_version"] == "2"


def test_a_corrupt_bundle_is_refused_and_the_old_one_stays(client, payload, registry, caplog):
    files = registry.versions["2"]
    registry.versions["3"] = {**files, "model.onnx": files["model.onnx"][:-1] + b"\x00"}
    registry.tags["3"] = store_of(client).champion.digest
    with caplog.at_level(logging.CRITICAL):
        registry.alias = "3"
        wait_until(lambda: "refused" in store_of(client).message)
    assert client.post(PATH, json=payload).json()["model"]["version"] == "1"
    assert "digest" in client.get("/health/ready").json()["registry"]
    assert [record.alert for record in caplog.records if record.message == "champion refused"] == [True]
    registry.alias = "2"
    wait_until(lambda: store_of(client).champion.version == "2")


@pytest.mark.parametrize("damage", ["model", "json", "untagged", "nan"])
def test_every_kind_of_damage_is_refused(client, registry, damage):
    files = dict(registry.versions["2"])
    if damage == "model":
        files["model.onnx"] = b"not a graph"
    elif damage == "json":
        files["decision.json"] = b"{"
    elif damage == "nan":
        files["decision.json"] = files["decision.json"].replace(b'"slope": 1.0', b'"slope": NaN')
    registry.versions["3"] = files
    if damage == "untagged":
        registry.tags["3"] = ""
    registry.alias = "3"
    wait_until(lambda: "refused" in store_of(client).message)
    assert store_of(client).champion.version == "1"


def test_a_model_of_a_column_that_requests_lack_is_refused_in_a_sentence(client, registry, payload, tmp_path):
    registry.versions["3"], registry.alias = under(registry.versions["2"], WIDER), "3"
    wait_until(lambda: "refused" in store_of(client).message)
    assert "also takes tenure (contract" in store_of(client).message
    assert client.post(PATH, json=payload).json()["model"]["version"] == "1"
    wide = ChampionStore(tmp_path / "wide", WIDER)
    wide.swap(wide.obtain(registry.champion(), registry))
    assert wide.current.version == "3"
    assert ChampionStore(tmp_path / "wide", WIDER).load_last_good()
    assert not ChampionStore(tmp_path / "wide", UCI).load_last_good()


def test_a_last_good_bundle_that_was_tampered_with_is_not_loaded(serving_settings, registry, published):
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        wait_until(lambda: store_of(client).champion is not None)
    for file in serving_settings.bundles.glob("bundles/*/decision.json"):
        file.write_text(file.read_text().replace('"f1": 0.3', '"f1": 0.9'))
    registry.is_down = True
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        assert client.get("/health/ready").status_code == 503
        registry.is_down = False
        wait_until(lambda: client.get("/health/ready").status_code == 200)


def test_swapping_under_load_fails_nothing_and_mixes_nothing(client, registry):
    """Each answer's version must give its number again; 0 failed."""
    answers, failures, is_done = [], [], threading.Event()
    rows = [{**PAYLOAD, "contact_date": AS_OF, "balance": 100 * i} for i in range(10)]

    def ask():
        while not is_done.is_set():
            for row in rows:
                response = client.post(PATH, json=row)
                (answers if response.status_code == 201 else failures).append(response.json())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for swap in range(8):
        target = "2" if swap % 2 == 0 else "1"
        registry.alias = target
        wait_until(lambda target=target: store_of(client).champion.version == target)
        seen = len(answers)
        wait_until(lambda seen=seen: len(answers) > seen + 20)
    is_done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {answer["model"]["version"] for answer in answers} == {"1", "2"}
    for answer in answers[::7]:
        assert client.post(f"{PATH}/{answer['id']}/replay").json()["identical"] is True


def test_the_model_route_describes_the_model_in_force(client):
    info = client.get("/api/v1/model").json()
    assert (info["version"], info["algorithm"], info["as_of"]) == ("1", "logistic_regression", AS_OF)
    assert info["training"]["source"] == "made up"


def test_a_newly_published_state_is_picked_up(client, bundle_a):
    from dataclasses import replace

    import numpy as np

    from bank_assets.ledger import states

    engine = open_ledger(str(client.app.state.services.ledger.url), migrate=False)
    states.publish(engine, "2010-11-18", replace(bundle_a[1], as_of=np.datetime64("2010-11-18")).to_dict())
    engine.dispose()
    wait_until(lambda: client.get("/health/ready").json()["as_of"] == "2010-11-18")


@pytest.mark.slow
def test_a_real_mlflow_registry_serves_swaps_and_rolls_back(serving_settings, bundle_a, bundle_b, published, payload):
    """The layout that the pipeline registers, read back through mlflow-skinny's client on SQLite."""
    platform = serving_settings.platform
    import mlflow

    pipeline = Registry(platform.mlflow_uri, (platform.home / "artifacts").as_uri(), platform.home / "models")
    experiment = pipeline.experiment_id()
    for files, _ in (bundle_a, bundle_b):
        run = pipeline.client.create_run(experiment)
        mlflow.set_experiment(experiment_id=experiment)
        register(pipeline, files, run_id=run.info.run_id, kind="first", as_of=AS_OF)
    pipeline.set_alias("champion", "1")
    registry = Registry(platform.mlflow_uri, "", platform.home / "fetched", fails_fast=True)
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        wait_until(lambda: store_of(client).champion is not None, seconds=60)
        first = client.post(PATH, json=payload).json()
        assert first["model"]["digest"] == registry.get("1").digest
        pipeline.set_alias("champion", "2")
        wait_until(lambda: store_of(client).champion.version == "2")
        assert client.post(f"{PATH}/{first['id']}/replay").json()["identical"] is True
        back = client.post("/api/v1/model/rollback", json={"version": "1", "reason": "worse calls"})
        assert back.json()["from_version"] == "2"
        assert pipeline.by_alias("champion").version == "1"
        assert pipeline.by_alias("previous_champion").version == "2"
        assert client.post("/api/v1/model/rollback", json={"version": "77", "reason": "nope"}).status_code == 404


def test_a_registry_that_does_not_exist_yet_is_not_created(tmp_path):
    with pytest.raises(RegistryUnavailableError, match="make run"):
        Registry(f"sqlite:///{tmp_path / 'none.db'}", "", tmp_path / "models").champion()
    assert list(tmp_path.iterdir()) == []


def test_replicas_that_share_a_folder_keep_the_same_version_at_once(registry, tmp_path):
    """All containers are process 1. With names by process id, one replica removed what the other was writing."""
    stores = [ChampionStore(tmp_path / "shared", UCI) for _ in range(2)]
    version = registry.champion()
    failed: list[BaseException] = []

    def obtain(store: ChampionStore) -> None:
        try:
            for _ in range(20):
                for kept in (tmp_path / "shared" / "bundles").glob("1-*"):
                    shutil.rmtree(kept, ignore_errors=True)
                store.swap(store.obtain(version, registry))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=obtain, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert ChampionStore(tmp_path / "shared", UCI).load_last_good()


def test_a_model_on_probation_is_marked_on_records_pages_and_in_the_api(serving_settings, registry, published, payload):
    files = dict(registry.versions["1"])
    document = json.loads(files["decision.json"]) | {"is_on_probation": True}
    registry.versions["3"], registry.alias = files | {"decision.json": json.dumps(document).encode()}, "3"
    with TestClient(create_app(serving_settings, registry=registry), base_url="http://127.0.0.1") as client:
        wait_until(lambda: store_of(client).champion is not None)
        decided = client.post(PATH, json=payload).json()
        assert [flag["flag"] for flag in decided["flags"]] == ["model_on_probation"]
        assert client.get(f"{PATH}/{decided['id']}").json()["flags"] == decided["flags"], "the record says so for ever"
        assert client.get("/api/v1/model").json()["is_on_probation"] is True
        assert "Decided on probation" in client.get(f"/audit/{decided['id']}").text
        for page in ("/", "/predict", "/model", "/monitoring", "/audit"):
            assert 'data-testid="probation"' in client.get(page).text
        assert client.get("/api/v1/audit/verify").json()["ok"]
        registry.alias = "1"
        wait_until(lambda: not store_of(client).current.is_on_probation)
        assert 'data-testid="probation"' not in client.get("/").text
        assert client.post(PATH, json=payload).json()["flags"] == []
        assert client.get(f"{PATH}/{decided['id']}").json()["flags"] == decided["flags"]
