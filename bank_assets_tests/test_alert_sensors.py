"""Each kind of alert from its real cause: real Dagster runs, ticks, ledger rows and manifests, then the real sensor."""

import json
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
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

from bank_assets.alert_sensors import ALERTS, AlertCursor, alert_sensors
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.engine import upgrade
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.notifier import NotifierResource
from bank_assets.resources.warehouse import Warehouse, WarehouseResource
from bank_assets.settings import Settings
from bank_assets.sources.deliveries import register_deliveries

HEAVY = {"status": "ok", "month": "2009-05", "level": "heavy", "label_level": "none", "last_day": "2009-05-29",
         "message": "Heavy drift in May compared with champion v1: job.", "drifted": ["job"]}  # fmt: skip
CALM = HEAVY | {"level": "none", "drifted": [], "message": "No drift in May."}


class World:
    """A home with its Dagster instance, and both sensors as the daemon asks them."""

    def __init__(self, home, instance, **settings):
        self.home, self.instance = home, instance
        self.settings = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}", **settings)
        self.ledger = LedgerResource(url=self.settings.ledger_url)
        upgrade(self.ledger.engine)
        self.notifier = NotifierResource.of(self.settings)
        self.warehouse = Warehouse(self.settings.warehouse)
        self.alerting, self.delivering = alert_sensors(self.settings, dg.DefaultSensorStatus.RUNNING)
        self.cursors, self.ticks = {}, 0

    def look(self, sensor=None):
        """Ask a sensor once; the alerts that came of it."""
        sensor = sensor or self.alerting
        before = len(self.told())
        resources = {
            "ledger": LedgerResource(url=self.settings.ledger_url),
            "notifier": self.notifier,
            "warehouse": WarehouseResource(root=str(self.settings.warehouse)),
            "settings": self.settings,
        }
        cursor = self.cursors.get(sensor.name)
        with dg.build_sensor_context(instance=self.instance, cursor=cursor, resources=resources) as context:
            result = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = result.cursor
        self.skip_message = result.skip_message
        return self.told()[before:]

    def told(self):
        return [document for _, document in self.notifier.log.read()]

    def run(self, *assets, job="data_job", tags=None, checks=()):
        """Run assets as a job of that name, for real."""
        defs = dg.Definitions(
            assets=list(assets), asset_checks=list(checks), jobs=[dg.define_asset_job(job, dg.AssetSelection.all())]
        )
        return defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, tags=tags or {}
        )

    def report(self, name, metadata, **options):
        """Run an asset of that name that says so much about itself."""

        @dg.asset(name=name)
        def asset():
            return dg.MaterializeResult(metadata=metadata)

        return self.run(asset, **options)


