"""Replicas of the app, as processes on this machine or as Compose services: start, stop, readiness.

Standard library only; `deploy.rolling` has the order of an update.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STORY_LINES = 15
TAG = "BANK_IMAGE_TAG"
SETTINGS = Path("deploy/compose.env")
"""Not `.env`: Dagster reads a `.env` in its folder, and would run with the settings of the containers."""


@dataclass
class Process:
    """A replica that is a process of this machine: `python -m serving` of a release's folder.

    Attributes:
        name: shown in messages.
        releases: folder that holds one folder per release.
        env: its settings; `BANK_PORT` among them.
        log: file that its output is added to.
        stop_seconds: for draining and ending accepted requests, before it is killed.
    """

    name: str
    releases: Path
    env: Mapping[str, str]
    log: Path
    stop_seconds: float = 60.0
    python: str = sys.executable
    _running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def replace(self, release: str) -> None:
        """Stop what runs, letting it end what it accepted, and start a release."""
        self.stop()
        folder = self.releases / release
        env = {**self.env, "PYTHONPATH": str(folder), "BANK_CODE_VERSION": release}
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [self.python, "-m", "serving"], cwd=folder, env=env, stdout=log, stderr=log
            )

    def stop(self) -> int | None:
        """Send SIGTERM and wait; kill it only if it does not end.

        Returns:
            Its exit code, None if nothing ran.
        """
        running, self._running = self._running, None
        if running is None:
            return None
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
        try:
            return running.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            running.kill()
            return running.wait()

    def is_ready(self, release: str) -> bool:
        """Whether this release reports ready."""
        address = f"http://127.0.0.1:{self.env['BANK_PORT']}/health/ready"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.status == 200 and json.load(answer)["code_version"] == release
        except (OSError, ValueError, KeyError):
            return False

    def failure(self) -> str:
        """Why it cannot become ready any more, "" if it may."""
        code = None if self._running is None else self._running.poll()
        return "" if code is None else f"expected it to run, found that it ended with exit code {code}"

    def story(self) -> str:
        """The last lines of its log."""
        if not self.log.is_file():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-STORY_LINES:])


@dataclass(frozen=True)
class ComposeService:
    """A replica that is a service of the Compose deployment."""

    name: str
    compose: Compose

    def replace(self, release: str) -> None:
        """Recreate the container: Compose sends SIGTERM, waits stop_grace_period, and starts the release."""
        self.compose.run("up", "--detach", "--no-deps", "--no-build", self.name, release=release)

    def is_ready(self, release: str) -> bool:
        """Whether this release reports ready; checked inside the container, because replicas publish no port."""
        check = ("exec", "-T", self.name, "python", "deploy/container/healthcheck.py", "/health/ready", release)
        return self.compose.run(*check, release=release, check=False).returncode == 0

    def failure(self) -> str:
        """Compose restarts a process that ends, so only the time limit applies."""
        return ""

    def story(self) -> str:
        """The last lines of its log."""
        return self.compose.run("logs", "--no-color", "--tail", str(STORY_LINES), self.name, check=False).stdout


@dataclass(frozen=True)
class Compose:
    """The Compose deployment of a folder; which release it runs is kept in its `deploy/compose.env`."""

    folder: Path = field(default_factory=Path.cwd)

    def run(self, *arguments: str, release: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one docker compose command.

        Raises:
            OSError: docker is not there, or the command failed.
        """
        env = {**os.environ, **({TAG: release} if release else {})}
        command = ["docker", "compose", "--env-file", str(SETTINGS), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise OSError(f"docker compose {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        return done

    def instances(self) -> list[ComposeService]:
        """The replicas, by their names in compose.yaml.

        Raises:
            OSError: docker compose does not answer.
        """
        services = self.run("config", "--services").stdout.split()
        return [ComposeService(name, self) for name in sorted(services) if re.fullmatch(r"app-[a-z]", name)]

    def migrate(self, release: str) -> None:
        """Run the release's migration once, in a container of its own.

        Raises:
            OSError: it failed.
        """
        self.run("run", "--rm", "--no-deps", "-T", "migrate", release=release)

    def release(self) -> str:
        """The image tag that serves now, from `deploy/compose.env`.

        Raises:
            OSError: there is no such file, or it names no tag.
        """
        found = re.search(rf"^{TAG}=(\S+)$", (self.folder / SETTINGS).read_text(), re.MULTILINE)
        if found is None:
            raise OSError(f"{self.folder / SETTINGS}: expected {TAG}=<tag>, found none; `make up` writes it.")
        return found[1]

    def keep(self, release: str) -> None:
        """Write the image tag into `deploy/compose.env`, so that the next `docker compose up` means the same."""
        file = self.folder / SETTINGS
        part = file.with_suffix(".part")
        part.write_text(re.sub(rf"^{TAG}=.*$", f"{TAG}={release}", file.read_text(), flags=re.MULTILINE))
        part.replace(file)
