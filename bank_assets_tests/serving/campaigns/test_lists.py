"""The life of a list on its page: what was shown is made, exports, revisions, withdrawals, closings, search, plans."""

import hashlib
import itertools
import re
from dataclasses import replace

import pytest

from bank_assets.core.economics.calling_hours import WEEK
from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.ledger import campaigns, events
from bank_assets.ledger.campaign_models import dispositions, list_rows
from bank_assets.ledger.engine import writing
from bank_assets.ledger.ids import new_id
from bank_assets_tests.serving.campaigns.lists import LIST, end_lists, make_list, plan, rows_of
from bank_assets_tests.world.demo_home import HTMX, fit_demo, make_home, open_pages, soup_of, token_of
from serving.campaigns.list_views import settings_shown

pytestmark = pytest.mark.slow

MINUTES = itertools.count(10)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with open_pages(make_home(tmp_path_factory.mktemp("bank"), fit_demo())) as client:
        yield client


def made(client, **settings):
    response = make_list(client, **{"capacity": "20", **settings})
    assert response.status_code == 201, response.text
    return soup_of(response).select_one("[data-testid=list-id]").text


def page_of(client, list_id):
    return soup_of(client.get(f"/campaign/lists/{list_id}"))


def stage_of(client, list_id):
    return page_of(client, list_id).select_one(".eyebrow").text.removeprefix("On record · ")


def act(client, list_id, action, reason="the wrong file"):
    data = {**token_of(client), "reason": reason}
    return client.post(f"/campaign/lists/{list_id}/{action}", data=data, headers=HTMX)


def called(client, list_id, n):
    """A call centre reports what came of the first calls."""
    text = client.get(f"/campaign/lists/{list_id}/calls.csv").text.splitlines()
    contacts = [line.split(",")[3] for line in text[1 : n + 1]]
    ledger = client.app.state.services.ledger
    with writing(ledger) as connection:
        known = connection.execute(list_rows.select().where(list_rows.c.list_id == list_id)).first()
        rows = [
            {"list_id": list_id, "row": row, "contact_id": one, "contact_date": "2010-10-18", "reason": "worth_calling",
             "is_called": True}
            for row, one in enumerate(contacts, start=1)
        ]  # fmt: skip
        if known is None:
            connection.execute(list_rows.insert(), rows)
        at = f"2010-10-18T10:{next(MINUTES):02}:00Z"
        facts = {"list_id": list_id, "disposition": "not_reached", "called_at": at, "arrived_at": at,
                 "recorded_at": "2026-11-27T10:00:00.000000Z", "actor": "crm", "source": "api"}  # fmt: skip
        with events.recording(connection, kind="dispositions.recorded", subject=list_id, actor="crm") as event:
            event.insert(dispositions, [{**facts, "contact_id": one} for one in contacts])


def test_a_list_goes_from_made_to_exported_to_called_to_closed(client):
    list_id = made(client)
    page = page_of(client, list_id)
    assert stage_of(client, list_id) == "made"
    assert re.match(r"Export its 20 calls by 20\d\d-", page.select_one("[data-testid=due]").text)
    head = client.head(f"/campaign/lists/{list_id}/calls.csv")
    assert (head.status_code, head.content) == (200, b"")
    assert stage_of(client, list_id) == "made", "no file left, so nothing was exported"
    rows, content = rows_of(client, page)
    assert (len(rows), int(head.headers["content-length"])) == (20, len(content))
    assert stage_of(client, list_id) == "exported"
    called(client, list_id, 3)
    assert "Call the other 17 of 20 contacts" in page_of(client, list_id).select_one("[data-testid=due]").text
    assert act(client, list_id, "close", "strike at the call centre").status_code == 200
    page = page_of(client, list_id)
    assert stage_of(client, list_id) == "closed"
    assert "It was closed early: strike at the call centre" in page.select_one("[data-testid=due]").text
    assert not page.select("a[download]")
    history = [line.text.split(": ", 1)[1] for line in page.select("[data-testid=history] li")]
    assert history[0] == "made"
    assert history[-1] == "closed: strike at the call centre"
    assert "exported (calls)" in history


