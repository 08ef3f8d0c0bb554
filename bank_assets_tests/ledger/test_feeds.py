"""Dispositions and subscriptions on record: idempotent, in order, with outcomes and objections in one transaction."""

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from bank_assets.contract.feeds import Disposition, Subscription
from bank_assets.core.economics.call_plan import HELD_OUT
from bank_assets.ledger import campaigns, decisions, events, feeds, outcomes
from bank_assets.ledger.bound_rows import person_hash
from bank_assets.ledger.campaign_models import list_rows
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.chain import verify
from bank_assets.ledger.engine import writing

CALLED = ("worth_calling", "exploration")


def make(ledger, list_id, as_of, reasons, revises=None):
    """A list for a day, with why each of its contacts is called or not."""
    facts = {"actor": "local", "name": "may", "model_version": "1", "model_digest": "d", "content_digest": "d"}
    about = {"economics": {}, "request": {"as_of": as_of}, "summary": {}, "revises": revises}
    campaigns.keep_list(ledger, CampaignList(id=list_id, **facts, **about))
    rows = [
        {"list_id": list_id, "row": at, "contact_id": contact, "customer_id": contact.replace("c", "k"),
         "contact_date": as_of, "reason": reason, "is_called": reason in CALLED}
        for at, (contact, reason) in enumerate(reasons.items(), start=1)
    ]  # fmt: skip
    with writing(ledger) as connection:
        connection.execute(insert(list_rows), rows)


@pytest.fixture
def listed(ledger):
    """Two lists for the 20th and the 25th of November; customer k-3 is held out from the first."""
    make(ledger, "l-1", "2010-11-20", {"c-1": "worth_calling", "c-2": "exploration", "c-3": HELD_OUT})
    make(ledger, "l-2", "2010-11-25", {"c-1": "worth_calling"})
    return ledger


def call(contact, disposition, day=22, line=0, **more):
    return Disposition(contact, disposition, f"2010-11-{day}T10:00:00.000000Z", line=line, **more)


def taken(ledger, *rows):
    return feeds.record_dispositions(ledger, rows, actor="dialer", source="api")


def learned(ledger, contact):
    reports = [one for one in outcomes.export(ledger) if one.contact_id == contact]
    return [one.y for one in sorted(reports, key=lambda one: (one.arrived_at, one.id))]


def test_a_batch_is_one_event_and_the_same_rows_again_add_nothing(listed):
    rows = [call("c-1", "subscribed"), call("c-2", "refused"), call("c-9", "not_reached"), call("c-2", "refused")]
    first, again = taken(listed, *rows), taken(listed, *rows)
    assert (first.new, first.known, first.outcomes) == (3, 1, 2)
    assert (again.new, again.known, again.outcomes) == (0, 4, 0)
    event = events.latest(listed, "dispositions.recorded")
    assert events.after(listed, 0, ("dispositions.recorded",), 9) == [event]
    assert event.content["rows"]["dispositions"]["n"] == 3
    assert event.content["rows"]["outcomes"]["n"] == 2
    assert feeds.HELD_OUT_OF not in event.content
    assert "c-1" not in str(event)
    assert [(one.contact_id, one.customer_id) for one in feeds.dispositions_of(listed, list_id="l-1")] == [
        ("c-1", "k-1"),
        ("c-2", "k-2"),
    ]


def test_what_dispositions_teach(ledger):
    taught = {"subscribed": ["yes"], "refused": ["no"], "cancelled": ["no"], "not_reached": [], "call_back": []}
    taught["objection"] = []
    taken(ledger, *(call(disposition, disposition) for disposition in taught))
    assert {contact: learned(ledger, contact) for contact in taught} == taught
    assert verify(ledger).ok


