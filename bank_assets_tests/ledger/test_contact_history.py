"""What is on record about persons, as the contact policy sees it."""

import pytest
from sqlalchemy import insert

from bank_assets.contract.feeds import Subscription
from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.ledger import campaigns, events, feeds
from bank_assets.ledger.campaign_models import campaign_lists, dispositions, list_rows, subscriptions
from bank_assets.ledger.contact_history import CHUNK, on_record
from bank_assets.ledger.engine import writing
from bank_assets.ledger.persons import about, customer_of, known_keys
from bank_assets.store.contact_history import ListInQuestion, history_of

NOW = "2010-11-01T00:00:00.000000Z"


def made(list_id, name="autumn.csv", actor="ana", revises=None):
    return {
        "id": list_id, "created_at": NOW, "actor": actor, "name": name, "model_version": "1", "model_digest": "d",
        "economics": {}, "request": {}, "summary": {}, "content_digest": "c", "revises": revises,
    }  # fmt: skip


def row(list_id, number, contact, customer, day, reason="worth_calling"):
    return {
        "list_id": list_id, "row": number, "contact_id": contact, "customer_id": customer, "contact_date": day,
        "reason": reason, "is_called": reason == "worth_calling",
    }  # fmt: skip


def disposition(contact, customer, what, called_at, list_id=None):
    return {
        "list_id": list_id, "contact_id": contact, "customer_id": customer, "disposition": what, "called_at": called_at,
        "arrived_at": called_at, "recorded_at": NOW, "actor": "dialer", "source": "api",
    }  # fmt: skip


def subscription(customer, kind, day):
    return {
        "customer_id": customer, "kind": kind, "on_day": day, "arrived_at": day, "recorded_at": NOW, "actor": "books",
        "source": "file",
    }  # fmt: skip


@pytest.fixture
def recorded(ledger):
    """A ledger with two lists that share k-1, calls that were made, and subscriptions."""
    with writing(ledger) as connection:
        connection.execute(insert(campaign_lists), [made("a"), made("b", "branch.csv")])
        connection.execute(
            insert(list_rows),
            [
                row("a", 1, "c-1", "k-1", "2010-11-22"),
                row("a", 2, "c-2", None, "2010-11-24"),
                row("a", 3, "c-3", "k-3", "2010-11-23", "held_out"),
                row("a", 4, "c-4", "k-4", "2010-11-23", "not_worth_calling"),
                row("b", 1, "c-5", "k-1", "2010-12-01"),
            ],
        )
        connection.execute(
            insert(dispositions),
            [
                disposition("c-1", "k-1", "not_reached", "2010-11-22T10:00:00Z"),
                disposition("c-1", "k-1", "refused", "2010-11-22T12:00:00Z"),
                disposition("c-2", None, "subscribed", "2010-11-25T12:00:00Z"),
            ],
        )
        connection.execute(
            insert(subscriptions),
            [subscription("k-3", "subscribed", "2010-10-01"), subscription("k-3", "cancelled", "2010-10-09")],
        )
    return ledger


def test_a_subscription_that_both_feeds_tell_of_ends_with_one_cancellation(recorded):
    with writing(recorded) as connection:
        booked = [subscription("c-2", "subscribed", "2010-11-27"), subscription("c-2", "cancelled", "2010-12-04")]
        connection.execute(insert(subscriptions), booked)
    found = on_record(recorded, ["c-2"], lambda _: True)
    assert found.subscriptions == [("c-2", "2010-11-27", "2010-12-04")]


def event(ledger, kind, subject):
    with writing(ledger) as connection:
        events.append(connection, kind=kind, subject=subject, content={}, actor="ana")


PERSONS = ["k-1", "c-2", "k-3", "k-4", "k-9"]


def test_calls_made_take_the_place_of_planned_ones(recorded):
    found = on_record(recorded, PERSONS, lambda _: True)
    assert sorted(found.contacts) == [("c-2", "2010-11-25"), ("k-1", "2010-11-22"), ("k-1", "2010-12-01")]
    assert found.refusals == [("k-1", "2010-11-22")]
    assert sorted(found.subscriptions) == [("c-2", "2010-11-25", "NaT"), ("k-3", "2010-10-01", "2010-10-09")]
    assert sorted(found.lists) == [
        ("c-2", "2010-11-24", "2010-11-25"),
        ("k-1", "2010-11-22", "2010-11-25"),
        ("k-1", "2010-12-01", "2010-12-02"),
        ("k-3", "2010-11-23", "2010-11-25"),
    ]
    assert on_record(recorded, [], lambda _: True).contacts == []


@pytest.mark.parametrize("kind", ["list.withdrawn", "list.closed"])
def test_a_list_that_ended_holds_nobody(recorded, kind):
    event(recorded, kind, "b")
    found = on_record(recorded, ["k-1"], lambda _: True)
    assert found.contacts == [("k-1", "2010-11-22")]
    assert [end for *_, end in found.lists] == ["2010-11-25"]


