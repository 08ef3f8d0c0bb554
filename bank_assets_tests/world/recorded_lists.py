"""Random lists as a bank makes them: put on record, exported now or after the next one, withdrawn, called, reported."""

import numpy as np

from bank_assets.contract.feeds import Disposition, Subscription
from bank_assets.core.economics.contact_policy import ContactHistory
from bank_assets.ledger import campaigns, events, feeds
from bank_assets.ledger.blocks import ListRows
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.engine import writing
from bank_assets.store.contact_history import ListInQuestion, history_of
from bank_assets_tests.world.contact_lists import DAYS, FIRST, Events, lasts


class RecordedLists:
    """Lists under a policy in a ledger, which alone knows what happened; `called` is what did, to be counted."""

    def __init__(self, ledger, policy):
        self.ledger, self.policy, self.rng = ledger, policy, np.random.default_rng(20_101_122)
        self.contacts, self.refusals, self.subscriptions, self.lists = Events(), Events(), Events(), Events()

    @property
    def called(self):
        return ContactHistory(self.contacts.all, self.refusals.all, self.subscriptions.all, self.lists.all)

    def play(self, n_contacts, n_lists):
        waiting, size = [], n_contacts // n_lists
        for begin in np.sort(self.rng.integers(0, DAYS, n_lists)):
            persons = np.char.mod("k-%d", self.rng.integers(0, n_contacts // 20, size))
            made = self.make(persons, FIRST + begin + self.rng.integers(0, 30, size).astype("timedelta64[D]"))
            for one in [*waiting, made]:
                self.export(*one)
            waiting = []
            persons = np.char.mod("k-%d", self.rng.integers(0, n_contacts // 20, size))
            later = self.make(persons, FIRST + begin + self.rng.integers(0, 30, size).astype("timedelta64[D]"))
            if self.rng.random() < 0.2:
                self.event("list.withdrawn", later[0], {"reason": "wrong file"})
            else:
                waiting = [later]
        for one in waiting:
            self.export(*one)

    def free(self, persons, days, about):
        history = history_of(self.ledger, self.policy, persons.tolist(), days, about)
        return self.policy.check(persons, days, history).rule

    def make(self, persons, days):
        name = self.rng.choice(["renewal", "branch-lisbon", "autumn"])
        rule = self.free(persons, days, ListInQuestion(f"{name}.csv"))
        kept = CampaignList(
            actor="ana", name=f"{name}.csv", model_version="1", model_digest="d", economics={}, summary={},
            request={"last_day": str(days.max())}, content_digest="c",
        )  # fmt: skip
        ids, n = [f"{kept.id} {row}" for row in range(len(days))], len(days)
        decided = {
            "contact_date": days.astype(str).tolist(), "reason": np.where(rule == "", "worth_calling", rule).tolist(),
            "decision": np.where(rule == "", "call", "do_not_call").tolist(), "probability": [0.1] * n,
        }  # fmt: skip
        campaigns.keep_list(self.ledger, kept, ListRows(ids, persons.tolist(), {"age": [40] * n}, decided), {})
        free = rule == ""
        return kept, np.array(ids)[free], persons[free], days[free]

    def export(self, kept, ids, persons, days):
        """Who became excluded since is left out, as `store.list_exports` does; the others are called and report."""
        free = self.free(persons, days, ListInQuestion(kept.name, id=kept.id)) == ""
        ids, persons, days = ids[free], persons[free], days[free]
        self.event("list.exported", kept, {"group": "calls"})
        self.contacts.add(persons, days)
        on_it = np.unique(persons)
        opening, end = days.min(initial=FIRST + 2 * DAYS), days.max(initial=FIRST) + 1
        self.lists.add(on_it, np.full(len(on_it), opening), np.full(len(on_it), end))
        drawn = self.rng.random(len(days))
        last = lasts(persons, days, persons, days)
        refused, subscribed = (drawn < 0.3) & last, (drawn > 0.9) & last
        self.refusals.add(persons[refused], days[refused])
        self.subscriptions.add(persons[subscribed], days[subscribed])
        reports = [
            Disposition(contact, "refused" if is_refused else "not_reached", f"{day}T10:00:00.000000Z", list_id=kept.id)
            for contact, day, is_refused in zip(ids.tolist(), days, refused, strict=True)
        ]
        feeds.record_dispositions(self.ledger, reports, actor="dialer", source="api")
        booked = zip(persons[subscribed].tolist(), days[subscribed], strict=True)
        found = [Subscription(person, str(day)) for person, day in booked]
        feeds.record_subscriptions(self.ledger, found, actor="bank", source="file")

    def event(self, kind, kept, content):
        with writing(self.ledger) as connection:
            events.append(connection, kind=kind, subject=kept.id, content=content, actor="ana")
