"""The chain of events and the rows that belong to its events: what verifies, and every way to break it."""

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from bank_assets.ledger import campaigns, decisions, event_verification, events
from bank_assets.ledger.campaign_models import dispositions, plans, subscriptions
from bank_assets.ledger.engine import utc_now, writing
from bank_assets.ledger.event_verification import verify
from bank_assets.ledger.models import event_head
from bank_assets.ledger.models import events as table
from bank_assets_tests.ledger.test_ledger_chain import drop_triggers
from bank_assets_tests.world.events import events_of

CALLED = {
    "list_id": "l-1",
    "disposition": "refused",
    "called_at": "2010-11-20",
    "arrived_at": "2010-11-21",
    "recorded_at": "2010-11-21T08:00:00.000000Z",
    "actor": "crm",
    "source": "api",
}


def called(n: int, **values) -> list[dict]:
    return [CALLED | {"contact_id": f"c-{i}", "customer_id": None} | values for i in range(n)]


def record(ledger, n: int = 3, **values) -> int:
    with (
        writing(ledger) as connection,
        events.recording(connection, kind="dispositions.recorded", subject="l-1", actor="crm") as made,
    ):
        made.insert(dispositions, called(n, **values))
    return made.seq


def verified(ledger, against=None):
    with ledger.connect() as connection:
        return verify(connection, against)


def test_an_empty_chain_verifies(ledger):
    assert (verified(ledger).ok, verified(ledger).n, verified(ledger).head.seq) == (True, 0, 0)


def test_events_are_chained_anchor_the_decisions_and_are_found(ledger, draft):
    decisions.append(ledger, [draft(), draft()])
    with writing(ledger) as connection:
        first = events.append(connection, kind="list.made", subject="l-1", content={"n": 0.1 + 0.2}, actor="ana")
        second = events.append(connection, kind="list.withdrawn", subject="l-1", content={}, actor="bo")
        events.append(connection, kind="list.made", subject="l-2", content={}, actor="ana")
    one, two = events_of(ledger, "l-1")
    assert (first, second, one.seq, two.previous_hash) == (1, 2, 1, one.hash)
    assert (one.decisions_seq, one.content) == (2, {"n": 0.1 + 0.2})
    assert events.latest(ledger, "list.made").subject == "l-2"
    assert events.latest(ledger, "list.made", "l-1") == one
    assert events.latest(ledger, "list.closed") is None
    assert verified(ledger).ok


def test_what_fails_leaves_neither_event_nor_rows(ledger):
    with pytest.raises(ZeroDivisionError):
        record(ledger, disposition=1 / 0)
    with pytest.raises(DBAPIError):
        record(ledger, n=2, contact_id="twice")
    assert (verified(ledger).ok, verified(ledger).n) == (True, 0)


def test_rows_are_bound_without_their_person_in_the_event(ledger):
    record(ledger)
    (event,) = events_of(ledger, "l-1")
    assert event.content["rows"]["dispositions"]["n"] == 3
    assert "c-1" not in str(event)
    assert verified(ledger).ok


