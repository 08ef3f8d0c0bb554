"""The sensors of the landing folder, on a real instance and real files."""

import os

import numpy as np
import pytest

from bank_assets.jobs import TAG_LOOP
from bank_assets.ledger import campaigns
from bank_assets.ledger.engine import opened_ledger
from bank_assets.loop.requests import RANGE_END, RANGE_START
from bank_assets.settings import Settings
from bank_assets_tests.world.contacts import FIRST
from bank_assets_tests.world.daemon import InProcessDaemon
from bank_assets_tests.world.home import campaign_text, delivery_text, land, make_tables, promote

CONTACTS, CAMPAIGN = "new_contacts_sensor", "campaign_sensor"


def ranges(found):
    return [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in found]


def test_a_landed_file_requests_its_months_once(daemon, contacts):
    land(daemon.settings, contacts, "three-months.csv")
    (requested,) = daemon.look(CONTACTS)
    assert requested.job_name == "data_job"
    assert ranges([requested]) == [("2020-01-01", "2020-03-01")]
    assert "3" in requested.tags["bank/reason"] or "2020-02" in requested.tags["bank/reason"]
    assert requested.run_config["ops"]["raw_contacts"]["config"]["settle_seconds"] == 0
    (again,) = daemon.look(CONTACTS)
    assert again.run_key == requested.run_key, "a look that died before its run asks for the same run"
    make_tables(daemon.settings, ["2020-01", "2020-02", "2020-03"])
    assert daemon.look(CONTACTS) == []
    assert "every delivered month is made" in daemon.said[CONTACTS]


def test_an_objection_of_a_delivered_disposition_holds_from_the_next_look_on(daemon):
    folder = daemon.settings.landing / "outcomes"
    folder.mkdir(parents=True)
    (folder / "calls.csv").write_text("contact_id,disposition,called_at\nc1,objection,2020-01-03\n")
    assert daemon.look(CONTACTS) == []
    with opened_ledger(daemon.settings.ledger_url) as engine:
        assert campaigns.suppressed(engine) == {"c1"}


def test_the_same_delivery_twice_requests_nothing(daemon, contacts):
    (path, *_) = land(daemon.settings, contacts.rows(contacts.contact_dates < FIRST + 31))
    daemon.look(CONTACTS)
    make_tables(daemon.settings, ["2020-01"])
    (path.parent / "again.csv").write_bytes(path.read_bytes())
    assert daemon.look(CONTACTS) == []


def test_two_deliveries_at_once_are_one_run(daemon, contacts):
    land(daemon.settings, contacts.rows(contacts.contact_dates >= FIRST + 31))
    assert ranges(daemon.look(CONTACTS)) == [("2020-02-01", "2020-03-01")]


def test_a_correction_of_a_past_month_requests_that_month(daemon, contacts):
    land(daemon.settings, contacts)
    first = daemon.look(CONTACTS)
    make_tables(daemon.settings, ["2020-01", "2020-02", "2020-03"])
    january = contacts.rows(contacts.contact_dates < FIRST + 31)
    corrected = january.rows(np.arange(len(january)))
    corrected.frame["age"][0] += 1
    land(daemon.settings, corrected, "correction.csv")
    second = daemon.look(CONTACTS)
    assert ranges(second) == [("2020-01-01", "2020-01-01")]
    assert second[0].run_key != first[0].run_key


def test_months_far_apart_are_not_one_range(daemon, contacts):
    old = contacts.rows(contacts.contact_dates < FIRST + 3)
    days = old.contact_dates - np.timedelta64(730, "D")
    land(
        daemon.settings,
        type(old)(old.contact_ids, old.frame, days, days + 1, old.is_subscribed, old.contract),
        "old.csv",
    )
    land(daemon.settings, contacts.rows(contacts.contact_dates >= FIRST + 31), "new.csv")
    assert ranges(daemon.look(CONTACTS)) == [("2018-01-01", "2018-01-01"), ("2020-02-01", "2020-03-01")]


def test_late_outcomes_request_the_month_of_their_arrival(daemon, contacts):
    land(daemon.settings, contacts.rows(contacts.contact_dates < FIRST + 31))
    daemon.look(CONTACTS)
    make_tables(daemon.settings, ["2020-01"])
    folder = daemon.settings.landing / "outcomes"
    folder.mkdir()
    (folder / "late.csv").write_text("contact_id,y,duration,arrived_at\nc0,yes,90,2020-02-10T08:00:00\n")
    assert ranges(daemon.look(CONTACTS)) == [("2020-02-01", "2020-02-01")]


def test_outcomes_that_come_first_wait_for_their_contacts(daemon, contacts):
    folder = daemon.settings.landing / "outcomes"
    folder.mkdir(parents=True)
    (folder / "first.csv").write_text("contact_id,y,duration,arrived_at\nc0,yes,90,2020-01-10T08:00:00\n")
    assert daemon.look(CONTACTS) == []
    assert daemon.left() == []
    land(daemon.settings, contacts.rows(contacts.contact_dates < FIRST + 31))
    assert ranges(daemon.look(CONTACTS)) == [("2020-01-01", "2020-01-01")]


