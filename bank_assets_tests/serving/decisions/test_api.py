"""Decisions over HTTP: request, answer and record."""

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.scorer import Scorer
from bank_assets.ledger import decisions
from bank_assets.ledger.ids import new_id
from bank_assets.ledger.models import canonical_json
from bank_assets.ledger.records import Draft
from bank_assets_tests.world.app import PAYLOAD, csv_of
from bank_assets_tests.world.bundles import AS_OF, made_up_contacts
from bank_assets_tests.world.waiting import wait_until
from serving.decisions.payloads import Payloads

PATH = "/api/v1/predictions"


def test_a_decision_is_created_answered_and_on_record(client, payload):
    response = client.post(PATH, json={**payload, "contact_id": "c-1"})
    assert response.status_code == 201
    answer = response.json()
    assert response.headers["location"] == f"{PATH}/{answer['id']}"
    assert 0 <= answer["probability_low"] <= answer["probability"] <= answer["probability_high"] <= 1
    assert answer["expected_profit_eur"] == answer["probability"] * 50 - 5
    assert answer["decision"] == ("call" if answer["expected_profit_eur"] > 0 else "do_not_call")
    assert answer["prediction"] == ("yes" if answer["probability"] >= 0.3 else "no")
    assert (answer["as_of"], answer["stale_features"], answer["flags"]) == (AS_OF, False, [])
    assert answer["economics"] == {"cost_eur": 5.0, "value_eur": 50.0}
    record = client.get(response.headers["location"]).json()
    assert record["probability"] == answer["probability"]
    assert record["payload"] == {name: payload[name] for name in PAYLOAD}
    assert record["contact_id"] == "c-1"
    assert record["actor"] == "local"
    assert record["model"] == answer["model"]
    assert record["lineage"]["algorithm"] == "logistic_regression"
    assert record["lineage"]["hyper_parameters"]
    assert record["lineage"]["data_source"] == "made up"
    assert record["chain"]["seq"] == 1


def test_the_answer_is_the_scorers_own_number(client, payload, bundle_a, app):
    from dataclasses import replace

    answer = client.post(PATH, json=payload).json()
    state = replace(bundle_a[1], log_odds_shift=0.1)
    features = current_features(
        Payloads.of(UCI).frame_of([Payloads.of(UCI).request_of(payload)]),
        np.array([AS_OF], "datetime64[D]"),
        state,
        UCI,
        has_plan=False,
    )
    scores = Scorer(bundle_a[0]).score(features, log_odds_shift=0.1)
    assert answer["probability"] == scores.probability[0]


def test_single_and_batch_give_the_same_bits(running, payload):
    rows = [{**payload, "age": 20 + i, "balance": 37 * i} for i in range(60)]
    singles = [running.post(PATH, json=row).json()["probability"] for row in rows]
    as_json = running.post(f"{PATH}/batch", json=rows).json()
    as_csv = running.post(f"{PATH}/batch", content=csv_of(rows, ";"), headers={"content-type": "text/csv"}).json()
    assert [row["probability"] for row in as_json["predictions"]] == singles
    assert [row["probability"] for row in as_csv["predictions"]] == singles


