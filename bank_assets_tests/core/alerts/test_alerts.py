"""Alerts as values: equal content has an equal key, and an episode is reported once until it ends."""

import json
from pathlib import Path

import numpy as np
import pytest

from bank_assets.core.alerts import campaign_catalogue, catalogue
from bank_assets.core.alerts.alert import (
    LONGEST_TEXT,
    AlertKind,
    DefaultChannel,
    Episodes,
    Occurrence,
    Tone,
    key_of,
)
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.policy import Evidence
from bank_assets.store.alert_log import AlertLog

NOW = Occurrence("2010-11-02T00:00:00+00:00", "r1")
DAY = np.datetime64("2009-01-01")
MEASURED = Evidence(DAY, outcomes=120, observed=55.0, expected=30.1, standard_error=4.9, contacts=400,
                    excess={"balance": 0.04}, roc_auc=0.71, roc_auc_error=0.03)  # fmt: skip


def verdict(when=NOW, **changes):
    given = {
        "row_id": 7, "gate": "refit", "is_promoted": False, "from_version": "3", "to_version": "4",
        "reasons": ["AUC 0.501 on the latest contacts (floor 0.52)"],
    }  # fmt: skip
    return catalogue.model_judged(when, **given | changes)


def answered(**changes):
    given = {"answer": "retrain", "has_violations": True, "reasons": ["z +5.1"], "evidence": None,
             "economics": Economics(), "episode_id": "e", "seq": 7}  # fmt: skip
    return catalogue.loop_responded(NOW, **given | changes)


def test_json_form_has_whole_addresses_and_is_plain():
    document = verdict(report="/reports/retraining/v4.html").to_dict("http://bank.example/", "http://dagster.example")
    assert document["page_url"] == "http://bank.example/reports/retraining/v4.html"
    assert document["run_url"] == "http://dagster.example/runs/r1"
    assert json.loads(json.dumps(document))["tone"] == "watch"


def test_keys_follow_content_alone():
    assert verdict().key == verdict(Occurrence("2011-01-01T00:00:00+00:00", "r2")).key
    assert verdict(row_id=7).key != verdict(row_id=8).key
    assert key_of("drift", "a") != key_of("decay", "a")


def test_keys_are_those_of_earlier_releases_so_that_an_upgrade_repeats_nothing():
    assert key_of("refused", 7, "refit", "4") == verdict().key == "refused-19736717fa66b7a58cd6"
    assert answered().key == "response-487d985b4d31e854b7ad"


def test_a_model_on_probation_is_reported_with_the_tone_watch():
    alert = verdict(gate="probation", is_promoted=True, to_version="1", from_version=None)
    assert (alert.kind, alert.tone) == ("promoted", Tone.WATCH)
    assert "on probation" in alert.title
    assert "BANK_PROBATION" in alert.action


class TestEpisodes:
    def test_what_is_known_is_not_reported_again(self):
        episodes = Episodes()
        assert episodes.observe("drift", ["moderate"], "run-1") == (("moderate",), "run-1")
        assert episodes.observe("drift", ["moderate"], "run-2") == ((), "run-1")

    def test_worse_is_reported_and_easing_is_not(self):
        episodes = Episodes()
        episodes.observe("drift", ["moderate"], "run-1")
        assert episodes.observe("drift", ["moderate", "heavy"], "run-2") == (("heavy",), "run-1")
        assert episodes.observe("drift", ["moderate"], "run-3")[0] == ()

    def test_what_comes_back_after_its_end_is_another_episode(self):
        episodes = Episodes()
        _, first = episodes.observe("drift", ["moderate", "heavy"], "run-1")
        assert (episodes.observe("drift", [], "run-2")[0], episodes.open) == ((), {})
        fresh, again = episodes.observe("drift", ["moderate", "heavy"], "run-3")
        assert fresh == ("moderate", "heavy")
        assert key_of("drift", first, fresh) != key_of("drift", again, fresh)

    def test_subjects_do_not_mix_and_survive_json(self):
        episodes = Episodes()
        episodes.observe("drift", ["heavy"], "run-1")
        episodes.observe("decay", ["heavy"], "run-1")
        episodes = Episodes.from_dict(episodes.to_dict())
        episodes.observe("drift", [], "run-2")
        assert list(episodes.open) == ["decay"]


STOPPED, NO_VERDICT = {"answer": "alert"}, {"answer": "none", "has_violations": False}
EACH = {
    "run": catalogue.run_failed(NOW, "main_job", "contacts", "OSError", "", "r"),
    "gate": catalogue.gate_failed(NOW, "raw", "no_delivery_is_refused", "No file.", ["a.csv"], "r"),
    "file": catalogue.file_refused(NOW, "contacts", "a.csv", "a header.", "a.reason.json", "d"),
    "files": catalogue.files_unused(NOW, "contacts", ["a.xlsx"] * 9, "a CSV file", "save it as CSV"),
    "rows": catalogue.rows_rejected(NOW, "2009-05", 73, 1_000, 0.05, "d"),
    "sensor": catalogue.sensor_failing(NOW, "s", "sensor", "OSError", 3, "t"),
    "silence": catalogue.nothing_arrived(NOW, "2010-10-28", 5.2, 4, "d"),
    "digest": catalogue.nightly_digest(NOW, "daily", ["3 new files"], MEASURED, 300),
    "began": answered(evidence=MEASURED),
    "stopped": answered(evidence=MEASURED, **STOPPED),
    "no verdict": answered(evidence=MEASURED, **NO_VERDICT),
    "promoted": verdict(is_promoted=True),
    "probation": verdict(is_promoted=True, gate="probation"),
    "rollback": verdict(is_promoted=True, gate="rollback"),
    "refused": verdict(),
    "recalibrated": verdict(is_promoted=True, gate="recalibration"),
    "list made": campaign_catalogue.list_made(NOW, "L-1", "autumn.csv", 20),
    "list closed": campaign_catalogue.list_closed(NOW, "L-1", "autumn.csv", "Read what it brought."),
    "hold-out called": campaign_catalogue.holdout_called(NOW, "L-1", "autumn.csv"),
    "objection": campaign_catalogue.objection_received(NOW, 7, 3),
    "test": campaign_catalogue.channels_tested(NOW, "anna"),
}


