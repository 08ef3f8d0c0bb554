"""The Campaign page: plan, limits, hold-out, suppression, call list and its files."""

import hashlib
import os
from datetime import UTC, datetime

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.holdout import holdout_mask, lift_test_size
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.scorer import Scorer
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.ledger import campaigns
from bank_assets_tests.serving.campaigns.lists import LIST, delivered, make_list, plan, rows_of
from bank_assets_tests.world.demo_home import HTMX, fit_demo, soup_of, token_of
from serving.campaigns.call_lists import read_contacts
from serving.campaigns.form import FIELDS
from serving.decisions.payloads import Payloads


def tile(page, label):
    return next(one for one in page.select(".tile") if one.dt.text == label).select_one(".figure").text


def test_the_lists_of_the_register_are_offered_and_nothing_else_that_lies_in_the_folder(client):
    platform = client.app.state.services.settings.platform
    folder = platform.landing / "campaigns"
    content = (folder / "example.csv").read_bytes()
    for name in ("._x.csv", "~$x.csv", "SPRING.CSV", "a\x85b.csv"):
        (folder / name).write_bytes(content)
    (folder / "broken.csv").write_bytes(b"no list")
    os.mkfifo(folder / "pipe.csv")
    now = datetime.now(UTC)
    register_deliveries(platform.landing, platform.warehouse, UCI, now=now, settle_seconds=0)
    offered = [
        option["value"] for option in soup_of(client.get("/campaign")).select("#f-list option") if option["value"]
    ]
    assert offered == ["delivered:SPRING.CSV", r"delivered:a\x85b.csv", "delivered:example.csv"]
    assert client.get("/campaign", params={"list": r"delivered:a\x85b.csv"}, headers=HTMX).status_code == 200


def test_a_budget_and_a_capacity_cut_the_list(shown):
    everyone = int(tile(plan(shown), "Calls").replace(",", ""))
    budget, capacity = plan(shown, budget_eur="500"), plan(shown, capacity="7")
    assert tile(budget, "Calls") == "100"
    assert tile(capacity, "Calls") == "7"
    assert everyone > 100
    assert "The budget binds" in budget.text
    assert "The capacity binds" in capacity.text
    assert budget.select_one("h2").text.startswith("Call 100 customers, expect ")


def test_the_profit_curve_passes_through_the_plan(shown):
    chart = plan(shown, budget_eur="500").select_one("#chart-profit-curve")
    first = [cell.text for cell in chart.select("tbody tr")[0].select("th, td")]
    assert first == ["0", "0.00 EUR"]
    assert "this plan: 100 calls" in [text.text for text in chart.select("svg text")]


def test_a_high_cost_calls_nobody_and_offers_no_list(shown):
    page = plan(shown, cost_eur="50")
    assert page.select_one("h2").text == "Nobody is worth a call under these settings"
    assert page.select_one('form[action="/campaign/lists"] button').has_attr("disabled")
    assert tile(page, "Cut-off") == "n/a"


def test_deciles_fall_and_add_up_to_the_list(shown):
    page = plan(shown, capacity="50")
    table = page.find("h3", id="deciles").find_parent("div", class_="card").table
    rows = [[cell.text for cell in row.select("th, td")] for row in table.select("tbody tr")]
    assert sum(int(row[1]) for row in rows) == len(delivered(shown))
    assert sum(int(row[2]) for row in rows) == 50
    means = [float(row[3].split()[0]) for row in rows]
    assert means == sorted(means, reverse=True)


def test_the_list_is_scored_as_the_plan_of_its_days_by_the_one_scorer(client):
    made = soup_of(make_list(client))
    rows, _ = rows_of(client, made)
    fitted = fit_demo()
    delivered = client.app.state.services.settings.platform.landing / "campaigns" / "example.csv"
    contacts = read_contacts(delivered, Payloads.of(UCI), "example.csv").contacts
    frame = Payloads.of(UCI).frame_of(contacts)
    dates = np.array([one.contact_date for one in contacts], dtype="datetime64[D]")
    features = current_features(frame, dates, AsOfState.from_dict(fitted.state), UCI, has_plan=True)
    expected = dict(
        zip((one.contact_id for one in contacts), Scorer(fitted.versions["2"]).score(features).probability, strict=True)
    )
    assert {row["contact_id"]: float(row["probability"]) for row in rows} == {
        row["contact_id"]: expected[row["contact_id"]] for row in rows
    }
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))


def test_a_made_list_is_on_record_and_every_row_names_list_and_model(client):
    response = make_list(client, budget_eur="500", holdout_pct="10")
    made = soup_of(response)
    assert response.status_code == 201
    list_id = made.select_one("[data-testid=list-id]").text
    rows, content = rows_of(client, made)
    kept = campaigns.get_list(client.app.state.services.ledger, list_id)
    assert {(row["list_id"], row["model_version"], row["model_digest"]) for row in rows} == {
        (list_id, "2", kept.model_digest)
    }
    assert kept.content_digest == hashlib.sha256(content).hexdigest()
    assert kept.request["budget_eur"] == 500
    assert kept.request["holdout_share"] == 0.1
    assert kept.economics == {"cost_eur": 5.0, "value_eur": 50.0, "threshold": 0.1}
    assert kept.summary["called"]["n_calls"] == len(rows) == 100 - kept.summary["holdout"]["n_held_out"] < 100
    assert "expected" in kept.summary["forecast"]["profit_eur"]
    page = soup_of(client.get(f"/campaign/lists/{list_id}"))
    assert page.select_one("[data-testid=list-id]").text == list_id
    assert list_id in client.get("/campaign").text


