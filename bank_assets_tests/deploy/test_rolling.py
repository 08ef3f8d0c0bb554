"""A new version with a migration is rolled over two replicas behind haproxy under load without a failed request.

Real processes on a real PostgreSQL. The old version is this tree, `releases` makes the new one from it.
"""

import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.demo.processes import free_port
from bank_assets.ledger import accounts, chain, migrations, states
from bank_assets.ledger.engine import open_ledger, schema_revision
from bank_assets_tests.deploy.proxy import Proxy
from bank_assets_tests.deploy.releases import NEXT, ROOT, next_release
from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.bundles import AS_OF
from bank_assets_tests.world.registry import MemoryRegistry
from bank_assets_tests.world.waiting import wait_until
from deploy import make_secrets
from deploy.instances import Process
from deploy.rolling import Pace, RollingResult, roll
from serving.champion.champion import ChampionStore

BODY = json.dumps({**PAYLOAD, "contact_date": AS_OF}).encode()
PACE = Pace(ready_seconds=30, settle_seconds=2.5)
SOAK_ROLLS = 10
CLIENTS = 4
REQUESTS_A_CONNECTION = 50
"""Requests per connection: clients that never reconnect would never reach a new replica."""
PAUSE_SECONDS = 0.01
"""Between two requests of a client. A few hundred requests a second are enough, and other tests need a core."""


@dataclass
class Load:
    """Clients that post decisions through the proxy until stopped; every answer but 201 is a failure."""

    port: int
    key: str
    acknowledged: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    is_done: threading.Event = field(default_factory=threading.Event)
    threads: list = field(default_factory=list)

    def __enter__(self) -> "Load":
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error) -> None:
        self.is_done.set()
        for thread in self.threads:
            thread.join(30)

    def ask(self) -> None:
        context = ssl._create_unverified_context()
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        while not self.is_done.is_set():
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
            try:
                for _ in range(REQUESTS_A_CONNECTION):
                    if self.is_done.wait(PAUSE_SECONDS):
                        return
                    connection.request("POST", "/api/v1/predictions", BODY, headers)
                    response = connection.getresponse()
                    answer = response.read()
                    if response.status == 201:
                        self.acknowledged.append(json.loads(answer)["id"])
                    else:
                        self.failed.append((response.status, answer[:200]))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append((0, repr(error)))
            finally:
                connection.close()


@dataclass
class World:
    """Two replicas of this tree behind haproxy, with access to each of them."""

    url: str
    releases: Path
    instances: list[Process]
    proxy: Proxy
    key: str

    def migrate(self, release: str) -> None:
        env = {**self.instances[0].env, "PYTHONPATH": str(self.releases / release)}
        command = [self.instances[0].python, "-m", "serving", "migrate"]
        subprocess.run(command, cwd=self.releases / release, env=env, check=True, capture_output=True, timeout=60)

    def roll(self, new: str, old: str = "old") -> RollingResult:
        return roll(self.instances, new, old, migrate=self.migrate, pace=PACE, say=print)

    def load(self) -> Load:
        return Load(self.proxy.ports["app"], self.key)

    def assert_on_record(self, acknowledged: list) -> set[str]:
        """Every acknowledged decision is there and the chain verifies; returns the code versions on record."""
        engine = open_ledger(self.url, migrate=False)
        try:
            assert chain.verify(engine).ok
            with engine.connect() as connection:
                rows = connection.exec_driver_sql("SELECT id, code_version FROM decisions").all()
            assert set(acknowledged) <= {row.id for row in rows}
            return {row.code_version for row in rows}
        finally:
            engine.dispose()

    def revision(self) -> str | None:
        engine = open_ledger(self.url, migrate=False)
        with engine.connect() as connection:
            found = schema_revision(connection)
        engine.dispose()
        return found


def replica(name: str, folder: Path, bundle: tuple, shared: dict[str, str]) -> Process:
    home = folder / name
    store = ChampionStore(home / "serving", UCI)
    registry = MemoryRegistry({"1": bundle[0]})
    store.swap(store.obtain(registry.champion(), registry))
    env = {k: v for k, v in os.environ.items() if not k.startswith("BANK_")}
    env |= shared | {"BANK_HOME": str(home), "BANK_PORT": str(free_port())}
    return Process(name, folder / "releases", env, folder / f"{name}.log")


