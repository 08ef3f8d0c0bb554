"""Two lists share customers: one calls them, the other says why not; the export leaves out who became excluded."""

import csv
import datetime as dt
import io
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bank_assets.contract.feeds import Disposition
from bank_assets.core.economics.calling_hours import CallingHours
from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.ledger import campaigns, feeds
from bank_assets_tests.world.app import csv_of
from bank_assets_tests.world.demo_home import HTMX, soup_of, token_of
from serving.campaigns.lists import Lists
from serving.customers.contact_rules import ContactRules
from serving.customers.views import notices_of

CALLED_ANYWAY = {"value_eur": "50000", "cost_eur": "0.01"}
HOURS = CallingHours("09:00", "20:00", "Europe/Lisbon", column="job", zones=(("management", "Atlantic/Azores"),))


def upload(client, payload, name, contacts, **columns):
    rows = [{**payload, "contact_id": one, "contact_date": "2010-11-22", **columns} for one in contacts]
    file = {"file": (name, csv_of(rows).encode(), "text/csv")}
    answer = client.post("/campaign/upload", data=token_of(client), files=file, follow_redirects=False)
    return parse_qs(urlsplit(answer.headers["location"]).query)["list"][0]


def plan(client, key, **settings):
    return soup_of(client.get("/campaign", params={"list": key, **CALLED_ANYWAY, **settings}, headers=HTMX))


def order(client, key, **settings):
    form = plan(client, key, **settings).select_one('form[action="/campaign/lists"]')
    data = {one["name"]: one["value"] for one in form.select("input")}
    return client.post("/campaign/lists", data=data, follow_redirects=False)


def make(client, key, **settings):
    return order(client, key, **settings).headers["location"]


def calls(client, location):
    return list(csv.DictReader(io.StringIO(client.get(f"{location}/calls.csv").text)))


def asked(client, customer, **params):
    return client.get(f"/api/v1/customers/{customer}/contact-policy", params={"day": "2010-11-22", **params})


AUTUMN, LISBON = [f"k-{n}" for n in range(1, 6)], [f"k-{n}" for n in range(4, 9)]


def test_two_lists_call_the_customers_that_they_share_once(client, payload):
    autumn = make(client, upload(client, payload, "autumn.csv", AUTUMN))
    key = upload(client, payload, "branch_lisbon.csv", LISBON)
    rows = plan(client, key).select("[data-testid=protected] tbody tr")
    left_out = [[cell.text for cell in row.select("th, td")] for row in rows]
    assert left_out == [[one, "on another open list", "2010-11-23"] for one in ("k-4", "k-5")]
    lisbon = make(client, key)
    assert sorted(row["contact_id"] for row in calls(client, autumn)) == AUTUMN
    assert sorted(row["contact_id"] for row in calls(client, lisbon)) == ["k-6", "k-7", "k-8"]
    refused = order(client, upload(client, payload, "autumn again.csv", AUTUMN))
    assert (refused.status_code, "is open (exported): revise it or withdraw it" in refused.text) == (409, True)
    same = upload(client, payload, "autumn.csv", AUTUMN)
    (link,) = plan(client, same).select(".notice a")
    assert (link.text, link["href"].split("revises=")[1]) == ("Plan its revision", autumn.rpartition("/")[2])
    autumn = make(client, same, revises=autumn.rpartition("/")[2])
    assert len(calls(client, autumn)) == len(AUTUMN)

    contact = {**payload, "contact_id": "k-4", "contact_date": "2010-11-22"}
    planned = client.post("/api/v1/campaigns/plan", json={"contacts": [contact], "economics": {"value_eur": 50_000}})
    (other,) = planned.json()["not_called"]
    assert (other["reason"], other["until"]) == ("on_another_list", "2010-11-23")
    answer = asked(client, "k-4").json()
    assert (answer["may_be_called"], answer["reason"], answer["until"]) == (False, "on_another_list", "2010-11-23")
    assert {(one["name"], one["may_call"]) for one in answer["open_lists"]} == {("autumn.csv", True)}
    free = client.get("/api/v1/customers/k-4/contact-policy", params={"day": "2010-11-23"}).json()
    assert (free["may_be_called"], free["open_lists"]) == (True, [])

    client.post("/api/v1/objections", json={"customer_ids": ["K-1"]})
    assert soup_of(client.get(autumn)).select_one("[hx-get$=left-out] a")["href"] == f"{autumn}/left-out"
    page = soup_of(client.get(f"{autumn}/left-out")).select_one("[data-testid=left-out]").text
    assert "k-1: objected to direct marketing" in page
    assert sorted(row["contact_id"] for row in calls(client, autumn)) == AUTUMN[1:]
    shown = soup_of(client.get("/customers", params={"id": "k-4"})).select_one("[data-testid=customer]")
    assert "autumn.csv" in shown.text
    assert "branch_lisbon.csv" in shown.text
    assert not shown.select(".notice a"), "it would lead to this page"


