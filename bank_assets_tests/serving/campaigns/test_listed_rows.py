"""Every row of a call list is a decision on record: found by customer, shown, proven, run again, erased."""

from bank_assets.core.economics.call_plan import BEYOND_LIMITS, HELD_OUT, WORTH_CALLING
from bank_assets.ledger import decisions
from bank_assets.ledger.merkle import is_included, leaf_hash
from bank_assets_tests.serving.campaigns.lists import delivered, make_list, rows_of
from bank_assets_tests.world.demo_home import HTMX, soup_of, token_of


def search(client, **criteria):
    found, cursor = [], {}
    while cursor is not None:
        page = client.get("/api/v1/predictions", params={**criteria, **cursor}).json()
        found += page["predictions"]
        cursor = {"cursor": page["next"]} if page["next"] else None
    return found


def test_the_customer_of_rank_1_is_found_on_each_list_and_every_row_replays(client):
    made = [soup_of(make_list(client, holdout_pct="20", capacity="40")), soup_of(make_list(client, cost_eur="6"))]
    ids = [one.select_one("[data-testid=list-id]").text for one in made]
    first = rows_of(client, made[0])[0][0]
    found = search(client, contact_id=first["contact_id"])
    assert [one["id"].partition(".")[0] for one in found] == ids[::-1], "newest first"
    assert {(one["decision"], one["reason"], one["list_name"]) for one in found} == {("call", None, "example.csv")}
    rows = search(client, batch_id=ids[0], limit=500)
    assert len(rows) == len(delivered(client))
    by_reason = {}
    for row in rows:
        by_reason.setdefault(row["reason"] or WORTH_CALLING, row)
    assert {WORTH_CALLING, HELD_OUT, BEYOND_LIMITS} <= by_reason.keys()
    called = {row["contact_id"]: row for row in rows_of(client, made[0])[0]}
    for row in (*found, *by_reason.values()):
        record = client.get(f"/api/v1/predictions/{row['id']}").json()
        replay = client.post(f"/api/v1/predictions/{row['id']}/replay").json()
        assert (replay["status"], replay["record_fault"]) == ("identical", None)
        place = record["listed"]
        leaf, path = leaf_hash(place["record"].encode()), [bytes.fromhex(one) for one in place["path"]]
        root = bytes.fromhex(place["merkle_root"])
        assert is_included(leaf, place["leaf_index"], place["tree_size"], path, root)
        if place["list_id"] == ids[0] and place["rank"]:
            line = called[record["contact_id"]]
            assert (record["probability"], place["rank"]) == (float(line["probability"]), int(line["rank"]))
    assert client.get("/api/v1/audit/verify").json()["ok"]


def test_a_row_is_shown_with_its_list_explained_and_erased(client):
    made = soup_of(make_list(client, holdout_pct="20"))
    held = rows_of(client, made, "holdout")[0][0]["contact_id"]
    link = soup_of(client.get("/audit", params={"contact_id": held})).select_one("[data-testid=decisions] tbody tr")
    assert "held out" in link.text
    address = link.select_one("a")["href"]
    page = soup_of(client.get(address))
    assert page.h1.text.endswith(" of example.csv")
    assert "Not called by the list example.csv: held out at random" in page.text
    assert "Place on the list" in page.text
    replay = client.post(f"{address}/replay", data=token_of(client), headers=HTMX)
    assert soup_of(replay).select_one("[data-testid=replay]")["data-status"] == "identical"
    ledger = client.app.state.services.ledger
    assert decisions.erase(ledger, contact_id=held, actor="dpo", reason="request 12") == 1
    record = client.get(address)
    assert "request 12" in soup_of(record).select_one("[data-testid=erased]").text
    assert held not in record.text
    assert search(client, contact_id=held) == []
    assert client.get("/api/v1/audit/verify").json()["ok"]
