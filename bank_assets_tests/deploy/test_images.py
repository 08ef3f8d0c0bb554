"""The images, built and run. Needs root, buildah and debootstrap, but no engine; run by `make soak`.

BANK_IMAGE_STORAGE and BANK_IMAGE_TAG name images built by `make image`. Without them the test builds both, which takes
some ten minutes and 10 GB in the temporary folder.
"""

import http.client
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.demo.processes import free_port
from bank_assets.ledger import accounts, chain, states
from bank_assets.ledger.engine import open_ledger
from bank_assets_tests.deploy.image_world import Container, Images, need
from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.bundles import AS_OF
from bank_assets_tests.world.registry import MemoryRegistry
from bank_assets_tests.world.waiting import wait_until
from serving.champion.champion import ChampionStore

pytestmark = pytest.mark.soak
BODY = json.dumps({**PAYLOAD, "contact_date": AS_OF}).encode()
COMPILERS = ("gcc", "cc", "g++", "make", "java", "pip", "pip3", "uv")
SIMULATED_ROWS = 4_000


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Images:
    for name, package in (("buildah", "buildah"), ("debootstrap", "debootstrap"), ("setpriv", "util-linux")):
        need(name, package)
    if os.getuid() != 0:
        pytest.fail("needs root: debootstrap and chroot; run `sudo make soak`, or test the images with Docker")
    if os.environ.get("BANK_IMAGE_STORAGE") and os.environ.get("BANK_IMAGE_TAG"):
        return Images(Path(os.environ["BANK_IMAGE_STORAGE"]), os.environ["BANK_IMAGE_TAG"])
    made = Images(tmp_path_factory.mktemp("images"), "test")
    made.build("serving", "pipeline")
    return made


@pytest.fixture
def home(tmp_path, bundle_a) -> Path:
    """A home with a champion, as the pipeline leaves one."""
    home = tmp_path / "bank"
    store = ChampionStore(home / "serving", UCI)
    registry = MemoryRegistry({"1": bundle_a[0]})
    store.swap(store.obtain(registry.champion(), registry))
    return home


