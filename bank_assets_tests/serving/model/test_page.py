"""Monitoring and Model: drift, reports, metrics, history, rollback."""

import json
from dataclasses import replace

from msgspec import structs

from bank_assets.core.response.assessment import comparisons
from bank_assets.core.response.policy import Evidence, ResponsePolicy, ResponseState
from bank_assets.ledger import promotions, responses
from bank_assets.reports.formats import eur
from bank_assets_tests.world.demo_home import soup_of, token_of
from bank_assets_tests.world.pages import services
from serving.model.api import model_info
from serving.model.views import identity_table, sentence_on_the_test


def test_monitoring_shows_drift_by_column_and_month(shown):
    page = soup_of(shown.get("/monitoring"))
    report = services(shown).settings.platform.reports / "drift" / "2010-09.json"
    document = json.loads(report.read_text())
    table = page.select_one("[data-testid=drift]")
    months = [one.text for one in table.select("thead th")][1:]
    column = months.index("2010-09")
    for one in document["columns"]:
        row = next(r for r in table.select("tbody tr") if r.select_one("th").text.split(" ")[0] == one["column"])
        cell = row.select("td")[column]
        assert not {"good", "watch", "bad"} & set(cell["class"])  # a description: nothing acts on a month
    assert {one["id"].removeprefix("chart-") for one in page.select("figure.chart")} == {
        *("loop-calibration", "loop-covariates", "loop-ranking"),
        *("subscription-rate", "profit", "observed-expected", "f1", "auc"),
    }
    links = [one["href"] for one in page.select("section[aria-labelledby=reports-title] a")]
    assert links[:2] == ["/reports/retraining/v2.html", "/reports/drift/2010-11.html"]
    assert links[2].endswith("/20101102/contacts.html")


def test_monitoring_shows_each_judged_day_with_its_numbers_limits_and_answer(shown):
    page = soup_of(shown.get("/monitoring"))
    rows = {row.th.text: row for row in page.select("[data-testid=judged] tbody tr")}
    assert list(rows) == [f"2010-11-{day}" for day in (17, 16, 15, 14, 13)]
    for row in responses.history(services(shown).ledger):
        compared = comparisons(Evidence.from_record(row.evidence), ResponsePolicy())
        shown = rows[row.as_of].select("td.num")
        assert [one.select_one(".badge") is not None for one in shown] == [one.is_violated for one in compared]
        assert [str(one.kind) for one in compared if one.is_violated] == row.kinds
        assert [one["title"] for one in shown] == [one.sentence for one in compared]
    assert "recalibrated" in rows["2010-11-14"].text
    assert "refit of the recipe" in rows["2010-11-16"].text
    assert "nothing to answer" in rows["2010-11-17"].text
    assert "n/a" in rows["2010-11-13"].text  # too few outcomes to judge
    assert "limit 0.80 to 1.25" in page.select_one("[data-testid=judged] thead").text


def test_before_the_first_judged_day_the_page_says_when_there_is_one(pages):
    with services(pages).ledger.begin() as connection:
        for name in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all():
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.exec_driver_sql("DELETE FROM responses")
    assert "No day judged yet" in pages.get("/monitoring").text
    assert "none yet" in soup_of(pages.get("/")).select_one("section[aria-labelledby=data]").text


def test_a_loop_that_stopped_needs_a_person_until_it_tries_again(pages):
    engine = services(pages).ledger
    last = responses.latest(engine)
    stopped = replace(ResponseState.from_json(last.state), stopped_on="2010-11-18")
    values = {name: getattr(last, name) for name in last.__slots__ if name not in ("seq", "at", "state", "as_of")}
    row = values | {"action": "alert", "as_of": "2010-11-18", "reasons": ["3 fits in a row did not help"]}
    responses.append(engine, seq=last.seq + 1, state=stopped.to_json(), **row)
    attention = soup_of(pages.get("/")).select_one("section[aria-labelledby=attention]")
    assert "The loop stopped on 2010-11-18" in attention.select_one(".notice.bad").text
    assert "stopped, a person was called" in pages.get("/monitoring").text
    responses.append(engine, seq=last.seq + 2, state=last.state, **values | {"as_of": "2010-12-16"})
    assert "stopped" not in soup_of(pages.get("/")).select_one("section[aria-labelledby=attention]").text


def test_what_is_drawn_on_hover_and_in_the_table_are_the_reports_values(shown):
    page = soup_of(shown.get("/monitoring"))
    document = json.loads((services(shown).settings.platform.reports / "performance.json").read_text())
    figure = page.select_one("#chart-profit")
    table = [[cell.text for cell in row.select("th, td")] for row in figure.select("tbody tr")]
    assert table == [
        [month["name"], eur(month["profit_eur"]), eur(month["profit_everyone_eur"])] for month in document["months"]
    ]
    hovers = [title.text.split("\n") for title in figure.select("svg title")]
    assert hovers == [[name, f"Decisions: {own}", f"Everyone: {everyone}"] for name, own, everyone in table]


def test_each_chart_is_drawn_by_the_server_with_a_table(shown):
    for path in ("/monitoring", "/model"):
        figures = soup_of(shown.get(path)).select("figure.chart")
        assert figures
        for figure in figures:
            assert figure.select("svg[role=img] path")
            assert len(figure.select("tbody tr")) == len(figure.select("svg title"))
            assert not figure.select("[style], style, script, canvas")


