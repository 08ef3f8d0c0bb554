"""No acknowledged decision is lost: the real server, killed under load, on SQLite and PostgreSQL.

It runs as `python -m serving` with a last good model on disk and no registry, as after a crash of everything.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.demo.processes import free_port
from bank_assets.ledger import chain, states
from bank_assets.ledger.engine import open_ledger
from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.bundles import AS_OF
from bank_assets_tests.world.postgres import kill, restart, running_postgres
from bank_assets_tests.world.registry import MemoryRegistry
from bank_assets_tests.world.waiting import wait_until
from serving.champion.champion import ChampionStore

PATH = "/api/v1/predictions"
KILLS = 1
SOAK_KILLS = 20
BODY = json.dumps({**PAYLOAD, "contact_date": AS_OF}).encode()
HEADERS = {"content-type": "application/json"}


class Server:
    """`python -m serving` on a prepared home."""

    def __init__(self, home: Path, ledger_url: str, **env: str) -> None:
        self.home, self.port = home, free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BANK_")}
        self.env = kept | {"BANK_HOME": str(home), "BANK_LEDGER_URL": ledger_url, "BANK_PORT": str(self.port)} | env
        self.log = home / "server.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "serving"], env=self.env, stdout=log, stderr=log)
        wait_until(lambda: self.request("GET", "/health/ready")[0] == 200, seconds=60)

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, HEADERS)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def kill(self, signum: int = signal.SIGKILL) -> int:
        self.process.send_signal(signum)
        return self.process.wait(timeout=60)


@pytest.fixture
def home(tmp_path, bundle_a) -> Path:
    home = tmp_path / "bank"
    store = ChampionStore(home / "serving", UCI)
    registry = MemoryRegistry({"1": bundle_a[0]})
    store.swap(store.obtain(registry.champion(), registry))
    return home


def publish(url: str, bundle) -> None:
    engine = open_ledger(url)
    states.publish(engine, AS_OF, bundle[1].to_dict())
    engine.dispose()


def load(server: Server, acknowledged: list, refused: list, is_done: threading.Event, clients: int = 6) -> list:
    """Start clients that post until stopped, each over one kept connection."""

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while not is_done.is_set():
            try:
                connection.request("POST", "/api/v1/predictions", BODY, HEADERS)
                response = connection.getresponse()
                answer = json.loads(response.read())
                (acknowledged if response.status == 201 else refused).append(answer)
            except (OSError, http.client.HTTPException, ValueError):
                connection.close()
                is_done.wait(0.01)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    return threads


def assert_all_on_record(url: str, acknowledged: list) -> None:
    engine = open_ledger(url, migrate=False)
    try:
        result = chain.verify(engine)
        assert result.ok, result.why
        assert result.n >= len(acknowledged)
        with engine.connect() as connection:
            known = dict(connection.exec_driver_sql("SELECT id, probability FROM decisions").all())
        lost = [answer["id"] for answer in acknowledged if known.get(answer["id"]) != answer["probability"]]
        assert lost == []
    finally:
        engine.dispose()


def kill_under_load(server: Server, url: str, kills: int) -> None:
    acknowledged: list = []
    for _ in range(kills):
        server.start()
        is_done, before = threading.Event(), len(acknowledged)
        threads = load(server, acknowledged, [], is_done)
        wait_until(lambda before=before: len(acknowledged) > before + 60, seconds=60)
        server.kill()
        is_done.set()
        for thread in threads:
            thread.join(30)
        assert_all_on_record(url, acknowledged)
    assert len(acknowledged) > 60 * kills


@pytest.mark.slow
def test_kill_9_under_load_loses_nothing_on_sqlite(home, bundle_a):
    url = f"sqlite:///{home / 'ledger.db'}"
    publish(url, bundle_a)
    kill_under_load(Server(home, url), url, KILLS)


@pytest.mark.soak
def test_kill_9_twenty_times_on_sqlite(home, bundle_a):
    url = f"sqlite:///{home / 'ledger.db'}"
    publish(url, bundle_a)
    kill_under_load(Server(home, url), url, SOAK_KILLS)


@pytest.fixture
def postgres():
    with running_postgres() as server:
        yield server


def kill_server_and_database(home, postgres, bundle, kills: int) -> None:
    url = postgres.get_uri()
    publish(url, bundle)
    server = Server(home, url)
    kill_under_load(server, url, kills)
    acknowledged: list = []
    refused: list = []
    server.start()
    for _ in range(kills):
        is_done, before = threading.Event(), len(acknowledged)
        threads = load(server, acknowledged, refused, is_done)
        wait_until(lambda before=before: len(acknowledged) > before + 60, seconds=60)
        kill(postgres)
        wait_until(lambda: refused, seconds=30)
        restart(postgres)
        after = len(acknowledged)
        wait_until(lambda after=after: len(acknowledged) > after + 30, seconds=60)
        is_done.set()
        for thread in threads:
            thread.join(30)
        assert_all_on_record(url, acknowledged)
        assert {answer["status"] for answer in refused} == {503}
        refused.clear()
    server.kill()


@pytest.mark.slow
@pytest.mark.postgres
def test_kill_9_of_server_and_database_loses_nothing_on_postgresql(home, postgres, bundle_a):
    kill_server_and_database(home, postgres, bundle_a, 1)


@pytest.mark.soak
@pytest.mark.postgres
def test_kill_9_twenty_times_on_postgresql(home, postgres, bundle_a):
    kill_server_and_database(home, postgres, bundle_a, SOAK_KILLS)


@pytest.mark.slow
@pytest.mark.postgres
def test_two_app_processes_share_postgresql_and_make_one_chain(home, postgres, bundle_a, tmp_path):
    import shutil

    url = postgres.get_uri()
    publish(url, bundle_a)
    other = tmp_path / "other"
    shutil.copytree(home, other)
    servers = [Server(home, url), Server(other, url)]
    acknowledged: list = []
    is_done = threading.Event()
    threads = []
    for server in servers:
        server.start()
        threads += load(server, acknowledged, [], is_done, clients=3)
    wait_until(lambda: len(acknowledged) > 200, seconds=60)
    is_done.set()
    for thread in threads:
        thread.join(30)
    for server in servers:
        server.kill()
    assert_all_on_record(url, acknowledged)


@pytest.mark.slow
def test_a_second_server_on_the_same_sqlite_ledger_refuses_to_start(home, bundle_a):
    url = f"sqlite:///{home / 'ledger.db'}"
    publish(url, bundle_a)
    first = Server(home, url)
    first.start()
    try:
        second = subprocess.run(
            [sys.executable, "-m", "serving"],
            env=first.env | {"BANK_PORT": str(free_port())},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert second.returncode != 0
        assert "only app process" in second.stderr
    finally:
        first.kill()


@pytest.mark.slow
def test_a_stop_finishes_accepted_requests(home, bundle_a):
    url = f"sqlite:///{home / 'ledger.db'}"
    publish(url, bundle_a)
    server = Server(home, url)
    server.start()
    acknowledged, is_done = [], threading.Event()
    rows = json.dumps([json.loads(BODY)] * 4_000).encode()
    batch: dict = {}
    upload = threading.Thread(target=lambda: batch.update(server.request("POST", "/api/v1/predictions/batch", rows)[1]))
    upload.start()
    threads = load(server, acknowledged, [], is_done)
    wait_until(lambda: len(acknowledged) > 20, seconds=60)
    assert server.kill(signal.SIGTERM) in (0, -signal.SIGTERM)
    is_done.set()
    upload.join(60)
    for thread in threads:
        thread.join(30)
    assert (batch["is_complete"], batch["recorded"]) == (True, 4_000)
    assert_all_on_record(url, acknowledged + batch["predictions"])


@pytest.mark.slow
def test_start_is_quick_light_and_imports_no_pipeline(home, bundle_a):
    url = f"sqlite:///{home / 'ledger.db'}"
    publish(url, bundle_a)
    program = (
        "import sys, asyncio\n"
        "from serving.settings import load_serving_settings\n"
        "from serving.app import create_app\n"
        "app = create_app(load_serving_settings())\n"
        "async def run():\n"
        "    async with app.lifespan():\n"
        "        assert app.state.services.store.champion is not None\n"
        "        print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "asyncio.run(run())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=Server(home, url).env, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"litestar", "onnxruntime", "sqlalchemy"} <= loaded
    unwanted = {
        "dagster",
        "pyspark",
        "sklearn",
        "great_expectations",
        "pandas",
        "scipy",
        "mlflow",
        "xgboost",
        "lightgbm",
    }
    assert loaded & unwanted == set()
