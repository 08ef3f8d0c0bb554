"""The demo's bank: what its calls come to, and what its books show. Nobody but the demo knows this beforehand.

Calls that were made are reported as dispositions. Simulated books also name customers who subscribe by themselves, some
of them on no list; what customers of real history did without a call is not known, so it has no books.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.feeds import NOT_REACHED, REFUSED, SUBSCRIBED
from bank_assets.core.arrays import BoolArray
from bank_assets.demo.pages import MadeList
from bank_assets.settings import Settings
from bank_assets.simulator.subscriptions import dispositions_of, subscription_days
from bank_assets.store.atomic_files import write_atomic


@dataclass
class Bank:
    """What the customers of each delivery do; `outcomes` says by contact whether a call leads to a subscription."""

    settings: Settings
    is_simulated: bool
    outcomes: dict[str, bool] = field(default_factory=dict)
    _met: tuple[NDArray[Any], Sequence[str], BoolArray] = field(init=False)
    _subscribed: dict[str, np.datetime64] = field(default_factory=dict)

    def meet(self, contact_ids: Sequence[str], dates: Sequence[str], won: Sequence[bool]) -> None:
        """Decide what a call of each customer of a delivery would come to; `dates` are ISO in simulated deliveries."""
        self._met = np.asarray(contact_ids), dates, np.asarray(won, dtype=bool)
        self.outcomes |= zip(contact_ids, (self._come_to() == SUBSCRIBED).tolist(), strict=True)

    def _come_to(self) -> NDArray[np.str_]:
        ids, _, won = self._met
        return (
            dispositions_of(ids, won, self.settings.seed) if self.is_simulated else np.where(won, SUBSCRIBED, REFUSED)
        )

    def report(self, name: str, made: MadeList) -> None:
        """Deliver the dispositions of a list's calls among the customers just met, each on the day of the call."""
        (ids, dates, won), come_to = self._met, self._come_to()
        by_contact = dict(zip(ids.tolist(), come_to.tolist(), strict=True))
        lines = [(contact, by_contact[contact], day, made.id, day) for contact, day in made.called.items()]
        names = ("contact_id", "disposition", "called_at", "list_id", "arrived_at")
        self._deliver(f"outcomes/dispositions-{name}.csv", [names, *lines])
        if not self.is_simulated:
            return
        reached = np.isin(ids, list(made.called)) & (come_to != NOT_REACHED)
        share, seed = self.settings.spontaneous_share, self.settings.seed
        days = subscription_days(ids, np.asarray(dates, dtype="datetime64[D]"), won, reached, share, seed)
        self._subscribed |= zip(ids[~np.isnat(days)].tolist(), days[~np.isnat(days)], strict=True)

    def book(self, first: date, last: date) -> None:
        """Deliver the books of some days, which follow those of the last ones; real history has none."""
        if not self.is_simulated:
            return
        start, end = np.datetime64(first), np.datetime64(last)
        walk_ins = [(f"walk-in-{day}", day) for day in np.arange(start, end + 1)]
        found = [row for row in self._subscribed.items() if start <= row[1] <= end]
        rows = sorted(((day, customer) for customer, day in (*walk_ins, *found)))
        lines = [(customer, str(day), str(day)) for day, customer in rows]
        self._deliver(f"subscriptions/books-{last}.csv", [("customer_id", "on_day", "arrived_at"), *lines])

    def _deliver(self, name: str, lines: Sequence[Sequence[str]]) -> None:
        write_atomic(self.settings.landing / name, csv_of(lines))


def csv_of(lines: Sequence[Sequence[str]]) -> bytes:
    """Lines of texts as CSV with semicolons."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows(lines)
    return text.getvalue().encode()
