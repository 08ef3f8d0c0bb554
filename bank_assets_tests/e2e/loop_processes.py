"""The real daemon with its code server and its run workers, as processes of their own on a home of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.status import LoopStatus, look
from bank_assets.resources.instance import CONFIG
from bank_assets.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a home's processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BANK_")}
    return kept | {
        "BANK_HOME": str(settings.home),
        "BANK_SPARK_MASTER": "local[2]",
        "BANK_SPARK_MEMORY": "1g",
        "BANK_SETTLE_SECONDS": "1",
        "BANK_SENSOR_SECONDS": "4",
        "BANK_MLFLOW_URI": settings.mlflow_uri,
        "DAGSTER_HOME": str(settings.dagster_home),
        "PYTHONPATH": str(ROOT),
    }


@dataclass
class Daemon:
    """A running daemon and the instance it works on."""

    settings: Settings
    instance: dg.DagsterInstance
    process: subprocess.Popen

    def kill(self) -> None:
        """Kill the daemon, its code server and its run workers at once, as a crash of the machine does."""
        family = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
        for pid in family:
            _kill(pid)
        self.process.wait()

    def status(self) -> LoopStatus:
        """What is left to do."""
        engine = open_ledger(self.settings.ledger_url)
        try:
            return look(self.settings, engine, self.instance)
        finally:
            engine.dispose()

    def wait(self, is_reached: Callable[[], Any], seconds: float = 400) -> Any:
        """Wait until something is so.

        Raises:
            AssertionError: it was not in time; the daemon's log says why.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = is_reached()
            if found:
                return found
            assert self.process.poll() is None, f"the daemon ended: {self.log()}"
            time.sleep(0.5)
        raise AssertionError(f"not reached in {seconds} s; left: {self.status().left}; {self.log()}")

    def rest(self, seconds: float = 400) -> None:
        """Wait until nothing is left to do."""
        self.wait(lambda: self.status().is_idle, seconds)

    def carried(self) -> list[dg.DagsterRun]:
        """Runs that are at work under their lock."""
        folder = self.settings.dagster_home / "carried"
        return [run for run in self.runs(dg.DagsterRunStatus.STARTED) if (folder / run.run_id).is_file()]

    def log(self) -> str:
        """The end of the daemon's log."""
        return (self.settings.home / "daemon.log").read_text()[-3_000:]

    def runs(self, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        """Runs, oldest first."""
        return list(reversed(self.instance.get_runs(dg.RunsFilter(statuses=list(statuses)))))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def running_daemon(settings: Settings, *, kill_worker_at: str = "", kill_daemon_at: str = "") -> Iterator[Daemon]:
    """A daemon on a home; killed at the end if it still runs.

    Args:
        settings: the home.
        kill_worker_at: `module:name`; the first run worker that gets there dies (`kill_midway`).
        kill_daemon_at: the same for the daemon itself.
    """
    kill_midway = "bank_assets_tests.e2e.kill_midway"
    location = kill_midway if kill_worker_at else "bank_assets.definitions"
    target = {"BANK_TEST_KILL_AT": kill_worker_at or kill_daemon_at, "BANK_TEST_KILLED": str(settings.home / "killed")}
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    (settings.dagster_home / "dagster.yaml").write_bytes(CONFIG.read_bytes())
    log = (settings.home / "daemon.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", kill_midway if kill_daemon_at else "dagster._daemon", "run", "-m", location],
        cwd=ROOT,
        env=environment(settings) | target,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    instance = dg.DagsterInstance.from_config(str(settings.dagster_home))
    daemon = Daemon(settings, instance, process)
    try:
        yield daemon
    finally:
        if process.poll() is None:
            daemon.kill()
        log.close()
        instance.dispose()
