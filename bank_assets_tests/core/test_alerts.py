"""Alerts as values: the same content has the same key, episodes are told once and anew after their end."""

import pytest

from bank_assets.core import model_alerts, operation_alerts
from bank_assets.core.alerts import LONGEST_TEXT, Alert, AlertKind, Episodes, Tone, key_of

AT = "2010-11-02T00:00:00+00:00"


def refused(row_id=7, **changes):
    given = {
        "kind": "refit", "decision": "refused", "from_version": "3", "to_version": "4", "effect": "", "as_of": None,
        "reasons": ["AUC 0.501 on the latest contacts (floor 0.52)"], "at": AT, "page": "", "run_id": "r1",
    }  # fmt: skip
    return model_alerts.verdict_on_model(row_id=row_id, **given | changes)


def test_json_form_reads_back_with_whole_addresses():
    alert = refused(page="/reports/retraining/v4.html")
    document = alert.to_dict("http://bank.example/", "http://dagster.example")
    assert document["page_url"] == "http://bank.example/reports/retraining/v4.html"
    assert document["run_url"] == "http://dagster.example/runs/r1"
    assert Alert.from_dict(document) == alert


@pytest.mark.parametrize("change", [{"schema_version": 99}, {"kind": "gossip"}, {"tone": "loud"}])
def test_what_another_release_wrote_is_not_read_as_ours(change):
    with pytest.raises(ValueError, match=r"99|gossip|loud"):
        Alert.from_dict(refused().to_dict("", "") | change)


def test_keys_follow_content_alone():
    assert refused().key == refused(at="2011-01-01T00:00:00+00:00", run_id="r2").key
    assert refused(row_id=7).key != refused(row_id=8).key
    assert key_of(AlertKind.DRIFT, "a") != key_of(AlertKind.DECAY, "a")


def test_a_model_on_probation_is_told_with_a_watchful_tone():
    alert = refused(kind="probation", decision="promoted", to_version="1", from_version=None)
    assert (alert.kind, alert.tone) == (AlertKind.PROMOTED, Tone.WATCH)
    assert "on probation" in alert.title
    assert "BANK_PROBATION" in alert.action


class TestEpisodes:
    def test_what_is_known_is_not_told_again(self):
        episodes, fresh, since = Episodes().observe("drift", ["moderate"], "run-1")
        assert (fresh, since) == (("moderate",), "run-1")
        episodes, fresh, since = episodes.observe("drift", ["moderate"], "run-2")
        assert (fresh, since) == ((), "run-1")

    def test_worse_is_told_and_easing_is_not(self):
        episodes, _, _ = Episodes().observe("drift", ["moderate"], "run-1")
        episodes, fresh, since = episodes.observe("drift", ["moderate", "heavy"], "run-2")
        assert (fresh, since) == (("heavy",), "run-1")
        assert episodes.observe("drift", ["moderate"], "run-3")[1] == ()

    def test_what_comes_back_after_its_end_is_another_episode(self):
        episodes, _, first = Episodes().observe("drift", ["moderate", "heavy"], "run-1")
        episodes, fresh, _ = episodes.observe("drift", [], "run-2")
        assert (fresh, dict(episodes.open)) == ((), {})
        _, fresh, again = episodes.observe("drift", ["moderate", "heavy"], "run-3")
        assert fresh == ("moderate", "heavy")
        assert key_of(AlertKind.DRIFT, first, fresh) != key_of(AlertKind.DRIFT, again, fresh)

    def test_subjects_do_not_mix_and_survive_json(self):
        episodes, _, _ = Episodes().observe("drift", ["heavy"], "run-1")
        episodes, _, _ = episodes.observe("decay", ["heavy"], "run-1")
        episodes = Episodes.from_dict(episodes.to_dict())
        episodes, _, _ = episodes.observe("drift", [], "run-2")
        assert list(episodes.open) == ["decay"]


