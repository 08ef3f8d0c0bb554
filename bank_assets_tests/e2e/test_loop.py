"""The closed loop with real runs: a month lands and the right model is in use soon after, whatever fails meanwhile."""

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from bank_assets.ledger import promotions, responses, states
from bank_assets.ledger.engine import open_ledger
from bank_assets.resources.instance import TAG_BOOT, TAG_PID, open_instance
from bank_assets.resources.warehouse import Warehouse
from bank_assets.settings import Settings
from bank_assets_tests.core.made_contacts import made_contacts
from bank_assets_tests.e2e.loop_processes import kill_worker, running_daemon
from bank_assets_tests.loop_daemon import InProcessDaemon
from bank_assets_tests.stored_loop import campaign_text, land

pytestmark = [pytest.mark.e2e, pytest.mark.spark, pytest.mark.slow]

DAYS = 121  # 2020-01-01 to 2020-04-30
CHANGE = 91  # 2020-04-01


def more_subscribe(frame, number, log_odds):
    """In April far more customers subscribe."""
    return log_odds + np.where(number >= CHANGE, 2.2, 0.0)


def of_months(contacts, *months):
    names = np.datetime_as_string(contacts.contact_dates.astype("datetime64[M]"))
    return contacts.rows(np.isin(names, months))


def settings_of(home: Path) -> Settings:
    return Settings(
        home=home,
        ledger_url=f"sqlite:///{home / 'ledger.db'}",
        mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
        mlflow_artifacts=(home / "mlartifacts").as_uri(),
        settle_seconds=0,
        spark_master="local[2]",
        spark_memory="1g",
    )


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(DAYS, 30, change=more_subscribe)


@pytest.fixture(scope="module")
def march(spark, contacts, tmp_path_factory):
    """A home after three quiet months: tables by Spark, a champion by the refit job, everything judged."""
    home = tmp_path_factory.mktemp("march") / "bank"
    home.mkdir()
    settings = settings_of(home)
    land(settings, of_months(contacts, "2020-01", "2020-02", "2020-03"))
    with open_instance(settings) as instance:
        daemon = InProcessDaemon(settings, instance)
        for request in daemon.look("new_contacts_sensor"):
            assert daemon.carry_out("new_contacts_sensor", request).success
        first = {"training_set": {"config": {"as_of": "2020-03-25"}}, "challenger": {"config": {"mode": "refit"}}}
        job = daemon.defs.resolve_job_def("refit_job")
        assert job.execute_in_process(instance=instance, run_config={"ops": first}).success
        daemon.settle()
        assert daemon.status().is_idle
    return home


@pytest.fixture
def home(march, tmp_path):
    """A copy of that home."""
    shutil.copytree(march, tmp_path / "bank")
    return settings_of(tmp_path / "bank")


def history(settings):
    engine = open_ledger(settings.ledger_url)
    try:
        return promotions.history(engine), responses.history(engine, limit=1_000), states.latest(engine)
    finally:
        engine.dispose()


def assert_april_was_worked_through(settings, contacts):
    """Nothing is lost, every morning was judged once, the champion is one that learned from April, the state is new."""
    store = Warehouse(settings.warehouse)
    april = of_months(contacts, "2020-04")
    assert store.manifest("contacts")["2020-04"].rows == len(april)
    assert store.manifest("contact_scores")["2020-04"].rows == len(april)
    made, judged, state = history(settings)
    mornings = [row.as_of for row in judged if row.evidence]
    assert len(mornings) == len(set(mornings))
    assert max(mornings) == "2020-05-01" == state.as_of
    fits = [row for row in made if row.kind == "refit"]
    assert fits
    assert all(row.decision == "promoted" and row.as_of > "2020-04-01" for row in fits)
    assert len(fits) == len({row.as_of for row in fits}) == sum(row.rung == "retrain" for row in judged)


def test_the_first_champion_of_quiet_months_is_in_force(march):
    made, judged, state = history(settings_of(march))
    assert [(row.kind, row.decision) for row in made if row.kind != "recalibration"] == [("first", "promoted")]
    assert {row.rung for row in judged} <= {"none", "recalibrate"}
    assert state.as_of == "2020-04-01"


def test_a_month_lands_and_is_worked_through_unattended_though_a_worker_is_killed(home, contacts):
    land(home, of_months(contacts, "2020-04"))
    (home.landing / "campaigns").mkdir()
    (home.landing / "campaigns" / "spring.csv").write_text(
        campaign_text(of_months(contacts, "2020-04").rows(np.arange(40)))
    )
    with running_daemon(home) as daemon:
        run, pid = daemon.wait(lambda: daemon.worker_in("challenger"))
        kill_worker(pid)
        daemon.wait(lambda: daemon.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE, 60)
        daemon.rest()
        failed = daemon.runs(dg.DagsterRunStatus.FAILURE)
        done = daemon.runs(dg.DagsterRunStatus.SUCCESS)
        launched = [one for one in done if "dagster/sensor_name" in one.tags and "bank/marked_run" in one.tags]
    assert [one.run_id for one in failed] == [run.run_id]
    assert {"data_job", "refit_job", "performance_job", "scoring_job"} <= {one.job_name for one in launched}
    assert all(TAG_PID in one.tags and TAG_BOOT in one.tags for one in launched)
    assert_april_was_worked_through(home, contacts)
    lists = Warehouse(home.warehouse).manifest("call_list")
    assert lists["spring"].rows > 0
