"""Both retrain sensors drive one loop: the runs that they request, and the reasons when they request none.

Fits are real (`world.home.promote`) but recorded without a run; `e2e/test_loop.py` tests the runs.
"""

import json
import shutil

import dagster as dg
import numpy as np
import pytest

from bank_assets.ledger import promotions, responses
from bank_assets.loop import requests
from bank_assets.loop.requests import RANGE_END, RANGE_START, TAG_AS_OF, TAG_EPISODE
from bank_assets_tests.sensors.response_world import CONTACTS, DAYS, DRIFT, PERFORMANCE
from bank_assets_tests.world.contacts import FIRST
from bank_assets_tests.world.daemon import InProcessDaemon
from bank_assets_tests.world.home import failed_run, land, make_tables

pytestmark = pytest.mark.slow


def more_subscribe(frame, number, log_odds):
    """From day 31 (2020-02-01) on far more customers subscribe, and they are the same customers."""
    return log_odds + np.where(number >= 31, 2.2, 0.0)


def others_are_called(frame, number, log_odds):
    """From day 31 on the bank calls other people, who subscribe as everybody does."""
    late = number >= 31
    frame["job"][late] = "student"
    return log_odds


def test_quiet_days_request_the_state_and_then_nothing(make):
    loop = make()
    days = [row.as_of for row in responses.history(loop.engine)]
    assert days == ["2020-02-01", *(f"2020-01-{day}" for day in range(31, 20, -1))], "judged once"
    assert {row.action for row in responses.history(loop.engine)} <= {"none", "recalibrate"}
    assert loop.both() == ([], [])
    assert "every day is judged, the last is 2020-02-01" in loop.daemon.said[PERFORMANCE]
    assert loop.both() == ([], [])
    assert "nothing changed since the last look" in loop.daemon.said[PERFORMANCE]
    assert not loop.daemon.left()


def test_a_fit_for_decay_is_requested_by_performance_alone_and_explained_with_numbers(make):
    loop = make(more_subscribe)
    loop.deliver("2020-02")
    loop.rescore()
    drift, performance = loop.both()
    assert drift == []
    (requested,) = performance
    assert requested.job_name == "refit_job"
    assert "calibration" in loop.last.kinds
    assert "subscriptions against" in requested.tags["bank/reason"]
    assert "2020-02-02" < requested.tags[TAG_AS_OF] == loop.last.as_of < "2020-02-12", "in data time"
    assert requested.tags[TAG_EPISODE] == loop.last.episode_id
    assert requested.run_key.startswith(f"{loop.last.episode_id}-1-")
    assert requested.run_config["ops"]["training_set"]["config"]["as_of"] == loop.last.as_of
    assert requested.run_config["ops"]["challenger"]["config"]["mode"] == "refit"
    names = {key.to_user_string() for key in requested.asset_selection}
    assert names == {"training_set", "challenger", "champion_scores", "champion_model"}, (
        "the rest of the month comes first"
    )
    assert "requested by the performance sensor" in loop.daemon.said[DRIFT]
    assert loop.daemon.left()


def test_a_fit_for_covariates_alone_is_requested_by_drift(make):
    loop = make(others_are_called)
    loop.deliver("2020-02")
    loop.rescore()
    drift, performance = loop.both()
    assert performance == []
    assert [request.job_name for request in drift] == ["refit_job"]
    assert loop.last.kinds == ["covariates"]
    assert "moved by" in drift[0].tags["bank/reason"]
    assert "requested by the drift sensor" in loop.daemon.said[PERFORMANCE]


def test_after_the_fit_the_days_since_are_scored_again_and_the_loop_continues(make):
    loop = make(more_subscribe)
    loop.deliver("2020-02")
    loop.rescore()
    ((), (first,)) = map(tuple, loop.both())
    loop.promote(first.tags[TAG_AS_OF])
    scored = loop.rescore()
    assert (scored.tags[RANGE_START], scored.tags[RANGE_END]) == ("2020-02-01", "2020-02-01"), "January stays as it is"
    while True:
        found = loop.both()[1]
        if not found or found[0].job_name != "refit_job":
            break
        assert found[0].tags[TAG_AS_OF] > first.tags[TAG_AS_OF]
        assert found[0].run_key != first.run_key
        loop.promote(found[0].tags[TAG_AS_OF])
        loop.rescore()
    assert [request.job_name for request in found] == ["scoring_job"]
    assert loop.last.as_of == "2020-03-01"
    rows = responses.history(loop.engine)
    fits = [row for row in rows if row.action == "retrain"]
    days = sorted(np.datetime64(row.as_of) for row in fits)
    assert all(np.diff(days) >= np.timedelta64(10, "D")), "the cool-down is data time"
    assert fits
    assert any(row.is_recalibrated for row in rows)
    assert any(row.is_alert for row in rows)


