"""What the contact policy allows for one customer on one day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
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

        def answer(about: ListInQuestion) -> tuple[str, Any]:
            if has_objected:
                return SUPPRESSED, np.datetime64("NaT")
            days = [day.isoformat()]
            found = self.policy.check([person], days, history_of(self.ledger, self.policy, [person], days, about))
            return str(found.rule[0]), found.until[0]

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
            None if np.isnat(until) else until.item(),
            self._hours(person, day),
            [
                OpenList(row.of.id, row.of.name, row.day, row.is_called, row.of.last_day, row.of.id in free)
                for row in rows
            ],
            self.policy.to_dict(),
        )

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