def test_the_settings_on_record_are_shown(client):
    list_id = made(client, budget_eur="90", holdout_pct="10", learning_pct="5", learning_calls="2", max_contacts="3")
    shown = page_of(client, list_id).select("[data-testid=settings] dl div")
    settings = {one.dt.text: one.dd.text for one in shown}
    assert settings["Budget"] == "90.00 EUR"
    assert settings["Capacity"] == "20"
    assert settings["Hold-out"] == "10.0 %"
    assert settings["Learning budget"] == "5.0 % of the contacts, at least 2 calls"
    assert settings["Contact rules"] == "at most 3 contacts in a campaign"
    assert settings["Seed of the draws"].startswith("example.csv-")
    assert settings["Rejected rows"] == "0"


@pytest.mark.parametrize("group", ["calls", "holdout"])
def test_a_file_that_was_changed_on_disk_is_refused(client, group):
    list_id = made(client, holdout_pct="20")
    path = client.app.state.services.settings.bundles / "call_lists" / f"{list_id}-{group}.csv"
    path.write_bytes(path.read_bytes().replace(b"worth_calling", b"worth_callinG").replace(b"held_out", b"held_ouT"))
    response = client.get(f"/campaign/lists/{list_id}/{group}.csv")
    assert response.status_code == 409
    assert "it was changed on disk" in soup_of(response).select_one("[data-testid=problem]").text
    assert stage_of(client, list_id) == "made", "nothing was exported"


def test_a_revised_list_is_replaced_and_only_before_its_first_call(client):
    first = made(client, budget_eur="80", holdout_pct="10")
    link = page_of(client, first).select_one("a[href^='/campaign?']")["href"]
    planned = soup_of(client.get(link))
    assert planned.select_one("#f-budget")["value"] == "80"
    assert planned.select_one("#f-holdout")["value"] == "10"
    form = planned.select_one('form[action="/campaign/lists"]')
    values = {one["name"]: one["value"] for one in form.select("input")}
    assert values["revises"] == first
    second = soup_of(client.post("/campaign/lists", data=values, headers=HTMX)).select_one("[data-testid=list-id]").text
    assert stage_of(client, first) == "replaced"
    assert f"Use list {second}" in page_of(client, first).text
    assert campaigns.get_list(client.app.state.services.ledger, second).revises == first
    refused = client.get(f"/campaign/lists/{first}/calls.csv")
    assert refused.status_code == 409
    assert f"use list {second}" in refused.text
    called(client, second, 1)
    values |= {"revises": second}
    again = client.post("/campaign/lists", data=values, headers=HTMX)
    assert again.status_code == 409
    assert "found it being called; close it or withdraw it, and make another list" in again.text


def test_a_withdrawn_list_needs_a_reason_and_is_exported_no_more(client):
    list_id = made(client)
    refused = act(client, list_id, "withdraw", " ab ")
    card = soup_of(refused)
    assert refused.status_code == 422
    assert card.select_one("[data-testid=list-id]").text == list_id, "the list stays on the page"
    assert card.select_one("#f-withdraw")["aria-invalid"] == "true"
    assert "a reason of 3 to 1,000 characters" in card.select_one("details[open] .fault").text
    assert not card.select("#f-close[aria-invalid]")
    assert [act(client, list_id, "withdraw", reason).status_code for reason in ("x" * 1_001, "a\0b")] == [422, 422]
    assert act(client, list_id, "withdraw").status_code == 200
    assert stage_of(client, list_id) == "withdrawn"
    assert client.get(f"/campaign/lists/{list_id}/calls.csv").status_code == 409
    assert act(client, list_id, "withdraw").status_code == 409