@pytest.mark.parametrize("version", ["1", "2"])
def test_one_row_and_version_have_one_number_wherever_they_are_scored(client, registry, bundle_a, bundle_b, version):
    """API, upload and plan against one call over all rows, which is how evaluation and batch scoring score."""
    registry.alias = version
    store = client.app.state.services.store
    wait_until(lambda: store.champion.version == version)
    frame, _, _ = made_up_contacts(300, seed=7)
    plain = {name: column.tolist() for name, column in frame.items()}
    rows = [{name: column[i] for name, column in plain.items()} | {"contact_date": AS_OF} for i in range(300)]
    days, state = np.full(300, np.datetime64(AS_OF)), store.state.state
    scorer = Scorer((bundle_a if version == "1" else bundle_b)[0])

    def expected(has_plan):
        features = current_features(frame, days, state, UCI, has_plan=has_plan)
        return scorer.score(features, log_odds_shift=state.log_odds_shift).probability

    single = [client.post(PATH, json=row).json()["probability"] for row in rows[:40]]
    assert np.abs(single - expected(False)[:40]).max() <= 1e-9
    uploaded = client.post(f"{PATH}/batch", json=rows).json()["predictions"]
    assert np.abs([row["probability"] for row in uploaded] - expected(False)).max() <= 1e-9
    people = [{**row, "contact_id": str(i)} for i, row in enumerate(rows)]
    everybody_pays = {"cost_eur": 0.01, "value_eur": 1_000_000}
    plan = client.post("/api/v1/campaigns/plan", json={"contacts": people, "economics": everybody_pays}).json()
    planned = expected(True)
    assert len(plan["calls"]) == 300
    assert all(abs(call["probability"] - planned[int(call["contact_id"])]) <= 1e-9 for call in plan["calls"])


@pytest.mark.parametrize("serving_settings", [{"threshold": "f1"}], indirect=True)
def test_the_models_own_threshold_decides_if_it_is_set(client, payload):
    dear = {**payload, "contact_id": "dear", "economics": {"cost_eur": 49.9, "value_eur": 50}}
    for person in ({**payload, "contact_id": "usual"}, dear):
        answer = client.post(PATH, json=person).json()
        assert answer["threshold"] == 0.3
        assert answer["decision"] == ("call" if answer["prediction"] == "yes" else "do_not_call")
        assert client.get(f"{PATH}/{answer['id']}").json()["threshold"] == 0.3
        plan = client.post("/api/v1/campaigns/plan", json={"contacts": [person]}).json()
        assert plan["called"]["n_calls"] == (plan["calls"][0]["probability"] >= 0.3 if plan["calls"] else 0)


def test_stated_economics_decide_and_are_recorded(running, payload):
    cheap = running.post(PATH, json={**payload, "economics": {"cost_eur": 0.01}}).json()
    dear = running.post(PATH, json={**payload, "economics": {"cost_eur": 49.9, "value_eur": 50}}).json()
    assert (cheap["decision"], dear["decision"]) == ("call", "do_not_call")
    assert cheap["economics"] == {"cost_eur": 0.01, "value_eur": 50.0}
    assert running.get(f"{PATH}/{dear['id']}").json()["economics"] == {"cost_eur": 49.9, "value_eur": 50.0}


def test_reasons_add_up_to_the_probability(client, payload):
    answer = client.post(f"{PATH}?reasons=true", json=payload).json()
    given = answer["reasons"]
    total = given["base_probability"] + sum(r["probability_contribution"] for r in given["reasons"])
    assert total == pytest.approx(answer["probability"], abs=1e-12)
    log_odds = given["base_log_odds"] + sum(r["log_odds_contribution"] for r in given["reasons"])
    assert log_odds == pytest.approx(np.log(answer["probability"] / (1 - answer["probability"])), abs=1e-9)
    assert {r["group"]: r["log_odds_contribution"] for r in given["reasons"]}["recalibration"] == 0.1
    assert {"recalibration", "balance", "recent_subscription_rates"} <= {r["group"] for r in given["reasons"]}
    assert all(r["sentence"].endswith(".") for r in given["reasons"])
    assert "reasons" not in client.post(PATH, json=payload).json()


def test_a_value_outside_training_is_scored_and_flagged(running, payload):
    answer = running.post(PATH, json={**payload, "balance": 500_000}).json()
    assert [(f["flag"], f["field"], f["found"]) for f in answer["flags"]] == [
        ("outside_training_range", "balance", "500000")
    ]
    assert running.get(f"{PATH}/{answer['id']}").json()["flags"] == answer["flags"]


