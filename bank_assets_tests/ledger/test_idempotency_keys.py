"""Idempotency keys on both databases."""

from bank_assets.ledger import idempotency


def test_keys_belong_to_their_caller(ledger):
    assert idempotency.claim(ledger, "crm", "k", "a" * 64) is None
    assert idempotency.claim(ledger, "web", "k", "b" * 64) is None
    assert idempotency.claim(ledger, "crm", "k", "a" * 64) == idempotency.Claimed("a" * 64)
    idempotency.keep(ledger, "crm", "k", 201, {"body": "é"})
    assert idempotency.claim(ledger, "crm", "k", "c" * 64) == idempotency.Claimed("a" * 64, 201, {"body": "é"})
    idempotency.prune(ledger)
    assert idempotency.claim(ledger, "crm", "k", "a" * 64).status == 201
    idempotency.release(ledger, "web", "k")
    assert idempotency.claim(ledger, "web", "k", "d" * 64) is None
