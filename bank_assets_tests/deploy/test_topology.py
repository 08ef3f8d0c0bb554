"""The deployment of compose.yaml as processes: its commands, environments, health checks and proxy."""

import base64
import http.client
import json
import re
import ssl
import subprocess
import sys
import threading

import pytest

from bank_assets.demo.processes import free_port
from bank_assets.ledger import accounts, states
from bank_assets.ledger.engine import open_ledger
from bank_assets_tests.deploy.composed import ROOT, Services, compose
from bank_assets_tests.deploy.proxy import CONFIG, Proxy, program
from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.bundles import AS_OF
from bank_assets_tests.world.waiting import wait_until
from deploy import make_secrets

BODY = json.dumps({**PAYLOAD, "contact_date": AS_OF}).encode()


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def over_tcp(folder, socket_folder: str, port: int) -> subprocess.Popen:
    """PostgreSQL from the wheel listens on a socket file; the deployment's programs need a host and a port."""
    config = folder / "tcp.cfg"
    config.write_text(
        f"defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 1h\n    timeout server 1h\n"
        f"listen postgres\n    bind 127.0.0.1:{port}\n    server here unix@{socket_folder}/.s.PGSQL.5432\n"
    )
    return subprocess.Popen([program("haproxy", "haproxy"), "-db", "-f", str(config)])


@pytest.fixture
def deployment(tmp_path, postgres_server):
    pytest.importorskip("moto", reason="needs moto (make env)")
    from moto.server import ThreadedMotoServer

    ports = {name: free_port() for name in ("postgres", "storage", "mlflow", "code", "web", "app-a", "app-b")}
    storage = ThreadedMotoServer("127.0.0.1", ports["storage"], verbose=False)
    storage.start()
    socket_folder = re.search(r"host=([^&]+)", postgres_server.get_uri())[1]
    database = over_tcp(tmp_path, socket_folder, ports["postgres"])
    document = compose(BANK_SOURCE="simulated", BANK_SPARK_MASTER="local[1]")
    make_secrets.make(tmp_path / "secrets")
    for name in make_secrets.DATABASES:
        file = tmp_path / "secrets" / f"{name}_url"
        file.write_text(file.read_text().replace("postgres:5432", f"127.0.0.1:{ports['postgres']}"))
    addresses = {
        "/run/secrets/": f"{tmp_path}/secrets/",
        "http://storage:8333": f"http://127.0.0.1:{ports['storage']}",
        "mlflow:5000": f"127.0.0.1:{ports['mlflow']}",
        "127.0.0.1:5000": f"127.0.0.1:{ports['mlflow']}",
        "0.0.0.0": "127.0.0.1",
        "--port=5000": f"--port={ports['mlflow']}",
    }
    services = Services(tmp_path, addresses, document)
    (tmp_path / "bank").mkdir()
    proxy = Proxy(
        tmp_path,
        tmp_path / "secrets" / "proxy_users.cfg",
        tmp_path / "secrets" / "certificate.pem",
        (ports["app-a"], ports["app-b"]),
        dagster=ports["web"],
        mlflow=ports["mlflow"],
    )
    try:
        yield services, ports, proxy
    finally:
        proxy.stop()
        services.stop()
        database.kill()
        database.wait(10)
        storage.stop()


def prepare(services: Services, ports: dict[str, int]) -> None:
    """Run the one-shot `migrate` twice; the second time it finds nothing to do."""
    env = {"PGHOST": "127.0.0.1", "PGPORT": str(ports["postgres"])}
    for _ in range(2):
        process = services.start("migrate", **env)
        assert process.wait(180) == 0, services.says("migrate")
    assert "bucket bank: made" in services.says("migrate")
    assert "bucket bank: there already" in services.says("migrate")


def promote_first_model(services: Services, bundle: tuple) -> None:
    """A model goes the deployment's way: through MLflow's server into the object storage, then the alias."""
    code = (
        "import sys, pathlib\n"
        "from bank_assets.core.model.scorer import read_bundle\n"
        "from bank_assets.store.registration import register\n"
        "from bank_assets.store.registry import Registry\n"
        "from bank_assets.settings import load_settings\n"
        "import mlflow\n"
        "settings = load_settings()\n"
        "registry = Registry(settings.mlflow_uri, settings.mlflow_artifacts, settings.home / 'models')\n"
        "experiment = registry.experiment_id()\n"
        "run = registry.client.create_run(experiment)\n"
        "version = register(registry, read_bundle(pathlib.Path(sys.argv[1])), run_id=run.info.run_id, kind='first', "
        f"as_of='{AS_OF}')\n"
        "registry.set_alias('champion', version.version)\n"
        "print(registry.client.get_run(run.info.run_id).info.artifact_uri)\n"
    )
    folder = services.folder / "bundle"
    folder.mkdir()
    for name, content in bundle[0].items():
        (folder / name).write_bytes(content)
    command = [sys.executable, "deploy/container/entrypoint.py", sys.executable, "-c", code, str(folder)]
    env = services.environment("code")
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert done.stdout.splitlines()[-1].startswith("mlflow-artifacts:/bank-marketing/")