def test_contradicting_reports_are_kept_in_order_and_the_last_arrival_counts(ledger):
    at = {"arrived_at": "2010-11-23T00:00:00.000000Z"}
    taken(ledger, call("c-1", "refused", **at), call("c-1", "subscribed", **at), call("c-1", "refused", 23, **at))
    assert [one.disposition for one in feeds.dispositions_of(ledger, contact_id="c-1")] == [
        "refused",
        "subscribed",
        "refused",
    ]
    assert learned(ledger, "c-1") == ["no", "yes", "no"]
    taken(ledger, call("c-1", "subscribed", 21, arrived_at="2010-11-22T00:00:00.000000Z"))  # an older report, late
    assert learned(ledger, "c-1") == ["yes", "no", "yes", "no"]


def test_a_cancellation_is_a_correction_with_a_date_of_its_own(ledger):
    taken(ledger, call("c-1", "subscribed", arrived_at="2010-11-22T00:00:00.000000Z"))
    taken(ledger, call("c-1", "cancelled", 29, arrived_at="2010-11-30T00:00:00.000000Z"))
    assert [(one.y, one.arrived_at[:10]) for one in outcomes.export(ledger)] == [
        ("yes", "2010-11-22"),
        ("no", "2010-11-30"),
    ]


def test_an_objection_suppresses_the_person_as_far_as_it_is_known_at_once(listed):
    rows = [
        call("c-1", "objection"),  # the list knows the person
        call("c-2", "objection", customer_id="k-7"),
        call("c-9", "objection"),
    ]
    assert taken(listed, *rows).suppressed == 3
    assert campaigns.suppressed(listed) == {"k-1", "k-7", "c-9"}
    assert taken(listed, *rows).suppressed == 0


def test_a_call_belongs_to_the_list_it_names_or_the_last_one_before_it(listed):
    taken(listed, call("c-1", "refused", 22), call("c-1", "refused", 26), call("c-1", "call_back", 26, list_id="l-1"))
    assert [one.list_id for one in feeds.dispositions_of(listed, contact_id="c-1")] == ["l-1", "l-2", "l-1"]


def test_a_call_that_names_no_list_belongs_to_the_newest_list_in_use_that_calls_else_holds_out_the_contact(ledger):
    lists = {
        "l-1": {"c-1": "worth_calling", "c-2": "worth_calling", "c-3": HELD_OUT, "c-4": "worth_calling"},
        "l-2": {"c-1": "on_another_list", "c-2": HELD_OUT, "c-3": "on_another_list", "c-4": "worth_calling"},
        "l-3": {"c-4": "worth_calling", "c-5": "worth_calling"},
        "l-4": {"c-5": "worth_calling"},
        "l-5": {"c-5": "suppressed", "c-6": "suppressed"},
    }
    for list_id, rows in lists.items():
        make(ledger, list_id, "2010-11-20", rows, revises="l-3" if list_id == "l-4" else None)
    with writing(ledger) as connection:
        events.append(connection, kind="list.withdrawn", subject="l-2", content={"reason": "x"}, actor="ana")
    contacts = [f"c-{number}" for number in range(1, 7)]
    found = taken(ledger, *(call(one, "objection", line=line) for line, one in enumerate(contacts)))
    booked = {one: feeds.dispositions_of(ledger, contact_id=one)[0].list_id for one in contacts}
    assert booked == {"c-1": "l-1", "c-2": "l-1", "c-3": "l-1", "c-4": "l-1", "c-5": "l-4", "c-6": None}
    assert found.held_out == [2]
    assert "k-6" in campaigns.suppressed(ledger), "a list that excludes the contact names its customer all the same"


def test_a_call_of_a_held_out_customer_is_kept_and_reported_as_a_breach(listed):
    found = taken(listed, call("c-3", "subscribed", line=2))
    assert (found.new, found.held_out, learned(listed, "c-3")) == (1, [2], ["yes"])
    event = events.latest(listed, "dispositions.recorded").content
    assert (event["held_out"], event[feeds.HELD_OUT_OF]) == (1, ["l-1"])


