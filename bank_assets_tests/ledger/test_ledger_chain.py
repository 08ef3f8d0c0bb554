"""The hash chain: what verifies, and every way to break it, on both databases."""

import hashlib
import json
import threading

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from bank_assets.ledger import chain, decisions, digests
from bank_assets.ledger.engine import open_ledger, writing
from bank_assets.ledger.models import decisions as table
from bank_assets.ledger.models import ledger_head, metadata, payloads


def drop_triggers(connection):
    """Act as an owner of the database who wants to rewrite history."""
    if connection.dialect.name == "postgresql":
        for name in metadata.tables:
            connection.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER ALL"))
        return
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    for name in names:
        connection.execute(text(f"DROP TRIGGER {name}"))


def test_an_empty_ledger_verifies(ledger):
    anchor = chain.Anchor(0, chain.GENESIS, 0, chain.GENESIS)
    assert chain.verify(ledger) == chain.VerifyResult(True, 0, 0, None, "", anchor, 0, 0, None)
    assert chain.Anchor.parse(f" {anchor} ") == anchor


def test_appended_decisions_are_chained_in_order(ledger, draft):
    first, second = draft(), draft()
    assert decisions.append(ledger, [first]) == 1
    assert decisions.append(ledger, [second, draft()]) == 3
    assert chain.verify(ledger).ok
    one, two = decisions.get(ledger, first.id), decisions.get(ledger, second.id)
    assert (one.seq, two.seq) == (1, 2)
    assert one.previous_hash == chain.GENESIS
    assert two.previous_hash == one.hash


def test_the_hash_can_be_recomputed_from_the_documented_form(ledger, draft):
    made = draft()
    decisions.append(ledger, [made])
    with ledger.connect() as connection:
        row = dict(connection.execute(table.select()).mappings().one())
    stated = row.pop("hash")
    canonical = json.dumps(row, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == stated
    assert '"probability":0.30000000000000004' in canonical


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c.execute(update(table).where(table.c.seq == 3).values(probability=0.99)), "the record was changed"),
        (lambda c: c.execute(delete(table).where(table.c.seq == 3)), "records are missing"),
        (lambda c: c.execute(delete(payloads).where(payloads.c.decision_id == c.info["third"])), "without an erasure"),
        (
            lambda c: c.execute(
                update(payloads).where(payloads.c.decision_id == c.info["third"]).values(payload='{"age":99}')
            ),
            "the payload was changed",
        ),
        (
            lambda c: c.execute(
                update(payloads).where(payloads.c.decision_id == c.info["third"]).values(contact_id="other")
            ),
            "the payload was changed",
        ),
    ],
    ids=["record", "removed", "payload gone", "payload", "contact"],
)
def test_tampering_is_found_where_it_happened(ledger, draft, change, why):
    drafts = [draft() for _ in range(5)]
    decisions.append(ledger, drafts)
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.info["third"] = drafts[2].id
        change(connection)
    result = chain.verify(ledger)
    assert not result.ok
    assert result.first_bad_seq in (3, 4)
    assert why in result.why
    assert why in chain.fault_of(ledger, drafts[result.first_bad_seq - 1].id)
    assert [chain.fault_of(ledger, drafts[i].id) for i in (0, 1, 4)] == ["", "", ""]


def test_a_rewritten_record_with_a_new_hash_breaks_the_next_link(ledger, draft):
    decisions.append(ledger, [draft() for _ in range(3)])
    with writing(ledger) as connection:
        drop_triggers(connection)
        row = dict(connection.execute(table.select().where(table.c.seq == 2)).mappings().one())
        row["decision"] = "do_not_call"
        row["hash"] = digests.record_hash(row)
        connection.execute(update(table).where(table.c.seq == 2).values(**row))
    result = chain.verify(ledger)
    assert (result.ok, result.first_bad_seq) == (False, 3)


def test_cutting_the_tail_is_found_by_the_head(ledger, draft):
    decisions.append(ledger, [draft() for _ in range(3)])
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(delete(table).where(table.c.seq == 3))
    result = chain.verify(ledger)
    assert (result.ok, result.first_bad_seq) == (False, 3)


def test_cutting_the_tail_and_moving_the_head_is_found_by_an_anchor(ledger, draft):
    decisions.append(ledger, [draft() for _ in range(3)])
    anchor = chain.anchor(ledger)
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(delete(table).where(table.c.seq == 3))
        last = connection.execute(table.select().where(table.c.seq == 2)).one()
        connection.execute(update(ledger_head).values(seq=2, hash=last.hash))
    assert chain.verify(ledger).ok
    assert "cut off" in chain.verify(ledger, anchor).why
    decisions.append(ledger, [draft(), draft()])
    assert "rewritten" in chain.verify(ledger, anchor).why


def test_erased_payloads_still_verify(ledger, draft):
    drafts = [draft(contact_id="c-1"), draft(contact_id="c-2"), draft(contact_id="c-1")]
    decisions.append(ledger, drafts)
    assert decisions.erase(ledger, contact_id="c-1", actor="dpo", reason="Art. 17 request") == 2
    result = chain.verify(ledger)
    assert (result.ok, result.n, result.erased) == (True, 3, 2)
    gone = decisions.get(ledger, drafts[0].id)
    assert (gone.payload, gone.contact_id, gone.erased_why) == (None, None, "Art. 17 request")
    assert gone.probability == drafts[0].probability


