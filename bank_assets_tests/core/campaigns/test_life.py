"""Stage and next step of a call list, by what is on record; what each stage allows."""

from datetime import date

import pytest

from bank_assets.core.campaigns.life import ALLOWED, Action, LifeError, ListRecord, Stage

LAST, LATER, END = date(2010, 11, 20), date(2010, 12, 1), date(2010, 12, 20)


def record(**facts):
    return ListRecord(**{"n_calls": 10, "last_day": LAST, "today": date(2010, 11, 10), "window_days": 30, **facts})


CASES = [
    ({}, Stage.MADE, "Export its 10 calls by 2010-11-20."),
    ({"today": LATER}, Stage.MADE, "Revise or withdraw it: its last call was planned for 2010-11-20"),
    ({"last_day": None, "today": LATER}, Stage.MADE, "Export its 10 calls."),
    ({"subscriptions_until": END}, Stage.MADE, "Export its 10 calls by"),
    ({"is_exported": True}, Stage.EXPORTED, "Call its 10 contacts by 2010-11-20 and report"),
    (
        {"is_exported": True, "today": LATER},
        Stage.EXPORTED,
        "of its 10 calls, the last planned for 2010-11-20;",
    ),
    ({"is_exported": True, "n_reported": 4}, Stage.BEING_CALLED, "Call the other 6 of 10 contacts by 2010-11-20."),
    ({"n_reported": 4}, Stage.BEING_CALLED, "Call the other 6"),
    ({"n_reported": 4, "today": LATER}, Stage.OUTCOMES_ARRIVING, "Report what came of 6 calls. Deliver"),
    (
        {"n_reported": 10},
        Stage.OUTCOMES_ARRIVING,
        "Deliver the subscriptions up to 2010-12-20; so far they are known for no day.",
    ),
    (
        {"n_reported": 10, "last_day": None, "last_call": date(2010, 11, 25), "subscriptions_until": END},
        Stage.OUTCOMES_ARRIVING,
        "Deliver the subscriptions up to 2010-12-25; they are known up to 2010-12-20.",
    ),
    ({"n_reported": 10, "subscriptions_until": END}, Stage.CLOSED, "all subscriptions up to 2010-12-20 are known."),
    (
        {"n_reported": 7, "subscriptions_until": END},
        Stage.CLOSED,
        "are known. Nothing was reported about 3 of its 10 calls.",
    ),
    ({"is_exported": True, "subscriptions_until": END}, Stage.CLOSED, "Nothing was reported about 10 of its 10 calls."),
    ({"n_reported": 1, "ended_by": "list.closed", "reason": "strike"}, Stage.CLOSED, "It was closed early: strike"),
    ({"ended_by": "list.withdrawn", "reason": "wrong file"}, Stage.WITHDRAWN, "It was withdrawn: wrong file"),
    ({"is_exported": True, "replaced_by": "L-2"}, Stage.REPLACED, "Use list L-2, which replaces it."),
    ({"called_before": "L-0"}, Stage.MADE, "Withdraw it or list L-0, which it revises: people call by both."),
    ({"called_before": "L-0", "n_reported": 1}, Stage.BEING_CALLED, "customers of the other. Call the other 9"),
    ({"n_reported": 9, "n_calls": 5}, Stage.OUTCOMES_ARRIVING, "Deliver the subscriptions"),
]


@pytest.mark.parametrize(("facts", "stage", "due"), CASES)
def test_the_stage_and_what_is_due_follow_from_the_record(facts, stage, due):
    found = record(**facts)
    assert (found.stage, due in found.due) == (stage, True), found.due


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(("facts", "stage", "_due"), CASES)
def test_a_stage_allows_an_action_or_says_what_to_do_instead(facts, stage, _due, action):
    found = record(**facts)
    if stage in ALLOWED[action]:
        found.check(action, "L-1")
        return
    with pytest.raises(LifeError, match=rf"call list L-1: to {action} it, expected .*, found it {stage.text}; \w+"):
        found.check(action, "L-1")


def test_a_list_of_which_every_call_was_reported_closes_without_a_word_about_reports():
    assert record(n_reported=10, subscriptions_until=END).due.endswith("are known.")


def test_no_plan_changes_after_the_first_call():
    with pytest.raises(LifeError, match="found it being called; close it or withdraw it, and make another list"):
        record(n_reported=1).check(Action.REVISE, "L-1")
