"""compose.yaml as Compose reads it, with its services run as processes of this machine.

Commands, environments and secrets are those of the file. Only addresses differ, because all share one loopback.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::?(?P<kind>[-?])(?P<text>[^}]*))?\}")


def interpolated(value: Any, given: dict[str, str]) -> Any:
    """A value of the file with `${NAME:-default}` and `${NAME:?message}` filled in."""
    if isinstance(value, dict):
        return {name: interpolated(one, given) for name, one in value.items()}
    if isinstance(value, list):
        return [interpolated(one, given) for one in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match) -> str:
        found = given.get(match["name"], "")
        if not found and match["kind"] == "?":
            raise KeyError(f"{match['name']}: {match['text']}")
        return found or (match["text"] or "" if match["kind"] == "-" else "")

    return VARIABLE.sub(fill, value)


def compose(**given: str) -> dict[str, Any]:
    """The file, merged and interpolated."""
    text = (ROOT / "compose.yaml").read_text()
    document = interpolated(yaml.safe_load(text), {"BANK_IMAGE_TAG": "test", **given})
    for service in document["services"].values():
        # An entry without a value is taken from the shell or the file of settings, and left out if neither has it.
        found = {
            name: given.get(name) if value is None else value for name, value in service.get("environment", {}).items()
        }
        service["environment"] = {name: value for name, value in found.items() if value is not None}
    return document


@dataclass
class Services:
    """Services as processes.

    Attributes:
        folder: logs, home and secrets.
        addresses: text in the file → text here, such as `mlflow:5000`.
        document: the file.
    """

    folder: Path
    addresses: dict[str, str]
    document: dict[str, Any]
    running: dict[str, subprocess.Popen] = field(default_factory=dict)

    def here(self, text: str) -> str:
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str, **more: str) -> dict[str, str]:
        given = self.document["services"][name].get("environment", {})
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BANK_", "DAGSTER_", "MLFLOW_", "AWS_", "PG"))}
        made = {key: self.here(str(value)) for key, value in given.items() if key != "HOME"}
        image = {
            "BANK_HOME": str(self.folder / "bank"),
            "DAGSTER_HOME": str(self.folder / "bank" / "dagster"),
            "BANK_SECRETS": str(self.folder / "secrets"),
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return kept | image | made | more

    def command(self, name: str, *, replaced: dict[str, str]) -> list[str]:
        """The service's command, after the entrypoint of the images."""
        words = self.document["services"][name].get("command") or ["python", "-m", "serving"]
        words = [replaced.get(word, self.here(word)) for word in words]
        return [sys.executable, "deploy/container/entrypoint.py", *words]

    def start(self, name: str, replaced: dict[str, str] | None = None, **more: str) -> subprocess.Popen:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.command(name, replaced=replaced or {}),
                cwd=ROOT,
                env=self.environment(name, **more),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.running[name]

    def healthy(self, name: str, **more: str) -> bool:
        """Run the service's own health check."""
        test = self.document["services"][name]["healthcheck"]["test"][1:]
        words = [sys.executable if word == "python" else self.here(word) for word in test]
        env = self.environment(name, **more)
        return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, check=False, timeout=60).returncode == 0

    def says(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4_000:]

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
