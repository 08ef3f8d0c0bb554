"""Alerts on Home and Monitoring, and the pages that alerts link to, as the app serves them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from bank_assets.core.alerts.alert import Occurrence
from bank_assets.core.alerts.campaign_catalogue import objection_received
from bank_assets.core.alerts.catalogue import run_failed
from bank_assets.ledger import promotions, responses
from bank_assets.reports.page import render
from bank_assets.store.alert_log import AlertLog
from bank_assets_tests.world.demo_home import soup_of
from bank_assets_tests.world.pages import services


def tell(home, **ago):
    at = datetime.now(UTC) - timedelta(**ago)
    log_of(home).append(
        [run_failed(Occurrence(at.isoformat(), "run-9"), f"job of {ago}", "contacts", "OSError", "", "r")]
    )


def log_of(home):
    return AlertLog(home.path / "reports" / "alerts.jsonl", "http://bank.example", "http://ui.example")


def titles(page):
    return [one.strong.text for one in page.select("[data-testid=alerts] > li")]


def test_monitoring_shows_alerts_newest_first_with_their_links(pages, home):
    tell(home, days=40)
    tell(home, minutes=1)
    page = soup_of(pages.get("/monitoring"))
    shown = titles(page)
    assert shown[0] == "The run job of {'minutes': 1} failed"
    assert shown[-1] == "The run job of {'days': 40} failed"
    first = page.select_one("[data-testid=alerts] > li")
    assert first.select_one(".badge.bad").text == "act"
    assert "OSError" in first.text
    assert first.select_one("a")["href"] == "http://ui.example/runs/run-9"
    noticed = next(one for one in page.select("[data-testid=alerts] > li") if "noticed a change" in one.text)
    assert noticed.select_one(".badge").text == "answered"
    assert "worth 1,245 EUR more than expected; chance does not explain that" in noticed.text
    assert len(noticed.select("details li")) == 3


def test_home_shows_the_latest_and_puts_what_is_urgent_first(pages, home):
    tell(home, minutes=1)
    page = soup_of(pages.get("/"))
    assert len(titles(page)) == 4
    attention = page.select_one("section[aria-labelledby=attention]")
    assert "The run job of {'minutes': 1} failed" in attention.select_one(".notice.bad").text
    assert "noticed a change" not in attention.text  # the loop has answered it
    now = datetime.now(UTC).isoformat()
    log_of(home).append([objection_received(Occurrence(now), number, 1) for number in range(45)])
    page = soup_of(pages.get("/"))
    assert "The run job of {'minutes': 1} failed" in page.select_one("section[aria-labelledby=attention]").text
    assert "An objection was received" not in titles(page), "they are for programs, and on their own page"
    tell(home, days=3)
    assert "'days': 3" not in soup_of(pages.get("/")).select_one("section[aria-labelledby=attention]").text


def test_an_alert_reads_as_being_answered_until_the_verdict_on_its_fit_is_known(pages):
    ledger = services(pages).ledger

    def badges():
        lines = [soup_of(pages.get(path)).select("[data-testid=alerts] > li") for path in ("/", "/monitoring")]
        return [one.select_one(".badge").text for found in lines for one in found if "noticed a change" in one.text]

    last = responses.history(ledger, limit=1)[0]
    responses.append(
        ledger, seq=last.seq + 1, as_of="2010-11-18", action="retrain", kinds=["ranking"], episode_id="e1",
        run_key="e1-1", is_recalibrated=False, is_alert=False, reasons=["AUC low"], evidence=last.evidence, shift=0.1,
        promotion_id=promotions.history(ledger, limit=1)[0].id, state=last.state,
    )  # fmt: skip
    assert badges() == ["being answered"] * 2
    assert (
        "refit of the recipe, not finished" in soup_of(pages.get("/monitoring")).select_one("[data-testid=judged]").text
    )
    of_day = {"reasons": ["worse"], "evidence": {}, "actor": "pipeline", "as_of": "2010-11-18"}
    promotions.record(ledger, kind="recalibration", decision="promoted", from_version="2", to_version="2", **of_day)
    assert badges() == ["being answered"] * 2, "no gate judged a recalibration"
    promotions.record(ledger, kind="refit", decision="refused", from_version="2", to_version="3", **of_day)
    assert badges() == ["answered"] * 2


def test_without_alerts_the_page_says_where_they_come_from(pages, home):
    (home.path / "reports" / "alerts.jsonl").unlink()
    assert "No alert yet" in soup_of(pages.get("/")).text


def test_torn_and_foreign_lines_are_left_out(pages, home):
    with (home.path / "reports" / "alerts.jsonl").open("a") as stream:
        stream.write(json.dumps({"schema_version": 99}) + "\nno json\n[1]\n\n")
        stream.write(r'{"schema_version": 1, "key": "half a character \ud800"}' + '\n{"schema_version": 1, "ke')
    assert len(titles(soup_of(pages.get("/monitoring")))) == 3


def test_a_log_longer_than_what_is_read_shows_its_end(pages, home):
    path = home.path / "reports" / "alerts.jsonl"
    lines = path.read_text()
    path.write_text(lines * 400)
    assert len(titles(soup_of(pages.get("/monitoring")))) == 40


@pytest.mark.parametrize("name", ["drift/2010-11", "retraining/v2", "replay/index"])
def test_report_pages_keep_the_policy_and_their_own_style(shown, name):
    reports = services(shown).settings.platform.reports
    replay = reports / "replay" / "index.html"
    replay.parent.mkdir(exist_ok=True)
    replay.write_text(render("<h1>Replay</h1>", title="Replay"))
    answer = shown.get(f"/reports/{name}.html")
    page = soup_of(answer)
    assert page.h1.text
    assert page.style is None
    assert not page.select("[style]")
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    link = page.select_one("link[rel=stylesheet]")["href"]
    style = shown.get(link)
    assert style.headers["content-type"].startswith("text/css")
    stored = (reports / f"{name}.html").read_text()
    assert style.text == re.search(r"<style>(.*?)</style>", stored, re.DOTALL).group(1)
    assert page.nav.a["href"] == "/monitoring"
    assert shown.get(f"/reports/{name}x.css").status_code == 404


def test_links_between_reports_lead_somewhere(shown):
    retraining = soup_of(shown.get("/reports/retraining/v2.html"))
    href = retraining.select_one("main a[href^='../']")["href"]
    assert shown.get(f"/reports/retraining/{href}").status_code == 200
    model = soup_of(shown.get("/model"))
    assert model.find("a", string="Read the report")["href"] == "/reports/retraining/v2.html"
    monitoring = soup_of(shown.get("/monitoring"))
    assert monitoring.find("a", string="Read the report of 2010-11")["href"] == "/reports/drift/2010-11.html"


def test_styles_of_other_reports_are_not_given_away(shown):
    assert shown.get("/reports/data_docs/validations/contacts/20101102/contacts.css").status_code == 404
    assert shown.get("/reports/call_lists/x.css").status_code == 404


def test_an_admin_sends_a_test_alert_and_sees_how_far_each_channel_has_come(pages, home):
    channels = home.path / "alerts"
    channels.mkdir()
    (channels / "slack-1a2b3c4d.json").write_text('{"offset": 9, "sent": 3, "given_up": 1}')
    (channels / "webhooks-5e6f.json").write_text(
        '{"failures": 2, "retry_at": "2026-11-27T14:00:00+00:00", "problem": "the receiver answered 500"}'
    )
    (channels / "mailtos-7.json").write_text("torn")
    form = soup_of(pages.get("/monitoring")).select_one('form[action="/monitoring/test-alert"]')
    data = {one["name"]: one["value"] for one in form.select("input")}
    page = soup_of(pages.post(form["action"], data=data))
    assert titles(page)[0] == "This is a test of the alert channels"
    shown = [" ".join(line.text.split()) for line in page.select("[data-testid=channels] li")]
    assert shown == [
        "slack-1a2b3c4d: 3 sent, 1 given up",
        "webhooks-5e6f: 0 sent, failing 2 failed attempts (the receiver answered 500), next try 2026-11-27 14:00 UTC",
    ]
