"""Whatever is recorded beside decisions has an event, and verification finds each way to change it behind its back."""

import pytest
from sqlalchemy import text

from bank_assets.ledger import accounts, campaigns, chain, decisions, events, outcomes, promotions
from bank_assets.ledger.engine import read, writing
from bank_assets.ledger.models import events as table
from bank_assets_tests.ledger.test_ledger_chain import drop_triggers
from bank_assets_tests.world.events import events_of

PASSWORD = "correct horse battery"


def call_list(**values) -> campaigns.CampaignList:
    made = {"actor": "ana", "name": "may", "model_version": "3", "model_digest": "d", "economics": {"cost_eur": 5.0}}
    made |= {"request": {"capacity": 10}, "summary": {}, "content_digest": "e" * 64}
    return campaigns.CampaignList(**made | values)


@pytest.fixture
def recorded(ledger, draft):
    """One of everything, by the functions that record it."""
    made = [draft(contact_id=f"p-{i}") for i in range(3)]
    decisions.append(ledger, made)
    outcomes.record(ledger, y="no", actor="crm", decision_id=made[0].id)
    outcomes.record(ledger, y="yes", actor="crm", contact_id="p-1", arrived_at="2010-11-20")
    for version, decision in (("1", "promoted"), ("2", "refused")):
        promotions.record(
            ledger, kind="refit", decision=decision, from_version=None, to_version=version, reasons=["r"],
            evidence={"auc": 0.1 + 0.2}, actor="pipeline",
        )  # fmt: skip
    campaigns.suppress(ledger, ["p-7", "p-8", "p-9"], reason="objection", actor="ana")
    campaigns.unsuppress(ledger, "p-8", reason="taken back by letter", actor="bo")
    accounts.create_user(ledger, "ana", PASSWORD, "analyst", actor="root")
    accounts.create_user(ledger, "ana", PASSWORD, "admin", actor="root")
    accounts.create_user(ledger, "bo", PASSWORD, "auditor")
    accounts.disable_user(ledger, "bo", actor="ana")
    accounts.create_key(ledger, "crm", ["predict"])
    accounts.create_key(ledger, "old", ["predict"])
    accounts.revoke_key(ledger, "old")
    campaigns.keep_list(ledger, call_list())
    decisions.erase(ledger, contact_id="p-2", actor="dpo", reason="request 12")
    assert chain.verify(ledger).ok, chain.verify(ledger).why
    return made


def test_every_record_has_an_event_that_names_nobody(ledger, recorded):
    found = [events.Event(*row) for row in read(ledger, table.select().order_by(table.c.seq))]
    assert [event.kind for event in found] == [
        "outcomes.recorded",
        "outcomes.recorded",
        "promotion.recorded",
        "promotion.recorded",
        "suppression.added",
        "suppression.removed",
        "account.created",
        "account.changed",
        "account.created",
        "account.disabled",
        "account.key_created",
        "account.key_created",
        "account.key_revoked",
        "list.made",
        "erasure.recorded",
    ]
    assert not any(f"p-{i}" in str(event) for event in found for i in range(10))
    assert (found[5].actor, found[5].content["reason"]) == ("bo", "taken back by letter")
    assert [event.actor for event in events_of(ledger, "ana")] == ["root", "root"]
    assert chain.verify(ledger, chain.anchor(ledger)).ok


BACK = "INSERT INTO suppressions (contact_id, reason, at, actor) VALUES ('p-8', 'objection', '2026-01-01', 'ana')"
FORGED = "INSERT INTO erasures (decision_id, at, actor, reason) SELECT decision_id, '2026', 'x', 'y' FROM payloads"
OUTCOME = "INSERT INTO outcomes (subject, y, arrived_at, recorded_at, actor) VALUES ('s', 'yes', 'a', 'b', 'x')"
TAMPERING = {
    "an objection gone": ("DELETE FROM suppressions WHERE contact_id = 'p-7'", "suppressions"),
    "an objection of another": ("UPDATE suppressions SET contact_id = 'p-6' WHERE contact_id = 'p-7'", "suppressions"),
    "an objection back": (BACK, "suppressions"),
    "an outcome changed": ("UPDATE outcomes SET y = 'yes' WHERE y = 'no'", "outcomes"),
    "an outcome of another": ("UPDATE outcomes SET contact_id = 'p-5' WHERE y = 'yes'", "outcomes"),
    "an outcome gone": ("DELETE FROM outcomes WHERE y = 'no'", "outcomes"),
    "an outcome invented": (OUTCOME, "outcomes"),
    "a refusal turned": ("UPDATE promotions SET decision = 'promoted'", "promotions"),
    "evidence changed": ("UPDATE promotions SET evidence = '{}' WHERE to_version = '1'", "promotions"),
    "promotions exchanged": ("UPDATE promotions SET id = 100 - id", "promotions"),
    "another password": ("UPDATE users SET password_hash = 'x' WHERE name = 'ana'", "users"),
    "a user back": ("UPDATE users SET disabled_at = NULL WHERE name = 'bo'", "users"),
    "a user gone": ("DELETE FROM users WHERE name = 'bo'", "users"),
    "a scope more": ("UPDATE api_keys SET scopes = '[\"admin\"]' WHERE name = 'crm'", "api_keys"),
    "a key back": ("UPDATE api_keys SET revoked_at = NULL", "api_keys"),
    "another list file": ("UPDATE campaign_lists SET content_digest = 'f'", "campaign_lists"),
    "a list gone": ("DELETE FROM campaign_lists", "campaign_lists"),
    "another reason to erase": ("UPDATE erasures SET reason = 'x'", "erasures"),
    "an erasure gone": ("DELETE FROM erasures", "erasure"),
    "a forged erasure": (FORGED, "erasures"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found(ledger, recorded, what):
    statement, named = TAMPERING[what]
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(text(statement))
        if what == "a forged erasure":
            connection.execute(text("DELETE FROM payloads"))
    result = chain.verify(ledger)
    assert not result.ok
    assert named in result.why
    if what == "another reason to erase":
        assert "erasures" in chain.fault_of(ledger, recorded[2].id)


def test_what_is_refused_leaves_no_event(ledger):
    for refused in (
        lambda: accounts.disable_user(ledger, "nobody"),
        lambda: accounts.create_key(ledger, "k", []),
        lambda: outcomes.record(ledger, y="yes", actor="a", decision_id="none"),
    ):
        with pytest.raises((accounts.AccountError, outcomes.UnknownDecisionError)):
            refused()
    assert not accounts.revoke_key(ledger, "nobody")
    assert not campaigns.unsuppress(ledger, "nobody", reason="r", actor="a")
    assert campaigns.suppress(ledger, [], reason="r", actor="a") == 0
    assert (chain.verify(ledger).ok, chain.verify(ledger).events) == (True, 0)