def test_a_list_that_was_revised_gives_way_to_its_new_versions_until_a_call_by_it_is_reported(recorded):
    def held_by(*about):
        known = set()
        on_record(recorded, ["k-1"], lambda one: known.add(one.id))
        history = history_of(recorded, ContactPolicy(), ["k-1"], ["2010-11-22"], ListInQuestion(*about))
        return known, sorted(map(str, history.lists.until if history.lists.until is not None else []))

    with writing(recorded) as connection:
        versions = [made("c", "branch.csv", revises="b"), made("d", "branch.csv", "pipeline", "c")]
        connection.execute(insert(campaign_lists), versions)
        rows = [row("c", 1, "c-5", "k-1", "2010-12-02"), row("d", 1, "c-5", "k-1", "2010-12-03")]
        connection.execute(insert(list_rows), rows)
    assert held_by("branch.csv", "d") == ({"a", "d"}, ["2010-11-25"])
    with writing(recorded) as connection:
        report = disposition("c-5", "k-1", "not_reached", "2010-12-01T10:00:00Z", "b")
        connection.execute(insert(dispositions), [report])
    assert held_by("branch.csv", "d") == ({"a", "b", "d"}, ["2010-11-25", "2010-12-02"])
    assert held_by("branch.csv", "b") == ({"a", "b", "d"}, ["2010-11-25"]), "the later version yields"
    assert held_by("other.csv")[1] == ["2010-11-25", "2010-12-02", "2010-12-04"]


@pytest.mark.parametrize(
    ("about_list", "priorities", "exported", "held_by"),
    [
        (ListInQuestion("spring.csv"), (), "", {"a", "b"}),
        (ListInQuestion("autumn.csv"), (), "", {"a", "b"}),
        (ListInQuestion("autumn.csv", instead_of=frozenset("a")), (), "", {"b"}),
        (ListInQuestion("corrected.csv", instead_of=frozenset("b")), (), "b", {"a"}),
        (ListInQuestion("branch.csv", "b"), (), "", {"a"}),
        (ListInQuestion("autumn.csv", "a"), (), "", set()),
        (ListInQuestion("autumn.csv", "a"), (), "b", {"b"}),
        (ListInQuestion("spring.csv"), ("spring",), "", set()),
        (ListInQuestion("spring.csv"), ("spring",), "a", {"a"}),
        (ListInQuestion("autumn.csv", "a"), ("branch",), "", {"b"}),
    ],
)
def test_which_lists_hold_a_customer_against_another_list(recorded, about_list, priorities, exported, held_by):
    if exported:
        event(recorded, "list.exported", exported)
    history = history_of(recorded, ContactPolicy(priorities=priorities), ["k-1"], ["2010-11-22"], about_list)
    ends = {"2010-11-25": "a", "2010-12-02": "b"}
    assert {ends[str(day)] for day in (history.lists.until if history.lists.until is not None else [])} == held_by


def test_everything_on_record_about_a_person(recorded):
    found = about(recorded, "k-1")
    assert found.contact_ids == ("c-5", "c-1")
    assert [one.name for one in found.lists] == ["branch.csv", "autumn.csv"]
    assert [one.disposition for one in found.dispositions] == ["refused", "not_reached"]
    assert about(recorded, "k-9").is_empty
    assert (customer_of(recorded, "c-1"), customer_of(recorded, "c-2")) == ("k-1", None)
    assert known_keys(recorded, ["K-1", "C-2", "k-9", "k-3"]) == {"k-1", "c-2", "k-3"}
    feeds.record_subscriptions(recorded, [Subscription("xKd-7", "2010-11-22")], actor="b", source="f")
    assert known_keys(recorded, ["XkD-7"]) == {"xkd-7"}


def test_objections_of_more_people_than_a_statement_takes(ledger):
    people = [f"k-{number}" for number in range(CHUNK + 2)]
    assert campaigns.suppress(ledger, people[1:], reason="objection", actor="ana") == len(people) - 1
    assert campaigns.suppress(ledger, people, reason="objection", actor="ana") == 1


@pytest.mark.parametrize("others", [0, CHUNK])
def test_rows_of_its_own_list_are_left_unread_unless_they_say_whose_contact_it_is(recorded, others):
    persons = [*PERSONS, *(f"other-{n}" for n in range(others))]
    found, all_of_it = (on_record(recorded, persons, lambda one: one.id != "a", own=own) for own in ({"a"}, ()))
    for kind in ("contacts", "refusals", "subscriptions", "lists"):
        assert sorted(getattr(found, kind)) == sorted(getattr(all_of_it, kind))
    assert found.refusals
    assert found.lists
