"""The list that the demo home was delivered, its plan and the call list made of it."""

import csv
import io

from bank_assets.core.campaigns.life import ALLOWED, Action
from bank_assets_tests.world.demo_home import HTMX, soup_of

LIST = "delivered:example.csv"


def delivered(client):
    text = (client.app.state.services.settings.platform.landing / "campaigns" / "example.csv").read_text()
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def plan(client, **settings):
    response = client.get("/campaign", params={"list": LIST, **settings}, headers=HTMX)
    assert response.status_code == 200, response.text
    return soup_of(response)


def end_lists(client, name=""):
    """Withdraw or close the lists that earlier tests left open, as a file has one open list only."""
    lists = client.app.state.services.lists
    for state in lists.find(name, limit=500):
        action = next((one for one in (Action.WITHDRAW, Action.CLOSE) if state.record.stage in ALLOWED[one]), None)
        if action is not None:
            lists.act(state.kept.id, action, "test", {"reason": "another test"})


def make_list(client, **settings):
    if "revises" not in settings:
        end_lists(client)
    page = plan(client, **settings)
    form = page.select_one('form[action="/campaign/lists"]')
    values = {one["name"]: one["value"] for one in form.select("input")}
    return client.post("/campaign/lists", data=values, headers=HTMX)


def rows_of(client, made, group="calls"):
    href = next(one["href"] for one in made.select("a[download]") if one["href"].endswith(f"{group}.csv"))
    response = client.get(href)
    assert response.headers["content-type"].startswith("text/csv")
    assert "attachment" in response.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(response.text))), response.content
