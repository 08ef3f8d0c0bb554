"""A bank's own file, from its contract to a champion, the pages and the API, in the steps of docs/own-data.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from litestar.testing import TestClient

from bank_assets.contract.contract import Contract
from bank_assets.contract.file_writing import write_contract
from bank_assets.settings import load_settings
from bank_assets_tests.world.banks import FOREIGN, write_history
from bank_assets_tests.world.waiting import wait_until
from serving.app import create_app
from serving.settings import ServingSettings

pytestmark = [pytest.mark.e2e, pytest.mark.spark, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
FILE = "bank-additional-full.csv"
PAGES = ("/", "/predict", "/campaign", "/monitoring", "/model", "/audit")


def command(environment: dict[str, str], *arguments: str) -> str:
    """Run `python -m bank_assets` to its end; returns what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BANK_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bank_assets", *arguments],
        cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=3_000,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def generated(folder: Path) -> dict[str, str]:
    """A foreign bank with a history of nine months."""
    path = folder / "sparkasse.odcs.yaml"
    path.write_text(write_contract(FOREIGN, {}), "utf-8")
    source = write_history(folder / "anrufe.csv", FOREIGN, n_days=180, per_day=20)
    return {"BANK_CONTRACT": str(path), "BANK_SOURCE": str(source), "BANK_CANDIDATES": "logistic_regression/none"}


def shipped(folder: Path) -> dict[str, str]:
    return {"BANK_CONTRACT": "bank-additional", "BANK_SOURCE": public_file()}


def drafted(folder: Path) -> dict[str, str]:
    """What a new user does with the file: the draft, whose first year follows from the weeks, and its check."""
    path = folder / "calls.odcs.yaml"
    command({}, "adopt", public_file(), "--output", str(path))
    assert "value: 2008-05" in path.read_text()
    assert "fits the contract" in command({}, "adopt", "--check", str(path), public_file())
    return {"BANK_CONTRACT": str(path), "BANK_SOURCE": public_file()}


def public_file() -> str:
    path = Path(os.environ.get("BANK_SOURCE", "")).with_name(FILE) if os.environ.get("BANK_SOURCE") else Path()
    if not path.is_file():
        pytest.skip(f"{FILE} does not lie beside the file of BANK_SOURCE")
    return str(path)


BANKS = {
    "generated": generated,
    "shipped": pytest.param(shipped, marks=pytest.mark.soak),
    "drafted": pytest.param(drafted, marks=pytest.mark.soak),
}


@pytest.mark.parametrize("bank", BANKS.values(), ids=list(BANKS))
def test_from_a_file_to_a_champion_and_its_decisions(bank, bank_home, tmp_path, monkeypatch):
    environment = {"BANK_HOME": str(bank_home), **bank(tmp_path)}
    command(environment, "run")
    summary = json.loads((bank_home / "reports" / "run_summary.json").read_text())
    assert summary["rows_rejected"] == 0
    assert summary["champion"]["version"]
    assert summary["call_list_rows"] > 0
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    tables = {path.name for path in (bank_home / "warehouse").iterdir()}
    assert {"contact_profiles", "drift_report", "contact_scores", "performance_report", "call_list"} <= tables
    with TestClient(
        create_app(ServingSettings(platform=settings, secret="s" * 64)), base_url="http://127.0.0.1"
    ) as app:
        wait_until(lambda: app.app.state.services.store.champion is not None)
        decide(app, settings.contract)
        plan(app)


def decide(app: TestClient, contract: Contract) -> None:
    """Pages, a decision from the form and one from the API's own example, and its replay."""
    for page in PAGES:
        assert app.get(page).status_code == 200, page
    form = BeautifulSoup(app.get("/predict").text, "html.parser").select_one("#predict-form")
    fields = {one["name"]: one.get("value", "") for one in form.select("input")}
    fields |= {one["name"]: (one.select_one("[selected]") or one.option).text for one in form.select("select")}
    assert set(contract.payload_columns) <= set(fields)
    decided = BeautifulSoup(app.post("/predict", data=fields).text, "html.parser")
    assert decided.select_one("[data-testid=probability]")
    body = app.get("/schema/openapi.json").json()["paths"]["/api/v1/predictions"]["post"]["requestBody"]
    (media,) = body["content"].values()
    example = media.get("example") or next(iter(media["examples"].values()))["value"]
    answer = app.post("/api/v1/predictions", json=example)
    assert answer.status_code == 201, answer.text
    assert 0.0 < answer.json()["probability"] < 1.0
    assert app.post(f"/api/v1/predictions/{answer.json()['id']}/replay").json()["identical"]


def plan(app: TestClient) -> None:
    chosen = BeautifulSoup(app.get("/campaign").text, "html.parser").select_one("#f-list option[value^=delivered]")
    shown = app.get("/campaign", params={"list": chosen["value"], "capacity": "20"})
    assert shown.status_code == 200
    assert BeautifulSoup(shown.text, "html.parser").select_one("[data-testid=calls]")