@contextmanager
def stored_instance():
    """An instance on disk, as an ephemeral one keeps no evaluations; in memory if there is such a folder: 3x faster."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        dg.DagsterInstance.local_temp(folder) as instance,
    ):
        yield instance


@pytest.fixture
def world(tmp_path):
    with stored_instance() as instance:
        yield World(tmp_path, instance, public_url="http://bank.example", ui_url="http://ui.example")


def kinds(alerts):
    return [alert["kind"] for alert in alerts]


def failing(error):
    @dg.asset
    def contacts():
        raise error

    return contacts


class TestRuns:
    def test_a_failed_run_is_told_once_with_its_link_and_without_data(self, world):
        failed = world.run(failing(OSError("could not parse 30;unemployed;john.doe@example.com")))
        (alert,) = world.look()
        assert alert["kind"] == "run_failed"
        assert alert["run_url"] == f"http://ui.example/runs/{failed.run_id}"
        assert "contacts" in alert["text"]
        assert "OSError" in alert["text"]
        assert "john.doe" not in json.dumps(alert)
        assert world.look() == []

    def test_our_own_words_about_a_failure_are_passed_on(self, world):
        world.run(failing(dg.Failure("contacts: expected a delivery, found none; land one.", allow_retries=False)))
        assert "expected a delivery, found none; land one" in world.look()[0]["text"]

    def test_the_same_failure_every_night_is_told_once_until_it_went_through(self, world):
        world.run(failing(OSError("x")))
        world.run(failing(OSError("x")))
        assert kinds(world.look()) == ["run_failed"]
        world.run(failing(OSError("x")))
        assert world.look() == []
        world.run(failing(ValueError("another cause")))
        assert kinds(world.look()) == ["run_failed"]
        world.report("contacts", {})
        world.run(failing(OSError("x")))
        assert kinds(world.look()) == ["run_failed"]

    def test_a_run_that_dagster_repeats_by_itself_is_left_to_its_repeat(self, world):
        world.run(failing(OSError("x")), tags={"dagster/will_retry": "true"})
        assert world.look() == []

    def test_a_run_whose_process_was_killed_is_told(self, world):
        run = world.instance.create_run_for_job(dg.job(name="nightly_job")(lambda: None))
        world.instance.report_run_failed(run, "The process of this run is gone (killed or crashed); run it again.")
        (alert,) = world.look()
        assert "outside of any step" in alert["text"]

    def test_the_night_has_a_digest_and_other_runs_have_none(self, world):
        made = {"new": 2, "refused": ["a.csv: no header"], "source": "simulated"}
        world.report("raw_contacts", made)
        world.report("raw_contacts", made, job="nightly_job", tags={"dagster/schedule_name": "daily_pipeline_schedule"})
        (digest,) = world.look()
        assert digest["kind"] == "nightly_digest"
        assert "2 new deliveries, 1 refused (source: simulated)" in digest["text"]


class TestGates:
    @staticmethod
    def checked(found, passed=False, severity=dg.AssetCheckSeverity.ERROR, blocking=False):
        @dg.asset
        def raw_contacts():
            return None

        @dg.asset_check(asset="raw_contacts", name="raw_bytes_match_their_digest", blocking=blocking)
        def check():
            return dg.AssetCheckResult(passed=passed, severity=severity, metadata={"missing": found})

        return {"assets": [raw_contacts], "checks": [check]}

    def go(self, world, **options):
        parts = self.checked(**options)
        return world.run(*parts["assets"], checks=parts["checks"])

    def test_a_failed_check_of_a_successful_run_is_told_without_the_reason_that_may_quote_rows(self, world):
        assert self.go(world, found=["may.csv: expected a header, found 30;unemployed;john"]).success
        (alert,) = world.look()
        assert alert["kind"] == "gate_failed"
        assert "may.csv" in alert["text"]
        assert "Every registered delivery's bytes are in the object store" in alert["text"]
        assert "john" not in json.dumps(alert)

    def test_the_same_again_is_quiet_another_file_and_another_episode_are_not(self, world):
        for found, told in ((["may.csv: a"], 1), (["may.csv: a"], 0), (["may.csv: a", "june.csv: b"], 1)):
            self.go(world, found=found)
            assert len(world.look()) == told
        self.go(world, found=[], passed=True)
        assert world.look() == []
        self.go(world, found=["may.csv: a"])
        assert kinds(world.look()) == ["gate_failed"]

    def test_a_refused_file_is_told_at_once_and_again_if_it_is_refused_again(self, world):
        folder = world.settings.landing / "contacts"
        folder.mkdir(parents=True)
        for number in (1, 2):
            (folder / "may.csv").write_text("30;unemployed;john.doe\n")
            now = datetime.now(UTC) + timedelta(hours=number)
            register_deliveries(world.settings.landing, world.settings.warehouse, now=now, settle_seconds=0)
            (alert,) = world.look()
            assert alert["kind"] == "gate_failed"
            assert "may.csv" in alert["title"]
            reason = next(word for word in alert["action"].split() if word.endswith(".json,")).rstrip(",")
            assert (world.settings.landing / "refused" / reason).is_file()
            assert ("-" in reason) == (number == 2)  # the second does not replace the first
            assert "john" not in json.dumps(alert)
            assert world.look() == []

    def test_a_run_stopped_by_its_gate_is_told_as_the_gate_alone(self, world):
        assert not self.go(world, found=["may.csv: a"], blocking=True).success
        assert kinds(world.look()) == ["gate_failed"]

    def test_a_hint_is_no_alert(self, world):
        self.go(world, found=["x: y"], severity=dg.AssetCheckSeverity.WARN)
        assert world.look() == []


class TestRejectedRows:
    @staticmethod
    def month(world, rejected, errors, rows=1_000, month="2009-05"):
        table = pa.table({"contact_id": [f"{month}-{rejected}"]})
        counts = {"rows_in": rows, "rejected": rejected, "superseded": 0}
        entry = world.warehouse.write("contacts", month, table, "mark", {"contacts": counts})
        gate = {"passed": not errors, "errors": errors, "warnings": [], "contacts_digest": entry.digest}
        world.warehouse.write("contacts_validation", month, table, "mark", gate)

    def test_a_month_over_the_limit_is_told_as_such_and_not_as_a_gate_too(self, world):
        self.month(world, 73, ["reject rate: expected at most 5.0%, found 7.3%"])

        @dg.asset_check(asset="contacts_validation", name="no_month_is_held")
        def held():
            return dg.AssetCheckResult(passed=False, metadata={"held": {"2009-05": ["reject rate: …"]}, "count": 1})

        @dg.asset
        def contacts_validation():
            return None

        for told in (["rows_rejected"], []):
            world.run(contacts_validation, checks=[held])
            assert kinds(world.look()) == told
        assert "73 of 1,000" in world.told()[0]["text"]

    def test_a_correction_that_is_still_too_bad_is_told_anew_and_a_good_one_is_not(self, world):
        error = ["reject rate: expected at most 5.0%, found more"]
        for rejected, errors, told in ((73, error, 1), (60, error, 1), (0, [], 0)):
            self.month(world, rejected, errors)
            world.report("contacts_validation", {})
            assert len(world.look()) == told


class TestDriftAndDecay:
    def test_an_episode_is_told_once_and_what_comes_back_is_told_anew(self, world):
        told = []
        for verdict in (HEAVY, HEAVY, CALM, HEAVY):
            world.report("drift_report", verdict)
            told += [kinds(world.look())]
        assert told == [["drift"], [], [], ["drift"]]
        first, second = world.told()
        assert first["key"] != second["key"]
        assert first["as_of"] == "2009-05-29"
        assert first["tone"] == "watch"

    def test_more_columns_and_a_worse_level_are_told_and_easing_is_not(self, world):
        steps = (
            (HEAVY | {"level": "moderate"}, 1),
            (HEAVY, 1),
            (HEAVY | {"level": "moderate"}, 0),
            (HEAVY | {"drifted": ["job", "poutcome"]}, 1),
            (HEAVY | {"label_level": "heavy"}, 1),
        )
        for verdict, told in steps:
            world.report("drift_report", verdict)
            assert len(world.look()) == told

    def test_too_few_contacts_do_not_end_an_episode(self, world):
        for verdict in (HEAVY, CALM | {"status": "too_few_rows"}, HEAVY):
            world.report("drift_report", verdict)
        assert kinds(world.look()) == ["drift"]

    def test_decay_is_told_with_its_money(self, world):
        decayed = {"level": "heavy", "status": "ok", "message": "Heavy decay.", "as_of": "2009-06-01",
                   "profit_eur": 420.0}  # fmt: skip
        for verdict, told in ((decayed, ["decay"]), (decayed, []), (decayed | {"level": "none"}, [])):
            world.report("performance_report", verdict)
            assert kinds(world.look()) == told
        assert "420 EUR" in world.told()[0]["text"]


class TestVerdicts:
    def test_promotions_refusals_recalibrations_and_rollbacks_are_told_with_their_reasons(self, world):
        run = world.report("champion_model", {"challenger": "2", "decision": "promoted"})
        for kind, decision, version in (
            ("first", "promoted", "1"),
            ("refit", "promoted", "2"),
            ("recipe", "refused", "3"),
            ("recalibration", "promoted", "2"),
            ("rollback", "promoted", "1"),
        ):
            promotions.record(
                world.ledger.engine, kind=kind, decision=decision, from_version="1", to_version=version,
                reasons=[f"reason of {kind}"], actor="pipeline", as_of="2009-06-01",
                evidence={"effect": "It would have earned 300 EUR more.",
                          "report": f"/reports/retraining/v{version}.html"},
            )  # fmt: skip
        alerts = world.look()
        assert kinds(alerts) == ["promoted", "promoted", "refused", "recalibrated", "promoted"]
        assert "Reason of recipe." in alerts[2]["text"]
        assert alerts[1]["text"].startswith("It would have earned 300 EUR more.")
        assert alerts[1]["page_url"] == "http://bank.example/reports/retraining/v2.html"
        assert alerts[1]["run_id"] == run.run_id
        assert alerts[3]["run_id"] == ""
        assert world.look() == []


class TestLadder:
    @staticmethod
    def judge(world, seq, rung="retrain", episode="e1", kinds=("calibration",), is_alert=True):
        responses.append(
            world.ledger.engine, seq=seq, as_of="2009-06-01", rung=rung, kinds=kinds, episode_id=episode, run_key="",
            is_recalibrated=False, is_alert=is_alert, reasons=["z +5.1"], evidence={}, shift=0.1, promotion_id=0,
            state="{}",
        )  # fmt: skip

    def test_an_episode_is_told_once_its_stop_is_told_and_a_new_episode_too(self, world):
        for seq, (options, told) in enumerate(
            (
                ({}, ["response"]),
                ({"is_alert": False}, []),
                ({"rung": "alert"}, ["response"]),
                ({"episode": "e2"}, ["response"]),
            ),
            start=1,
        ):
            self.judge(world, seq, **options)
            assert kinds(world.look()) == told
        assert [alert["tone"] for alert in world.told()] == ["watch", "bad", "watch"]
        assert "z +5.1" in world.told()[0]["text"].lower()


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
    def test_a_sensor_is_told_after_three_failures_in_a_row_once_per_streak(self, world):
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
        register_deliveries(world.settings.landing, world.settings.warehouse, now=now, settle_seconds=0)

    def test_silence_is_told_once_and_again_after_the_next_delivery(self, world):
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
        world.report("drift_report", HEAVY)
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
        assert kinds(world.told()) == ["run_failed"]

    def test_many_runs_at_once_are_told_over_several_looks(self, world, monkeypatch):
        monkeypatch.setattr("bank_assets.alert_sensors.RUNS_PER_LOOK", 2)
        for job in ("a_job", "b_job", "c_job"):
            world.run(failing(OSError("x")), job=job)
        assert (len(world.look()), len(world.look()), len(world.look())) == (2, 1, 0)

    def test_what_another_release_kept_is_started_anew(self):
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
    assert "dead" in world.skip_message
    assert "s3cretword" not in world.skip_message