@pytest.fixture
def world(tmp_path, new_database, bundle_a):
    url = new_database()
    engine = open_ledger(url)
    states.publish(engine, AS_OF, bundle_a[1].to_dict())
    key = accounts.create_key(engine, "load", ["predict"], 10_000_000)
    engine.dispose()
    releases = tmp_path / "releases"
    releases.mkdir()
    (releases / "old").symlink_to(ROOT)
    shared = {
        "BANK_LEDGER_URL": url,
        "BANK_LOGIN": "required",
        "BANK_SECRET": "s" * 64,
        "BANK_MIGRATE": "no",
        "BANK_DRAIN_SECONDS": "2",
    }
    instances = [replica(name, tmp_path, bundle_a, shared) for name in ("app-a", "app-b")]
    make_secrets.make(tmp_path / "secrets")
    secrets = tmp_path / "secrets"
    ports = tuple(int(one.env["BANK_PORT"]) for one in instances)
    proxy = Proxy(tmp_path, secrets / "proxy_users.cfg", secrets / "certificate.pem", ports)
    try:
        for instance in instances:
            instance.replace("old")
        wait_until(lambda: all(one.is_ready("old") for one in instances), 60)
        proxy.start()
        threading.Event().wait(2)  # haproxy's two checks, so that both replicas are in use from the first request
        yield World(url, releases, instances, proxy, key)
    finally:
        proxy.stop()
        for instance in instances:
            instance.stop()


def never_ready(release: Path) -> None:
    """A release that starts and answers, but takes no model: its readiness stays 503."""
    file = release / "serving" / "champion" / "champion.py"
    changed = re.sub(r"(def load_last_good.*\n)", r"\1        return False\n", file.read_text())
    assert changed != file.read_text()
    file.write_text(changed)


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.postgres
def test_a_new_version_and_its_migration_are_rolled_with_no_failed_request_and_a_broken_one_is_rolled_back(world):
    next_release(world.releases / "new")
    never_ready(next_release(world.releases / "broken", steps=1))
    with world.load() as load:
        wait_until(lambda: len(load.acknowledged) > 50, 30)
        outcome = world.roll("new")
        n_rolled = len(load.acknowledged)
        refused = roll(
            world.instances,
            "broken",
            "new",
            migrate=world.migrate,
            pace=Pace(ready_seconds=4, settle_seconds=2.5),
            say=print,
        )
        wait_until(lambda: len(load.acknowledged) > n_rolled + 50, 30)
    assert outcome == RollingResult("new", is_updated=True)
    assert (refused.release, refused.is_updated) == ("new", False)
    assert "expected it to be ready within 4 s" in refused.reason
    assert world.revision() == NEXT
    assert all(one.is_ready("new") for one in world.instances)
    assert world.assert_on_record(load.acknowledged) == {"old", "new"}
    print(f"{len(load.failed)} failed of {len(load.failed) + len(load.acknowledged)}")
    assert load.failed == []
    assert len(load.acknowledged) > 500


@pytest.mark.soak
@pytest.mark.postgres
def test_ten_rolls_and_ten_broken_releases_fail_no_request(world):
    next_release(world.releases / "new")
    broken = next_release(world.releases / "broken")
    (broken / "serving" / "app.py").write_text("raise RuntimeError('broken by a test')\n")
    here = "old"
    with world.load() as load:
        for n in range(SOAK_ROLLS):
            there = "new" if n % 2 == 0 else "old"
            assert world.roll(there, here).is_updated
            here = there
            refused = world.roll("broken", here)
            assert (refused.release, "exit code" in refused.reason) == (here, True)
    assert world.assert_on_record(load.acknowledged) == {"old", "new"}
    print(f"{len(load.failed)} failed of {len(load.failed) + len(load.acknowledged)}")
    assert load.failed == []


@pytest.mark.soak
@pytest.mark.postgres
def test_the_load_sees_a_replica_that_is_killed_instead_of_drained(world):
    with world.load() as load:
        wait_until(lambda: len(load.acknowledged) > 200, 30)
        for instance in world.instances:
            instance._running.send_signal(signal.SIGKILL)
            instance._running.wait()
            instance.replace("old")
            wait_until(lambda instance=instance: instance.is_ready("old"), 30)
            threading.Event().wait(3)
    assert load.failed != []


def test_migrations_are_tested_from_the_present_revision():
    assert int(NEXT) == int(migrations.HEAD) + 1
    assert shutil.which("openssl")
