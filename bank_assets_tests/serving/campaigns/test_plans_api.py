"""`/api/v1/plans`: plans are saved, found, planned anew and made into lists, as on the pages."""

import pytest

from bank_assets.ledger import campaigns
from bank_assets_tests.serving.campaigns.lists import LIST, end_lists, plan
from bank_assets_tests.world.demo_home import HTMX, fit_demo, make_home, open_pages, soup_of

pytestmark = pytest.mark.slow

PATH = "/api/v1/plans"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with open_pages(make_home(tmp_path_factory.mktemp("bank"), fit_demo())) as client:
        client.headers["accept"] = "application/json"
        yield client


def saved(client, name="small", **terms):
    response = client.post(PATH, json={"name": name, "file": LIST, **terms})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"{PATH}/{response.json()['id']}"
    return response.json()


def test_a_saved_plan_is_a_resource_and_opens_on_its_page(client):
    terms = {"capacity": 10, "holdout_share": 0.07, "economics": {"cost_eur": 5.5}}
    found = saved(client, **terms, rules={"min_days_since_previous_contact": 9})
    assert (found["stage"], found["file"], found["actor"]) == ("planned", LIST, "local")
    fields = {name: found["settings"][name] for name in ("cost_eur", "capacity", "holdout_pct", "min_days")}
    assert fields == {"cost_eur": "5.5", "capacity": "10", "holdout_pct": "7", "min_days": "9"}
    assert found["summary"]["n_calls"] + found["summary"]["n_held_out"] == 10
    assert client.get(f"{PATH}/{found['id']}").json() == found
    page = soup_of(client.get(found["page"], headers={"accept": "text/html"}))
    assert page.select_one("[name=min_days]")["value"] == "9"
    assert not page.select("[data-testid=changed]"), "nothing changed since it was saved"
    assert client.get(f"{PATH}/nobody").status_code == 404


def test_what_a_plan_does_not_state_is_the_platforms_own(client):
    usual, stated = saved(client)["settings"], saved(client, learning={"share": 0.05})["settings"]
    shown = plan(client).select_one('form[action="/campaign/lists"]')
    own = {one["name"]: one["value"] for one in shown.select("input") if one["name"] in usual}
    assert own == usual, "as the page plans it with an empty form"
    assert (stated["learning_pct"], stated["learning_calls"]) == ("5", "0")


def test_plans_are_found_in_parts_and_those_of_the_page_among_them(client):
    form = plan(client).select_one('form[action="/campaign/plans"]')
    values = {one["name"]: one.get("value", "") for one in form.select("input")} | {"name": "search me 1"}
    client.post("/campaign/plans", data=values, headers=HTMX)
    for number in (2, 3):
        saved(client, f"search me {number}")
    first = client.get(PATH, params={"q": "SEARCH", "limit": 2}).json()
    second = client.get(PATH, params={"q": "SEARCH", "limit": 2, "before": first["next"]}).json()
    names = [one["name"] for part in (first, second) for one in part["plans"]]
    assert names == ["search me 3", "search me 2", "search me 1"]
    assert second["next"] is None


def test_a_list_is_made_of_a_plan_as_it_was_saved(client):
    end_lists(client)
    found = saved(client, capacity=12)
    response = client.post(f"{PATH}/{found['id']}/list", json={})
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["location"] == f"/api/v1/lists/{made['id']}"
    assert (made["stage"], made["name"]) == ("made", "example.csv")
    assert made["summary"]["called"]["n_calls"] == found["summary"]["n_calls"] == 12
    refused = client.post(f"{PATH}/{found['id']}/list", json={})
    assert refused.status_code == 409
    assert f"call list {made['id']} of this file is open" in refused.json()["detail"]


def test_a_plan_that_changed_since_it_was_saved_asks_before_a_list_is_made(client):
    end_lists(client)
    found = saved(client, capacity=12)
    path, ledger = f"{PATH}/{found['id']}", client.app.state.services.ledger
    same = client.post(f"{path}/plan").json()
    assert (same["shown"], same["summary"], same["changes"]) == (found["shown"], found["summary"], [])
    first = client.post(f"{path}/list", json={}).json()["id"]
    called = called_by(client, first)
    client.post("/api/v1/objections", json={"customer_ids": [called[0]]})
    end_lists(client)
    n_lists = len(campaigns.lists(ledger, 500))
    refused = client.post(f"{path}/list", json={})
    assert refused.status_code == 409
    assert "Who is called, and why (digest): " in refused.json()["detail"]
    assert len(campaigns.lists(ledger, 500)) == n_lists
    now = client.post(f"{path}/plan").json()
    assert "Excluded by rules" in [one["what"] for one in now["changes"]]
    assert client.post(f"{path}/list", json={"shown": now["shown"]}).status_code == 201


def called_by(client, list_id):
    text = client.post(f"/api/v1/lists/{list_id}/export", json={}).text
    head, *rows = (line.split(",") for line in text.splitlines())
    return [row[head.index("contact_id")] for row in rows]


@pytest.mark.parametrize(
    ("changes", "status", "found"),
    [
        ({"name": ""}, 422, "name"),
        ({"name": "a\nb"}, 422, "name"),
        ({"file": "delivered:nobody.csv"}, 404, "delivered:nobody.csv"),
        ({"capacity": -1}, 422, "Capacity"),
        ({"capacity": 10**400}, 422, "Capacity"),
        ({"holdout_share": 0.6}, 422, "holdout_share"),
        ({"suppressed": ["c-1"]}, 422, "suppressed"),
    ],
)
def test_a_plan_that_cannot_be_saved_is_refused_by_name(client, changes, status, found):
    response = client.post(PATH, json={"name": "small", "file": LIST, **changes})
    assert response.status_code == status
    assert found in response.text