def test_a_row_that_contradicts_its_list_is_refused_and_the_others_are_kept(listed):
    refused = {
        "list_id: expected a call list on record": call("c-1", "refused", list_id="l-9", line=1),
        "were leading zeros lost?": call("1", "refused", list_id="l-1", line=2),
        "called_at: expected a day from 2010-11-20 on": call("c-1", "refused", 19, list_id="l-1", line=3),
    }
    found = taken(listed, *refused.values(), call("c-2", "refused", line=4))
    assert (found.new, list(found.refused)) == (1, [1, 2, 3])
    for reason, (said,) in zip(refused, found.refused.values(), strict=True):
        assert reason in said


def test_subscriptions_are_kept_once_with_their_cancellations(ledger):
    assert feeds.subscriptions_until(ledger) is None
    rows = [Subscription("k-1", "2010-11-22"), Subscription("k-1", "2010-11-22"), Subscription("k-2", "2010-11-24")]
    first = feeds.record_subscriptions(ledger, rows, actor="books", source="api")
    back = feeds.record_subscriptions(
        ledger, [Subscription("k-1", "2010-11-26", "cancelled"), rows[2]], actor="books", source="api"
    )
    assert (first.new, first.known, back.new, back.known) == (2, 1, 1, 1)
    booked = feeds.subscriptions_between(ledger, "2010-11-01", "2010-11-30")
    assert [(one.kind, one.on_day) for one in booked if one.customer_id == "k-1"] == [
        ("subscribed", "2010-11-22"),
        ("cancelled", "2010-11-26"),
    ]
    assert [one.customer_id for one in feeds.subscriptions_between(ledger, "2010-11-23", "2010-11-25")] == ["k-2"]
    assert feeds.subscriptions_until(ledger) == "2010-11-24"
    assert list(outcomes.export(ledger)) == [], "the bank's books say nothing about a call"
    assert verify(ledger).ok


@pytest.mark.parametrize(
    ("books", "expected"),
    [
        ([("subscribed", 24), ("cancelled", 29)], ["yes", "no"]),
        ([("cancelled", 29)], ["yes", "no"]),
        ([("cancelled", 21)], ["yes"]),  # of something earlier
        ([("subscribed", 24), ("subscribed", 27), ("cancelled", 29)], ["yes"]),  # of something that no call reported
    ],
)
def test_a_cancellation_in_the_books_takes_back_what_a_call_reported(listed, books, expected):
    taken(listed, call("c-1", "subscribed", 22, arrived_at="2010-11-22T00:00:00.000000Z"), call("c-2", "refused"))
    rows = [Subscription("k-1", f"2010-11-{day}", kind, "2010-11-30T00:00:00.000000Z") for kind, day in books]
    found = feeds.record_subscriptions(listed, rows, actor="books", source="api")
    assert found.outcomes == len(expected) - 1
    feeds.record_subscriptions(listed, rows, actor="books", source="file")
    assert learned(listed, "c-1") == expected
    assert learned(listed, "c-2") == ["no"]


def test_both_feeds_may_tell_of_a_cancellation(listed):
    taken(listed, call("c-1", "subscribed", 22), call("c-1", "cancelled", 28))
    feeds.record_subscriptions(listed, [Subscription("k-1", "2010-11-29", "cancelled")], actor="books", source="api")
    assert learned(listed, "c-1") == ["yes", "no"]


def test_one_row_does_not_say_up_to_which_day_subscriptions_are_known(ledger):
    def until(*days):
        rows = [Subscription(f"k-{day}", day) for day in days]
        feeds.record_subscriptions(ledger, rows, actor="books", source="api")
        return feeds.subscriptions_until(ledger)

    assert until("2011-10-01") is None
    assert until("2010-10-30", "2010-10-31") == "2010-10-31"
    assert until("2010-11-02", "2010-11-03") == "2010-11-03"