def test_a_made_list_keeps_its_design_where_lists_teach(client, monkeypatch):
    designs = client.app.state.services.call_lists.designs
    make_list(client)
    assert designs.read() == []
    monkeypatch.setattr(designs, "_is_used", True)
    rows, _ = rows_of(client, soup_of(make_list(client, holdout_pct="10", budget_eur="500")))
    (design,) = designs.read()
    assert set(design.contact_ids[design.is_called]) == {row["contact_id"] for row in rows}
    assert len(design.contact_ids) > 100, "also those that it does not call"
    assert design.propensity.max() == 0.9


def test_the_hold_out_group_is_random_disjoint_and_downloadable(client):
    made = soup_of(make_list(client, holdout_pct="20"))
    calls, held = ([row["contact_id"] for row in rows_of(client, made, group)[0]] for group in ("calls", "holdout"))
    seed = campaigns.lists(client.app.state.services.ledger)[0].request["holdout_seed"]
    assert holdout_mask(held, seed, 0.2).all()
    assert not holdout_mask(calls, seed, 0.2).any()
    everybody, _ = rows_of(client, soup_of(make_list(client)))
    assert sorted([*calls, *held]) == sorted(row["contact_id"] for row in everybody)


def test_the_size_of_the_lift_test_is_shown(shown):
    page = plan(shown, budget_eur="500", holdout_pct="10", rate_without_pct="20")
    rate = next(row.select("td")[0].text for row in page.select("tr") if row.select_one("th").text == "Conversion rate")
    text = page.text
    rate_with = float(rate.split()[0]) / 100
    assert f"To show a rise from 20.0 % without a call to {rate} with one" in text
    around = {lift_test_size(0.2, rate_with + e, holdout_share=0.1)[0] for e in (-0.0005, 0, 0.0005)}
    assert any(f"{n:,} held out and" in text for n in range(min(around), max(around) + 1))


def test_customers_who_objected_are_never_called(client):
    first, _ = rows_of(client, soup_of(make_list(client)))
    objected = [row["contact_id"] for row in first[:3]]
    files = [("file", (f"{one}.csv", f"contact_id\n{one}", "text/csv")) for one in objected[1:]]
    data = {**token_of(client), "ids": objected[0], "list": LIST}
    response = client.post("/campaign/suppressions", data=data, files=files, headers=HTMX)
    assert response.headers["hx-trigger"] == "suppressions-changed"
    assert "3 added" in soup_of(response).select_one("[data-testid=suppressed]").text
    rows, _ = rows_of(client, soup_of(make_list(client)))
    assert {row["contact_id"] for row in rows}.isdisjoint(objected)
    assert "3: objected to direct marketing" in plan(client).text


def test_suppressions_without_scripts(client):
    files = {"file": ("", b"", "application/octet-stream")}
    for ids, status in (("", 422), ("c-1,c-2", 422), ("c-1", 303)):
        data = {**token_of(client), "ids": ids}
        response = client.post("/campaign/suppressions", data=data, files=files, follow_redirects=False)
        assert response.status_code == status, response.text


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"cost_eur": "abc"}, "cost_eur"),
        ({"value_eur": ""}, "value_eur"),
        ({"budget_eur": "-1"}, "budget_eur"),
        ({"capacity": "1.5"}, "capacity"),
        ({"holdout_pct": "60"}, "holdout_pct"),
        ({"rate_without_pct": "200"}, "rate_without_pct"),
        ({"min_days": "nan"}, "min_days"),
    ],
)
def test_unusable_settings_are_named(shown, settings, field):
    response = shown.get("/campaign", params={"list": LIST, **settings}, headers=HTMX)
    assert response.status_code == 422
    assert [one.text for one in soup_of(response).select("li strong")] == [FIELDS[field][0]]


def test_without_scripts_a_refused_form_comes_back_as_it_was(shown):
    response = shown.get("/campaign", params={"list": LIST, "budget_eur": "abc", "capacity": "7"})
    page = soup_of(response)
    assert response.status_code == 422
    assert [one.text for one in page.select("#plan li strong")] == ["Budget"]
    assert (page.select_one("#f-budget")["value"], page.select_one("#f-capacity")["value"]) == ("abc", "7")


def test_contact_rules_leave_out_customers_called_too_often(shown):
    rows = delivered(shown)
    often = sum(int(row["campaign"]) > 1 for row in rows)
    assert f"{often}: contacted too often in this campaign" in plan(shown, max_contacts="1").text


def test_an_unknown_list_and_an_unknown_file_are_404(shown):
    assert shown.get("/campaign", params={"list": "delivered:../../ledger.db"}).status_code == 404
    assert shown.get("/campaign/lists/nobody").status_code == 404
    assert shown.get("/campaign/lists/nobody/calls.csv").status_code == 404