def test_a_fit_for_the_newest_day_brings_state_and_lists_along(make, monkeypatch):
    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    whole = make(more_subscribe)
    whole.deliver("2020-02")
    whole.rescore()
    (requested,) = whole.both()[1]
    until = int((np.datetime64(requested.tags[TAG_AS_OF]) - FIRST).astype(int))
    shutil.rmtree(whole.settings.home)
    loop = make(more_subscribe, until=until)
    loop.deliver("2020-02")
    loop.rescore()
    (requested,) = loop.both()[1]
    assert requested.tags[TAG_AS_OF] == str(FIRST + until), "the same answer, now on the newest day"
    assert requested.asset_selection is None


def test_a_refused_fit_is_not_requested_again_until_the_cool_down_is_over(make):
    loop = make(more_subscribe)
    loop.deliver("2020-02")
    loop.rescore()
    (first,) = loop.both()[1]
    loop.promote(first.tags[TAG_AS_OF], decision="refused")
    (second,) = loop.both()[1]
    passed = np.datetime64(second.tags[TAG_AS_OF]) - np.datetime64(first.tags[TAG_AS_OF])
    assert passed >= np.timedelta64(10, "D")
    held = [row for row in responses.history(loop.engine) if first.tags[TAG_AS_OF] < row.as_of < second.tags[TAG_AS_OF]]
    assert all("cool-down" in " ".join(row.reasons) for row in held)
    assert len([row for row in promotions.history(loop.engine) if row.decision == "refused"]) == 1, "told once"


def test_a_drift_that_comes_back_is_another_episode_with_another_key(make):
    def twice(frame, number, log_odds):
        return log_odds + np.where((number >= 31) & (number < 60) | (number >= 100), 2.2, 0.0)

    loop = make(twice, until=DAYS)
    keys, episodes = [], []
    for month in ("2020-02", "2020-03", "2020-04"):
        loop.deliver(month)
        loop.rescore()
        while (found := loop.both()[1]) and found[0].job_name == "refit_job":
            keys.append(found[0].run_key)
            episodes.append(found[0].tags[TAG_EPISODE])
            loop.promote(found[0].tags[TAG_AS_OF])
            loop.rescore()
        loop.daemon.carry_out(PERFORMANCE, found[0])
    assert len(keys) == len(set(keys)) >= 2
    assert episodes[0] != episodes[-1]


def test_a_failed_fit_is_repeated_with_another_key_and_given_up_at_last(make, monkeypatch):
    loop = make(more_subscribe)
    loop.deliver("2020-02")
    loop.rescore()
    (first,) = loop.both()[1]
    failed_run(loop.daemon.instance, first)
    assert loop.both() == ([], [])
    assert "refit_job failed 1 of 1 time(s), again in" in loop.daemon.said[PERFORMANCE]
    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    (second,) = loop.both()[1]
    assert (second.run_key, second.tags[TAG_AS_OF]) != (first.run_key, "")
    assert second.run_key.startswith(first.run_key)
    for _ in range(requests.ATTEMPTS - 1):
        failed_run(loop.daemon.instance, second)
    (later,) = loop.both()[1]
    assert later.tags[TAG_AS_OF] > first.tags[TAG_AS_OF]
    (given_up,) = [row for row in responses.history(loop.engine) if "counts as refused" in " ".join(row.reasons)]
    assert f"failed {requests.ATTEMPTS} times" in given_up.reasons[0]
    assert given_up.is_alert


def test_a_run_that_gave_no_verdict_does_not_hold_the_loop_for_ever(make):
    loop = make(more_subscribe)
    loop.deliver("2020-02")
    loop.rescore()
    (first,) = loop.both()[1]

    @dg.job(name="refit_job")
    def does_nothing(): ...

    loop.daemon.instance.create_run_for_job(does_nothing, status=dg.DagsterRunStatus.SUCCESS, tags=dict(first.tags))
    (later,) = loop.both()[1]
    assert later.tags[TAG_AS_OF] > first.tags[TAG_AS_OF]


