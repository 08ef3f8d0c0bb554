"""Work whose run failed, was orphaned or has to wait is requested again, on a real instance and real files."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from bank_assets.jobs import REFIT, SEARCH
from bank_assets.loop import requests
from bank_assets.loop.requests import TAG_WORK
from bank_assets.loop.response import DRIFT, PERFORMED, NextStep, ResponseLoop
from bank_assets_tests.world.contacts import FIRST
from bank_assets_tests.world.home import failed_run, land, make_tables

CONTACTS, ORPHANS = "new_contacts_sensor", "orphaned_runs_sensor"


def test_a_failed_run_is_requested_again_with_another_key_after_a_wait(daemon, contacts, monkeypatch):
    land(daemon.settings, contacts)
    (requested,) = daemon.look(CONTACTS)
    failed_run(daemon.instance, requested)
    assert daemon.look(CONTACTS) == []
    assert "failed 1 of 1 time(s), again in" in daemon.said[CONTACTS]
    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    (again,) = daemon.look(CONTACTS)
    assert again.run_key != requested.run_key, "Dagster remembers keys for ever: the same one would be swallowed"
    assert again.tags[TAG_WORK] == requested.tags[TAG_WORK]


def test_a_delivery_that_goes_back_to_a_former_content_is_not_swallowed_by_an_old_key(daemon, contacts, monkeypatch):
    january = contacts.rows(contacts.contact_dates < FIRST + 31)
    changed = january.rows(np.arange(len(january)))
    changed.frame["age"][0] += 1
    keys = []
    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    for content in (january, changed, january, changed, january):
        land(daemon.settings, content, "january.csv")
        (requested,) = daemon.look(CONTACTS)
        keys.append(requested.run_key)

        @dg.job(name="data_job")
        def made(): ...

        daemon.instance.create_run_for_job(made, status=dg.DagsterRunStatus.SUCCESS, tags=dict(requested.tags))
        make_tables(daemon.settings, ["2020-01"])
        assert daemon.look(CONTACTS) == []
    assert len(set(keys)) == 5


def test_waits_double_up_to_a_limit(daemon):
    work = requests.RunWanted("data_job", {}, "")
    assert requests.attempts_of(daemon.instance, work) == requests.Attempts(0, 0, 0.0)
    request, now = work.request(), datetime.now(UTC).timestamp()
    waits = []
    for _ in range(6):
        failed_run(daemon.instance, request)
        waits.append(requests.attempts_of(daemon.instance, work, now).wait_seconds)
    assert waits == pytest.approx([30, 60, 120, 240, 480, 600], abs=20)


def test_nothing_is_requested_while_a_run_is_in_flight(daemon, contacts):
    @dg.job
    def somebody_elses(): ...

    land(daemon.settings, contacts)
    run = daemon.instance.create_run_for_job(somebody_elses, status=dg.DagsterRunStatus.STARTED)
    assert daemon.look(CONTACTS) == []
    assert "1 run(s) in flight: somebody_elses" in daemon.said[CONTACTS]
    assert daemon.left()
    daemon.instance.report_run_failed(run)
    assert len(daemon.look(CONTACTS)) == 1


def test_an_orphaned_run_is_failed_and_its_work_requested_again(daemon, contacts, monkeypatch):
    land(daemon.settings, contacts)
    (requested,) = daemon.look(CONTACTS)

    @dg.job(name="data_job")
    def carried(): ...

    run = daemon.instance.create_run_for_job(carried, status=dg.DagsterRunStatus.STARTED, tags=dict(requested.tags))
    assert daemon.look(CONTACTS) == []
    lock = Path(daemon.instance.root_directory) / "carried" / run.run_id
    lock.parent.mkdir()
    lock.write_text("")  # as a killed process leaves it: without anybody who holds it
    daemon.look(ORPHANS)
    assert run.run_id in daemon.said[ORPHANS]
    assert daemon.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    assert len(daemon.look(CONTACTS)) == 1
    daemon.look(ORPHANS)
    assert "living process" in daemon.said[ORPHANS]


@pytest.mark.parametrize("job", [REFIT, SEARCH])
@pytest.mark.parametrize("owner", [DRIFT, PERFORMED])
def test_each_response_sensor_may_request_every_fit(daemon, monkeypatch, owner, job):
    """Covariates alone lead to a search on probation, and after a refit that did not help."""
    step = NextStep("a day asks for a fit", requests.RunWanted(job, {"day": "2020-02-01"}, "a reason"), owner)
    monkeypatch.setattr(ResponseLoop, "next_step", lambda _: step)
    (requested,) = daemon.look(f"{owner}_retrain_sensor")
    assert requested.job_name == job