EACH = {
    AlertKind.RUN_FAILED: operation_alerts.run_failed(
        "main_job", "contacts", "OSError", "", since="r", run_id="r", at=AT
    ),
    AlertKind.GATE_FAILED: operation_alerts.gate_failed(
        "raw", "no_delivery_is_refused", "No file.", ["a.csv"], since="r", run_id="r", at=AT
    ),
    AlertKind.ROWS_REJECTED: operation_alerts.rows_rejected(
        "2009-05", 73, 1_000, 0.05, contacts_digest="d", run_id="r", at=AT
    ),
    AlertKind.RECALIBRATED: refused(kind="recalibration", decision="promoted"),
    AlertKind.PROMOTED: refused(decision="promoted"),
    AlertKind.REFUSED: refused(),
    AlertKind.RESPONSE: model_alerts.response(
        "retrain", ["calibration"], ["z +5.1"], seq=7, episode_id="e", as_of="2009-01-01", at=AT
    ),
    AlertKind.SENSOR_FAILING: operation_alerts.sensor_failing("s", "sensor", "OSError", 3, since="t", at=AT),
    AlertKind.NOTHING_ARRIVED: operation_alerts.nothing_arrived("2010-10-28", 5.2, 4, delivery="d", at=AT),
    AlertKind.NIGHTLY_DIGEST: operation_alerts.nightly_digest(
        "daily", ["3 new files"], 300, run_id="r", as_of=None, at=AT
    ),
}


@pytest.mark.parametrize("kind", EACH)
def test_each_kind_says_what_happened_and_what_to_do(kind):
    alert = EACH[kind]
    assert alert.kind is kind
    assert alert.title
    assert alert.text.endswith((".", "…"))
    assert alert.action.endswith(".")
    assert alert.page or alert.run_id or kind is AlertKind.SENSOR_FAILING


def test_every_kind_that_is_still_written_is_tried_here():
    assert set(AlertKind) - set(EACH) == {AlertKind.DRIFT, AlertKind.DECAY}


def test_numbers_are_in_the_text():
    assert "73 of 1,000" in EACH[AlertKind.ROWS_REJECTED].text
    assert "7.3%" in EACH[AlertKind.ROWS_REJECTED].title
    assert "a.csv" in EACH[AlertKind.GATE_FAILED].text
    assert "5 minutes" in EACH[AlertKind.NIGHTLY_DIGEST].title


def test_short_silence_is_told_in_hours():
    alert = operation_alerts.nothing_arrived("2010-11-01T18:09:49.35+00:00", 1.5, 1, delivery="d", at=AT)
    assert alert.title == "Nothing has been delivered for 36 hours"
    assert "came at 2010-11-01 18:09 UTC" in alert.text


def test_urgency_follows_what_has_to_be_done():
    assert EACH[AlertKind.RUN_FAILED].tone is Tone.BAD
    assert EACH[AlertKind.PROMOTED].tone is Tone.GOOD
    stopped = model_alerts.response("alert", ["ranking"], [], seq=8, episode_id="e", as_of="2009-01-01", at=AT)
    assert stopped.tone is Tone.BAD
    assert refused(kind="rollback", decision="promoted").title == "Rolled back to version 4"
    assert "still no champion" in refused(from_version=None).title


def test_the_beginning_of_an_episode_is_one_alert_and_its_stop_another():
    def told(rung, seq, kinds=("ranking",)):
        return model_alerts.response(rung, kinds, ["z +5.1"], seq=seq, episode_id="e", as_of="2009-01-01", at=AT)

    assert told("retrain", 7).key == told("none", 8).key
    assert len({told("retrain", 7).key, told("alert", 9).key, told("none", 10, ()).key}) == 3
    assert "came to nothing" in told("none", 10, ()).title
    assert "waits" in told("none", 7).title


def test_long_texts_are_cut_between_words():
    alert = refused(reasons=["word " * 400])
    assert len(alert.text) <= LONGEST_TEXT
    assert alert.text.endswith("word …")


def test_only_the_first_of_many_are_named():
    found = [f"2009-{month:02d}" for month in range(1, 13)]
    text = operation_alerts.gate_failed("a", "b", "C.", found, since="r", run_id="r", at=AT).text
    assert "2009-05 and 7 more" in text
    assert "2009-06" not in text