def test_a_list_whose_customers_are_not_kept_says_how_to_revise_it(client):
    """Lists of the pipeline name no file of the app, and uploads are deleted after some days."""
    list_id, ledger = made(client), client.app.state.services.ledger
    kept = campaigns.get_list(ledger, list_id)
    request = {name: value for name, value in kept.request.items() if name != "list_key"}
    other = campaigns.keep_list(ledger, replace(kept, id=new_id(), request=request, actor="pipeline"))
    links = {
        one: [a["href"] for a in page_of(client, one).select("[data-testid=actions] a")] for one in (list_id, other.id)
    }
    assert links[list_id][0].startswith("/campaign?list=delivered")
    assert links[other.id] == ["/campaign"]


def test_a_list_states_its_calling_hours(client):
    kept = campaigns.get_list(client.app.state.services.ledger, made(client))
    assert "Calling hours" not in dict(settings_shown(kept))
    hours = {"first": "09:00", "last": "20:00", "zone": "Europe/Lisbon", "days": list(WEEK), "column": "", "zones": []}
    for change, expected in (
        ({}, "09:00 to 20:00, every day, in Europe/Lisbon; the file states them for each call"),
        (
            {"days": ["tue", "mon"], "column": "home_region"},
            "Mon, Tue, in Europe/Lisbon, or in the zone of the customer's home region;",
        ),
        ({"days": WEEK[:5]}, "09:00 to 20:00, Mon to Fri, in Europe/Lisbon;"),
    ):
        under = replace(kept, request={**kept.request, "contact_policy": {"hours": {**hours, **change}}})
        assert expected in dict(settings_shown(under))["Calling hours"]


def test_a_list_states_its_contact_policy(client):
    kept = campaigns.get_list(client.app.state.services.ledger, made(client))
    assert dict(settings_shown(kept))["Contact policy"] == "one open list for each customer"
    policy = ContactPolicy(3, 30, 90, 365, one_open_list=False).to_dict()
    under = replace(kept, request={**kept.request, "contact_policy": policy})
    assert dict(settings_shown(under))["Contact policy"] == (
        "at most 3 contacts in 30 days, 90 days without a call after a refusal, "
        "365 days without a call after a subscription"
    )


def planned_form(client, **settings):
    end_lists(client)
    form = plan(client, **settings).select_one('form[action="/campaign/lists"]')
    return {one["name"]: one["value"] for one in form.select("input")}


def test_what_is_made_is_what_was_shown_or_somebody_is_asked(client):
    values = planned_form(client, capacity="20")
    lists = campaigns.lists(client.app.state.services.ledger, 500)
    objected = soup_of(client.get("/campaign", params={"list": LIST, "capacity": "20"}, headers=HTMX))
    contact = objected.select_one("[data-testid=calls] tbody td.mono").text.split()[0]
    client.post("/campaign/suppressions", data={**token_of(client), "ids": contact}, headers=HTMX)
    response = client.post("/campaign/lists", data=values, headers=HTMX)
    assert response.status_code == 409
    assert response.headers["hx-retarget"] == "#plan"
    asked = soup_of(response)
    changed = {
        row.th.text: [cell.text for cell in row.select("td")] for row in asked.select("[data-testid=changed] tr")[1:]
    }
    assert changed["Excluded by rules"] == ["nobody", "1 objected to direct marketing"]
    assert set(changed) >= {"Expected profit", "Who is called, and why (digest)"}
    assert campaigns.lists(client.app.state.services.ledger, 500) == lists
    confirm = {one["name"]: one["value"] for one in asked.select_one('form[action="/campaign/lists"]').select("input")}
    assert client.post("/campaign/lists", data=confirm, headers=HTMX).status_code == 201
    assert client.post("/campaign/lists", data={**confirm, "shown": "torn"}, headers=HTMX).status_code == 409


def test_without_scripts_the_changed_plan_is_a_whole_page(client):
    response = client.post("/campaign/lists", data={**planned_form(client, capacity="20"), "shown": ""})
    assert response.status_code == 409
    assert soup_of(response).select_one("h1").text == "Plan a campaign"
    assert soup_of(response).select_one("[data-testid=changed] td").text == "not shown"


