"""A single request may ask for a randomized answer; its outcome then teaches by the probability on record."""

import numpy as np
import pytest

from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.features.feedback import CALLED, FULL, Origin, feedback_of
from bank_assets.ledger import campaigns, chain
from bank_assets.store import list_designs
from bank_assets.store.list_designs import ListDesigns
from bank_assets_tests.world.bundles import AS_OF

PATH = "/api/v1/predictions"
SHARE = 0.3
NOT_WORTH, WORTH = {"value_eur": 0.01}, {"value_eur": 10_000}
DAY = np.datetime64(AS_OF)


exploring = pytest.mark.parametrize("serving_settings", [{"learning": LearningBudget(SHARE)}], indirect=True)


def ask(client, payload, contact_id, economics=NOT_WORTH, **query):
    sent = {**payload, "contact_id": contact_id, "economics": economics}
    return client.post(PATH, json=sent, params={"explore": True, **query}).json()


@exploring
def test_a_randomized_answer_states_its_probability_and_teaches_by_it(client, payload, tmp_path, monkeypatch):
    answers = {f"c{n}": ask(client, payload, f"c{n}") for n in range(40)}
    assert {one["propensity"] for one in answers.values()} == {SHARE}
    called = {contact for contact, one in answers.items() if one["decision"] == "call"}
    assert 4 < len(called) < 24
    assert all(ask(client, payload, contact)["decision"] == "call" for contact in called), "not drawn again"
    answers["best"] = ask(client, payload, "best", WORTH)
    assert (answers["best"]["decision"], answers["best"]["propensity"]) == ("call", 1.0)
    explored = answers[min(called)]
    record = client.get(f"{PATH}/{explored['id']}").json()
    assert (record["propensity"], record["economics"]) == (SHARE, explored["economics"])
    assert "Called to learn from: 30.0 %" in client.get(f"/audit/{explored['id']}").text
    assert client.post(f"{PATH}/{explored['id']}/replay").json()["identical"]
    assert client.get("/api/v1/audit/verify").json()["ok"]

    ledger, designs = client.app.state.services.ledger, ListDesigns(tmp_path / "warehouse", CALLED)
    designs.keep_answers(ledger)
    designs.keep_answers(ledger)
    (kept,) = designs.read()
    assert (str(kept.as_of), len(kept.contact_ids)) == (AS_OF, 41)
    ids = np.array([*answers, "elsewhere"], dtype=object)
    days = np.full(len(ids), DAY)
    arrived = np.where(np.isin(ids, [*called, "best", "elsewhere"]), days, np.datetime64("NaT"))
    weights, _, found = feedback_of(ids, days, arrived, [kept], DAY + 1)
    expected = [1 / SHARE if one in called else float(one == "best") for one in ids.tolist()]
    assert weights.tolist() == pytest.approx(expected)
    assert (found.explored, found.outcomes[Origin.ON_NO_LIST]) == (len(called), 1)

    ask(client, payload, "later")
    designs.keep_answers(ledger)
    assert sorted(len(one.contact_ids) for one in designs.read()) == [1, 41]
    client.post(PATH, json={**payload, "contact_id": "asks-for-none"})
    designs.keep_answers(ledger)
    looked = []
    monkeypatch.setattr(list_designs, "answers", lambda _, after: looked.append(after) or [])
    designs.keep_answers(ledger)
    assert looked == [chain.anchor(ledger).seq], "what was searched is not searched again"
    full = ListDesigns(tmp_path / "full", FULL)
    full.keep_answers(ledger)
    assert not (tmp_path / "full").exists()


@exploring
def test_no_draw_overrides_an_objection_and_an_erased_answer_is_in_no_design(client, payload, tmp_path):
    services = client.app.state.services
    campaigns.suppress(services.ledger, ["k-1"], reason="objected", actor="local")
    services.suppressions.read()
    refused = ask(client, payload, "k-1", WORTH)
    assert (refused["decision"], refused["reason"], refused["propensity"]) == ("do_not_call", "suppressed", 0.0)
    gone = ask(client, payload, "gone")
    client.post("/api/v1/audit/erasures", json={"prediction_id": gone["id"], "reason": "Art. 17 request"})
    designs = ListDesigns(tmp_path / "warehouse", CALLED)
    designs.keep_answers(services.ledger)
    (kept,) = designs.read()
    assert kept.contact_ids.tolist() == ["k-1"]
    assert np.isnan(kept.propensity).all(), "a rule excludes, as on a list"


def test_who_does_not_ask_is_answered_and_recorded_as_ever(client, payload):
    answer = client.post(PATH, json={**payload, "contact_id": "c"}).json()
    record = client.get(f"{PATH}/{answer['id']}").json()
    assert "propensity" not in answer
    assert "propensity" not in record
    assert ask(client, payload, "c")["propensity"] == 0.0, "nobody is explored without a learning share"
    refused = client.post(PATH, json=payload, params={"explore": True})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "contact_id")
