"""What the contact policy allows for one customer on one day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from sqlalchemy import Engine

from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.core.economics.suppression import RULE_TEXTS, SUPPRESSED
from bank_assets.ledger import decisions
from bank_assets.ledger.contact_history import listed
from bank_assets.ledger.persons import customer_of
from bank_assets.store.contact_history import NO_LIST, ListInQuestion, history_of
from serving.customers.schemas import Hours, OpenList, PolicyAnswer
from serving.customers.suppressions import Suppressions
from serving.web.problems import NotFoundError


@dataclass(frozen=True, slots=True)
class ContactRules:
    """Answers for one customer; call it in a thread."""

    ledger: Engine
    policy: ContactPolicy
    suppressions: Suppressions
    timezone: str  # of the bank, whose day it is

    def of(self, customer_id: str, day: dt.date | None = None, list_id: str = "") -> PolicyAnswer:
        """Whether a customer may be called: by a list, or outside of all lists if none is named.

        A contact that names a customer stands for that customer. `NotFoundError` if the list does not call them.
        """
        day = day or self._today()
        person = customer_of(self.ledger, customer_id) or customer_id
        has_objected = self.suppressions.read().covers(customer_id, person)

        def answer(about: ListInQuestion) -> tuple[str, str]:
            return (SUPPRESSED, "") if has_objected else self.excluded([person], [day], about)[0]

        with self.ledger.connect() as connection:
            rows = [row for row in listed(connection, [person]) if not row.of.is_closed]
        rows = [row for row in rows if row.of.last_day >= day.isoformat()]
        by_list = {row.of.id: answer(ListInQuestion(row.of.name, id=row.of.id)) for row in rows if row.is_called}
        if list_id and list_id not in by_list:
            raise NotFoundError(
                f"call list: expected an open one that calls this customer, found none with id {list_id[:40]!r}; "
                "nobody may call the customer by it."
            )
        free = {one for one, (rule, _) in by_list.items() if not rule}
        reason, until = by_list[list_id] if list_id else answer(NO_LIST)
        return PolicyAnswer(
            person,
            day,
            not reason,
            reason or None,
            RULE_TEXTS.get(reason, ""),
            dt.date.fromisoformat(until) if until else None,
            self._hours(person, day),
            [
                OpenList(row.of.id, row.of.name, row.day, row.is_called, row.of.last_day, row.of.id in free)
                for row in rows
            ],
            self.policy.to_dict(),
        )

    def excluded(
        self, persons: Sequence[str], days: Sequence[dt.date], about: ListInQuestion = NO_LIST
    ) -> list[tuple[str, str]]:
        """The rule that forbids to call each customer on a day, and the day until which, ISO; or two empty texts.

        The rows are no list: none counts as a call for another one.
        """
        dates, found = np.array(days, dtype="datetime64[D]"), dict[tuple[str, dt.date], tuple[str, str]]()
        history = history_of(self.ledger, self.policy, persons, dates, about)
        for day in set(days):
            of_day = list(dict.fromkeys(one for one, on in zip(persons, days, strict=True) if on == day))
            rule, until = self.policy.check(of_day, np.full(len(of_day), day, dates.dtype), history)
            until_text = np.where(rule == "", "", np.datetime_as_string(until)).tolist()
            found |= dict(zip(((one, day) for one in of_day), zip(rule.tolist(), until_text, strict=True), strict=True))
        return [found[key] for key in zip(persons, days, strict=True)]

    def _today(self) -> dt.date:
        try:
            zone: dt.tzinfo = ZoneInfo(self.timezone)
        except ZoneInfoNotFoundError:  # an image without time zones
            zone = dt.UTC
        return dt.datetime.now(zone).date()

    def _hours(self, person: str, day: dt.date) -> Hours | None:
        hours, days = self.policy.hours, np.array([day], dtype="datetime64[D]")
        if hours is None or (hours.next_day(days) > days).any():
            return None
        last = decisions.search(self.ledger, customer_id=person, limit=1).decisions if hours.column else ()
        known = decisions.get(self.ledger, last[0].id) if last else None  # rows of lists are found without payload
        payload = known.payload if known else None
        rows = {hours.column: np.array([payload[hours.column]])} if payload and hours.column in payload else {}
        return Hours(*hours.windows(days, rows)[0])
