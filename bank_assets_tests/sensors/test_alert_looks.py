"""The alert sensors: failing sensors, missing deliveries, the cursor and channels, with real evaluations."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo

from bank_assets.contract.feeds import Subscription
from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.ledger import campaigns, events, feeds, list_life
from bank_assets.ledger.engine import writing
from bank_assets.sensors.alerts import ALERTS, AlertCursor
from bank_assets_tests.sensors.alert_world import World, failing, kinds
from bank_assets_tests.world.daemon import stored_instance

pytestmark = pytest.mark.slow


def add_ticks(world, name, statuses, kind=InstigatorType.SENSOR):
    """Evaluations of a sensor or schedule, as the daemon notes them, oldest first."""
    target = LoadableTargetOrigin(module_name="bank_assets.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target)
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    known = {state.name: state for state in world.instance.all_instigator_state()}
    if name not in known:
        data = ScheduleInstigatorData("0 0 * * *", 0.0) if kind is InstigatorType.SCHEDULE else None
        known[name] = InstigatorState(origin, kind, InstigatorStatus.RUNNING, data)
        world.instance.add_instigator_state(known[name])
    error = SerializableErrorInfo("could not read john.doe@example.com", [], "PermissionError")
    for status in statuses:
        world.ticks += 1
        is_failure = status is TickStatus.FAILURE
        world.instance.create_tick(
            TickData(
                origin.get_id(),
                name,
                kind,
                status,
                timestamp=1_700_000_000.0 + world.ticks,
                error=error if is_failure else None,
                selector_id=known[name].selector_id,
            )
        )


FAILED, SKIPPED = TickStatus.FAILURE, TickStatus.SKIPPED


class TestAutomation:
    def test_a_sensor_is_reported_after_three_failures_in_a_row_once_per_streak(self, world):
        add_ticks(world, "new_contacts_sensor", [SKIPPED, FAILED, FAILED])
        assert world.look() == []
        add_ticks(world, "new_contacts_sensor", [FAILED])
        (alert,) = world.look()
        assert alert["kind"] == "sensor_failing"
        assert "new_contacts_sensor" in alert["title"]
        assert "PermissionError" in alert["text"]
        assert "john.doe" not in json.dumps(alert)
        add_ticks(world, "new_contacts_sensor", [FAILED] * 60)
        assert world.look() == []
        add_ticks(world, "new_contacts_sensor", [SKIPPED])
        assert world.look() == []
        add_ticks(world, "new_contacts_sensor", [FAILED] * 3)
        assert kinds(world.look()) == ["sensor_failing"]

    def test_one_failed_evaluation_of_a_schedule_is_enough(self, world):
        add_ticks(world, "daily_pipeline_schedule", [FAILED], InstigatorType.SCHEDULE)
        assert "schedule daily_pipeline_schedule" in world.look()[0]["title"]

    def test_the_alert_sensor_is_watched_by_the_other_one(self, world):
        add_ticks(world, ALERTS, [FAILED] * 3)
        assert world.look() == []
        assert kinds(world.look(world.delivering)) == ["sensor_failing"]
        assert world.look(world.delivering) == []


class TestSilence:
    @staticmethod
    def deliver(world, name, now):
        folder = world.settings.landing / "outcomes"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"contact_id,y,duration,arrived_at\n{name},no,60,2009-05-04\n")
        register_deliveries(world.settings.landing, world.settings.warehouse, UCI, now=now, settle_seconds=0)

    def test_silence_is_reported_once_and_again_after_the_next_delivery(self, world):
        now = datetime.now(UTC)
        assert world.look() == []
        self.deliver(world, "a.csv", now - timedelta(days=9))
        (alert,) = world.look()
        assert alert["kind"] == "nothing_arrived"
        assert "9 days" in alert["title"]
        assert world.look() == []
        self.deliver(world, "b.csv", now - timedelta(days=5))
        assert kinds(world.look()) == ["nothing_arrived"]
        self.deliver(world, "c.csv", now)
        assert world.look() == []


class TestCursor:
    def test_a_lost_cursor_repeats_nothing(self, world):
        world.run(failing(OSError("x")))
        world.run(failing(OSError("x")), job="other_job")
        assert len(world.look()) == 2
        world.cursors.clear()
        assert world.look() == []

    def test_a_full_disk_keeps_the_cursor_so_that_nothing_is_lost(self, world, monkeypatch):
        world.run(failing(OSError("x")))
        monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space left on device")))
        with pytest.raises(Exception, match="no space"):
            world.look()
        monkeypatch.undo()
        world.look()
        assert kinds(world.reported()) == ["run_failed"]

    def test_many_runs_at_once_are_reported_over_several_ticks(self, world, monkeypatch):
        monkeypatch.setattr("bank_assets.sensors.alerts.RUNS_PER_LOOK", 2)
        for job in ("a_job", "b_job", "c_job"):
            world.run(failing(OSError("x")), job=job)
        assert (len(world.look()), len(world.look()), len(world.look())) == (2, 1, 0)

    def test_a_cursor_of_another_release_is_replaced(self):
        now = datetime(2010, 11, 2, tzinfo=UTC)
        fresh = AlertCursor.from_json('{"schema_version": 99}', now)
        assert fresh == AlertCursor((now - timedelta(days=7)).isoformat())
        kept = AlertCursor(now.isoformat(), ("a",), 7)
        assert AlertCursor.from_json(kept.to_json(), now) == kept


def test_without_a_channel_the_delivery_sensor_says_where_alerts_are(world):
    world.look(world.delivering)
    assert "reports/alerts.jsonl" in world.skip_message


def test_alerts_reach_a_channel_through_the_sensor(tmp_path):
    with stored_instance() as instance:
        world = World(tmp_path, instance, alert_urls=(f"file://{tmp_path}/told.jsonl", "json://127.0.0.1:9/s3cretword"))
        world.run(failing(OSError("x")))
        world.look()
        world.look(world.delivering)
    assert (tmp_path / "told.jsonl").read_text() == world.notifier.log.path.read_text()
    assert "1 sent" in world.skip_message
    assert "failed attempt" in world.skip_message
    assert "s3cretword" not in world.skip_message


def test_lists_made_and_closed_and_objections_are_reported_once(world):
    engine = world.ledger.engine
    about = {"actor": "ana", "model_version": "3", "model_digest": "d", "economics": {}, "content_digest": "e" * 64}
    summary, request = {"called": {"n_calls": 20}}, {"last_day": "2010-11-20"}
    early, late = (
        campaigns.keep_list(engine, campaigns.CampaignList(name=name, summary=summary, request=request, **about))
        for name in ("early.csv", "late.csv")
    )
    for one, kind, content in (
        (early, list_life.CLOSED, {"reason": "strike"}),
        (late, list_life.EXPORTED, {"group": "calls"}),
    ):
        list_life.note(engine, one.id, kind=kind, actor="ana", content=content, check=lambda _: None)
    with writing(engine) as connection:
        content = {"rows": {"suppressions": {"n": 3}}}
        events.append(connection, kind="suppression.added", subject="", content=content, actor="ana")
    alerts = world.look()
    assert kinds(alerts) == ["list_made", "list_made", "list_closed", "objection"]
    assert "It was closed early: strike" in alerts[2]["action"]
    assert (alerts[1]["subject"], alerts[3]["title"]) == (late.id, "3 objections were received")
    assert world.look() == []
    with writing(engine) as connection:
        content = {feeds.HELD_OUT_OF: [early.id, late.id], "held_out": 2}
        for _ in range(2):
            events.append(connection, kind="dispositions.recorded", subject="", content=content, actor="landing")
    broken = world.look()
    assert kinds(broken) == ["holdout_called", "holdout_called"]
    assert [one["page"] for one in broken] == [f"/campaign/lists/{one.id}" for one in (early, late)]
    books = [Subscription(one, "2010-12-20") for one in ("k-1", "k-2")]
    feeds.record_subscriptions(engine, books, actor="books", source="file")
    (closed,) = world.look()
    assert (closed["kind"], closed["subject"]) == ("list_closed", late.id)
    assert closed["action"] == (
        "Read what it brought: all subscriptions up to 2010-12-20 are known. "
        "Nothing was reported about 20 of its 20 calls."
    )
    assert world.look() == []
