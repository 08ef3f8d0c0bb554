"""The contact policy: each rule by example, the file, and random contacts over overlapping lists."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.errors import ContractError
from bank_assets.core.economics import contact_policy
from bank_assets.core.economics.contact_policy import ContactHistory, ContactPolicy, PersonDays, parse_policy
from bank_assets_tests.world.contact_lists import breaches, call_by_lists

FILE = """
contacts: {at_most: 2, in_days: 30}
pause_days: {after_refusal: 90, after_subscription: 365}
one_open_list: true
priorities: [renewal, "branch-*"]
calling_hours:
  from: "09:00"
  until: "20:00"
  days: [mon, tue, wed, thu, fri]
  time_zone: Europe/Lisbon
  time_zones: {column: region, of: {azores: Atlantic/Azores}}
"""
POLICY = parse_policy(FILE, "policy.yaml")
RANDOM = replace(POLICY, at_most=3, hours=None)
MONDAY = "2010-11-22"


def history(**kinds):
    return ContactHistory(**{name: PersonDays.of(rows) for name, rows in kinds.items()})


@pytest.mark.parametrize(
    ("on_record", "rule", "until"),
    [
        ({}, "", "NaT"),
        ({"contacts": [("k", "2010-10-01"), ("k", "2010-11-21")]}, "", "NaT"),
        ({"contacts": [("k", "2010-11-01"), ("k", "2010-11-12")]}, "contacted_too_often", "2010-12-01"),
        ({"contacts": [("k", "2010-11-12"), ("k", "2010-11-25")]}, "contacted_too_often", "2010-12-13"),
        ({"contacts": [("k", "2010-11-24"), ("k", "2010-12-20")]}, "contacted_too_often", "2010-12-24"),
        ({"contacts": [("k", "2010-10-20"), ("k", "2010-11-01"), ("k", "2010-11-30")]}, "contacted_too_often",
         "2010-12-01"),
        ({"refusals": [("k", "2010-08-24")]}, "", "NaT"),
        ({"refusals": [("k", "2010-08-25"), ("k", "2009-01-01")]}, "refused_recently", "2010-11-23"),
        ({"subscriptions": [("k", "2010-01-01", "NaT")]}, "subscribed_recently", "2011-01-03"),
        ({"subscriptions": [("k", "2010-01-01", "2010-06-01")]}, "", "NaT"),
        ({"lists": [("k", "2010-11-22", "2010-11-27")]}, "on_another_list", "2010-11-29"),
        ({"lists": [("k", "2010-11-19", MONDAY)]}, "", "NaT"),
        ({"refusals": [("k", "2010-11-01")], "lists": [("k", MONDAY, "2010-12-01")]}, "refused_recently", "2011-01-31"),
        ({"refusals": [("k2", "2010-11-20"), ("j", "2010-11-20")]}, "", "NaT"),
    ],
)  # fmt: skip
def test_a_rule_excludes_until_its_span_ends(on_record, rule, until):
    found = POLICY.check(["k"], [MONDAY], history(**on_record))
    assert (found.rule[0], str(found.until[0])) == (rule, until)


def test_a_customer_is_on_no_second_list_that_opens_before_the_first_ends():
    lists = history(lists=[("k", "2010-11-20", "2010-11-25")])
    found = POLICY.check(["k", "j"], ["2010-11-29", MONDAY], lists)
    assert found.rule.tolist() == ["on_another_list", ""]
    assert str(found.until[0]) == "2010-11-25"
    assert POLICY.check(["k", "j"], ["2010-11-29", "2010-11-25"], lists).rule.tolist() == ["", ""]


def test_the_contacts_of_a_list_count_among_themselves():
    days = ["2010-11-24", "2010-11-22", "2010-11-23", "2010-11-22"]
    found = POLICY.check(["k", "k", "k", "j"], days, ContactHistory())
    assert found.rule.tolist() == ["contacted_too_often", "", "", ""]
    assert str(found.until[0]) == "2010-12-22"


def test_nobody_is_called_on_a_day_without_hours_and_everybody_within_the_hours_of_their_zone():
    days = np.array(["2010-11-20", "2010-11-22", "2010-07-22"], dtype="datetime64[D]")
    found = POLICY.check(["a", "b", "c"], days, ContactHistory())
    assert found.rule.tolist() == ["no_calling_hours", "", ""]
    assert str(found.until[0]) == "2010-11-22"
    assert POLICY.hours.windows(days, {"region": np.array(["?", "azores", "lisbon"])})[1:] == [
        ("2010-11-22T09:00-01:00", "2010-11-22T20:00-01:00"),
        ("2010-07-22T09:00+01:00", "2010-07-22T20:00+01:00"),
    ]


def test_an_empty_list_and_persons_of_other_types():
    assert len(POLICY.check([], [], history(refusals=[("k", MONDAY)])).rule) == 0
    persons = np.array(["k", "j"], dtype=object)
    assert POLICY.check(persons, [MONDAY] * 2, history(refusals=[("k", MONDAY)])).rule.tolist() == [
        "refused_recently",
        "",
    ]


def test_without_a_file_a_customer_is_on_one_open_list_and_nothing_else_is_limited():
    on_record = {"refusals": [("k", MONDAY)], "subscriptions": [("k", MONDAY, "NaT")], "contacts": [("k", MONDAY)] * 9}
    assert ContactPolicy().check(["k"], [MONDAY], history(**on_record)).rule.tolist() == [""]
    lists = history(lists=[("k", MONDAY, "2010-11-27")])
    assert ContactPolicy().check(["k"], [MONDAY], lists).rule.tolist() == ["on_another_list"]
    assert ContactPolicy(one_open_list=False).check(["k"], [MONDAY], lists).rule.tolist() == [""]


def test_campaigns_rank_in_the_order_of_the_file():
    assert [POLICY.priority(name) for name in ("renewal", "branch-lisbon", "autumn")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("at_most: 2, ", "", "line 2: contacts: expected at_most, in_days, found no at_most; add it"),
        ("at_most: 2", "at_most: 0", "line 2: contacts: at_most: expected a whole number from 1 to 10,000, found 0"),
        ("after_refusal", "after_refusel", "line 3: pause_days: .* found after_refusel; did you mean after_refusal"),
        ("true", "yes", "line 4: one_open_list: expected true or false, found 'yes'"),
        ('"20:00"', '"8:00"', "line 8: calling_hours: until: expected a time like"),
        ('"20:00"', '"08:00"', "line 7: calling_hours: expected from before until"),
        ("Atlantic/Azores", "Azores", "line 11: .* expected a time zone like Europe/Lisbon, found 'Azores'"),
        ("fri]", "friday]", "line 9: .* expected some of mon, tue"),
        ("priorities", "priority", "line 5: expected a key that this release knows, found priority; did you mean"),
    ],
)
def test_a_fault_of_the_file_is_named_with_its_line(before, after, message):
    with pytest.raises(ContractError, match=f"policy.yaml, {message}"):
        parse_policy(FILE.replace(before, after, 1), "policy.yaml")


@pytest.mark.parametrize(("n_contacts", "n_lists"), [(4_000, 16), pytest.param(1_000_000, 50, marks=pytest.mark.soak)])
def test_no_customer_is_contacted_against_the_policy_by_overlapping_lists(n_contacts, n_lists):
    called = call_by_lists(RANDOM, n_contacts, n_lists)
    assert len(called.contacts.person) > n_contacts / 20
    assert set(breaches(RANDOM, called).values()) == {0}


def test_two_lists_that_open_and_end_on_the_same_days_are_two():
    person, days = np.array(["k", "k"]), np.array([MONDAY, MONDAY], "datetime64[D]")
    none = PersonDays(person[:0], days[:0], days[:0])
    called = ContactHistory(none, none, none, PersonDays(person, days, days + 7))
    assert breaches(RANDOM, called)["on_another_list"] == 1


@pytest.mark.parametrize(
    ("enforced", "rule"),
    [
        ({"at_most": 4}, "contacted_too_often"),
        ({"in_days": 29}, "contacted_too_often"),
        ({"after_refusal": 89}, "refused_recently"),
        ({"after_subscription": 200}, "subscribed_recently"),
        ({"one_open_list": False}, "on_another_list"),
    ],
)
def test_a_weaker_policy_is_found_out(enforced, rule):
    assert breaches(RANDOM, call_by_lists(replace(RANDOM, **enforced), 4_000, 16))[rule] > 0


def test_a_long_list_is_checked_part_by_part(monkeypatch):
    monkeypatch.setattr(contact_policy, "SLICE_ROWS", 2)
    lists = history(lists=[("k", MONDAY, "2010-11-27"), ("m", MONDAY, "2010-11-27")])
    found = ContactPolicy().check(["a", "b", "k", "c", "m"], [MONDAY] * 5, lists)
    assert found.rule.tolist() == ["", "", "on_another_list", "", "on_another_list"]