def start_apps(services: Services, ports: dict[str, int], bundle: tuple) -> str:
    """Both replicas; returns an API key."""
    url = (services.folder / "secrets" / "ledger_url").read_text()
    engine = open_ledger(url, migrate=False)
    states.publish(engine, AS_OF, bundle[1].to_dict())
    key = accounts.create_key(engine, "topology", ["predict"], 1_000_000)
    engine.dispose()
    for name in ("app-a", "app-b"):
        services.start(name, BANK_PORT=str(ports[name]), BANK_HOST="127.0.0.1")
    return key


def basic(services: Services) -> dict[str, str]:
    password = (services.folder / "secrets" / "operator_password").read_text().strip()
    return {"authorization": "Basic " + base64.b64encode(f"operator:{password}".encode()).decode()}


@pytest.mark.soak
@pytest.mark.postgres
def test_the_deployment_of_compose_yaml_decides_behind_its_proxy(deployment, bundle_a):
    services, ports, proxy = deployment
    prepare(services, ports)
    code_port, web_port = str(ports["code"]), str(ports["web"])
    services.start("mlflow", BANK_PORT=str(ports["mlflow"]))
    services.start("code", {"4000": code_port}, BANK_SENSORS_RUNNING="no")  # no run is wanted here
    here = services.folder / "workspace.yaml"
    workspace = (ROOT / "deploy/aws/dagster/workspace.yaml").read_text()
    here.write_text(workspace.replace("port: 4000", f"port: {code_port}"))
    moved = {"deploy/aws/dagster/workspace.yaml": str(here), "3000": web_port}
    for name in ("web", "daemon"):
        services.start(name, moved, BANK_CODE_HOST="127.0.0.1")
    wait_until(lambda: services.healthy("mlflow", BANK_PORT=str(ports["mlflow"])), 120)
    promote_first_model(services, bundle_a)
    key = start_apps(services, ports, bundle_a)
    proxy.start()

    # A decision through the proxy, by each replica, on a model that came out of the object storage.
    def decided() -> tuple[int, bytes]:
        return ask(proxy.ports["app"], "/api/v1/predictions", BODY, authorization=f"Bearer {key}")

    wait_until(lambda: decided()[0] == 201, 90)
    answers = [json.loads(decided()[1]) for _ in range(20)]
    assert {answer["model"]["version"] for answer in answers} == {"1"}
    for name in ("app-a", "app-b"):
        log = services.folder / f"{name}.log"  # the whole log, because health checks fill its end
        wait_until(lambda log=log: decided()[0] == 201 and "/api/v1/predictions" in log.read_text(), 30)
    status, body = ask(proxy.ports["app"], "/api/v1/predictions", BODY)
    assert (status, json.loads(body)["status"]) == (401, 401)

    # Dagster and MLflow answer nobody without the password, and everything with it.
    operator = basic(services)
    wrong = {"authorization": "Basic " + base64.b64encode(b"operator:wrong").decode()}
    query = json.dumps({"query": "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"})
    for port, path in ((proxy.ports["dagster"], "/server_info"), (proxy.ports["mlflow"], "/version")):
        for refused in ({}, wrong):
            assert ask(port, path, **refused)[0] == 401
        wait_until(lambda port=port, path=path: ask(port, path, **operator)[0] == 200, 120)

    def locations() -> list[dict]:
        found = json.loads(ask(proxy.ports["dagster"], "/graphql", query.encode(), **operator)[1])
        return found["data"]["workspaceOrError"]["locationEntries"]

    wait_until(lambda: locations() == [{"name": "bank_assets", "loadStatus": "LOADED"}], 60)
    page = ask(proxy.ports["mlflow"], "/api/2.0/mlflow/registered-models/get?name=bank-marketing", **operator)
    assert json.loads(page[1])["registered_model"]["aliases"] == [{"alias": "champion", "version": "1"}]
    tick = threading.Event()
    for _ in range(60):  # the daemon's first heartbeats take half a minute
        if services.healthy("daemon"):
            break
        tick.wait(1)
    else:
        raise AssertionError(services.says("daemon"))


@pytest.mark.slow
def test_the_proxy_s_file_is_accepted_by_haproxy_and_a_broken_one_is_not(tmp_path):
    make_secrets.make(tmp_path)
    proxy = Proxy(tmp_path, tmp_path / "proxy_users.cfg", tmp_path / "certificate.pem", (free_port(), free_port()))
    proxy.start()
    assert ask(proxy.ports["dagster"], "/")[0] == 401
    assert ask(proxy.ports["app"], "/")[0] == 503
    proxy.stop()
    broken = tmp_path / "broken.cfg"
    broken.write_text(CONFIG.read_text().replace("http_auth(operators)", "http_auth(nobody)"))
    checked = proxy.check(CONFIG)
    # It names each nameserver of the machine that it cannot reach, as on a machine without network.
    warnings = [line for line in checked.stderr.splitlines() if "WARNING" in line and "nameserver" not in line]
    assert (checked.returncode, warnings) == (0, [])
    assert proxy.check(broken).returncode == 1
    assert "nobody" in proxy.check(broken).stderr
