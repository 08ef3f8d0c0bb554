"""What happened to call lists, on SQLite and PostgreSQL: search, checked events, versions, reports of calls; plans."""

import pytest
from sqlalchemy import insert

from bank_assets.contract.feeds import Disposition
from bank_assets.ledger import campaigns, events, feeds, list_life, plans
from bank_assets.ledger.campaign_models import dispositions, list_rows
from bank_assets.ledger.engine import writing
from bank_assets.ledger.plans import Plan


def kept(ledger, name="may", **values):
    facts = {"actor": "ana", "model_version": "3", "model_digest": "d", "economics": {}, "request": {}, "summary": {}}
    return campaigns.keep_list(ledger, campaigns.CampaignList(name=name, content_digest="e" * 64, **facts | values))


def facts(ledger, *list_ids):
    with ledger.connect() as connection:
        return list_life.facts_of(connection, list_ids, list_life.reported)


def refuse(_connection):
    raise ValueError("not in this stage")


def test_lists_are_found_by_a_text_and_in_parts(ledger):
    may, june, other = kept(ledger), kept(ledger, "June 100%"), kept(ledger, actor="Mayer")
    assert campaigns.lists(ledger, text="MAY") == [other, may]
    assert campaigns.lists(ledger, text="100%") == [june]
    assert campaigns.lists(ledger, text="_") == []
    assert campaigns.lists(ledger, text=may.id[-12:]) == [may]
    assert campaigns.lists(ledger, 1, before=other.id) == [june]


def test_an_event_is_recorded_unless_its_check_refuses(ledger):
    made = kept(ledger)
    about = {"kind": list_life.WITHDRAWN, "actor": "ana", "content": {"reason": "wrong file"}}
    with pytest.raises(ValueError, match="not in this stage"):
        list_life.note(ledger, made.id, check=refuse, **about)
    assert facts(ledger, made.id)[made.id].ending is None
    list_life.note(ledger, made.id, check=lambda _: None, **about)
    found = facts(ledger, made.id, "nobody")
    assert found[made.id].ending.content == {"reason": "wrong file"}
    assert not found[made.id].is_exported
    assert found["nobody"] == list_life.ListFacts()


@pytest.mark.parametrize(("group", "is_exported"), [("calls", True), ("holdout", False)])
def test_a_list_is_exported_once_its_calls_left(ledger, group, is_exported):
    made = kept(ledger)
    about = {"kind": list_life.EXPORTED, "actor": "ana", "content": {"group": group}}
    list_life.note(ledger, made.id, check=lambda _: None, **about)
    assert facts(ledger, made.id)[made.id].is_exported is is_exported


def test_a_revision_is_recorded_whole_or_not_at_all(ledger):
    first = kept(ledger)
    made = campaigns.CampaignList(
        actor="ana", name="may", model_version="3", model_digest="d", economics={}, request={}, summary={},
        content_digest="e" * 64, revises=first.id,
    )  # fmt: skip
    with pytest.raises(ValueError, match="not in this stage"):
        campaigns.keep_list(ledger, made, check=refuse)
    assert facts(ledger, first.id)[first.id].replaced_by == ""
    campaigns.keep_list(ledger, made)
    assert facts(ledger, first.id)[first.id].replaced_by == made.id


def test_a_version_by_which_people_call_is_not_replaced_and_its_successors_say_so(ledger):
    first = kept(ledger)
    second = kept(ledger, revises=first.id)
    third = kept(ledger, revises=second.id)
    found = facts(ledger, first.id, second.id, third.id)
    assert [found[one.id].replaced_by for one in (first, second, third)] == [second.id, third.id, ""]
    assert {one.called_before for one in found.values()} == {""}
    with writing(ledger) as connection:
        row = {"list_id": first.id, "row": 1, "contact_id": "c-1", "contact_date": "2010-11-18", "reason": "x"}
        connection.execute(insert(list_rows), [row | {"is_called": True}])
    call = Disposition("c-1", "not_reached", "2010-11-18T10:00:00.000000Z", list_id=first.id)
    feeds.record_dispositions(ledger, [call], actor="crm", source="api")
    found = facts(ledger, first.id, second.id, third.id)
    assert [found[one.id].replaced_by for one in (first, second, third)] == ["", third.id, ""]
    assert [found[one.id].called_before for one in (first, second, third)] == ["", first.id, first.id]
    about = {"kind": list_life.WITHDRAWN, "actor": "ana", "content": {"reason": "wrong file"}}
    list_life.note(ledger, first.id, check=lambda _: None, **about)
    assert facts(ledger, third.id)[third.id].called_before == ""
    assert [one.kind for one in facts(ledger, first.id)[first.id].events] == ["list.made", list_life.WITHDRAWN]


def test_calls_of_the_list_are_counted_once_and_those_of_others_not(ledger):
    made = kept(ledger)
    at = {"arrived_at": "2010-11-20T10:00:00Z", "recorded_at": "2026-11-27T10:00:00.000000Z", "actor": "crm",
          "source": "api", "list_id": made.id}  # fmt: skip
    reports = [
        ("c-1", "not_reached", "2010-11-18T10:00:00Z"),
        ("c-1", "refused", "2010-11-19T10:00:00Z"),
        ("c-2", "subscribed", "2010-11-20T09:00:00Z"),
        ("held", "refused", "2010-11-25T10:00:00Z"),
    ]
    with writing(ledger) as connection:
        on_list = {"list_id": made.id, "contact_date": "2010-11-18", "reason": "worth_calling"}
        rows = [{**on_list, "row": n, "contact_id": one, "is_called": one != "held"}
                for n, one in enumerate(("c-1", "c-2", "c-3", "held"), start=1)]  # fmt: skip
        connection.execute(insert(list_rows), rows)
        with events.recording(connection, kind="dispositions.recorded", subject=made.id, actor="crm") as event:
            event.insert(
                dispositions,
                [{**at, "contact_id": who, "disposition": what, "called_at": when} for who, what, when in reports],
            )
    found = facts(ledger, made.id)[made.id]
    assert (found.n_reported, found.last_call) == (2, "2010-11-20T09:00:00Z")


def test_events_of_some_kinds_are_read_on(ledger):
    made = kept(ledger)
    about = {"actor": "ana", "content": {"reason": "done"}, "check": lambda _: None}
    list_life.note(ledger, made.id, kind=list_life.CLOSED, **about)
    found = events.after(ledger, 0, ("list.made", list_life.CLOSED), 10)
    assert [one.kind for one in found] == ["list.made", list_life.CLOSED]
    assert events.after(ledger, found[0].seq, ("list.made", list_life.CLOSED), 1) == found[1:]
    assert events.after(ledger, found[1].seq, ("list.made",), 10) == []


def test_saved_plans_are_read_back_newest_first(ledger):
    about = {"actor": "ana", "list_key": "delivered:may.csv", "settings": {"capacity": "10"}, "summary": {"n_calls": 9}}
    small, large = (plans.save(ledger, Plan(name=name, digest="e" * 64, **about)) for name in ("small", "large"))
    assert plans.saved(ledger, 10) == [large, small]
    assert plans.saved(ledger, 1) == plans.saved(ledger, 10, text="LARG") == [large]
    assert plans.saved(ledger, 10, before=large.id) == plans.saved(ledger, 10, text=small.id) == [small]
    assert plans.saved(ledger, 10, text="ana") == [large, small]
    assert plans.chosen(ledger, [small.id, "nobody"]) == [small]
    assert events.latest(ledger, "plan.saved").subject == large.id