def test_a_tick_that_died_before_its_run_requests_the_same_run_again(make):
    loop = make(more_subscribe)
    loop.deliver("2020-02")
    loop.rescore()
    (first,) = loop.both()[1]
    fresh = InProcessDaemon(loop.settings, loop.daemon.instance)  # no cursor: as after a lost tick
    assert [request.run_key for request in fresh.look(PERFORMANCE)] == [first.run_key]
    assert len(responses.history(loop.engine)) == loop.last.seq, "no day was judged twice"


def test_nothing_is_judged_while_a_run_is_in_flight_or_a_delivery_waits(make):
    loop = make(more_subscribe)
    before = loop.last.seq

    @dg.job
    def somebody_elses(): ...

    run = loop.daemon.instance.create_run_for_job(somebody_elses, status=dg.DagsterRunStatus.STARTED)
    assert loop.both() == ([], [])
    assert "in flight" in loop.daemon.said[DRIFT]
    loop.daemon.instance.report_run_failed(run)
    months = np.datetime_as_string(loop.contacts.contact_dates.astype("datetime64[M]"))
    land(loop.settings, loop.contacts.rows(months == "2020-02"))
    loop.daemon.look(CONTACTS)
    assert loop.both() == ([], [])
    assert "2020-02" in loop.daemon.said[PERFORMANCE]
    assert loop.last.seq == before


def test_a_month_that_failed_its_gate_is_not_judged_and_its_correction_is(make):
    loop = make(more_subscribe)
    loop.deliver("2020-02", held=("2020-02",))
    assert [request.job_name for request in loop.both()[1]] in ([], ["scoring_job"])
    assert loop.last.as_of == "2020-02-01"
    months = np.datetime_as_string(loop.contacts.contact_dates.astype("datetime64[M]"))
    corrected = loop.contacts.rows(months == "2020-02")
    corrected.frame["age"][0] += 1
    land(loop.settings, corrected)
    (requested,) = loop.daemon.look(CONTACTS)
    assert requested.tags[RANGE_START] == "2020-02-01"
    make_tables(loop.settings, ["2020-02"])
    loop.rescore()
    (refit,) = loop.both()[1]
    assert refit.job_name == "refit_job"


def test_without_a_champion_the_first_is_searched_for_once(make):
    loop = make(fresh=True)
    loop.deliver("2020-01")
    drift, (requested,) = loop.both()
    assert drift == []
    assert requested.job_name == "search_job"
    assert requested.tags[TAG_AS_OF] == "2020-02-01"
    loop.promote("2020-02-01", decision="refused", kind="first")
    assert loop.both() == ([], [])
    loop.deliver("2020-02")
    assert [request.job_name for request in loop.both()[1]] == ["search_job"], "ten days of data later it may try again"


def test_too_short_a_history_requests_no_first_model(make):
    loop = make(fresh=True, until=2)
    loop.deliver("2020-01")
    assert loop.both() == ([], [])
    assert responses.history(loop.engine) == []


def test_a_rollback_is_scored_published_and_left_alone(make):
    loop = make(more_subscribe)
    loop.deliver("2020-02")
    loop.rescore()
    (requested,) = loop.both()[1]
    loop.promote(requested.tags[TAG_AS_OF])
    loop.rescore()
    loop.both()
    promotions.record(
        loop.engine, kind="rollback", decision="promoted", from_version="2", to_version="1", reasons=["a person"],
        evidence={}, actor="analyst",
    )  # fmt: skip
    judged = loop.last.as_of
    found = loop.both()[1]
    assert [request.job_name for request in found] in (["performance_job"], ["scoring_job"])
    state = json.loads(loop.last.state)
    assert state["assessed_on"] == judged


def test_two_looks_at_once_judge_a_day_once(make):
    from bank_assets.ledger.responses import AlreadyJudgedError

    loop = make()
    row = loop.last
    values = {name: getattr(row, name) for name in row.__dataclass_fields__ if name not in ("at", "actor")}
    with pytest.raises(AlreadyJudgedError, match="another sensor judged first"):
        responses.append(loop.engine, **values)
