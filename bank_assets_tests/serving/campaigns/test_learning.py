"""The learning budget and the worth of ranking on the Campaign page and in the API, and a list drawn again."""

from dataclasses import replace

import pytest

from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import CallLimits, PlanSettings
from bank_assets.core.economics.suppression import FrequencyRules
from bank_assets.ledger import campaigns
from bank_assets_tests.serving.campaigns.lists import LIST, delivered, end_lists, make_list, plan, rows_of
from bank_assets_tests.world.demo_home import HTMX, fit_demo, make_home, open_pages, soup_of


def test_a_list_is_drawn_again_from_its_record(client):
    made = soup_of(make_list(client, capacity="60", learning_pct="20", learning_calls="3", holdout_pct="10"))
    services = client.app.state.services
    request = campaigns.lists(services.ledger)[0].request
    settings = PlanSettings(
        Economics.constant(5, 50),
        CallLimits(request["budget_eur"], request["capacity"]),
        FrequencyRules(**request["rules"]),
        request["holdout_share"],
        learning=LearningBudget(**request["learning"]),
    )
    chosen, again = services.call_lists.planned(LIST, settings, services.store.current, services.store.state)
    assert chosen.seed == request["holdout_seed"]
    for group in ("calls", "holdout"):
        rows, _ = rows_of(client, made, group)
        found = {row["contact_id"]: (row["reason"], float(row["propensity"])) for row in rows}
        held = again.plan.reason == "held_out"
        at = held if group == "holdout" else again.plan.is_called
        expected = zip(again.plan.contact_id[at], again.plan.reason[at], again.plan.propensity[at], strict=True)
        assert found == {str(one): (str(reason), propensity) for one, reason, propensity in expected}
    assert {reason for reason, _ in found.values()} == {"held_out"}
    assert again.plan.explored.n_calls >= 8


def test_the_plan_shows_what_exploring_costs_and_who_is_out_of_reach(shown):
    off = plan(shown).select_one("[data-testid=learning]").text
    assert "Nobody is called to learn from" in off
    page = plan(shown, capacity="40", learning_pct="10", learning_calls="0", learning_eur="18")
    text = page.select_one("[data-testid=learning]").text
    assert "3 calls are drawn at random" in text
    assert "3 calls and 15.00 EUR were reserved" in text  # 18 EUR pay for three; the fourth call goes back
    assert "less than without them" in text
    nobody = plan(shown, cost_eur="20", learning_calls="5", learning_eur="4").select_one("[data-testid=learning]").text
    assert "are out of reach of the budget: nothing is learned about such contacts" in nobody


def test_ranking_is_worth_something_where_calling_everyone_pays(shown):
    page = plan(shown, value_eur="100000", capacity="50")
    rows = [[cell.text for cell in row.select("th, td")] for row in page.select("#ranking ~ div tbody tr")]
    assert "50" in [row[0] for row in rows]
    assert len(rows) >= 2
    assert all(row[3].startswith("+") for row in rows)


@pytest.mark.parametrize(
    ("field", "text"), [("learning_pct", "500"), ("learning_calls", "1.5"), ("learning_eur", "-1")]
)
def test_an_unusable_learning_budget_is_named(shown, field, text):
    response = shown.get("/campaign", params={"list": LIST, field: text}, headers=HTMX)
    assert response.status_code == 422
    assert len(soup_of(response).select("li strong")) == 1


def test_a_budget_above_the_list_is_explained(shown):
    text = plan(shown, learning_calls="100000", cost_eur="40").select_one("[data-testid=learning]").text
    assert "asks for 100,000 explored calls" in text


@pytest.fixture(scope="module")
def exploring(tmp_path_factory):
    """The app of a bank whose usual list explores two contacts of each planned day."""
    home = make_home(tmp_path_factory.mktemp("bank"), fit_demo())
    platform = replace(home.settings.platform, learning=LearningBudget(minimum=2))
    with open_pages(replace(home, settings=replace(home.settings, platform=platform))) as client:
        yield client


def test_a_list_explores_on_each_planned_day_unless_somebody_says_how_many(exploring):
    n_days, ledger = len({row["contact_date"] for row in delivered(exploring)}), exploring.app.state.services.ledger
    assert n_days > 3

    def fewest(**sent):
        assert make_list(exploring, cost_eur="20", **sent).status_code == 201
        return campaigns.lists(ledger)[0].request["learning"]["minimum"]

    assert fewest() == 2 * n_days, "on record as a number, by which the list is drawn again"
    assert fewest(capacity="10") == 5, "a tight limit does not leave a random list"
    assert fewest(learning_calls="3") == 3
    assert fewest(learning_calls="0") == 0
    page = soup_of(exploring.get("/campaign", params={"list": LIST}))
    assert page.select_one("#f-fewest")["value"] == "", "the number is not carried to a list of other days"


def test_a_program_that_states_no_learning_budget_gets_that_of_each_planned_day(exploring):
    n_days, reserved = len({row["contact_date"] for row in delivered(exploring)}), []
    for learning in ({}, {"learning": {"minimum": 3}}):
        end_lists(exploring)
        body = {"file": LIST, "economics": {"cost_eur": 20}, **learning}
        made = exploring.post("/api/v1/lists", json=body, headers={"accept": "application/json"}).json()
        reserved.append((made["request"]["learning"]["minimum"], made["summary"]["learning"]["reserve"]["n_calls"]))
    assert reserved == [(2 * n_days, 2 * n_days), (3, 3)]


def test_a_list_whose_limits_allow_explorers_only_says_so(shown):
    text = plan(shown, capacity="3", learning_calls="8").select_one("[data-testid=learning]").text
    assert "The capacity allows no others, so every call of this list is drawn at random" in text
    none = plan(shown, capacity="0", learning_calls="8")
    assert "too dear" not in none.text
    assert "The capacity allows no call; 0 customers" not in none.text
