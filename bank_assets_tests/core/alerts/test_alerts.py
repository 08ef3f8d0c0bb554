"""Alerts as values: equal content has an equal key, and an episode is reported once until it ends."""

import json
from pathlib import Path

import numpy as np
import pytest

from bank_assets.core.alerts import catalogue as alert_catalogue
from bank_assets.core.alerts.alert import LONGEST_TEXT, DefaultChannel, Episodes, Tone, key_of
from bank_assets.core.alerts.catalogue import (
    Fact,
    FileRefused,
    FitWithoutVerdict,
    GateFailed,
    NightlyDigest,
    NothingArrived,
    OnProbation,
    Promoted,
    Recalibrated,
    Refused,
    ResponseBegan,
    ResponseStopped,
    RolledBack,
    RowsRejected,
    RunFailed,
    SensorFailing,
)
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.policy import Evidence

AT = "2010-11-02T00:00:00+00:00"
DAY = np.datetime64("2009-01-01")
MEASURED = Evidence(DAY, outcomes=120, observed=55.0, expected=30.1, standard_error=4.9, contacts=400,
                    excess={"balance": 0.04}, roc_auc=0.71, roc_auc_error=0.03)  # fmt: skip


def verdict(of=Refused, **changes):
    given = {
        "row_id": 7, "gate": "refit", "from_version": "3", "to_version": "4", "at": AT, "run_id": "r1",
        "reasons": ["AUC 0.501 on the latest contacts (floor 0.52)"],
    }  # fmt: skip
    return of(**given | changes)


def refused(**changes):
    return verdict(**changes).alert()


def answered(of=ResponseBegan, **changes):
    given = {"answer": "retrain", "reasons": ["z +5.1"], "evidence": None, "economics": Economics(), "episode_id": "e",
             "seq": 7, "at": AT}  # fmt: skip
    return of(**given | changes).alert()


def test_json_form_has_whole_addresses_and_is_plain():
    document = refused(report="/reports/retraining/v4.html").to_dict("http://bank.example/", "http://dagster.example")
    assert document["page_url"] == "http://bank.example/reports/retraining/v4.html"
    assert document["run_url"] == "http://dagster.example/runs/r1"
    assert json.loads(json.dumps(document))["tone"] == "watch"


def test_keys_follow_content_alone():
    assert refused().key == refused(at="2011-01-01T00:00:00+00:00", run_id="r2").key
    assert refused(row_id=7).key != refused(row_id=8).key
    assert key_of("drift", "a") != key_of("decay", "a")


def test_keys_are_those_of_earlier_releases_so_that_an_upgrade_repeats_nothing():
    assert key_of("refused", 7, "refit", "4") == refused().key == "refused-19736717fa66b7a58cd6"
    assert answered().key == "response-487d985b4d31e854b7ad"


def test_a_model_on_probation_is_reported_with_the_tone_watch():
    alert = verdict(OnProbation, gate="probation", to_version="1", from_version=None).alert()
    assert (alert.kind, alert.tone) == ("promoted", Tone.WATCH)
    assert "on probation" in alert.title
    assert "BANK_PROBATION" in alert.action


class TestEpisodes:
    def test_what_is_known_is_not_reported_again(self):
        episodes, fresh, since = Episodes().observe("drift", ["moderate"], "run-1")
        assert (fresh, since) == (("moderate",), "run-1")
        episodes, fresh, since = episodes.observe("drift", ["moderate"], "run-2")
        assert (fresh, since) == ((), "run-1")

    def test_worse_is_reported_and_easing_is_not(self):
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
        assert key_of("drift", first, fresh) != key_of("drift", again, fresh)

    def test_subjects_do_not_mix_and_survive_json(self):
        episodes, _, _ = Episodes().observe("drift", ["heavy"], "run-1")
        episodes, _, _ = episodes.observe("decay", ["heavy"], "run-1")
        episodes = Episodes.from_dict(episodes.to_dict())
        episodes, _, _ = episodes.observe("drift", [], "run-2")
        assert list(episodes.open) == ["decay"]


EACH = (
    RunFailed(job="main_job", step="contacts", error="OSError", message="", since="r", run_id="r", at=AT),
    GateFailed(asset="raw", check="no_delivery_is_refused", description="No file.", found=["a.csv"], since="r", at=AT),
    FileRefused(delivery="contacts", name="a.csv", expected="a header.", reason_file="a.reason.json",
                    reason_digest="d", at=AT),
    RowsRejected(month="2009-05", rejected=73, rows_in=1_000, limit=0.05, contacts_digest="d", at=AT),
    SensorFailing(name="s", automation="sensor", error="OSError", failures=3, since="t", at=AT),
    NothingArrived(last_arrival="2010-10-28", days=5.2, limit=4, delivery="d", at=AT),
    NightlyDigest(job="daily", lines=["3 new files"], evidence=MEASURED, seconds=300, run_id="r", at=AT),
    *(of(answer="retrain", reasons=["z +5.1"], evidence=MEASURED, economics=Economics(), episode_id="e", seq=7, at=AT)
      for of in (ResponseBegan, ResponseStopped, FitWithoutVerdict)),
    *(verdict(of) for of in (Promoted, OnProbation, RolledBack, Refused, Recalibrated)),
)  # fmt: skip
BY_ENTRY = {type(fact): fact.alert() for fact in EACH}


