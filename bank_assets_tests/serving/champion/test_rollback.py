"""Rollback: the alias moves and is on record, or nothing changes."""

import pytest

from bank_assets.ledger import promotions
from bank_assets_tests.serving.champion.stored import store_of, under
from bank_assets_tests.world.contracts import WIDER
from bank_assets_tests.world.waiting import wait_until

pytestmark = pytest.mark.slow
PATH = "/api/v1/predictions"


def test_rollback_moves_the_alias_and_is_recorded(client, registry, payload):
    registry.alias = "2"
    wait_until(lambda: store_of(client).champion.version == "2")
    response = client.post("/api/v1/model/rollback", json={"version": "1", "reason": "too many calls"})
    assert response.status_code == 200
    assert registry.alias == "1"
    assert client.post(PATH, json=payload).json()["model"]["version"] == "1"
    (entry,) = client.get("/api/v1/model/history").json()["promotions"]
    assert (entry["kind"], entry["from_version"], entry["to_version"], entry["actor"]) == (
        "rollback",
        "2",
        "1",
        "local",
    )
    assert entry["reasons"] == ["too many calls"]


@pytest.mark.parametrize(("version", "status"), [("1", 409), ("99", 404), ("", 422), ("abc", 422), ("9" * 30, 422)])
def test_impossible_rollbacks_change_nothing(client, registry, version, status):
    response = client.post("/api/v1/model/rollback", json={"version": version, "reason": "because"})
    assert response.status_code == status
    assert registry.alias == "1"
    assert promotions.history(client.app.state.services.ledger) == []


def test_a_version_that_the_gate_refused_cannot_be_rolled_back_to_unless_it_was_in_force_once(client, registry):
    ledger = client.app.state.services.ledger
    verdict = {"kind": "refit", "from_version": "1", "to_version": "2", "evidence": {}, "actor": "pipeline"}
    promotions.record(ledger, decision="refused", reasons=["mean probability 0.4 against 0.1 observed"], **verdict)
    requested = {"version": "2", "reason": "because"}
    response = client.post("/api/v1/model/rollback", json=requested)
    assert response.status_code == 409
    assert "mean probability 0.4" in response.json()["detail"]
    assert registry.alias == "1"
    promotions.record(ledger, decision="promoted", reasons=["better"], **verdict)
    assert client.post("/api/v1/model/rollback", json=requested).status_code == 200


def test_a_rollback_to_a_version_that_does_not_fit_is_refused_before_the_alias_moves(client, registry):
    registry.versions["3"] = under(registry.versions["2"], WIDER)
    response = client.post("/api/v1/model/rollback", json={"version": "3", "reason": "because"})
    assert response.status_code == 409
    assert "also takes tenure" in response.json()["detail"]
    assert registry.alias == "1"
    assert promotions.history(client.app.state.services.ledger) == []


def test_a_rollback_while_the_registry_is_down_is_503_and_not_recorded(client, registry):
    registry.is_down = True
    assert client.post("/api/v1/model/rollback", json={"version": "2", "reason": "because"}).status_code == 503
    assert client.get("/api/v1/model/history").json() == {"promotions": []}