@pytest.mark.parametrize("serving_settings", [{"contact_policy": ContactPolicy(at_most=1, in_days=30)}], indirect=True)
def test_the_calls_of_a_customer_s_own_list_are_allowed(client, payload):
    made = make(client, upload(client, payload, "autumn.csv", ["k-1", "k-2"])).rpartition("/")[2]
    calls(client, f"/campaign/lists/{made}")
    assert not asked(client, "k-1").json()["may_be_called"]
    own = asked(client, "k-1", list_id=made).json()
    assert (own["may_be_called"], own["reason"], own["until"]) == (True, None, None)
    other = asked(client, "k-3", list_id=made)
    assert other.status_code == 404
    assert "expected an open one that calls this customer" in other.json()["detail"]
    client.post("/api/v1/objections", json={"customer_ids": ["k-2"]})
    objected = asked(client, "k-2", list_id=made).json()
    assert (objected["reason"], [one["may_call"] for one in objected["open_lists"]]) == ("suppressed", [False])


def test_the_page_of_a_customer_names_the_list_that_may_call(client, payload):
    services = client.app.state.services
    make(client, upload(client, payload, "autumn.csv", ["k-1"]))
    answer = services.contact_rules.of("k-1", dt.date(2010, 11, 22))
    (notice,) = notices_of(answer)
    assert notice.title == "On a call list"
    assert "autumn.csv for 2010-11-22. No other call is allowed: on another open list." in notice.text


def test_predict_says_what_else_is_known_about_the_customer(client, payload):
    """A decision before, and the open lists that call or hold out the customer."""
    key = upload(client, payload, "autumn.csv", [f"k-{n}" for n in range(40)])
    location = make(client, key, holdout_pct="50")
    held_out = csv.DictReader(io.StringIO(client.get(f"{location}/holdout.csv").text))
    whose = {
        "called": calls(client, location)[0]["contact_id"],
        "held out": next(held_out)["contact_id"],
        "new": "k-99",
    }

    def notices(name):
        row = {**payload, "contact_id": whose[name], "contact_date": "2010-11-22"}
        made = client.post("/api/v1/predictions", json=row).json()["id"]
        found = soup_of(client.get(f"/predict/{made}")).select("[data-testid=decision] .notice")
        return {one.select_one(".name").text: one.text for one in found if one.select_one(".name")}

    assert "autumn.csv for 2010-11-22" in notices("called")["On a call list"]
    assert "A call would spoil the comparison of autumn.csv" in notices("held out")["Held out"]
    assert "Decided before" not in notices("new")
    assert " by local: " in notices("new")["Decided before"]


def test_a_revision_from_another_file_may_call_the_customers_of_the_list_that_it_replaces(client, payload):
    first = make(client, upload(client, payload, "spring.csv", ["k-1", "k-2"])).rpartition("/")[2]
    corrected = upload(client, payload, "corrected.csv", ["k-1", "k-2", "k-3"])
    assert len(plan(client, corrected).select("[data-testid=protected] tbody tr")) == 2
    assert len(calls(client, make(client, corrected, revises=first))) == 3


