"""`/api/v1/lists`: lists of contacts and of kept files, their life, and plans that changed since they were shown."""

import csv
import hashlib
import io

import pytest

from bank_assets.core.features.feedback import CALLED
from bank_assets.ledger import campaigns, list_rows
from bank_assets_tests.serving.campaigns.lists import LIST, end_lists
from bank_assets_tests.world.demo_home import fit_demo, make_home, open_pages

pytestmark = pytest.mark.slow

PATH = "/api/v1/lists"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with open_pages(make_home(tmp_path_factory.mktemp("bank"), fit_demo())) as client:
        client.headers["accept"] = "application/json"
        yield client


@pytest.fixture(scope="module")
def request_body(client):
    text = (client.app.state.services.settings.platform.landing / "campaigns" / "example.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))[:40]
    whole = ("age", "balance", "campaign", "pdays", "previous")
    names = [name for name in rows[0] if name not in ("day", "month")]  # they follow from the date
    contacts = [{name: int(row[name]) if name in whole else row[name] for name in names} for row in rows]
    return {"contacts": contacts, "capacity": 10, "holdout_share": 0.2, "list_id": "november"}


def made(client, body):
    end_lists(client)
    response = client.post(PATH, json=body)
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"{PATH}/{response.json()['id']}"
    return response.json()


def test_a_list_of_contacts_is_that_of_the_plan_and_keeps_its_design(client, request_body, monkeypatch):
    designs = client.app.state.services.call_lists.designs
    monkeypatch.setattr(designs, "_is_used", True)
    plan = client.post("/api/v1/campaigns/plan", json=request_body).json()
    found = made(client, {**request_body, "shown": plan["shown"]})
    assert (found["name"], found["stage"], found["revises"]) == ("november", "made", None)
    assert found["actions"] == ["export", "revise", "withdraw"]
    assert found["due"].startswith("Export its ")
    exported = client.post(f"{PATH}/{found['id']}/export", json={})
    assert hashlib.sha256(exported.content).hexdigest() == found["content_digest"]
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [row["contact_id"] for row in rows] == [one["contact_id"] for one in plan["calls"]]
    (design,) = designs.read()
    assert set(design.contact_ids[design.is_called]) == {row["contact_id"] for row in rows}
    ledger, names = client.app.state.services.ledger, ("propensity", "decision", "reason")
    decided, contacts, _ = list_rows.columns_of(ledger, found["id"], names)
    assert design.contact_ids.tolist() == contacts
    assert design.propensity.tolist() == decided["propensity"], "nobody is barred by a rule"
    assert design.is_called.tolist() == [one == "call" for one in decided["decision"]]
    assert design.is_explored.tolist() == [one == "exploration" for one in decided["reason"]]
    assert client.app.state.services.settings.platform.feedback != CALLED, "the monkeypatch kept it"
    held = client.post(f"{PATH}/{found['id']}/export", json={"group": "holdout"})
    assert {row["reason"] for row in csv.DictReader(io.StringIO(held.text))} == {"held_out"}
    again = client.get(f"{PATH}/{found['id']}").json()
    assert (again["stage"], again["actions"]) == ("exported", ["export", "revise", "withdraw", "close"])
    assert [one["content"].get("group") for one in again["history"] if one["kind"] == "list.exported"] == [
        "calls",
        "holdout",
    ]


def test_a_list_of_a_kept_file_draws_as_the_page_does(client):
    found = made(client, {"file": LIST, "capacity": 30, "holdout_share": 0.1})
    assert found["name"] == "example.csv"
    assert found["request"]["list_key"] == LIST
    assert found["request"]["holdout_seed"] == f"example.csv-{found['request']['file_sha256'][:16]}"


def test_a_plan_that_changed_is_409_and_says_what(client, request_body):
    shown = client.post("/api/v1/campaigns/plan", json=request_body).json()["shown"]
    before = len(campaigns.lists(client.app.state.services.ledger, 500))
    response = client.post(PATH, json={**request_body, "capacity": 9, "shown": shown})
    assert response.status_code == 409
    assert "Calls: " in response.json()["detail"]
    assert "Settings (digest): " in response.json()["detail"]
    assert len(campaigns.lists(client.app.state.services.ledger, 500)) == before


def test_a_list_is_revised_once(client, request_body):
    first = made(client, request_body)
    response = client.post(f"{PATH}/{first['id']}/revise", json={**request_body, "capacity": 5})
    assert response.status_code == 201
    second = response.json()
    assert second["revises"] == first["id"]
    assert client.get(f"{PATH}/{first['id']}").json()["stage"] == "replaced"
    for action, body in (("export", {}), ("withdraw", {"reason": "wrong file"}), ("revise", request_body)):
        refused = client.post(f"{PATH}/{first['id']}/{action}", json=body)
        assert refused.status_code == 409, action
        assert refused.json()["detail"].endswith(f"found it replaced; use list {second['id']}.")
    assert client.post(f"{PATH}/{second['id']}/withdraw", json={"reason": "wrong file"}).json()["stage"] == "withdrawn"


@pytest.mark.parametrize(
    ("changes", "status", "found"),
    [
        ({"list_id": None}, 422, "list_id"),
        ({"file": LIST}, 422, "contacts and file"),
        ({"contacts": None}, 422, "none of them"),
        ({"contacts": None, "file": "delivered:nobody.csv"}, 404, "delivered:nobody.csv"),
        ({"capacity": 0}, 422, "expected at least one call"),
        ({"shown": {"model": 1}}, 422, "shown"),
    ],
)
def test_a_list_that_cannot_be_made_is_refused_by_name(client, request_body, changes, status, found):
    end_lists(client)
    response = client.post(PATH, json={**request_body, **changes})
    assert response.status_code == status
    assert found in response.text


def test_another_list_of_the_same_contacts_is_409_while_one_is_open(client, request_body):
    first = made(client, request_body)
    refused = client.post(PATH, json={**request_body, "capacity": 9})
    assert refused.status_code == 409
    assert f"call list {first['id']} of this file is open (made): revise it or withdraw it." in refused.json()["detail"]
    plan = client.post("/api/v1/campaigns/plan", json=request_body).json()
    assert len(plan["calls"]) == first["summary"]["called"]["n_calls"], "the plan is that of the list that may follow"
    client.post(f"{PATH}/{first['id']}/withdraw", json={"reason": "wrong file"})
    assert client.post(PATH, json=request_body).status_code == 201


def test_lists_are_found_in_parts(client, request_body):
    for _ in range(3):
        made(client, {**request_body, "list_id": "search me"})
    first = client.get(PATH, params={"q": "SEARCH", "limit": 2}).json()
    second = client.get(PATH, params={"q": "SEARCH", "limit": 2, "before": first["next"]}).json()
    assert [len(part["lists"]) for part in (first, second)] == [2, 1]
    assert second["next"] is None
    assert len({one["id"] for part in (first, second) for one in part["lists"]}) == 3
    assert client.get(f"{PATH}/nobody").status_code == 404
