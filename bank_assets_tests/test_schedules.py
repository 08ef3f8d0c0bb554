"""The nightly schedule: which months, which job, and once a night when the clock changes."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pytest
import yaml
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._utils.schedules import schedule_execution_time_iterator

from bank_assets.definitions import build_defs
from bank_assets.ledger import outcomes
from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.requests import RANGE_END, RANGE_START
from bank_assets.partitions import FIRST_MONTH
from bank_assets.settings import Settings
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.home import land, make_tables

ROOT = Path(__file__).resolve().parents[1]
NAME = "daily_pipeline_schedule"
NIGHT = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(75, 4)  # 2020-01-01 to 2020-03-15


@pytest.fixture
def quick(settings):
    return Settings(home=settings.home, ledger_url=settings.ledger_url, settle_seconds=0)


_loaded: dict[tuple, dg.ScheduleDefinition] = {}


def schedule_of(settings):
    """The schedule as a code server loads it: once for all nights of a deployment."""
    deployment = settings.home, settings.timezone, settings.train_nightly
    if deployment not in _loaded:
        _loaded[deployment] = build_defs(settings=settings).get_repository_def().get_schedule_def(NAME)
    return _loaded[deployment]


def night(settings, at=NIGHT):
    """Requests of a night, or why there are none."""
    tick = schedule_of(settings).evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at))
    return list(tick.run_requests or []), tick.skip_message


def ranges(found):
    return [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in found]


def test_nothing_was_ever_delivered(quick):
    found, why = night(quick)
    assert found == []
    assert "expected files in" in why


def test_the_newest_month_and_those_with_news_and_no_others(quick, contacts):
    land(quick, contacts)
    (first,), _ = night(quick)
    assert first.job_name is None or first.job_name == "nightly_job"
    assert ranges([first]) == [("2020-01-01", "2020-03-01")]
    assert first.run_config["ops"]["raw_contacts"]["config"]["settle_seconds"] == 0
    make_tables(quick, ["2020-01", "2020-02", "2020-03"])
    assert ranges(night(quick)[0]) == [("2020-03-01", "2020-03-01")], "of the data, whatever the calendar says"
    corrected = contacts.rows(contacts.contact_dates < FIRST + 31)
    corrected.frame["age"][0] += 1
    land(quick, corrected, "correction.csv")
    assert ranges(night(quick)[0]) == [("2020-01-01", "2020-03-01")]


def test_a_night_that_failed_is_tried_once_more(quick, contacts, tmp_path):
    land(quick, contacts)
    (request,), _ = night(quick)
    overrides = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides={"run_retries": overrides["run_retries"]}) as instance:
        runs = [
            dg.DagsterRun(job_name="nightly_job", tags=dict(tags), status=dg.DagsterRunStatus.FAILURE)
            for tags in ({}, request.tags)
        ]
        for run in runs:
            instance.add_run(run)
        repeats = [auto_reexecution_should_retry_run(instance, run, RunFailureReason.STEP_FAILURE) for run in runs]
    assert repeats == [False, True]


def test_outcomes_reported_to_the_app_come_first_in_the_month_of_their_arrival(quick, contacts):
    land(quick, contacts)
    night(quick)
    make_tables(quick, ["2020-01", "2020-02", "2020-03"])
    engine = open_ledger(quick.ledger_url)
    outcomes.record(engine, y="yes", actor="api", contact_id="c0", arrived_at="2026-02-10T08:00:00.000000Z")
    engine.dispose()
    reported, data = night(quick)[0]
    assert ranges([reported, data]) == [("2026-02-01", "2026-02-01"), ("2020-03-01", "2020-03-01")]
    assert [key.to_user_string() for key in reported.asset_selection] == ["ledger_outcomes"]


def test_outcomes_outside_of_the_axis_ask_for_no_month_that_has_no_partition(quick, contacts):
    land(quick, contacts)
    night(quick)
    make_tables(quick, ["2020-01", "2020-02", "2020-03"])
    engine = open_ledger(quick.ledger_url)
    for year in (1850, 2999):  # as earlier releases took them
        outcomes.record(engine, y="yes", actor="api", contact_id="c0", arrived_at=f"{year}-01-01T00:00:00.000000Z")
    engine.dispose()
    assert ranges(night(quick)[0]) == [(FIRST_MONTH, FIRST_MONTH), ("2020-03-01", "2020-03-01")]


def test_outcomes_of_the_current_data_month_are_part_of_its_range(quick, contacts):
    land(quick, contacts)
    night(quick)
    make_tables(quick, ["2020-01", "2020-02", "2020-03"])
    engine = open_ledger(quick.ledger_url)
    outcomes.record(engine, y="no", actor="api", contact_id="c0", arrived_at="2020-04-02T08:00:00.000000Z")
    engine.dispose()
    assert ranges(night(quick)[0]) == [("2020-03-01", "2020-04-01")]


def test_training_every_night_is_the_whole_journey(quick, contacts):
    land(quick, contacts)
    nightly = Settings(home=quick.home, ledger_url=quick.ledger_url, settle_seconds=0, train_nightly=True)
    (requested,), _ = night(nightly)
    assert requested.job_name == "main_job"


def test_an_unreadable_landing_folder_fails_the_tick_with_what_to_do(quick):
    quick.landing.mkdir()
    (quick.landing / "contacts").symlink_to("a-mount-that-is-gone")
    with pytest.raises(Exception, match="Error occurred") as found:
        night(quick)
    assert "expected a folder that this process may list" in str(found.value.__cause__)


CHANGES = [
    ("Europe/Lisbon", date(2026, 3, 29)),  # forward at 01:00
    ("Europe/Lisbon", date(2026, 10, 25)),  # back at 02:00
    ("America/Havana", date(2026, 3, 8)),  # forward at midnight: 00:00 does not exist
    ("America/Havana", date(2026, 11, 1)),  # back at 01:00: 00:00 comes twice
    ("Africa/Cairo", date(2026, 4, 24)),  # forward at midnight
]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_a_change_of_the_clock_neither_skips_nor_doubles_a_night(quick, contacts, zone, day):
    there = Settings(home=quick.home, ledger_url=quick.ledger_url, settle_seconds=0, timezone=zone)
    land(there, contacts)
    schedule = schedule_of(there)
    begin = datetime.combine(day - timedelta(days=3), datetime.min.time(), ZoneInfo(zone)) - timedelta(minutes=1)
    ticks = schedule_execution_time_iterator(
        begin.timestamp(), schedule.cron_schedule, schedule.execution_timezone, ascending=True
    )
    keys = []
    for tick in ticks:
        if tick.date() > day + timedelta(days=3):
            break
        keys.append(night(there, tick)[0][0].run_key)
    nights = list(dict.fromkeys(keys))  # the same key twice is one run
    expected = [f"{day + timedelta(days=offset)}-0" for offset in range(-3, 4)]
    assert nights == expected


def test_a_night_has_one_key_in_its_own_zone_and_another_the_next(quick, contacts):
    there = Settings(home=quick.home, ledger_url=quick.ledger_url, settle_seconds=0, timezone="Asia/Tokyo")
    land(there, contacts)
    (requested,), _ = night(there, datetime(2026, 2, 28, 15, 0, tzinfo=UTC))
    assert requested.run_key == "2026-03-01-0"
    assert np.unique([night(there, NIGHT + timedelta(days=k))[0][0].run_key for k in range(3)]).size == 3