def ask(port: int, method: str, path: str, body: bytes | None = None, key: str = "") -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {"content-type": "application/json", "authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


def status_of(container: Container, program: str) -> dict[str, str]:
    """The kernel's status of the container's process that runs a Python module."""
    for process in psutil.Process(container.process.pid).children(recursive=True):
        words = process.cmdline()
        if "-m" in words[1:2] and words[2] == program:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    raise AssertionError(f"no process of {program} in the container\n{container.says()}")


def in_image(images: Images, target: str, script: str) -> str:
    """Output of a shell script run inside an image as its user."""
    container = images.buildah("from", "--pull-never", images.name(target))
    try:
        return images.buildah("run", "--isolation", "chroot", container, "--", "sh", "-c", script)
    finally:
        images.buildah("rm", container)


@pytest.mark.parametrize("target", ["serving", "pipeline"])
def test_an_image_says_what_it_is_and_is_not_root(images, target):
    config = images.config(target)
    assert config["User"] == "10001:10001"
    labels = {name.rsplit(".", 1)[1]: value for name, value in config["Labels"].items() if "opencontainers" in name}
    env = dict(one.split("=", 1) for one in config["Env"])
    assert labels["revision"] == env["BANK_REVISION"] == env["BANK_CODE_VERSION"] != "unknown"
    assert labels["created"].startswith("20")
    assert "app.cpython" in in_image(images, target, "ls serving/__pycache__")
    assert set(config["Volumes"]) == {"/var/lib/bank", "/tmp"}
    assert ("Healthcheck" in config) == (target == "serving")
    assert in_image(images, target, "id -u; find / -xdev -type f -perm /6000 | wc -l").split() == ["10001", "0"]


def test_the_serving_image_holds_no_tools(images):
    found = in_image(images, "serving", f"for p in {' '.join(COMPILERS)}; do command -v $p || true; done")
    assert found == ""
    site = in_image(images, "serving", "ls /opt/venv/lib/python3.11/site-packages")
    assert not {"pyspark", "sklearn", "pandas", "dagster", "pip"} & set(site.split())


def test_the_serving_image_answers_a_prediction_from_a_mounted_champion(images, home, bundle_a):
    url = f"sqlite:///{home / 'ledger.db'}"
    engine = open_ledger(url)
    states.publish(engine, AS_OF, bundle_a[1].to_dict())
    key = accounts.create_key(engine, "image", ["predict"], 1_000)
    engine.dispose()
    port = free_port()
    with Container(images, "serving", home, BANK_HOST="127.0.0.1", BANK_PORT=str(port), BANK_LOGIN="required") as one:
        started = time.monotonic()
        wait_until(lambda: ask(port, "GET", "/health/ready")[0] == 200, 60)
        print(f"ready after {time.monotonic() - started:.1f} s")
        status, answer = ask(port, "POST", "/api/v1/predictions", BODY, key)
        assert (status, answer["model"]["version"]) == (201, "1")
        assert ask(port, "POST", "/api/v1/predictions", BODY)[0] == 401
        kernel = status_of(one, "serving")
        assert kernel["Uid"].split() == ["10001"] * 4
        assert int(kernel["CapEff"], 16) == 0
        assert kernel["NoNewPrivs"] == "1"
        health = [one.config["Healthcheck"]["Test"][1:], {**os.environ, "BANK_PORT": str(port)}]
        command = ["chroot", str(one.folder), "/usr/bin/env", "-C", "/opt/bank", "/opt/venv/bin/python", health[0][1]]
        assert subprocess.run(command, env=health[1], check=False, timeout=30).returncode == 0
    engine = open_ledger(url, migrate=False)
    assert (chain.verify(engine).ok, chain.verify(engine).n) == (True, 1)
    engine.dispose()


def test_the_pipeline_image_runs_the_main_job_on_simulated_data(images, tmp_path):
    home = tmp_path / "bank"
    home.mkdir()
    env = {"BANK_SOURCE": "simulated", "BANK_SIMULATED_ROWS": str(SIMULATED_ROWS), "BANK_SPARK_MASTER": "local[2]"}
    env |= {"BANK_SPARK_MEMORY": "1g"}
    with Container(images, "pipeline", home, **env) as one:
        kernel = eventually(lambda: status_of(one, "bank_assets"))
        assert kernel["Uid"].split() == ["10001"] * 4
        assert one.process.wait(900) == 0, one.says()[-4_000:]
    summary = json.loads((home / "reports" / "run_summary.json").read_text())
    assert summary["source"]["kind"] == "simulated"
    assert summary["rows_raw"] == SIMULATED_ROWS
    assert len(summary["candidates"]) == 20


def eventually(look, seconds: float = 30.0):
    """The first answer of `look` that does not raise."""
    tick = threading.Event()
    for _ in range(int(seconds * 5)):
        try:
            return look()
        except AssertionError:
            tick.wait(0.2)
    return look()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["dagster", "--version"], "dagster, version 1."),
        (["mlflow", "--version"], "mlflow, version 3."),
        (["dagster-webserver", "--version"], "dagster-webserver, version 1."),
        (["spark-class", "org.apache.spark.deploy.worker.Worker", "--help"], "Usage: Worker"),
        (["python", "deploy/aws/databases.py"], "expected the variables PGHOST"),
        (["python", "-m", "serving", "migrate"], "ledger: tables of revision"),
    ],
)
def test_the_pipeline_image_runs_the_commands_of_compose_and_aws(images, tmp_path, command, says):
    home = tmp_path / "bank"
    home.mkdir()
    # The container's hosts file does not know its own name here, and Spark's worker looks it up.
    with Container(images, "pipeline", home, *command, SPARK_LOCAL_IP="127.0.0.1") as one:
        one.process.wait(120)
    assert says in one.says()


def test_both_targets_are_smaller_than_one_stage_would_make_them(images):
    if not images.has("single-stage"):
        images.build("single-stage")
    sizes = {target: images.bytes(target) / 1e6 for target in ("serving", "pipeline", "single-stage")}
    print({target: f"{size:.0f} MB" for target, size in sizes.items()})
    assert sizes["serving"] < 0.25 * sizes["single-stage"]
    assert sizes["pipeline"] < 0.9 * sizes["single-stage"]
