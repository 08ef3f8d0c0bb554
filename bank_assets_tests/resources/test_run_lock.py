"""Orphaned runs are ended, and runs that a process works on are left alone."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import TagType, get_tag_type
from sqlalchemy.exc import OperationalError

from bank_assets.executors import locked_in_process_executor
from bank_assets.resources import run_lock
from bank_assets.resources.instance import open_instance
from bank_assets.resources.run_lock import GONE, LEFT, holding_run_lock, reap_orphans
from bank_assets.settings import Settings

pytestmark = pytest.mark.slow

STARTED, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
LOCK_HOLDER = """
import sys, time
import dagster as dg
from bank_assets.resources.run_lock import holding_run_lock
with dg.DagsterInstance.from_config(sys.argv[1]) as instance, holding_run_lock(instance, sys.argv[2]):
    print("carried", flush=True)
    time.sleep(600)
"""


@dg.job
def nothing(): ...


@pytest.fixture
def instance(tmp_path):
    with open_instance(Settings(home=tmp_path)) as opened:
        yield opened


def started(instance, status=STARTED, **more):
    return instance.create_run_for_job(nothing, run_id=str(uuid.uuid4()), status=status, **more)


def status(instance, run):
    return instance.get_run_by_id(run.run_id).status


def said(instance, run):
    return [record.event_log_entry.dagster_event.message for record in instance.get_records_for_run(run.run_id).records]


def lock_file(instance, run):
    return Path(instance.root_directory) / "carried" / run.run_id


def leave_as_killed(instance, run):
    """What the first test sees of a killed process: a file that nobody holds."""
    path = lock_file(instance, run)
    path.parent.mkdir(exist_ok=True)
    path.write_text("")


def test_a_run_is_left_alone_while_its_process_lives_and_failed_when_it_was_killed(instance):
    run = started(instance)
    command = [sys.executable, "-c", LOCK_HOLDER, instance.root_directory, run.run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "carried\n"
            assert reap_orphans(instance) == []
            assert status(instance, run) is STARTED
        finally:
            process.kill()
    assert lock_file(instance, run).read_text() == ""
    assert reap_orphans(instance) == [run.run_id]
    assert status(instance, run) is FAILURE
    assert said(instance, run) == [GONE]
    assert reap_orphans(instance) == []


def test_a_reused_process_id_does_not_keep_a_run_alive(instance):
    """The lock is what counts: this very process has the id that the tags of the run name."""
    run = started(instance, tags={"bank/pid": str(os.getpid())})
    leave_as_killed(instance, run)
    assert reap_orphans(instance) == [run.run_id]


def test_a_process_that_lives_but_left_its_run_is_found_after_a_while(instance, monkeypatch):
    run = started(instance)
    with holding_run_lock(instance, run.run_id):
        assert reap_orphans(instance) == []
    assert reap_orphans(instance) == [], "it may be writing how the run ended"
    monkeypatch.setattr(run_lock, "LEFT_SECONDS", 0.0)
    time.sleep(0.01)
    assert reap_orphans(instance) == [run.run_id]
    assert said(instance, run) == [LEFT]


def test_a_run_that_ended_between_the_list_and_the_look_keeps_its_end(instance, monkeypatch):
    run = started(instance)
    leave_as_killed(instance, run)
    listed = instance.get_runs()

    def stale(**_):
        instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", "nothing", message="done"), run_id=run.run_id)
        return listed

    with monkeypatch.context() as patch:
        patch.setattr(instance, "get_runs", stale)
        assert reap_orphans(instance) == []
    assert status(instance, run) is dg.DagsterRunStatus.SUCCESS


def test_a_run_that_a_person_was_cancelling_ends_cancelled(instance):
    run = started(instance)
    leave_as_killed(instance, run)
    instance.report_run_canceling(run)
    assert reap_orphans(instance) == [run.run_id]
    assert status(instance, run) is dg.DagsterRunStatus.CANCELED


def test_a_run_of_another_home_is_not_judged(instance):
    run = started(instance)
    assert reap_orphans(instance) == []
    assert status(instance, run) is STARTED


def test_files_of_runs_that_are_over_are_removed(instance):
    done, killed = started(instance), started(instance)
    with holding_run_lock(instance, done.run_id):
        instance.report_run_failed(done)
    leave_as_killed(instance, killed)
    reap_orphans(instance)
    assert list(lock_file(instance, done).parent.iterdir()) == []


@pytest.mark.parametrize(
    ("tags", "is_gone"),
    [({}, True), ({"bank/pid": str(os.getpid())}, False), ({"bank/marked_run": "the run that it retries"}, False),
     ({"bank/pid": str(os.getpid()), "bank/boot_id": "before the restart"}, True)],
)  # fmt: skip
def test_a_run_of_an_older_release_is_judged_by_its_tags(instance, tags, is_gone):
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    run = started(instance)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    marks = {"bank/pid": str(process.pid), "bank/boot_id": boot, "bank/marked_run": run.run_id}
    instance.add_run_tags(run.run_id, marks | tags)
    assert bool(reap_orphans(instance)) == is_gone


@dg.op
def look(context):
    """Ends well if this run's own lock is held while it works."""
    assert lock_file(context.instance, context.run).is_file()
    assert reap_orphans(context.instance) == []


@dg.job(executor_def=locked_in_process_executor)
def looking():
    look()


def events(instance):
    return Path(instance.root_directory) / "history" / "runs"


@dg.op
def lose_the_database(context):
    """Remove the storage of the run's events, so that no more can be written."""
    events(context.instance).rename(events(context.instance).with_name("away"))
    events(context.instance).touch()


@dg.job(executor_def=locked_in_process_executor)
def losing():
    lose_the_database()


def test_a_run_of_the_executor_holds_its_lock_and_is_not_crowded_by_tags(instance):
    result = dg.execute_job(dg.reconstructable(looking), instance)
    assert result.success
    run = instance.get_run_by_id(result.run_id)
    assert [tag for tag in run.tags if get_tag_type(tag) is TagType.USER_PROVIDED] == []
    reap_orphans(instance)
    assert not lock_file(instance, run).exists()


def test_a_run_that_lost_its_database_is_ended_though_its_process_lives(instance, monkeypatch):
    """The process is this one: it continues after the error, as a notebook does."""
    with pytest.raises(OperationalError, match="unable to open database file"):
        dg.execute_job(dg.reconstructable(losing), instance)
    events(instance).unlink()
    events(instance).with_name("away").rename(events(instance))
    (run,) = instance.get_runs()
    assert run.status is STARTED, "what the fault is about"
    assert reap_orphans(instance) == [], "it may be writing how the run ended"
    monkeypatch.setattr(run_lock, "LEFT_SECONDS", 0.0)
    assert reap_orphans(instance) == [run.run_id]
    assert status(instance, run) is FAILURE
    assert said(instance, run)[-1] == LEFT
