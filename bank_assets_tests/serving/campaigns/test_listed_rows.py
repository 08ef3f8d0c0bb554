"""Every row of a call list is a decision on record: found by customer, shown, proven, run again, erased."""

import pyarrow as pa

from bank_assets.assets.list_plan import plan_of, scores_of
from bank_assets.assets.list_record import PlannedList, put_on_record
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.call_plan import BEYOND_LIMITS, HELD_OUT, WORTH_CALLING
from bank_assets.core.economics.planner import PlanSettings
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.feature_set import current_features, plans_by_day
from bank_assets.core.model.scorer import Scorer
from bank_assets.landing.campaign_file import latest_campaigns
from bank_assets.ledger import decisions
from bank_assets.ledger.merkle import leaf_hash
from bank_assets.spark.list_intake import read_campaign
from bank_assets.store.decision_records import facts_of_list, facts_of_model
from bank_assets_tests.serving.campaigns.lists import delivered, make_list, rows_of
from bank_assets_tests.world.demo_home import HTMX, fit_demo, soup_of, token_of
from bank_assets_tests.world.proofs import is_included


def search(client, **criteria):
    found, cursor = [], {}
    while cursor is not None:
        page = client.get("/api/v1/predictions", params={**criteria, **cursor}).json()
        found += page["predictions"]
        cursor = {"cursor": page["next"]} if page["next"] else None
    return found


def test_the_customer_of_rank_1_is_found_on_each_list_and_every_row_replays(client):
    made = [soup_of(make_list(client, holdout_pct="20", capacity="40"))]
    exported, _ = rows_of(client, made[0])
    made.append(soup_of(make_list(client, cost_eur="6")))
    ids = [one.select_one("[data-testid=list-id]").text for one in made]
    first = exported[0]
    found = search(client, contact_id=first["contact_id"])
    assert [one["id"].partition(".")[0] for one in found] == ids[::-1], "newest first"
    assert {(one["decision"], one["reason"], one["list_name"]) for one in found} == {("call", None, "example.csv")}
    rows = search(client, batch_id=ids[0], limit=500)
    assert len(rows) == len(delivered(client))
    by_reason = {}
    for row in rows:
        by_reason.setdefault(row["reason"] or WORTH_CALLING, row)
    assert {WORTH_CALLING, HELD_OUT, BEYOND_LIMITS} <= by_reason.keys()
    called = {row["contact_id"]: row for row in exported}
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
    list_id = made.select_one("[data-testid=list-id]").text
    assert page.select_one("[aria-labelledby=listed] a")["href"] == f"/campaign/lists/{list_id}"
    replay = client.post(f"{address}/replay", data=token_of(client), headers=HTMX)
    assert soup_of(replay).select_one("[data-testid=replay]")["data-status"] == "identical"
    ledger = client.app.state.services.ledger
    assert decisions.erase(ledger, contact_id=held, actor="dpo", reason="request 12") == 1
    record = client.get(address)
    assert "request 12" in soup_of(record).select_one("[data-testid=erased]").text
    assert held not in record.text
    assert search(client, contact_id=held) == []
    assert client.get("/api/v1/audit/verify").json()["ok"]


def test_a_list_of_the_pipeline_replays_identically_from_its_record(client):
    services, fitted = client.app.state.services, fit_demo()
    platform, engine, files = services.settings.platform, services.ledger, fitted.versions["2"]
    campaign = read_campaign(latest_campaigns(platform.warehouse)["example"], UCI)
    scorer, state = Scorer(files), AsOfState.from_dict(fitted.state)
    features = current_features(campaign.frame, campaign.contact_dates, state, UCI, has_plan=True)
    scores = scorer.score(features, log_odds_shift=state.log_odds_shift)
    scored = pa.table(
        {
            "contact_id": list(campaign.contact_ids),
            "contact_date": campaign.contact_dates,
            "probability": scores.probability,
            "probability_low": scores.low,
            "probability_high": scores.high,
        }
    )
    run_id = scorer.decision["training"].get("mlflow_run_id")
    of_model = facts_of_model("2", scorer.digest, scorer.decision, run_id, UCI, "code")
    mix = campaign.frame, campaign.contact_dates, UCI
    facts = {
        "champion": "2",
        "digest": scorer.digest,
        "as_of": str(state.as_of),
        "sha256": campaign.digest,
        "n_rejected": campaign.n_rejected,
        "recorded": facts_of_list(of_model, scorer.decision, state, plans_by_day(*mix)),
    }
    under = PlanSettings(platform.calling)
    plan = plan_of(scored, under, UCI, "example")
    made = PlannedList("example", "example.csv", plan, scores_of(scored, facts), under, facts)
    with made.payload(platform.warehouse, UCI) as payload:
        list_id = put_on_record(engine, made, payload, UCI).id
    rows = search(client, batch_id=list_id, limit=500)
    assert len(rows) == len(campaign.contact_ids)
    for row in rows[:: len(rows) // 5]:
        assert client.post(f"/api/v1/predictions/{row['id']}/replay").json()["status"] == "identical"
    assert client.get(f"/campaign/lists/{list_id}").status_code == 200