def test_every_list_is_found_by_pages_and_by_search(client):
    wanted = made(client)
    for text, n in ((wanted[-12:], 1), ("EXAMPLE", 2), ("local", 2), ("100%_", 0)):
        rows = soup_of(client.get("/campaign/lists", params={"q": text})).select("[data-testid=call-lists] tbody tr")
        assert len(rows) >= n
        assert n or not rows
    services, ids, before = client.app.state.services, [], ""
    while True:
        found = services.lists.find(before=before, limit=2)
        ids += [one.kept.id for one in found]
        if len(found) < 2:
            break
        before = found[-1].kept.id
    assert ids == [one.id for one in campaigns.lists(services.ledger, 500)]
    newest = soup_of(client.get("/campaign")).select_one("[data-testid=call-lists] tbody tr")
    assert newest.th.a["href"] == f"/campaign/lists/{wanted}", "the link is in the first column, where phones see it"


@pytest.mark.parametrize(
    ("settings", "summary"),
    [
        ({"budget_eur": "3"}, "The budget allows no call; 7"),
        ({"capacity": "0"}, "The capacity allows no call; 7"),
        ({"cost_eur": "50"}, "Nobody is worth a call under these settings"),
    ],
)
def test_a_budget_below_one_call_says_so(client, settings, summary):
    assert plan(client, **settings).select_one("h2").text.startswith(summary)


def test_plans_are_saved_opened_again_and_compared(client):
    for name, settings in (("small", {"capacity": "10"}), ("large", {"capacity": "30", "holdout_pct": "10"})):
        data = planned_form(client, **settings) | {"name": name}
        assert (
            client.post("/campaign/plans", data=data, follow_redirects=False).headers["location"] == "/campaign/plans"
        )
    assert client.post("/campaign/plans", data={**data, "name": " "}).status_code == 422
    page = soup_of(client.get("/campaign/plans"))
    assert [row.th.text for row in page.select("[data-testid=plans] tbody tr")] == ["large", "small"]
    opened = soup_of(client.get(page.select("[data-testid=plans] a")[1]["href"]))
    assert opened.select_one("#f-capacity")["value"] == "10"
    assert not opened.select("[data-testid=changed]"), "nothing changed since it was saved"
    ids = [one["value"] for one in page.select("input[name=compare]")]
    compared = soup_of(client.get("/campaign/plans", params={"compare": ids})).select("[data-testid=compared] tr")
    rows = {row.th.text: [cell.text for cell in row.select("td")] for row in compared[1:]}
    assert [cell.text for cell in compared[0].select("th")] == ["", "small", "large"]
    assert rows["Capacity"] == ["10", "30"]
    assert (rows["Cost of a call"][0], rows["Hold-out"][1][-2:]) == ("5 EUR", " %")
    assert rows["Calls"][0] == "10"
    assert int(rows["Held out"][1]) + int(rows["Calls"][1]) == 30
    assert "Budget" not in rows, "no plan states one"


def test_a_list_of_the_pipeline_is_exported_from_its_page(client):
    services = client.app.state.services
    content = b"contact_id,contact_date\r\nc-1,2010-11-22\r\n"
    services.call_lists.nightly.write("call-list-may-v2.csv", content)
    kept = campaigns.CampaignList(
        actor="pipeline", name="may", model_version="2", model_digest="d", economics={}, request={},
        summary={"called": {"n_calls": 1, "expected_profit_eur": 3.0}, "holdout": {"n_held_out": 0}},
        content_digest=hashlib.sha256(content).hexdigest(), content_path="call-list-may-v2.csv",
    )  # fmt: skip
    campaigns.keep_list(services.ledger, kept)
    (link,) = page_of(client, kept.id).select("a[download]")
    assert client.get(link["href"]).content == content
    assert stage_of(client, kept.id) == "exported"
    assert client.get(f"/campaign/lists/{kept.id}/holdout.csv").status_code == 404
