"""The workflows by their schema, zizmor and our own rules; each of the three finds a bad workflow."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FILES = [*WORKFLOWS, *sorted((GITHUB / "actions").glob("*/action.yml"))]
BIN = Path(sys.executable).parent

BAD_SCHEMA = "name: bad\non: push\njobs:\n  build:\n    runs-on: ubuntu-24.04\n    stepz: []\n"
BAD_ACTION = """
name: bad
on: pull_request_target
jobs:
  build:
    runs-on: ubuntu-24.04
    env:
      AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
    steps:
      - uses: actions/checkout@v6
      - run: echo ${{ github.event.pull_request.title }}
"""


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / tool), *arguments], capture_output=True, text=True, check=False)


def schema(kind: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return run("check-jsonschema", "--builtin-schema", f"vendor.{kind}", *map(str, files))


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    return run("zizmor", "--offline", "--persona", "auditor", *map(str, paths))


def own_faults(text: str) -> list[str]:
    """Our rules: readable pins, no long-lived keys, every permission named, a time limit on every job."""
    faults = []
    for line in text.splitlines():
        used = re.search(r"uses: +(\S+)(.*)", line)
        if used and not used[1].startswith("$/") and not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used[1]):
            faults.append(f"not pinned by commit: {used[1]}")
        elif used and "@" in used[1] and not re.search(r"# v\d+\.\d+\.\d+$", used[2]):
            faults.append(f"pin without version: {line.strip()}")
    if re.search(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)|\$\{\{ *secrets\.", text):
        faults.append("a long-lived secret")
    workflow = yaml.safe_load(text)
    if "jobs" in workflow:
        if workflow.get("permissions") != {}:
            faults.append("permissions granted to every job")
        for name, job in workflow["jobs"].items():
            faults += [f"{name}: no {key}" for key in ("permissions", "timeout-minutes") if key not in job]
    return faults


@pytest.mark.slow
def test_workflows_fit_the_schema_and_a_bad_one_does_not(tmp_path):
    found = schema("github-workflows", *WORKFLOWS)
    assert found.returncode == 0, found.stdout
    found = schema("github-actions", *(GITHUB / "actions").glob("*/action.yml"))
    assert found.returncode == 0, found.stdout
    assert schema("dependabot", GITHUB / "dependabot.yml").returncode == 0
    bad = tmp_path / "bad.yml"
    bad.write_text(BAD_SCHEMA)
    assert "stepz" in schema("github-workflows", bad).stdout


def test_zizmor_finds_nothing_and_finds_a_bad_one(tmp_path):
    found = zizmor(GITHUB)
    assert (found.returncode, "No findings" in found.stdout + found.stderr) == (0, True), found.stdout
    bad = tmp_path / "bad.yml"
    bad.write_text(BAD_ACTION)
    report = zizmor(bad)
    assert report.returncode != 0
    for audit in ("unpinned-uses", "template-injection", "dangerous-triggers"):
        assert audit in report.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(GITHUB)))
def test_our_own_rules_hold(path):
    assert own_faults(path.read_text()) == []


def test_our_own_rules_notice_a_bad_one():
    faults = " ".join(own_faults(BAD_ACTION))
    for fault in ("not pinned by commit", "long-lived", "every job", "build: no permissions", "build: no timeout"):
        assert fault in faults
    assert own_faults("steps:\n  - uses: a/b@" + "0" * 40 + "\n") == ["pin without version: - uses: a/b@" + "0" * 40]


def test_a_pull_request_stops_before_push_and_steps_come_in_order():
    jobs = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text())["jobs"]
    assert {name: job.get("needs", []) for name, job in jobs.items()} == {
        "lint": [],
        "test": [],
        "build": ["lint", "test"],
        "push": ["build"],
        "deploy": ["push"],
    }
    assert jobs["push"]["if"] == "github.ref == 'refs/heads/main' && github.event_name != 'pull_request'"
    # A token for AWS exists only where it is used, and nowhere that a pull request reaches.
    assert {name for name, job in jobs.items() if "id-token" in job["permissions"]} == {"push", "deploy"}
    assert jobs["deploy"]["environment"] == "${{ inputs.environment || 'dev' }}"
    assert jobs["deploy"]["concurrency"]["cancel-in-progress"] is False


def test_workflows_call_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    called = set()
    for path in FILES:
        for command in re.findall(r"run: make ([a-z -]+)", path.read_text()):
            called |= set(command.split())
    assert called <= targets, called - targets
    assert called >= {"checks", "test-fast", "test", "image", "deploy-check", "bench", "soak"}
    checks = re.search(r"^checks:.*\n\t(.*)$", (ROOT / "Makefile").read_text(), flags=re.M)[1]
    assert set(checks.split()) >= {"lint", "types", "imports", "defs"}
    assert "synth" in re.search(r"^deploy-check:(.*)$", (ROOT / "Makefile").read_text(), flags=re.M)[1]


def test_the_figures_of_the_night_are_kept():
    steps = yaml.safe_load((GITHUB / "workflows" / "nightly.yml").read_text())["jobs"]["bench"]["steps"]
    (kept,) = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert kept["with"]["path"] == "bench.jsonl"
    assert kept["with"]["retention-days"] >= 90