@pytest.mark.parametrize("serving_settings", [{"contact_policy": ContactPolicy(after_refusal=90)}], indirect=True)
def test_a_declared_policy_holds_for_every_decision_that_names_the_customer(client, payload):
    refusal = Disposition("c-1", "refused", "2010-11-20T10:00:00.000000Z", customer_id="k-1")
    feeds.record_dispositions(client.app.state.services.ledger, [refusal], actor="dialer", source="api")
    economics = {"economics": {"cost_eur": 0.01, "value_eur": 50_000}}
    named = {**payload, **economics, "contact_id": "c-2", "customer_id": "k-1", "contact_date": "2010-11-22"}
    rows = [named, named, {**named, "customer_id": "k-2"}, {**named, "contact_date": "2011-02-18"},
            {**named, "customer_id": None}]  # fmt: skip
    reasons = ["refused_recently", "refused_recently", None, None, None]
    single = [client.post("/api/v1/predictions", json=row).json() for row in rows]
    batch = client.post("/api/v1/predictions/batch", json=rows).json()["predictions"]
    for found in (single, batch):
        assert [one["reason"] for one in found] == reasons
        assert [one["decision"] for one in found] == ["do_not_call" if reason else "call" for reason in reasons]
    kept = client.get(f"/api/v1/predictions/{single[0]['id']}").json()
    assert (kept["reason"], kept["flags"][0]["found"]) == ("refused_recently", "refused recently, until 2011-02-18")
    assert client.post(f"/api/v1/predictions/{single[0]['id']}/replay").json()["identical"]
    explored = client.post("/api/v1/predictions", params={"explore": True}, json=named).json()
    assert (explored["decision"], explored["propensity"]) == ("do_not_call", 0.0)
    assert "The contact policy forbids this call: refused recently" in client.get(f"/predict/{single[0]['id']}").text


def test_two_delivered_lists_call_the_customers_that_they_share_once(client):
    def offered(name):
        file = {"file": (name, Path(__file__).with_name(name).read_bytes(), "text/csv")}
        answer = client.post("/campaign/upload", data=token_of(client), files=file, follow_redirects=False)
        return parse_qs(urlsplit(answer.headers["location"]).query)["list"][0]

    first = {row["contact_id"] for row in calls(client, make(client, offered("autumn.csv")))}
    key = offered("branch_lisbon.csv")
    rows = plan(client, key).select("[data-testid=protected] tbody tr")
    said = {row.select_one("th, td").text: row.select("th, td")[1].text for row in rows}
    second = {row["contact_id"] for row in calls(client, make(client, key))}
    assert (len(first), len(second), first & second) == (40, 20, set())
    assert said == dict.fromkeys([f"k-{n:04d}" for n in range(1, 21)], "on another open list")


def test_an_objection_that_arrives_during_an_export_is_in_it(client, payload, monkeypatch):
    made, check = make(client, upload(client, payload, "late.csv", AUTUMN)), Lists._calls_now
    objections = iter(["k-1"])

    def late(lists, *about):
        export = check(lists, *about)
        for one in objections:
            campaigns.suppress(lists.ledger, [one], reason="letter", actor="ana")
        return export

    monkeypatch.setattr(Lists, "_calls_now", late)
    assert sorted(row["contact_id"] for row in calls(client, made)) == AUTUMN[1:]


def test_without_a_day_it_is_the_day_at_the_bank():
    def today(zone):
        return ContactRules(None, ContactPolicy(), None, zone)._today()

    assert today("Pacific/Kiritimati") > today("Etc/GMT+12"), "26 hours apart"
    assert today("of no image") == dt.datetime.now(dt.UTC).date()


@pytest.mark.parametrize("serving_settings", [{"contact_policy": ContactPolicy(hours=HOURS)}], indirect=True)
def test_a_list_says_when_to_call_in_the_time_of_the_customer(client, payload):
    made = make(client, upload(client, payload, "hours.csv", ["k-1"]))
    (row,) = calls(client, made)
    assert (row["call_from"], row["call_until"]) == ("2010-11-22T09:00-01:00", "2010-11-22T20:00-01:00")
    assert asked(client, "k-1").json()["calling_hours"]["first"] == "2010-11-22T09:00-01:00"  # as the list's row says