def test_a_half_written_file_is_left_until_it_is_complete(daemon, contacts):
    waiting = InProcessDaemon(
        Settings(home=daemon.settings.home, ledger_url=daemon.settings.ledger_url, settle_seconds=60), daemon.instance
    )
    text = delivery_text(contacts.rows(contacts.contact_dates < FIRST + 31))
    folder = waiting.settings.landing / "contacts"
    folder.mkdir(parents=True)
    (folder / "january.csv").write_text(text[: len(text) // 2])
    assert waiting.look(CONTACTS) == []
    assert "still being written: contacts/january.csv" in waiting.said[CONTACTS]
    assert "contacts/january.csv is still being written" in waiting.left()
    (folder / "january.csv").write_text(text)
    assert len(daemon.look(CONTACTS)) == 1, "complete: it has settled"


def test_a_month_that_failed_its_gate_is_made_until_its_correction_lands(daemon, contacts):
    january = contacts.rows(contacts.contact_dates < FIRST + 31)
    land(daemon.settings, january)
    daemon.look(CONTACTS)
    make_tables(daemon.settings, ["2020-01"], held=("2020-01",))
    assert daemon.look(CONTACTS) == [], "the run that stopped at the gate would stop there again"
    corrected = january.rows(np.arange(len(january)))
    corrected.frame["age"][0] += 1
    land(daemon.settings, corrected)
    assert ranges(daemon.look(CONTACTS)) == [("2020-01-01", "2020-01-01")]


def test_an_unusable_file_is_set_aside_and_the_others_are_processed(daemon, contacts):
    land(daemon.settings, contacts.rows(contacts.contact_dates < FIRST + 31))
    (daemon.settings.landing / "contacts" / "letter.csv").write_text("dear bank\nplease find attached\n")
    assert len(daemon.look(CONTACTS)) == 1
    assert (daemon.settings.landing / "refused" / "letter.csv.reason.json").is_file()


def test_a_missing_landing_folder_is_reported_and_the_loop_resumes_when_it_is_back(daemon, contacts):
    for sensor in (CONTACTS, CAMPAIGN):
        assert daemon.look(sensor) == []
        assert "expected the landing folder, found none" in daemon.said[sensor]
    land(daemon.settings, contacts)
    assert len(daemon.look(CONTACTS)) == 1


def test_an_unreadable_landing_folder_is_an_error_with_what_to_do(daemon, contacts):
    (daemon.settings.landing).mkdir()
    (daemon.settings.landing / "contacts").symlink_to("a-mount-that-is-gone")
    with pytest.raises(Exception, match="expected a folder that this process may list"):
        daemon.look(CONTACTS)
    (daemon.settings.landing / "contacts").unlink()
    land(daemon.settings, contacts)
    assert len(daemon.look(CONTACTS)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_landing_folder_without_the_right_to_read_it(daemon):
    (daemon.settings.landing / "contacts").mkdir(parents=True)
    (daemon.settings.landing / "contacts").chmod(0)
    try:
        with pytest.raises(Exception, match="give the right to read it"):
            daemon.look(CONTACTS)
    finally:
        (daemon.settings.landing / "contacts").chmod(0o755)


def campaign(daemon, contacts, name="spring.csv"):
    folder = daemon.settings.landing / "campaigns"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(campaign_text(contacts))


def test_a_campaign_waits_for_a_champion_and_is_then_scored_once_per_content(daemon, contacts):
    from bank_assets.landing.campaign_file import latest_campaigns
    from bank_assets.ledger import states
    from bank_assets.ledger.engine import open_ledger
    from bank_assets.store.warehouse import Warehouse

    land(daemon.settings, contacts)
    daemon.look(CONTACTS)
    make_tables(daemon.settings, ["2020-01", "2020-02", "2020-03"])
    campaign(daemon, contacts.rows(contacts.contact_dates >= FIRST + 70))
    assert daemon.look(CAMPAIGN) == []
    assert "wait for the first champion" in daemon.said[CAMPAIGN]
    promote(daemon.settings, "1", "2020-03-01")
    engine = open_ledger(daemon.settings.ledger_url)
    states.publish(engine, "2020-03-01", {"as_of": "2020-03-01"})
    engine.dispose()
    (requested,) = daemon.look(CAMPAIGN)
    assert (requested.job_name, "spring.csv" in requested.tags["bank/reason"]) == ("scoring_job", True)
    (delivery,) = latest_campaigns(daemon.settings.warehouse).values()
    import pyarrow as pa

    Warehouse(daemon.settings.warehouse).write(
        "batch_scores", "spring", pa.table({"a": [1]}), "mark", {"sha256": delivery.sha256}
    )
    assert daemon.look(CAMPAIGN) == []
    campaign(daemon, contacts.rows(contacts.contact_dates >= FIRST + 60))
    (changed,) = daemon.look(CAMPAIGN)
    assert changed.run_key != requested.run_key


def test_every_sensor_and_schedule_says_what_it_is_for(daemon):
    for one in [*daemon.repository.sensor_defs, *daemon.repository.schedule_defs]:
        assert (one.description or "").strip().endswith("."), one.name
        assert one.tags, one.name
        assert one.default_status.value == "RUNNING", one.name


def test_sensors_and_schedules_start_stopped_where_a_person_should_decide(settings):
    from bank_assets.definitions import build_defs

    stopped = build_defs(settings=Settings(home=settings.home, sensors_running=False)).get_repository_def()
    for one in [*stopped.sensor_defs, *stopped.schedule_defs]:
        assert one.default_status.value == "STOPPED", one.name


def test_the_jobs_of_the_loop_run_one_at_a_time(daemon, settings):
    from bank_assets.jobs import all_jobs
    from bank_assets.resources.instance import open_instance

    assert all(TAG_LOOP in job.tags for job in all_jobs())
    with open_instance(settings) as instance:
        limits = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits
    assert {"key": TAG_LOOP, "limit": 1} in limits