def test_a_person_is_bound_found_and_erased_by_every_contact(ledger, draft):
    ids = (("c-1", "k-1"), ("c-2", "k-1"), ("c-1", None), ("k-1", None), ("c-3", "k-2"), (None, None), ("c-9", None))
    drafts = [draft(contact_id=contact_id, customer_id=customer_id) for contact_id, customer_id in ids]
    decisions.append(ledger, drafts)
    of_person = {made.id for made in drafts[:4]}
    assert {one.id for one in decisions.search(ledger, customer_id="k-1").decisions} == of_person
    persons = [decisions.get(ledger, made.id).person for made in drafts]
    assert persons == ["k-1", "k-1", "c-1", "k-1", "k-2", None, "c-9"]
    with pytest.raises(DBAPIError, match="append-only"), writing(ledger) as connection:
        connection.execute(text("UPDATE payloads SET customer_id = 'k-3'"))
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(update(payloads).where(payloads.c.decision_id == drafts[0].id).values(customer_id="k-3"))
    assert "the payload was changed" in chain.verify(ledger).why
    with writing(ledger) as connection:
        connection.execute(update(payloads).where(payloads.c.decision_id == drafts[0].id).values(customer_id="k-1"))
    assert decisions.count_to_erase(ledger, customer_id="k-1") == 4
    assert decisions.erase(ledger, customer_id="k-1", actor="dpo", reason="Art. 17 request") == 4
    assert (chain.verify(ledger).ok, chain.verify(ledger).erased) == (True, 4)
    assert decisions.search(ledger, customer_id="k-1").decisions == []


@pytest.mark.parametrize("statement", ["UPDATE {} SET actor = 'x'", "DELETE FROM {}"])
@pytest.mark.parametrize("name", ["decisions", "erasures", "outcomes", "promotions", "responses"])
def test_the_database_refuses_changes_to_append_only_tables(ledger, draft, name, statement):
    from bank_assets.ledger import outcomes, promotions, responses

    made = draft(contact_id="c")
    decisions.append(ledger, [made, draft(contact_id="d")])
    decisions.erase(ledger, contact_id="d", actor="a", reason="r")
    outcomes.record(ledger, y="yes", actor="a", decision_id=made.id)
    promotions.record(
        ledger, kind="first", decision="promoted", from_version=None, to_version="1", reasons=[], evidence={}, actor="a"
    )
    judged = {"kinds": [], "episode_id": "", "run_key": "", "is_recalibrated": False, "is_alert": False, "reasons": []}
    more = {"evidence": {}, "shift": 0.0, "promotion_id": 0, "state": "{}"}
    responses.append(ledger, seq=1, as_of="2009-01-01", action="none", **judged, **more)
    with pytest.raises(DBAPIError, match="append-only"), writing(ledger) as connection:
        connection.execute(text(statement.format(name)))


def test_the_database_refuses_replacing_and_changing_payloads(ledger, draft):
    made = draft()
    decisions.append(ledger, [made])
    with pytest.raises(DBAPIError, match="append-only"), writing(ledger) as connection:
        connection.execute(text("UPDATE payloads SET payload = '{}'"))
    row = "SELECT * FROM decisions"
    replace = f"INSERT OR REPLACE INTO decisions {row}" if ledger.dialect.name == "sqlite" else "TRUNCATE decisions"
    with pytest.raises(DBAPIError, match="append-only"), writing(ledger) as connection:
        connection.execute(text(replace))


def test_many_writers_make_one_chain(ledger_url, ledger, draft):
    errors = []

    def write():
        engine = open_ledger(ledger_url, migrate=False)
        try:
            for _ in range(10):
                decisions.append(engine, [draft() for _ in range(3)])
        except Exception as error:  # reported by the assertion below
            errors.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    result = chain.verify(ledger)
    assert (result.ok, result.n) == (True, 120)


def test_a_failed_append_leaves_nothing(ledger, draft):
    made = draft()
    decisions.append(ledger, [made])
    with pytest.raises(decisions.LedgerWriteError, match="nothing may be acknowledged"):
        decisions.append(ledger, [draft(), draft(id=made.id)])
    assert chain.verify(ledger).n == 1


def test_an_append_is_one_transaction_of_few_statements(tmp_path, draft):
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    statements = []
    with engine.connect() as connection:
        connection.connection.dbapi_connection.set_trace_callback(lambda text: statements.append(text.split()[0]))
    decisions.append(engine, [draft() for _ in range(100)])
    assert [statements.count(word) for word in ("BEGIN", "UPDATE", "COMMIT")] == [1, 1, 1]
    assert statements[-1] == "COMMIT"
    engine.dispose()


@pytest.mark.parametrize("n", [1, 99, 100, 101, 250])
def test_any_number_of_decisions_is_recorded_whole(ledger, draft, n):
    made = [draft(contact_id=f"c-{i}") for i in range(n)]
    assert decisions.append(ledger, made) == n
    assert chain.verify(ledger).ok
    assert decisions.get(ledger, made[-1].id).contact_id == f"c-{n - 1}"


def test_too_many_drafts_are_refused(ledger, draft):
    with pytest.raises(ValueError, match="at most 5000"):
        decisions.append(ledger, [draft()] * 5_001)