@pytest.mark.parametrize("alert", BY_ENTRY.values(), ids=lambda alert: alert.title)
def test_each_entry_says_what_happened_and_what_to_do(alert):
    assert alert.title
    assert alert.text.endswith((".", "…"))
    assert alert.action.endswith(".")
    assert all(line.endswith(".") for line in alert.details)
    assert alert.page or alert.run_id or alert.kind == "sensor_failing"


def test_every_entry_of_the_catalogue_is_tried_here_and_every_kind_is_documented():
    entries = {of for of in vars(alert_catalogue).values() if isinstance(of, type) and issubclass(of, Fact)}
    assert {of for of in entries if hasattr(of, "kind")} == set(BY_ENTRY)
    document = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    assert [of.kind for of in BY_ENTRY if f"`{of.kind}`" not in document] == []


def test_a_manager_reads_the_effect_in_eur_and_whether_it_may_be_chance():
    alert = answered(evidence=MEASURED)
    assert "worth 1,245 EUR more than expected; chance does not explain that" in alert.text
    assert alert.text.count("30.1 expected") == 0
    assert "that may be chance" in answered(evidence=Evidence(DAY, 120, 33.0, 30.1, 4.9)).text
    assert "EUR" not in answered(evidence=Evidence(DAY, 12, 9.0, 3.0, 1.0)).text


def test_checks_that_held_are_folded_away():
    held = answered(evidence=MEASURED).details
    assert any("AUC 0.710" in line for line in held)
    promoted = verdict(Promoted, effect="It earns 300 EUR more, which may be chance.").alert()
    assert promoted.text == "It earns 300 EUR more, which may be chance."
    assert promoted.details == ("AUC 0.501 on the latest contacts (floor 0.52).",)
    assert refused().details == ()


def test_the_digest_quotes_what_the_loop_judged():
    found = BY_ENTRY[NightlyDigest]
    assert "On 2009-01-01, the last day that the loop judged, 55 subscriptions against 30.1 expected" in found.text
    assert any("AUC 0.710" in line for line in found.details)


def test_nobody_is_interrupted_for_what_happens_every_other_day():
    assert [of.__name__ for of, alert in BY_ENTRY.items() if alert.channel is DefaultChannel.PAGES] == ["Recalibrated"]


def test_numbers_are_in_the_text():
    assert "73 of 1,000" in BY_ENTRY[RowsRejected].text
    assert "7.3%" in BY_ENTRY[RowsRejected].title
    assert "a.csv" in BY_ENTRY[GateFailed].text
    assert "5 minutes" in BY_ENTRY[NightlyDigest].title


def test_short_silence_is_given_in_hours():
    last = "2010-11-01T18:09:49.35+00:00"
    alert = NothingArrived(last_arrival=last, days=1.5, limit=1, delivery="d", at=AT).alert()
    assert alert.title == "Nothing has been delivered for 36 hours"
    assert "came at 2010-11-01 18:09 UTC" in alert.text


def test_urgency_follows_what_has_to_be_done():
    assert BY_ENTRY[RunFailed].tone is Tone.BAD
    assert BY_ENTRY[Promoted].tone is Tone.GOOD
    assert BY_ENTRY[ResponseStopped].tone is Tone.BAD
    assert BY_ENTRY[RolledBack].title == "Rolled back to version 4"
    assert "still no champion" in refused(from_version=None).title


def test_the_beginning_of_an_episode_is_one_alert_and_its_stop_another():
    began, again = answered(), answered(answer="none", seq=8)
    assert began.key == again.key
    assert len({began.key, answered(ResponseStopped, seq=9).key, answered(FitWithoutVerdict, seq=10).key}) == 3
    assert "waits" in again.title


def test_long_texts_are_cut_between_words():
    alert = refused(reasons=["word " * 400])
    assert len(alert.text) <= LONGEST_TEXT
    assert alert.text.endswith("word …")


def test_only_the_first_of_many_are_named():
    found = [f"2009-{month:02d}" for month in range(1, 13)]
    text = GateFailed(asset="a", check="b", description="C.", found=found, since="r", at=AT).text()
    assert "2009-05 and 7 more" in text
    assert "2009-06" not in text