def test_an_erasure_empties_what_came_back_about_a_person(ledger, draft):
    decisions.append(ledger, [draft(contact_id="c-1", customer_id="k-1")])
    taken(ledger, call("c-1", "refused"), call("c-2", "refused"), call("c-3", "refused", customer_id="k-1"))
    books = [Subscription("k-1", "2010-11-22"), Subscription("k-2", "2010-11-24"), Subscription("c-2", "2010-11-25")]
    feeds.record_subscriptions(ledger, books, actor="books", source="api")
    whose = {"actor": "dpo", "reason": "request"}
    assert decisions.count_to_erase(ledger, customer_id="k-1") == 6
    assert decisions.erase(ledger, customer_id="k-1", **whose) == 6
    assert decisions.erase(ledger, customer_id="k-1", **whose) == 0
    assert decisions.erase(ledger, contact_id="c-2", **whose) == 3
    assert {one.contact_id for one in outcomes.export(ledger)} == {None}
    assert [one.customer_id for one in feeds.subscriptions_between(ledger, "2010-11-01", "2010-11-30")] == [
        None,
        "k-2",
        None,
    ]
    result = verify(ledger)
    assert (result.ok, result.erased) == (True, 1)
    kept = events.latest(ledger, "erasure.recorded").content
    assert kept["erased"] == {"dispositions": {"1": 1}, "outcomes": {"1": 1}, "subscriptions": {"2": 1}}


@pytest.mark.parametrize("by_hand", ["", "y = 'no'", "person_hash = 'x'", "contact_id = 'c-2'"])
def test_an_outcome_of_a_release_without_events_is_erased_and_stays_covered(ledger, by_hand):
    names = "(subject, contact_id, y, arrived_at, recorded_at, actor)"
    old = f"INSERT INTO outcomes {names} VALUES ('contact:c-1', 'c-1', 'yes', '2010-11-20', '2010-11-20', 'local')"
    with writing(ledger) as connection:
        connection.execute(text(old))
        events.cover(connection, actor="migration", reason="recorded before the chain of events began")
    assert decisions.erase(ledger, contact_id="c-1", actor="dpo", reason="request") == 1
    assert decisions.erase(ledger, contact_id="c-1", actor="dpo", reason="request") == 0
    assert [(one.contact_id, one.y) for one in outcomes.export(ledger)] == [(None, "yes")]
    assert verify(ledger).ok
    if by_hand:
        with pytest.raises(DBAPIError, match="append-only"), writing(ledger) as connection:
            connection.execute(text(f"UPDATE outcomes SET {by_hand}"))


def test_an_old_outcome_that_is_emptied_without_an_erasure_is_a_fault(ledger):
    names, values = "(subject, contact_id, y, arrived_at, recorded_at, actor)", "('s', 'c-1', 'yes', 'a', 'b', 'local')"
    with writing(ledger) as connection:
        connection.execute(text(f"INSERT INTO outcomes {names} VALUES {values}"))
        events.cover(connection, actor="migration", reason="recorded before the chain of events began")
        salt = events.lock(connection).salt
        emptied = "UPDATE outcomes SET subject = 'erased:1', contact_id = NULL, person_hash = :hashed"
        connection.execute(text(emptied), {"hashed": person_hash(salt, ["s", "c-1"])})
    assert "1 rows without an event lost their person without an erasure" in verify(ledger).why


def test_an_outcome_knows_the_list_that_called_if_its_report_does(listed):
    taken(listed, call("c-1", "refused", list_id="l-1"), call("c-2", "not_reached"), call("c-9", "refused"))
    taken(listed, call("c-1", "subscribed", 26))
    outcomes.record(listed, y="yes", actor="k", decision_id="l-1.2")
    outcomes.record(listed, y="no", actor="k", contact_id="c-2")
    lists, reports = outcomes.calling_lists(listed), list(outcomes.export(listed))
    assert [(one.contact_id, one.y, lists.get(one.id)) for one in reports] == [
        ("c-1", "no", "l-1"),
        ("c-9", "no", None),
        ("c-1", "yes", "l-2"),  # booked to the newest list that calls
        ("c-2", "yes", "l-1"),  # reported as a row of the list
        ("c-2", "no", None),
    ]