def test_a_date_far_past_the_state_is_flagged_as_stale(running, payload):
    assert not running.post(PATH, json={**payload, "contact_date": "2010-12-17"}).json()["stale_features"]
    assert running.post(PATH, json={**payload, "contact_date": "2010-12-18"}).json()["stale_features"]
    without = {name: payload[name] for name in PAYLOAD}
    assert running.post(PATH, json=without).json()["stale_features"]


@pytest.mark.parametrize(
    ("change", "field", "expected", "found"),
    [
        ({"age": 7}, "age", "from 16 to 120", "7"),
        ({"age": 300}, "age", "from 16 to 120", "300"),
        ({"age": "41"}, "age", "whole number", '"41"'),
        ({"age": 41.5}, "age", "whole number", "41.5"),
        ({"age": True}, "age", "whole number", "true"),
        ({"age": None}, "age", "whole number", "null"),
        ({"job": "astronaut"}, "job", "one of admin.", '"astronaut"'),
        ({"job": 3}, "job", "one of", "3"),
        ({"default": "maybe"}, "default", "one of no, yes", '"maybe"'),
        ({"salary": 5}, "salary", "only the fields age", "an unknown field"),
        ({"day": 5}, "day", "only the fields", "follows from contact_date"),
        ({"contact_id": ""}, "contact_id", "at most 64", '""'),
        ({"contact_id": "x" * 65}, "contact_id", "at most 64", "..."),
        ({"contact_date": "2010-13-01"}, "contact_date", "YYYY-MM-DD", "2010-13-01"),
        ({"contact_date": "1066-10-14"}, "contact_date", "1990-01-01", "1066-10-14"),
        ({"economics": {"cost_eur": -1}}, "economics.cost_eur", "a number from 0.01", "-1"),
        ({"economics": {"price": 1}}, "economics.price", "cost_eur, value_eur", "unknown"),
        ({"economics": 5}, "economics", "an object", "5"),
    ],
)
def test_input_that_does_not_fit_is_named(running, payload, change, field, expected, found):
    response = running.post(PATH, json={**payload, **change})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["status"], problem["instance"]) == ("/problems/payload", 422, PATH)
    (error,) = problem["errors"]
    assert error["field"] == field
    assert expected in error["expected"]
    assert found in error["found"]


def test_a_post_contact_column_is_refused_by_the_rules_name(running, payload):
    for name in ("duration", "y"):
        problem = running.post(PATH, json={**payload, name: 261}).json()
        (error,) = problem["errors"]
        assert (error["field"], error["rule"]) == (name, "post_contact_columns_are_never_inputs")


