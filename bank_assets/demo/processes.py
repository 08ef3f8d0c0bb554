"""The processes of the demo: Dagster's web server and daemon, the web app, the main job on the history.

Each process leads its own process group, so that stopping it stops what it started (code server, runs in progress).
Pids are recorded with the start time of the process, because a pid alone may be reused.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.home_json import read_json

LOOPBACK: Final = "127.0.0.1"
# Dagster's daemon stops its threads and code server in about 5 s; a run that takes longer than this is killed.
STOP_SECONDS: Final = 20.0
LEFT_SECONDS: Final = 4.0
REPOSITORY: Final = Path(__file__).resolve().parents[2]


class DemoError(RuntimeError):
    """The demo cannot continue; the message says what was expected, what was found and what to do."""


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str, timeout: float = 2.0) -> bool:
    """Whether a local server answers a GET with status 200."""
    with contextlib.closing(http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


@dataclass(slots=True)
class Processes:
    """The processes that the demo started.

    Attributes:
        record: file that names the running processes, for the next demo after a `kill -9`.
        logs: folder of their output.
        environment: variables that override those of this process; None removes one.
        running: processes by name.
    """

    record: Path
    logs: Path
    environment: dict[str, str | None]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start `python <arguments>` in its own process group; its output goes to the log of that name."""
        self.logs.mkdir(parents=True, exist_ok=True)
        # A child process needs the whole environment; only bank_assets.settings reads settings from it.
        merged = {**os.environ, **self.environment}
        environment = {key: value for key, value in merged.items() if value is not None}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), merged.get("PYTHONPATH")]))
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
                [sys.executable, *arguments],
                # Not the repository: Dagster would read the .env there, which is for `make ui`.
                cwd=self.logs,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._write_record()
        return self.running[name]

    def finish(self, name: str, arguments: Sequence[str]) -> None:
        """Start a process and wait for its end; `DemoError` with the end of its log if it fails."""
        code = self.start(name, arguments).wait()
        self.stop(name)
        if code != 0:
            raise DemoError(f"{name}: expected exit code 0, found {code}:\n{self.tail(name, 30)}")

    def tail(self, name: str, lines: int = 12) -> str:
        """The end of a process's log."""
        text = (self.logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_until(self, name: str, port: int, path: str, seconds: float) -> None:
        """Wait until a started server answers; `DemoError` with the end of its log if it does not."""
        deadline = time.monotonic() + seconds
        while not answers(port, path):
            code = self.running[name].poll()
            if code is not None or time.monotonic() > deadline:
                found = f"exit code {code}" if code is not None else f"no answer in {seconds:.0f} s"
                raise DemoError(
                    f"{name}: expected an answer on http://{LOOPBACK}:{port}{path}, found {found}; "
                    f"see {self.logs / f'{name}.log'}:\n{self.tail(name)}"
                )
            time.sleep(0.2)

    def dead(self) -> list[str]:
        """Names of processes that ended by themselves."""
        return [name for name, process in self.running.items() if process.poll() is not None]

    def stop(self, *names: str) -> None:
        """Stop processes and everything that they started; by default all, the last started first."""
        for name in names or tuple(reversed(self.running)):
            process = self.running.pop(name, None)
            if process is not None:
                stop_group(process.pid)
                process.wait()
        self._write_record()

    def _write_record(self) -> None:
        rows = [{"name": name, **identity(process.pid)} for name, process in self.running.items()]
        if rows:
            write_atomic(self.record, json.dumps(rows, indent=1).encode())
        else:
            self.record.unlink(missing_ok=True)


def identity(pid: int) -> dict[str, Any]:
    """Pid and start time, which together identify a process."""
    try:
        return {"pid": pid, "started": round(psutil.Process(pid).create_time(), 2)}
    except psutil.NoSuchProcess:
        return {"pid": pid, "started": 0.0}


def _members(leader: int) -> list[psutil.Process]:
    """The processes of a group and all descendants of its leader."""
    found = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        found = {psutil.Process(leader), *psutil.Process(leader).children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                found.add(process)
    return list(found)


def _running_after(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for the end of processes; returns those that still run after some seconds.

    A zombie has ended. It stays until its parent collects it, which the first process of a container may do late or
    never.
    """
    deadline = time.monotonic() + seconds
    while left := [one for one in processes if _runs(one)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop_group(leader: int, seconds: float = STOP_SECONDS) -> None:
    """Interrupt a group's leader and wait for it; then terminate and finally kill what is left of the group."""
    members = _members(leader)
    with contextlib.suppress(ProcessLookupError):
        os.kill(leader, signal.SIGINT)  # as Ctrl-C: dagster and uvicorn shut down cleanly
    _running_after([one for one in members if one.pid == leader], seconds)
    left = list({*members, *_members(leader)})
    for send in (psutil.Process.terminate, psutil.Process.kill):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                send(process)
        left = _running_after(left, LEFT_SECONDS)


class _Left(msgspec.Struct, frozen=True):
    name: str
    pid: int
    started: float | None


def stop_leftovers(record: Path) -> list[str]:
    """Stop what a killed demo left running, and return the names; reused pids are left alone."""
    to_do = "end what an earlier demo left running, then remove the file"
    try:
        rows = read_json(record, lambda found: msgspec.convert(found, list[_Left]), "processes of a demo", to_do)
    except FileNotFoundError:
        return []
    stopped = []
    for row in rows:
        if row.started and identity(row.pid)["started"] == row.started:
            stop_group(row.pid)
            stopped.append(row.name)
    record.unlink()
    return stopped
