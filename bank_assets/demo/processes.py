"""The processes of the demo: Dagster's web server and daemon, the web app, the history's main job.

What lives here: free loopback ports, starting, waiting until they answer, stopping by pid, what an earlier demo left.
What must not: deliveries, figures, policy. Called by `bank_assets.commands.demo`.

Every process leads a process group of its own, so that stopping it stops what it started (code server, runs in flight).
Pids are written down with the time each process was started: a pid alone may belong to somebody else by now.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

LOOPBACK: Final = "127.0.0.1"
STOP_SECONDS: Final = 20.0
"""Dagster's daemon ends its threads and its code server within about 5 s; a run in flight is killed after that."""
LEFT_SECONDS: Final = 4.0
REPOSITORY: Final = Path(__file__).resolve().parents[2]


class DemoError(RuntimeError):
    """The demo cannot go on; the message says what was expected, what was found, what to do."""


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str, timeout: float = 2.0) -> bool:
    """Whether a local server answers a GET with status 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(slots=True)
class Processes:
    """What the demo started.

    Attributes:
        record: file that names the running processes, for the next demo after a `kill -9`.
        logs: folder of their output.
        environment: variables over those of this process; a value of None removes one.
        running: processes by name.
    """

    record: Path
    logs: Path
    environment: Mapping[str, str | None]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start `python -m …` in a group of its own, output to a log file.

        Args:
            name: of the process and its log.
            arguments: after the interpreter.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        # A child needs the whole environment; settings are still read by bank_assets.settings alone.
        merged = {**os.environ, **self.environment}
        environment = {key: value for key, value in merged.items() if value is not None}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), merged.get("PYTHONPATH")]))
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
                [sys.executable, *arguments],
                # Not the repository: Dagster takes every variable of a .env in its folder, and the one there is for
                # `make ui`.
                cwd=self.logs,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._write_record()
        return self.running[name]

    def tail(self, name: str, lines: int = 12) -> str:
        """The end of a process's log."""
        text = (self.logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_until(self, name: str, port: int, path: str, seconds: float) -> None:
        """Wait until a started server answers.

        Raises:
            DemoError: it ended or did not answer in time; the message has the end of its log.
        """
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
        """Stop processes with all that they started: first asked, then killed.

        Args:
            names: which; default all, the last started first.
        """
        for name in names or tuple(reversed(self.running)):
            process = self.running.pop(name, None)
            if process is not None:
                stop_group(process.pid)
                process.wait()
        self._write_record()

    def _write_record(self) -> None:
        rows = [{"name": name, **identity(process.pid)} for name, process in self.running.items()]
        if rows:
            self.record.write_text(json.dumps(rows, indent=1))
        else:
            self.record.unlink(missing_ok=True)


def identity(pid: int) -> dict[str, Any]:
    """Pid with the start of its process, which together name a process."""
    try:
        return {"pid": pid, "started": round(psutil.Process(pid).create_time(), 2)}
    except psutil.NoSuchProcess:
        return {"pid": pid, "started": 0.0}


def _members(leader: int) -> list[psutil.Process]:
    """The processes of a group, the children that left it included."""
    found = {leader}
    with contextlib.suppress(psutil.NoSuchProcess):
        found |= {child.pid for child in psutil.Process(leader).children(recursive=True)}
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader:
                found.add(process.pid)
        except ProcessLookupError:
            continue
    members = []
    for pid in found:
        try:
            members.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    return members


def stop_group(leader: int, seconds: float = STOP_SECONDS) -> None:
    """Interrupt a group's leader and wait for it; then ask what is left of the group to end, then kill it.

    Args:
        leader: pid of the leader; its group must be its own.
        seconds: time for the leader to end in order.
    """
    members = _members(leader)
    with contextlib.suppress(ProcessLookupError):
        os.kill(leader, signal.SIGINT)  # what Ctrl-C sends: dagster and uvicorn both end in order
    psutil.wait_procs([one for one in members if one.pid == leader], timeout=seconds)
    left = list({*members, *_members(leader)})
    for send in (psutil.Process.terminate, psutil.Process.kill):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                send(process)
        _, left = psutil.wait_procs(left, timeout=LEFT_SECONDS)


def stop_leftovers(record: Path) -> list[str]:
    """Stop what an earlier demo left running after it was killed.

    Args:
        record: the file that demo wrote.

    Returns:
        Names of the processes stopped; those whose pid has another process by now are left alone.
    """
    if not record.is_file():
        return []
    stopped = []
    for row in json.loads(record.read_text()):
        if row["started"] and identity(row["pid"])["started"] == row["started"]:
            stop_group(row["pid"])
            stopped.append(row["name"])
    record.unlink()
    return stopped
