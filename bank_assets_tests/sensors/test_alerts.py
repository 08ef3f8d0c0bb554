"""Each kind of alert from its real cause: Dagster runs, ledger rows and manifests, read by the sensor."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.ledger import promotions, responses
from bank_assets_tests.sensors.alert_world import failing, kinds

pytestmark = pytest.mark.slow


class TestRuns:
    def test_a_failed_run_is_reported_once_with_its_link_and_without_data(self, world):
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

    def test_the_same_failure_every_night_is_reported_once_until_a_run_succeeds(self, world):
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

    def test_a_run_whose_process_was_killed_is_reported(self, world):
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

    def test_a_failed_check_of_a_successful_run_is_reported_without_quoting_rows(self, world):
        assert self.go(world, found={"may.csv": "expected a header, found 30;unemployed;john"}).success
        (alert,) = world.look()
        assert alert["kind"] == "gate_failed"
        assert "may.csv" in alert["text"]
        assert "Every registered delivery's bytes are in the object store" in alert["text"]
        assert "john" not in json.dumps(alert)

    def test_the_same_again_is_quiet_another_file_and_another_episode_are_not(self, world):
        for found, reported in (({"may.csv": "a"}, 1), (["may.csv"], 0), ({"may.csv": "a", "june.csv": "b"}, 1)):
            self.go(world, found=found)
            assert len(world.look()) == reported
        self.go(world, found=[], passed=True)
        assert world.look() == []
        self.go(world, found={"may.csv": "a"})
        assert kinds(world.look()) == ["gate_failed"]

    def test_a_refused_file_is_reported_at_once_and_again_if_it_is_refused_again(self, world):
        folder = world.settings.landing / "contacts"
        folder.mkdir(parents=True)
        for number in (1, 2):
            (folder / "may.csv").write_text("30;unemployed;john.doe\n")
            now = datetime.now(UTC) + timedelta(hours=number)
            register_deliveries(world.settings.landing, world.settings.warehouse, UCI, now=now, settle_seconds=0)
            (alert,) = world.look()
            assert alert["kind"] == "gate_failed"
            assert "may.csv" in alert["title"]
            reason = next(word for word in alert["action"].split() if word.endswith(".json,")).rstrip(",")
            assert (world.settings.landing / "refused" / reason).is_file()
            assert ("-" in reason) == (number == 2)  # the second does not replace the first
            assert "john" not in json.dumps(alert)
            assert world.look() == []

    def test_a_run_stopped_by_its_gate_is_reported_as_the_gate_alone(self, world):
        assert not self.go(world, found={"may.csv": "a"}, blocking=True).success
        assert kinds(world.look()) == ["gate_failed"]

    def test_a_hint_is_no_alert(self, world):
        self.go(world, found={"x": "y"}, severity=dg.AssetCheckSeverity.WARN)
        assert world.look() == []


class TestRejectedRows:
    @staticmethod
    def month(world, rejected, errors, rows=1_000, month="2009-05", **more):
        table = pa.table({"contact_id": [f"{month}-{rejected}"]})
        counts = {"rows_in": rows, "rejected": rejected, "superseded": 0}
        entry = world.warehouse.write("contacts", month, table, "mark", {"contacts": counts})
        gate = {"passed": not errors, "errors": errors, "warnings": [], "contacts_digest": entry.digest,
                "reject_rate": rejected / rows, **more}  # fmt: skip
        world.warehouse.write("contacts_validation", month, table, "mark", gate)

    def test_a_month_over_the_limit_is_not_reported_as_a_gate_too(self, world):
        self.month(world, 73, ["reject rate: expected at most 5.0 %, found 7.3 %"])

        @dg.asset_check(asset="contacts_validation", name="no_month_is_held")
        def held():
            return dg.AssetCheckResult(passed=False, metadata={"held": {"2009-05": ["reject rate: …"]}, "count": 1})

        @dg.asset
        def contacts_validation():
            return None

        for reported in (["rows_rejected"], []):
            world.run(contacts_validation, checks=[held])
            assert kinds(world.look()) == reported
        assert "73 of 1,000" in world.reported()[0]["text"]

    def test_many_months_of_one_file_are_one_alert_that_says_what_to_write(self, world):
        months = [f"{year}-{month:02}" for year in (2008, 2009, 2010) for month in range(1, 13)]
        for month in months:
            fault = "most often job.not_a_known_value (67 rows, 67 with job empty: write unknown)"
            self.month(world, 67, ["too many rows"], 200, month, commonest_fault=fault)

        @dg.asset_check(asset="contacts_validation", name="no_month_is_held")
        def held():
            return dg.AssetCheckResult(passed=False, metadata={"held": {month: ["…"] for month in months}})

        @dg.asset_check(asset="contacts_validation", name="a_month_passes_its_gate", blocking=True)
        def none_passes():
            return dg.AssetCheckResult(passed=False)

        @dg.asset
        def contacts_validation():
            return None

        for reported in (["rows_rejected"], []):
            world.run(contacts_validation, checks=[held, none_passes])
            assert kinds(world.look()) == reported
        (alert,) = world.reported()
        assert "2,412 of 7,200" in alert["text"]
        assert "write unknown" in alert["text"]

    def test_a_month_held_for_another_reason_too_is_reported_as_both(self, world):
        self.month(world, 73, ["too many rows", "contacts_are_told_apart: one id has half of the rows"])

        @dg.asset_check(asset="contacts_validation", name="no_month_is_held")
        def held():
            return dg.AssetCheckResult(passed=False, metadata={"held": {"2009-05": ["…"]}, "count": 1})

        @dg.asset
        def contacts_validation():
            return None

        world.run(contacts_validation, checks=[held])
        found = world.look()
        assert kinds(found) == ["gate_failed", "rows_rejected"]
        assert "one id has half of the rows" in found[0]["text"]

    def test_a_correction_that_is_still_too_bad_is_reported_again_and_a_good_one_is_not(self, world):
        error = ["reject rate: expected at most 5.0 %, found more"]
        for rejected, errors, reported in ((73, error, 1), (60, error, 1), (0, [], 0)):
            self.month(world, rejected, errors)
            world.report("contacts_validation", {})
            assert len(world.look()) == reported


class TestMonthlyStatistics:
    @pytest.mark.parametrize("name", ["drift_report", "performance_report"])
    def test_a_month_that_nothing_acts_on_is_no_alert(self, world, name):
        heavy = {"status": "ok", "month": "2009-05", "level": "heavy", "label_level": "heavy", "message": "Heavy.",
                 "drifted": ["job"], "last_day": "2009-05-29"}  # fmt: skip
        world.report(name, heavy)
        assert world.look() == []


class TestVerdicts:
    def test_promotions_refusals_recalibrations_and_rollbacks_are_reported_with_their_reasons(self, world):
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


class TestResponse:
    @staticmethod
    def judge(world, seq, action="retrain", episode="e1", kinds=("calibration",), is_alert=True):
        responses.append(
            world.ledger.engine, seq=seq, as_of="2009-06-01", action=action, kinds=kinds, episode_id=episode,
            run_key="",
            is_recalibrated=False, is_alert=is_alert, reasons=["z +5.1"], evidence={}, shift=0.1, promotion_id=0,
            state="{}",
        )  # fmt: skip

    def test_an_episode_its_stop_and_a_new_episode_are_each_reported_once(self, world):
        for seq, (options, reported) in enumerate(
            (
                ({}, ["response"]),
                ({"is_alert": False}, []),
                ({"action": "alert"}, ["response"]),
                ({"episode": "e2"}, ["response"]),
            ),
            start=1,
        ):
            self.judge(world, seq, **options)
            assert kinds(world.look()) == reported
        assert [alert["tone"] for alert in world.reported()] == ["watch", "bad", "watch"]
        assert "z +5.1" in world.reported()[0]["text"].lower()

    def test_the_text_says_what_it_means_in_eur_and_the_details_hold_every_number(self, world):
        evidence = {"as_of": "2009-06-01", "outcomes": 120, "observed": 55.0, "expected": 30.1, "standard_error": 4.9}
        responses.append(
            world.ledger.engine, seq=1, as_of="2009-06-01", action="retrain", kinds=["calibration"], episode_id="e",
            run_key="", is_recalibrated=False, is_alert=True, reasons=["z +5.1"], evidence=evidence, shift=0.1,
            promotion_id=0, state="{}",
        )  # fmt: skip
        (alert,) = world.look()
        assert "worth 1,245 EUR more than expected" in alert["text"]
        assert len(alert["details"]) == 3