@pytest.mark.parametrize("alert", EACH.values(), ids=EACH)
def test_each_entry_says_what_happened_and_what_to_do(alert):
    assert alert.title
    assert alert.text.endswith((".", "…"))
    assert alert.action.endswith(".")
    assert all(line.endswith(".") for line in alert.details)
    assert alert.page or alert.run_id or alert.kind == "sensor_failing"


def test_every_kind_is_tried_here_and_documented():
    assert {alert.kind for alert in EACH.values()} == set(AlertKind)
    document = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    assert [kind for kind in AlertKind if f"`{kind}`" not in document] == []


def test_a_manager_reads_the_effect_in_eur_and_whether_it_may_be_chance():
    alert = answered(evidence=MEASURED)
    assert "worth 1,245 EUR more than expected; chance does not explain that" in alert.text
    assert alert.text.count("30.1 expected") == 0
    assert "that may be chance" in answered(evidence=Evidence(DAY, 120, 33.0, 30.1, 4.9)).text
    assert "EUR" not in answered(evidence=Evidence(DAY, 12, 9.0, 3.0, 1.0)).text


def test_checks_that_held_are_folded_away():
    held = answered(evidence=MEASURED).details
    assert any("AUC 0.710" in line for line in held)
    promoted = verdict(is_promoted=True, effect="It earns 300 EUR more, which may be chance.")
    assert promoted.text == "It earns 300 EUR more, which may be chance."
    assert promoted.details == ("AUC 0.501 on the latest contacts (floor 0.52).",)
    assert verdict().details == ()


def test_the_digest_quotes_what_the_loop_judged():
    found = EACH["digest"]
    assert "On 2009-01-01, the last day that the loop judged, 55 subscriptions against 30.1 expected" in found.text
    assert any("AUC 0.710" in line for line in found.details)


def test_only_recalibrations_stay_on_the_pages():
    assert [name for name, alert in EACH.items() if alert.channel is DefaultChannel.PAGES] == ["recalibrated"]


def test_numbers_are_in_the_text():
    assert "73 of 1,000" in EACH["rows"].text
    assert "7.3 %" in EACH["rows"].title
    assert "a.csv" in EACH["gate"].text
    assert "5 minutes" in EACH["digest"].title


def test_short_silence_is_given_in_hours():
    last = "2010-11-01T18:09:49.35+00:00"
    alert = catalogue.nothing_arrived(NOW, last, 1.5, 1, "d")
    assert alert.title == "Nothing has been delivered for 36 hours"
    assert "came at 2010-11-01 18:09 UTC" in alert.text


def test_urgency_follows_what_has_to_be_done():
    assert EACH["run"].tone is Tone.BAD
    assert EACH["promoted"].tone is Tone.GOOD
    assert EACH["stopped"].tone is Tone.BAD
    assert EACH["rollback"].title == "Rolled back to version 4"
    assert "still no champion" in verdict(from_version=None).title


def test_the_beginning_of_an_episode_is_one_alert_and_its_stop_another():
    began, again = answered(), answered(answer="none", seq=8)
    assert began.key == again.key
    assert len({began.key, answered(**STOPPED, seq=9).key, answered(**NO_VERDICT, seq=10).key}) == 3
    assert "waits" in again.title


def test_long_texts_are_cut_between_words():
    alert = verdict(reasons=["word " * 400])
    assert len(alert.text) <= LONGEST_TEXT
    assert alert.text.endswith("word …")


def test_only_the_first_of_many_are_named():
    found = [f"2009-{month:02d}" for month in range(1, 13)]
    text = catalogue.gate_failed(NOW, "a", "b", "C.", found, "r").text
    assert "2009-05 and 7 more" in text
    assert "2009-06" not in text


def test_an_alert_that_quotes_a_name_of_other_bytes_is_logged_once_and_can_be_sent(tmp_path):
    log, odd = AlertLog(tmp_path / "alerts.jsonl", "", ""), "spring-\udcff.csv"
    alert = NOW.alert(AlertKind.RUN_FAILED, [odd], Tone.BAD, odd, odd, odd, details=[odd])
    assert [len(log.append([alert])) for _ in range(2)] == [1, 0]
    ((_, document),) = log.read()
    assert [document[name] for name in ("title", "text", "action")] == [r"spring-\udcff.csv"] * 3
    assert document["details"] == [r"Spring-\udcff.csv."]