def test_reports_are_open_but_customers_are_not(pages):
    reports = services(pages).settings.platform.reports
    (reports / "call_lists").mkdir()
    (reports / "call_lists" / "list.csv").write_text("contact_id\nc-1\n")
    (reports / "data_docs" / "out.html").symlink_to(services(pages).settings.platform.home / "ledger.db")
    validation = pages.get("/reports/data_docs/validations/contacts/20101102/contacts.html")
    assert soup_of(validation).select_one("link[rel=stylesheet]")["href"].startswith("/static/app.css")
    assert soup_of(validation).h1.text == "Validation 20101102"
    assert pages.get("/reports/performance.json").json()["schema_version"] == 1
    for path in ("call_lists/list.csv", "data_docs/out.html", "data_docs/../call_lists/list.csv", "nothing.json"):
        assert pages.get(f"/reports/{path}").status_code == 404, path


def test_the_model_page_shows_metrics_with_intervals_and_the_history_with_reasons(shown):
    page = soup_of(shown.get("/model"))
    metrics = services(shown).store.champion.decision["metrics"]
    low, value, high = metrics["intervals"]["roc_auc"]
    auc = next(one for one in page.select(".tile") if one.dt.text == "AUC").get_text(" ", strip=True)
    assert f"{value:.3f}" in auc
    assert f"{low:.3f} to {high:.3f}, 90\u00a0% interval" in auc
    rows = page.select("[data-testid=history] tbody tr")
    assert [row.select_one(".badge").text for row in rows] == ["promoted", "refused", "promoted"]
    assert "P(profit gain > 0) = 0.61" in rows[1].text
    profits = [float(one["data-value"]) for one in page.select("[data-testid=candidates] td[data-value]")]
    assert profits == sorted(profits, reverse=True)
    assert {one["id"] for one in page.select("figure.chart")} == {"chart-calibration", "chart-profit"}


def test_the_model_page_puts_the_objective_first(pages):
    path = services(pages).settings.platform.reports / "run_summary.json"
    summary = json.loads(path.read_text())
    summary["candidates"][1]["f1"] = 0.6
    path.write_text(json.dumps(summary | {"objective": "f1"}))
    page = soup_of(pages.get("/model"))
    assert page.select_one(".tile").dt.text == "F1"
    best = page.select_one("[data-testid=candidates] tbody tr")
    assert best.select_one("th").text.startswith("logistic regression")
    assert "Recipes are chosen by F1" in page.text


def test_the_model_page_shows_what_the_recalibration_did_to_the_log_loss(shown):
    identity = {one.dt.text: one.dd.text for one in soup_of(shown.get("/model")).select("dl.pairs > div")}
    assert "+0.050 to +0.120" in identity["Recalibration"]
    assert "log loss 0.3312 to 0.3304 on the 1,240 latest matured outcomes" in identity["Recalibration"]
    assert shown.get("/api/v1/model").json()["recalibration"]["log_loss_after"] == 0.3304
    published = services(shown).store.published
    assert "recalibration" not in published.text  # a decision records what it rests on


def test_rollback_needs_confirmation_and_reason_then_swaps_and_is_in_the_history(pages, home):
    token = token_of(pages)
    requested = {**token, "version": "1", "reason": "slips"}
    refused = pages.post("/model/rollback", data=requested)
    assert refused.status_code == 422
    assert "Confirm that the version" in soup_of(refused).select_one("#rollback [role=alert]").text
    short = pages.post("/model/rollback", data={**requested, "reason": "x", "confirm": "yes"})
    assert "found 1" in soup_of(short).select_one("#rollback [role=alert]").text
    unknown = pages.post("/model/rollback", data={**requested, "version": "77", "confirm": "yes"})
    assert "found 77" in soup_of(unknown).select_one("#rollback [role=alert]").text
    assert home.registry.moves == []
    done = soup_of(pages.post("/model/rollback", data={**requested, "confirm": "yes"}))
    assert "Version 1 is the champion" in done.text
    newest = next(iter(promotions.history(services(pages).ledger, promoted_only=True)), None)
    assert (newest.kind, newest.from_version, newest.to_version, newest.actor) == ("rollback", "2", "1", "local")
    assert newest.reasons == ["slips"]
    assert "slips" in done.select_one("[data-testid=history] tbody tr").text


def test_a_ledger_that_cannot_be_read_hides_the_judged_days_and_nothing_else(pages):
    with services(pages).ledger.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE responses RENAME TO elsewhere")
    page = soup_of(pages.get("/monitoring"))
    assert "The ledger cannot be read" in page.select_one(".notice.bad").text
    assert page.select_one("section[aria-labelledby=loop-title] h3").text == "Not known"
    assert page.select("[data-testid=drift] tbody tr")
    state = soup_of(pages.get("/")).select_one("#home").get_text(" ", strip=True)
    assert "The ledger cannot be read" in state
    assert "Free disk space, or start its database" in state
    assert "Last day the loop judged unknown the ledger cannot be read" in state


def test_a_model_that_was_fitted_on_a_sample_says_so(shown):
    info = model_info(services(shown).store)
    assert "Fitted on" not in dict(identity_table(info).rows)
    sample = {"limit": 200_000, "eligible": 300_000, "drawn": 199_998, "effective": 150_000}
    sampled = structs.replace(info, training={**info.training, "sample": sample})
    found = dict(identity_table(sampled).rows)["Fitted on"]
    assert found == "199,998 of them, drawn by customer and recency (BANK_LEARNING_ROWS 200,000)"


def test_the_effective_number_stands_beside_the_contacts_that_a_model_was_tested_on():
    sizes = {"rows": 1_200, "effective_rows": 431}
    assert "the latest 1,200 (effective 431) contacts, called" in sentence_on_the_test({"intervals": sizes})
    assert "the latest 1,200 contacts, called" in sentence_on_the_test({"intervals": {"rows": 1_200}})
