"""Figures of the demo from made-up steps: swaps, parts of a reaction, counts, the page."""

from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from bank_assets.demo.client import Change
from bank_assets.demo.deliveries import DemoDelivery
from bank_assets.demo.page import events_of, write_page
from bank_assets.demo.profit import PlayedProfit
from bank_assets.demo.results import HEADER, StepResult, reaction_parts
from bank_assets.demo.watch import RunParts
from bank_assets.ledger.promotions import Promotion
from bank_assets.ledger.responses import Judged

LANDED = 1_000_000.0


def at(seconds):
    return datetime.fromtimestamp(LANDED + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def run(job, created, started, ended, work=1.0):
    return RunParts("id", job, "SUCCESS", "sensor", LANDED + created, LANDED + started, LANDED + ended, {}, work)


def verdict(seconds, version, kind="refit", decision="promoted"):
    return Promotion(1, at(seconds), "2009-04-13", kind, "3", version, decision, ["because"], {}, "pipeline")


def as_of(day, action="none", **changes):
    values = {"is_recalibrated": False, "is_alert": False, **changes}
    return Judged(
        1, at(0), day, action, [], "", "", values["is_recalibrated"], values["is_alert"], [], {}, 0.0, 0, "{}", "loop"
    )


@pytest.fixture
def april():
    month = {
        "month": "2009-04", "outcomes": 40, "subscription_rate": 0.2, "mean_probability": 0.1,
        "profit_eur": 12_250.0, "profit_never_retrained_eur": 9_795.0, "profit_contact_everyone_eur": 9_000.0,
    }  # fmt: skip
    return StepResult(
        step=DemoDelivery(date(2009, 4, 1), date(2009, 4, 30), is_month=True),
        contacts=2_718,
        delivered=LANDED,
        idle_seconds=127.0,
        runs=[
            run("data_job", 3, 8, 44),
            run("refit_job", 48, 52, 66),
            run("performance_job", 68, 80, 82),
            run("refit_job", 86, 98, 112),
            run("scoring_job", 115, 119, 121),
        ],
        verdicts=[verdict(64, "4"), verdict(108, "5"), verdict(120, "5", kind="recalibration")],
        judged=[
            as_of("2009-04-08", is_alert=True),
            as_of("2009-04-13", "retrain", is_recalibrated=True),
            as_of("2009-04-23", "search"),
        ],
        notices=[{"kind": "decay"}, {"kind": "promoted"}, {"kind": "recalibrated"}],
        changes=[
            Change(LANDED - 9, "3", "2009-04-01"),
            Change(LANDED + 66, "4", "2009-04-01"),
            Change(LANDED + 110, "5", "2009-04-01"),
            Change(LANDED + 122, "5", "2009-05-01"),
        ],
        version="5",
        profit=PlayedProfit(2_718, 12_250.0, 9_795.0, 11_000.0, 9_000.0, (month,)),
    )


def test_the_swap_is_the_first_answer_by_the_champion_the_step_ended_with(april):
    assert april.swap().at - LANDED == 110
    assert april.refreshed().at - LANDED == 66


def test_without_a_new_champion_there_is_no_swap(april):
    quiet = replace(april, changes=april.changes[:1], version="3", verdicts=[])
    assert quiet.swap() is None
    assert quiet.refreshed() is None
    assert reaction_parts(quiet) == []


def test_the_parts_of_a_reaction_are_in_order_and_add_up(april):
    parts = reaction_parts(april)
    assert sum(part["seconds"] for part in parts) == pytest.approx(110)
    assert all(part["seconds"] >= 0 for part in parts)
    assert [part["to"] for part in parts] == [
        "data_job requested",
        "data_job started",
        "data_job done",
        "refit_job requested",
        "refit_job started",
        "refit_job done",
        "performance_job requested",
        "performance_job started",
        "performance_job done",
        "refit_job requested",
        "refit_job started",
        "alias moved",
        "the app answers with the new version",
    ]


def test_what_was_done_is_no_alert_and_a_published_recalibration_is_no_fit(april):
    assert [notice["kind"] for notice in april.alerts] == ["decay"]
    assert april.recalibrations == 1
    assert [row.to_version for row in april.promoted] == ["4", "5"]


def test_a_row_fits_under_its_header(april):
    assert len(april.row(1_234, 0)) == len(HEADER)


def test_the_share_of_dagster_counts_queue_and_start():
    assert run("data_job", 0, 5, 40, work=30.0).to_dict()["dagster_share"] == 0.25


def test_the_page_has_figures_and_picture(april, tmp_path):
    page = write_page(tmp_path, [april], "simulated <contacts>")
    text = page.read_text()
    assert "12,250 EUR against 9,795" in text
    assert "simulated &lt;contacts&gt;" in text
    assert "platform 12,250 EUR: 12,250 EUR" in text
    assert "refused by a gate" in text
    assert "<script" not in text


def read_out(**changes):
    made = {"calls": 1_228, "subscriptions": 300, "cost_eur": 6_140.0, "profit_eur": 8_860.0}
    lift = {"sentence": "Calling 1,228 customers earned 7,000 EUR against not calling them, which is hardly chance."}
    listed = {"list_id": "l-1", "name": "2009-04.csv", "url": "http://127.0.0.1:1/campaign/lists/l-1"}
    return {**listed, "made": made, "forecast": {"value": 8_000.0, "low": 1.0, "high": 9_000.0}, "lift": lift} | changes


def test_the_page_ends_with_the_read_out_of_each_list(april, tmp_path):
    lists = [read_out(), read_out(list_id="l-2", name="2009-05.csv", forecast=None)]
    page = BeautifulSoup(write_page(tmp_path, [april], "simulated", lists).read_text(), "html.parser")
    rows = page.select_one('[aria-label="Call lists and what they came to"]').select("tbody tr")
    assert [row.a["href"] for row in rows] == ["/campaign/lists/l-1", "/campaign/lists/l-2"]
    assert [cell.text for cell in rows[0].select("td")][:4] == ["1,228", "300", "8,860", "8,000"]
    assert "hardly chance" in rows[0].text
    assert [cell.text for cell in rows[1].select("td")][3] == "none"


def test_events_are_by_day_of_data_time(april):
    found = [(event["day"], event["kind"]) for event in events_of([april])]
    assert ("2009-04-08", "alert") in found
    assert ("2009-04-23", "search") in found
    assert found.count(("2009-04-13", "model")) == 2


def test_idle_needs_a_tick_after_the_last_run(monkeypatch):
    """With made-up ticks: a sensor that looked before the run ended has not seen its result."""
    from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

    from bank_assets.demo import watch as demo_watch

    state = SimpleNamespace(
        status=InstigatorStatus.RUNNING, instigator_origin_id="o", selector_id="s", instigator_name="look_sensor"
    )
    tick = SimpleNamespace(timestamp=5.0, status=TickStatus.SKIPPED, run_ids=[])
    instance = SimpleNamespace(
        get_runs=lambda **_: [],
        all_instigator_state=lambda **_: [state],
        get_ticks=lambda *_, **__: [tick],
    )
    monkeypatch.setattr(demo_watch, "runs_since", lambda *_: [SimpleNamespace(end_time=7.0)])
    assert demo_watch.waiting_for(instance, 1.0) == ["look_sensor"]
    tick.timestamp = 8.0
    assert demo_watch.waiting_for(instance, 1.0) == []
    tick.run_ids = ["r"]
    assert demo_watch.waiting_for(instance, 1.0) == ["look_sensor's run"]
    state.status = InstigatorStatus.STOPPED
    assert demo_watch.waiting_for(instance, 1.0) == []
