"""Hashes of fixed records never change, because anchors and copies kept elsewhere must verify after any release."""

from bank_assets.ledger.digests import CHAINED, hash_in_order, payload_hash, record_hash
from bank_assets.ledger.events import GENESIS
from bank_assets.ledger.models import canonical_json

PAYLOADS = (
    ("0" * 32, None, {"age": 41, "job": "management", "balance": -120}),
    ("1" * 32, "c-1", {"age": 58, "job": "admin.", "pdays": -1}),
    ("f" * 32, 'c "2" é\n', {}),
)
RECORD = {
    "decided_at": "2010-11-17T08:30:00.000001+00:00",
    "actor": "local",
    "batch_id": None,
    "contact_date": "2010-11-17",
    "probability": 0.1 + 0.2,
    "probability_low": 0.1,
    "probability_high": 1.0,
    "prediction": "no",
    "decision": "call",
    "threshold": 0.1,
    "expected_profit_eur": 10.000000000000002,
    "economics": canonical_json({"value_eur": 50.0, "cost_eur": 5.0}),
    "model_name": "bank-marketing",
    "model_version": "3",
    "model_digest": "d" * 64,
    "mlflow_run_id": "run",
    "training_snapshot": "s" * 64,
    "as_of": "2010-11-17",
    "as_of_features": canonical_json({"rates": {"subscription_rate_7d": 0.4}}),
    "stale_features": False,
    "flags": canonical_json(["new_category"]),
    "contract_version": "1",
    "code_version": "abc",
    "onnxruntime_version": "1",
    "cpu_architecture": "x86_64",
}
CHANGES = (
    {},
    {"batch_id": "b-1", "decision": "do_not_call", "expected_profit_eur": 0.0, "probability": 5e-324},
    {"actor": 'Zoë "the" admin\\', "stale_features": True, "as_of": None, "threshold": 1e22},
)


def chained():
    """Records as `decisions.append` links them, with their hashes."""
    previous = GENESIS
    for seq, ((salt, contact_id, payload), changes) in enumerate(zip(PAYLOADS, CHANGES, strict=True), start=1):
        bound = payload_hash(salt, contact_id, canonical_json(payload))
        record = {
            **RECORD,
            **changes,
            "seq": seq,
            "id": f"{seq:032x}",
            "payload_hash": bound,
            "previous_hash": previous,
        }
        previous = record_hash(record)
        yield record, previous


def test_records_and_their_hashes(snapshot):
    assert [{"canonical": canonical_json(record), "hash": stated} for record, stated in chained()] == snapshot


def test_records_are_chained_by_the_same_hash_when_they_are_appended():
    assert [hash_in_order(record[name] for name in CHAINED) for record, _ in chained()] == [h for _, h in chained()]


def test_payloads_and_their_hashes(snapshot):
    found = [
        {"salt": salt, "contact": contact_id, "payload": canonical_json(payload)}
        | {"hash": payload_hash(salt, contact_id, canonical_json(payload))}
        for salt, contact_id, payload in PAYLOADS
    ]
    assert found == snapshot


def test_a_person_is_part_of_the_hash_of_a_payload(snapshot):
    assert payload_hash("1" * 32, "c-1", '{"age":58}', "k é") == snapshot
