"""A night on production's real servers: PostgreSQL, which is restarted, a Spark cluster and an MLflow server.

The fixture `night` runs it once: the schedule ticks, its run works on the cluster, a model is fitted and registered
through the MLflow server, and the web app serves it.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from bank_assets.settings import Settings, load_settings
from bank_assets.sources.landing import land_source
from bank_assets.sources.source import resolve_source
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.e2e.production import (
    LOOPBACK,
    ROOT,
    Production,
    get_json,
    make_production,
)
from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.postgres import running_postgres
from bank_assets_tests.world.waiting import wait_until

# Eight servers and a restart in the middle of a night: minutes on two cores, and a run that loses its database while it
# writes an event is found and repeated only by the next looks of the daemon.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.spark, pytest.mark.postgres, pytest.mark.soak]
SCHEDULE = "daily_pipeline_schedule"
DAY = 86_400.0


@dataclass
class Night:
    """What happened.

    Attributes:
        production: the deployment, running.
        settings: its settings.
        delivered: contacts landed.
        tick: the schedule's tick.
        status_at_restart: status of the night's run when PostgreSQL went away.
        outage_seconds: without PostgreSQL.
        runs: runs of the night.
        applications: what the Spark master ran.
    """

    production: Production
    settings: Settings
    delivered: int
    tick: Any = None
    status_at_restart: str = ""
    outage_seconds: float = 0.0
    runs: tuple[dg.DagsterRun, ...] = ()
    applications: tuple[dict[str, Any], ...] = ()


def command(production: Production, *arguments: str) -> None:
    """Run a command of the platform in the deployment's environment; fails with its output."""
    environment = {**os.environ, **production.environment}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *arguments],
        cwd=production.processes.logs,  # where the daemon starts too; Dagster would read the .env of the repository
        env={name: value for name, value in environment.items() if value is not None} | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def start_yesterday(instance: dg.DagsterInstance) -> None:
    """Date the start of the schedule back by a day, so that last midnight is a tick that was missed."""
    (state,) = (state for state in instance.all_instigator_state() if state.instigator_name == SCHEDULE)
    data = state.instigator_data._replace(start_timestamp=time.time() - DAY, last_iteration_timestamp=None)
    instance.update_instigator_state(state.with_data(data))


def ticks_of(instance: dg.DagsterInstance) -> list[Any]:
    (state,) = (state for state in instance.all_instigator_state() if state.instigator_name == SCHEDULE)
    return [tick for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id) if tick.run_ids]


def nightly(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(filters=dg.RunsFilter(job_name="nightly_job")))


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Iterator[Night]:
    with running_postgres() as database, pytest.MonkeyPatch.context() as patch:
        production = make_production(tmp_path_factory.mktemp("production"), database)
        try:
            for name, value in production.environment.items():
                patch.delenv(name, raising=False) if value is None else patch.setenv(name, value)
            settings = load_settings()
            landed = land_source(resolve_source(settings), settings)
            found = Night(production, settings, sum(landed.rows.values()))
            with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
                live_through(found, instance)
            yield found
        finally:
            production.stop()


def live_through(found: Night, instance: dg.DagsterInstance) -> None:
    production = found.production
    command(production, "dagster", "schedule", "start", "-m", "bank_assets.definitions", SCHEDULE)
    command(production, "dagster", "sensor", "start", "-m", "bank_assets.definitions", "orphaned_runs_sensor")
    start_yesterday(instance)
    production.processes.start("daemon", ["-m", "dagster._daemon", "run", "-m", "bank_assets.definitions"])
    found.tick = wait_until(lambda: ticks_of(instance), 240, "a tick with a run")[0]

    def stage_made() -> bool:
        runs = nightly(instance)
        return bool(runs) and bool(instance.get_run_stats(runs[0].run_id).materializations)

    wait_until(stage_made, 240, "the run at work")
    found.status_at_restart = nightly(instance)[0].status.value
    found.outage_seconds = production.restart_postgres()

    def is_over() -> bool:
        runs = nightly(instance)
        return bool(runs) and any(run.status is dg.DagsterRunStatus.SUCCESS for run in runs)

    wait_until(is_over, 480, "the night's work")
    found.runs = tuple(nightly(instance))
    found.applications = tuple(production.spark()["completedapps"] + production.spark()["activeapps"])
    production.processes.stop("daemon")
    command(production, "dagster", "job", "execute", "-m", "bank_assets.definitions", "-j", "refit_job")
    production.start_app()


def test_a_missed_midnight_ticks_on_postgresql(night):
    assert night.tick.status.value == "SUCCESS"
    assert night.tick.run_ids


def test_the_night_ends_although_postgresql_was_restarted_in_the_middle(night):
    assert night.status_at_restart == "STARTED"
    assert night.outage_seconds > 0
    assert [run.status for run in night.runs].count(dg.DagsterRunStatus.SUCCESS) == 1


def test_every_delivered_row_is_in_the_tables(night):
    store = Warehouse(night.settings.warehouse)
    kept = sum(entry.rows for entry in store.manifest("contacts").values())
    set_aside = sum(entry.rows for entry in store.manifest("rejected_contacts").values())
    assert kept + set_aside == night.delivered
    assert all(entry.metadata["passed"] for entry in store.manifest("contacts_validation").values())
    assert sum(entry.rows for entry in store.manifest("contact_profiles").values()) > 0


def test_both_spark_workers_did_it(night):
    # A run that is repeated from where it failed need not start Spark again.
    assert {app["name"] for app in night.applications} & {f"bank-{run.run_id}" for run in night.runs}
    assert max(app["cores"] for app in night.applications) == 2
    for number in (1, 2):
        assert list((night.production.folder / f"worker-{number}").glob("app-*/*/stderr"))


def test_run_and_model_are_in_the_mlflow_server(night):
    import mlflow

    client = mlflow.MlflowClient(night.settings.mlflow_uri, night.settings.mlflow_uri)
    champion = client.get_model_version_by_alias("bank-marketing", "champion")
    run = client.get_run(champion.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert not (night.settings.home / "mlartifacts").exists()  # artifacts went through the server


def ask(production: Production) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{production.ports['app']}/api/v1/predictions",
        json.dumps(PAYLOAD).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, json.load(answer)


def test_the_app_takes_the_champion_from_the_server_and_outlives_it(night):
    production = night.production
    ready = wait_until(lambda: production.ready().get("status") == "ready" and production.ready(), 120, "the app ready")
    assert ready["is_registry_reachable"] is True
    status, answer = ask(production)
    assert (status, answer["model"]["version"]) == (201, ready["model_version"])
    production.processes.stop("mlflow")
    wait_until(lambda: production.ready()["is_registry_reachable"] is False, 120, "the registry missed")
    assert production.ready()["status"] == "ready"
    assert ask(production)[0] == 201
    production.start_mlflow()
    wait_until(lambda: production.ready()["is_registry_reachable"] is True, 120, "the registry found again")


def test_decisions_are_recorded_on_after_postgresql_was_restarted(night):
    production = night.production
    wait_until(lambda: production.ready().get("status") == "ready", 120, "the app ready")
    before = ask(production)[1]["id"]
    production.restart_postgres()

    def answers_again() -> Any:
        try:
            return ask(production)[1]
        except urllib.error.HTTPError as error:
            assert error.code == 503  # noqa: PT017 - nothing else may be said while the ledger is away
            return None

    after = wait_until(answers_again, 120, "a decision after the restart")["id"]
    for decision in (before, after):
        found = get_json(f"http://{LOOPBACK}:{production.ports['app']}/api/v1/predictions/{decision}")
        assert found["id"] == decision
