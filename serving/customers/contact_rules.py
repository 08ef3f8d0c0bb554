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
from bank_assets.store.contact_history import history_of
from serving.customers.schemas import Hours, OpenList, PolicyAnswer
from serving.customers.suppressions import Suppressions


@dataclass(frozen=True, slots=True)
class ContactRules:
    """Answers for one customer; call it in a thread."""

    ledger: Engine
    policy: ContactPolicy
    suppressions: Suppressions
    timezone: str  # of the bank, whose day it is

    def of(self, customer_id: str, day: dt.date | None = None) -> PolicyAnswer:
        """Whether a customer may be called; a contact that names a customer stands for that customer."""
        day = day or self._today()
        person = customer_of(self.ledger, customer_id) or customer_id
        ((reason, until),) = self.excluded([person], [day])
        if self.suppressions.read().covers(customer_id, person):
            reason, until = SUPPRESSED, ""
        with self.ledger.connect() as connection:
            rows = listed(connection, [person])
        return PolicyAnswer(
            person,
            day,
            not reason,
            reason or None,
            RULE_TEXTS.get(reason, ""),
            dt.date.fromisoformat(until) if until else None,
            self._hours(person, day),
            [
                OpenList(row.of.id, row.of.name, row.day, row.is_called, row.of.last_day)
                for row in rows
                if not row.of.is_closed and row.of.last_day >= day.isoformat()
            ],
            self.policy.to_dict(),
        )

    def excluded(self, persons: Sequence[str], days: Sequence[dt.date]) -> list[tuple[str, str]]:
        """The rule that forbids to call each customer on a day, and the day until which, ISO; or two empty texts.

        The rows are no list: none counts as a call for another one.
        """
        dates, found = np.array(days, dtype="datetime64[D]"), dict[tuple[str, dt.date], tuple[str, str]]()
        history = history_of(self.ledger, self.policy, persons, dates)
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
        payload = getattr(last[0], "payload", None) if last else None
        rows = {hours.column: np.array([payload[hours.column]])} if payload and hours.column in payload else {}
        return Hours(*hours.windows(days, rows)[0])
