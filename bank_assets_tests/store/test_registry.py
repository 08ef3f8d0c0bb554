"""The registry with a real MLflow: bundles come out byte for byte, aliases move, all scorers agree."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bank_assets.contract.names import ALIAS_CHAMPION, MODEL_NAME
from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.scorer import BundleError, Scorer
from bank_assets.core.training.recipes import Recipe
from bank_assets.store.registration import register
from bank_assets.store.registry import Registry
from bank_assets_tests.world.bundles import bundle_of
from bank_assets_tests.world.contacts import FIRST, made_contacts

FEATURE_SET = FeatureSet.of(UCI)

pytestmark = pytest.mark.slow
DAYS = 60
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def learned():
    contacts = made_contacts(DAYS, 30)
    return contacts, contacts.learning_data(FIRST + np.timedelta64(DAYS + 2, "D"))


@pytest.fixture(scope="module")
def bundle(learned):
    _, data = learned
    return bundle_of(Recipe("lightgbm"), data)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    home = tmp_path_factory.mktemp("registry")
    return Registry(f"sqlite:///{home / 'mlflow.db'}", (home / "artifacts").as_uri(), home / "models")


@pytest.fixture(scope="module")
def version(registry, bundle):
    run = registry.client.create_run(registry.experiment_id())
    return register(registry, bundle, run_id=run.info.run_id, kind="first", as_of="2020-03-02")


def test_a_registered_bundle_comes_back_byte_for_byte(registry, version, bundle, tmp_path):
    fresh = Registry(registry.uri, registry.artifacts, tmp_path / "models")
    assert fresh.bundle(version.version) == bundle
    assert fresh.scorer(version.version).digest == version.digest
    assert fresh.get(version.version).tags["bank/as_of"] == "2020-03-02"


def test_an_alias_moves_and_reads_back(registry, version):
    assert registry.by_alias("nobody") is None
    registry.set_alias(ALIAS_CHAMPION, version.version)
    assert registry.by_alias(ALIAS_CHAMPION).version == version.version


def test_artifacts_that_changed_after_registration_are_refused(registry, version, tmp_path):
    run = registry.client.create_run(registry.experiment_id())
    other = register(
        registry, {**registry.bundle(version.version)}, run_id=run.info.run_id, kind="refit", as_of="2020-03-03"
    )
    registry.client.set_model_version_tag(MODEL_NAME, other.version, "bank/digest", "0" * 64)
    with pytest.raises(BundleError, match="expected digest 0000"):
        Registry(registry.uri, registry.artifacts, tmp_path / "models").bundle(other.version)


def test_no_pickle_is_in_the_registered_model(registry, version):
    import mlflow

    folder = mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version.version}")
    names = [path.name for path in Path(folder).rglob("*") if path.is_file()]
    assert "model.onnx" in names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib", ".cloudpickle"))]


def test_the_plain_mlflow_model_gives_the_same_numbers(registry, version, bundle, learned, monkeypatch):
    import mlflow

    monkeypatch.setattr(sys, "path", list(sys.path))  # loading puts the model's copy of the core first on the path
    contacts, _ = learned
    features = contacts.features()
    model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version.version}")
    found = model.predict(pd.DataFrame({name: features[name][:50] for name in FEATURE_SET.names}))
    expected = Scorer(bundle).score({name: column[:50] for name, column in features.items()})
    assert np.array_equal(found["probability"].to_numpy(), expected.probability)
    assert np.array_equal(found["probability_low"].to_numpy(), expected.low)


@pytest.fixture
def some(learned):
    """Features of 50 contacts as a frame with the columns of the model's signature."""
    contacts, _ = learned
    features = contacts.features()
    return pd.DataFrame({name: features[name][:50] for name in FEATURE_SET.names})


UDF = """
import sys

import mlflow
from pyspark.sql import SparkSession

registry, model, given, scored = sys.argv[1:]
mlflow.set_tracking_uri(registry)
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
result = "probability double, probability_low double, probability_high double"
udf = mlflow.pyfunc.spark_udf(spark, model, result_type=result, env_manager="local")
frame = spark.read.parquet(given).repartition(2)
names = [name for name in frame.columns if name != "index"]
frame.select("index", udf(*names).alias("score")).select("index", "score.*").toPandas().to_parquet(scored)
spark.stop()
"""
"""Another team's program. In a process of its own: the model brings its copy of the platform's core along, which would
stay on the path of this process and of its Spark workers, in front of the platform itself."""


@pytest.mark.spark
@pytest.mark.soak
def test_the_model_as_a_spark_udf_gives_the_same_numbers(registry, version, bundle, some, tmp_path):
    given, scored = tmp_path / "given.parquet", tmp_path / "scored.parquet"
    some.reset_index().to_parquet(given)
    model = f"models:/{MODEL_NAME}/{version.version}"
    done = subprocess.run(
        [sys.executable, "-c", UDF, registry.uri, model, str(given), str(scored)],
        cwd=tmp_path,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = pd.read_parquet(scored).sort_values("index")
    expected = Scorer(bundle).score({name: some[name].to_numpy() for name in FEATURE_SET.names})
    assert np.array_equal(found["probability"].to_numpy(), expected.probability)
    assert np.array_equal(found["probability_high"].to_numpy(), expected.high)


def test_mlflow_models_serve_answers_with_the_same_numbers(registry, version, bundle, some, tmp_path):
    expected = Scorer(bundle).score({name: some[name].to_numpy() for name in FEATURE_SET.names})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"),
        *("-m", f"models:/{MODEL_NAME}/{version.version}", "-h", "127.0.0.1", "-p", str(port)),
    ]
    with (tmp_path / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            env={**os.environ, "MLFLOW_TRACKING_URI": registry.uri, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        found = ask(f"http://127.0.0.1:{port}", some, server, tmp_path / "serve.log")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    assert [row["probability"] for row in found] == pytest.approx(expected.probability.tolist(), abs=1e-12)


def ask(address: str, rows: pd.DataFrame, server: subprocess.Popen, log: Path) -> list[dict[str, float]]:
    """Wait for the server and post rows to it."""
    body = json.dumps({"dataframe_split": rows.to_dict(orient="split")}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 180
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["predictions"]
        except ConnectionError:
            time.sleep(0.5)
        except urllib.error.HTTPError as error:
            pytest.fail(error.read().decode()[:2000])
        except urllib.error.URLError:
            time.sleep(0.5)
    pytest.fail(log.read_text()[-2000:])
