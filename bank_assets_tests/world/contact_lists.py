"""Random lists that overlap, called by a policy, and an independent count of what breaks a policy."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from bank_assets.core.economics.contact_policy import ContactHistory, PersonDays

FIRST = np.datetime64("2010-01-01", "D")
DAYS = 400
"""Lists of up to 30 days begin at random within a bit more than a year."""


@dataclass
class Events:
    """Persons and days that grow by list."""

    person: list = field(default_factory=list)
    day: list = field(default_factory=list)
    until: list = field(default_factory=list)

    def add(self, person, day, until=None):
        self.person.append(person)
        self.day.append(day)
        self.until.append(np.full(len(day), np.datetime64("NaT"), "datetime64[D]") if until is None else until)

    @property
    def all(self):
        if not self.person:
            return PersonDays()
        return PersonDays(*(np.concatenate(part) for part in (self.person, self.day, self.until)))


def call_by_lists(policy, n_contacts, n_lists):
    """Call random lists under a policy; what happened, as a history."""
    rng = np.random.default_rng(20_101_122)
    contacts, refusals, subscriptions, lists = Events(), Events(), Events(), Events()
    size, n_persons = n_contacts // n_lists, n_contacts // 20
    for begin in np.sort(rng.integers(0, DAYS, n_lists)):
        persons = rng.integers(0, n_persons, size)
        days = FIRST + begin + rng.integers(0, 30, size).astype("timedelta64[D]")
        known = ContactHistory(contacts.all, refusals.all, subscriptions.all, lists.all)
        opening = days.min()
        is_called = policy.check(persons, days, known).rule == ""
        persons, days = persons[is_called], days[is_called]
        contacts.add(persons, days)
        on_it = np.unique(persons)
        lists.add(on_it, np.full(len(on_it), opening), np.full(len(on_it), days.max(initial=FIRST) + 1))
        # What is known of a call counts for the lists that are made after it.
        drawn = rng.random(len(days))
        for events, share in ((refusals, drawn < 0.3), (subscriptions, drawn > 0.9)):
            last = lasts(persons[share], days[share], persons, days)
            events.add(persons[share][last], days[share][last])
    return ContactHistory(contacts.all, refusals.all, subscriptions.all, lists.all)


def lasts(persons, days, all_persons, all_days):
    """Which events lie on the person's last call of the list, since a list does not know what its calls bring."""
    latest = defaultdict(lambda: FIRST - 1)
    for person, day in zip(all_persons.tolist(), all_days, strict=True):
        latest[person] = max(latest[person], day)
    return np.array([latest[p] == day for p, day in zip(persons.tolist(), days, strict=True)], dtype=bool)


def breaches(policy, called):
    """How often each rule was broken, counted one person at a time in plain Python."""
    contacts, lists = by_person(called.contacts), by_person(called.lists)
    found = dict.fromkeys(("contacted_too_often", "refused_recently", "subscribed_recently", "on_another_list"), 0)
    for days in contacts.values():
        days = sorted(days)
        for at in range(len(days) - policy.at_most):
            found["contacted_too_often"] += days[at + policy.at_most][0] - days[at][0] < policy.in_days
    for rule, events, pause in (
        ("refused_recently", called.refusals, policy.after_refusal),
        ("subscribed_recently", called.subscriptions, policy.after_subscription),
    ):
        for person, days in by_person(events).items():
            found[rule] += sum(0 < day - event < pause for event, _ in days for day, _ in contacts[person])
    for spans in lists.values():
        found["on_another_list"] += sum(later < end for (_, end), (later, _) in pairwise(sorted(spans)))
    return found


def by_person(events):
    found = defaultdict(list)
    days, until = events.day.astype(int).tolist(), events.until.astype(int).tolist()
    for person, day, end in zip(events.person.tolist(), days, until, strict=True):
        found[person].append((day, end))
    return found
