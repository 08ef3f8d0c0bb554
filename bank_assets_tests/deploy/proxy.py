"""haproxy as the deployment runs it, as a process of this machine: the same file with other addresses."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bank_assets.demo.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "deploy" / "proxy" / "haproxy.cfg"


def program(name: str, package: str) -> str:
    """Path of a program, or a skip that names the package."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name}: apt-get install {package}")
    return found


@dataclass
class Proxy:
    """haproxy with a certificate of its own and one operator."""

    folder: Path
    users: Path
    certificate: Path
    app: tuple[int, int]
    dagster: int = 0
    mlflow: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen | None = None

    def environment(self) -> dict[str, str]:
        """What the file reads from the environment."""
        self.ports = self.ports or {name: free_port() for name in ("app", "dagster", "mlflow")}
        return dict(os.environ) | {
            "BANK_PROXY_CERTIFICATE": str(self.certificate),
            "BANK_PROXY_APP": f"127.0.0.1:{self.ports['app']}",
            "BANK_PROXY_APP_A": f"127.0.0.1:{self.app[0]}",
            "BANK_PROXY_APP_B": f"127.0.0.1:{self.app[1]}",
            "BANK_PROXY_DAGSTER": f"127.0.0.1:{self.ports['dagster']}",
            "BANK_PROXY_DAGSTER_WEB": f"127.0.0.1:{self.dagster or free_port()}",
            "BANK_PROXY_MLFLOW": f"127.0.0.1:{self.ports['mlflow']}",
            "BANK_PROXY_MLFLOW_SERVER": f"127.0.0.1:{self.mlflow or free_port()}",
        }

    def check(self, config: Path) -> subprocess.CompletedProcess:
        """What haproxy says of a file."""
        command = [program("haproxy", "haproxy"), "-c", "-f", str(config), "-f", str(self.users)]
        env = self.environment()
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=20)

    def start(self) -> None:
        env = self.environment()
        command = [program("haproxy", "haproxy"), "-db", "-f", str(CONFIG), "-f", str(self.users)]
        with (self.folder / "haproxy.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.ports["app"])) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "haproxy.log").read_text()
            time.sleep(0.05)
        raise AssertionError("haproxy does not listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