TAMPERED = {
    "changed": ("UPDATE dispositions SET disposition = 'subscribed' WHERE contact_id = 'c-1'", "rows were changed"),
    "other person": ("UPDATE dispositions SET contact_id = 'c-9' WHERE contact_id = 'c-1'", "rows were changed"),
    "deleted": ("DELETE FROM dispositions WHERE contact_id = 'c-1'", "found 2 with"),
    "all deleted": ("DELETE FROM dispositions", "found 0 with"),
    "moved": ("UPDATE dispositions SET event_seq = 2 WHERE contact_id = 'c-1'", "rows were changed"),
    "without event": ("UPDATE dispositions SET event_seq = NULL WHERE contact_id = 'c-1'", "belong to none"),
    "unknown event": ("UPDATE dispositions SET event_seq = 9 WHERE contact_id = 'c-1'", "one of event 9"),
    "erased": ("UPDATE dispositions SET contact_id = NULL, salt = NULL WHERE contact_id = 'c-1'", "without an erasure"),
    "event changed": ("UPDATE events SET actor = 'x' WHERE seq = 1", "the event was changed"),
    "event removed": ("DELETE FROM events WHERE seq = 1", "expected event 1, found 2"),
    "event cut": ("DELETE FROM events WHERE seq = 2", "events were cut off"),
    "not JSON": ("UPDATE events SET content = '{' WHERE seq = 2", "cannot be read"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_is_found(ledger, what):
    statement, why = TAMPERED[what]
    record(ledger)
    with writing(ledger) as connection:
        events.append(connection, kind="list.closed", subject="l-1", content={}, actor="ana")
    assert verified(ledger).ok
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(text(statement))
    result = verified(ledger)
    assert not result.ok
    assert why in result.why


def test_two_events_cannot_change_places(ledger):
    for kind in ("list.made", "list.closed"):
        with writing(ledger) as connection:
            events.append(connection, kind=kind, subject="l-1", content={}, actor="ana")
    with writing(ledger) as connection:
        drop_triggers(connection)
        for old, new in ((1, 9), (2, 1), (9, 2)):
            connection.execute(update(table).where(table.c.seq == old).values(seq=new))
    assert "changed, removed or inserted" in verified(ledger).why


def test_cutting_events_and_moving_the_head_is_found_by_an_anchor(ledger):
    record(ledger)
    with writing(ledger) as connection:
        events.append(connection, kind="list.closed", subject="l-1", content={}, actor="ana")
    anchor = verified(ledger).head
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(delete(table).where(table.c.seq == 2))
        connection.execute(update(event_head).values(seq=1, hash=events_of(ledger, "l-1")[0].hash))
    assert verified(ledger).ok
    assert "events were cut off" in verified(ledger, anchor).why


def test_decisions_cut_off_after_an_event_are_found_without_an_anchor(ledger, draft):
    decisions.append(ledger, [draft() for _ in range(2)])
    record(ledger)
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(text("DELETE FROM decisions WHERE seq = 2"))
    assert "decisions were cut off" in verified(ledger).why


def test_changed_and_removed_rows_stay_accounted_for(ledger):
    plan = {"id": "p", "created_at": utc_now(), "actor": "ana", "list_key": "k", "settings": {}, "summary": {}}
    with writing(ledger) as connection, events.recording(connection, kind="plan.saved", subject="p", actor="a") as made:
        made.insert(plans, [plan | {"name": "one", "digest": "d"}, plan | {"id": "q", "name": "two", "digest": "d"}])
    with writing(ledger) as connection, events.recording(connection, kind="plan.saved", subject="p", actor="a") as made:
        made.update(plans, plans.c.id == "p", name="three")
    assert verified(ledger).ok
    with writing(ledger) as connection, events.recording(connection, kind="plan.gone", subject="q", actor="a") as made:
        assert made.delete(plans, plans.c.id == "q") == 1
    assert verified(ledger).ok
    with writing(ledger) as connection:
        connection.execute(update(plans).values(name="four"))
    assert verified(ledger).first_bad_seq == 2


def test_an_erased_person_is_gone_and_the_row_stays_bound(ledger):
    record(ledger)
    with writing(ledger) as connection, events.recording(connection, kind="e", subject="", actor="dpo") as made:
        assert made.erase(dispositions, dispositions.c.contact_id == "c-1") == 1
        assert made.erase(subscriptions, subscriptions.c.customer_id == "c-1") == 0
    assert verified(ledger).ok
    with ledger.connect() as connection:
        assert "c-1" not in str(connection.execute(dispositions.select()).all())
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(text("UPDATE dispositions SET disposition = 'subscribed' WHERE contact_id IS NULL"))
    assert "rows were changed" in verified(ledger).why


def test_rows_of_a_release_without_events_are_covered_as_they_stood(ledger):
    with writing(ledger) as connection:
        connection.execute(dispositions.insert(), called(2))
    assert "belong to none" in verified(ledger).why
    with writing(ledger) as connection:
        assert events.cover(connection, actor="ana", reason="update") == 2
    assert verified(ledger).ok
    with writing(ledger) as connection:
        drop_triggers(connection)
        connection.execute(delete(dispositions).where(dispositions.c.contact_id == "c-1"))
    assert "2 rows of dispositions without an event" in verified(ledger).why


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET actor = 'x'",
        "DELETE FROM events",
        "DELETE FROM dispositions",
        "UPDATE dispositions SET disposition = 'subscribed'",
        "UPDATE dispositions SET contact_id = 'c-9' WHERE contact_id = 'c-1'",
        "UPDATE dispositions SET contact_id = NULL, customer_id = NULL, salt = NULL, event_seq = 7",
    ],
)
def test_the_database_refuses_changes(ledger, statement):
    record(ledger)
    with pytest.raises(DBAPIError, match="append-only"), writing(ledger) as connection:
        connection.execute(text(statement))


def test_events_are_verified_in_parts_of_bounded_rows(ledger, monkeypatch):
    for number in range(5):
        campaigns.suppress(ledger, [f"p-{number}-{at}" for at in range(3)], reason="letter", actor="ana")
    monkeypatch.setattr(event_verification, "_PART_ROWS", 6)
    chunk = [{"content": {"rows": {"suppressions": {"n": n}}}} for n in (3, 3, 9, 1, 1, 5)]
    assert [len(part) for part in event_verification._parts(chunk)] == [2, 1, 2, 1]
    with ledger.connect() as connection:
        assert event_verification.verify(connection).ok