def test_every_fault_of_a_body_is_named_at_once(running, payload):
    del payload["job"]
    problem = running.post(PATH, json={**payload, "age": 7, "pdays": -2}).json()
    assert [e["field"] for e in problem["errors"]] == ["age", "job", "pdays"]
    assert problem["errors"][1]["found"] == "nothing: the field is missing"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{" * 5_000, b'{"age": 1e999}'])
def test_bodies_that_are_no_object_get_a_problem(running, body):
    response = running.post(PATH, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["expected"]


def test_a_whole_number_may_be_written_with_a_point(running, payload):
    """JSON does not distinguish 41.0 from 41, but text differs."""
    written = running.post(PATH, json={**payload, "age": 41.0, "campaign": 1.0})
    assert written.status_code == 201
    assert written.json()["probability"] == running.post(PATH, json=payload).json()["probability"]
    assert running.get(f"{PATH}/{written.json()['id']}").json()["payload"]["age"] == 41
    batch = running.post(f"{PATH}/batch", json=[{**payload, "age": 41.0}, {**payload, "age": 41.5}]).json()
    assert (batch["recorded"], batch["rejected"]) == (1, 1)


def test_a_refused_request_leaves_no_record(client, payload):
    client.post(PATH, json={**payload, "age": 7})
    assert client.get(PATH).json() == {"predictions": [], "next": None}


def test_a_body_beyond_the_limit_is_refused(running):
    response = running.post(PATH, content=b" " * 70_000, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_search_pages_through_everything_once(client, payload):
    ids = [client.post(PATH, json={**payload, "contact_id": f"c-{i % 2}"}).json()["id"] for i in range(7)]
    found, cursor = [], None
    while True:
        page = client.get(PATH, params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        found += [row["id"] for row in page["predictions"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == ids[::-1]
    assert [r["id"] for r in client.get(PATH, params={"contact_id": "c-1"}).json()["predictions"]] == ids[1::2][::-1]
    assert client.get(PATH, params={"since": "2999-01-01"}).json()["predictions"] == []


@pytest.mark.parametrize(
    "params",
    [{"cursor": "x"}, {"cursor": "9" * 30}, {"since": "soon"}, {"limit": 0}, {"limit": 501}, {"decision": "?"}],
)
def test_bad_search_parameters_are_422(running, params):
    assert running.get(PATH, params=params).status_code == 422


def test_replay_is_identical(client, payload):
    made = client.post(PATH, json=payload).json()
    replay = client.post(f"{PATH}/{made['id']}/replay").json()
    assert (replay["status"], replay["identical"]) == ("identical", True)
    assert replay["recorded"] == replay["replayed"]
    assert replay["environment"]["then"] == replay["environment"]["now"]


def test_replay_uses_the_recorded_version_after_a_swap(client, payload, registry, app):
    made = client.post(PATH, json=payload).json()
    registry.alias = "2"
    wait_until(lambda: app.state.services.store.champion.version == "2")
    after = client.post(PATH, json=payload).json()
    assert after["model"]["version"] == "2"
    assert after["probability"] != made["probability"]
    for answer in (made, after):
        assert client.post(f"{PATH}/{answer['id']}/replay").json()["identical"] is True


def test_replay_reports_a_record_that_does_not_give_its_number(client, payload, app):
    made = client.post(PATH, json=payload).json()
    services = app.state.services
    record = decisions.get(services.ledger, made["id"])
    from dataclasses import fields

    values = {f.name: getattr(record, f.name) for f in fields(Draft) if hasattr(record, f.name)}
    values |= {
        "id": new_id(),
        "probability": record.probability + 1e-12,
        **{name: canonical_json(values[name]) for name in ("payload", "economics", "as_of_features", "flags")},
    }
    decisions.append(services.ledger, [Draft(**values)])
    replay = client.post(f"{PATH}/{values['id']}/replay").json()
    assert (replay["status"], replay["identical"]) == ("different", False)
    assert replay["recorded"]["probability"] != replay["replayed"]["probability"]


def test_an_erased_decision_replays_as_erased_and_the_chain_verifies(client, payload):
    made = client.post(PATH, json={**payload, "contact_id": "gone"}).json()
    client.post(PATH, json={**payload, "contact_id": "stays"})
    erased = client.post("/api/v1/audit/erasures", json={"contact_id": "gone", "reason": "Art. 17 request"})
    assert erased.json() == {"erased": 1, "files": 0}
    assert client.post(f"{PATH}/{made['id']}/replay").json()["status"] == "erased"
    record = client.get(f"{PATH}/{made['id']}").json()
    assert (record["payload"], record["contact_id"], record["erased_why"]) == (None, None, "Art. 17 request")
    verified = client.get("/api/v1/audit/verify").json()
    assert (verified["ok"], verified["records"], verified["erased"]) == (True, 2, 1)


def test_an_unknown_decision_is_404(running):
    for response in (
        running.get(f"{PATH}/{new_id()}"),
        running.post(f"{PATH}/{new_id()}/replay"),
        running.get(f"{PATH}/nonsense"),
    ):
        assert response.status_code == 404
        assert response.json()["type"] == "/problems/not-found"
