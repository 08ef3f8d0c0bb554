"""Read-outs of call lists, assembled from their rows on record and from what came back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine

from bank_assets.contract.feeds import CANCELLED, NOT_REACHED, SUBSCRIBED, TEACHES
from bank_assets.core.quality.intervals import Estimate
from bank_assets.core.quality.read_out import Attribution, ListResults, ReadOut, read_out
from bank_assets.ledger import campaigns, events, feeds, list_rows
from bank_assets.ledger.campaigns import CampaignList
from serving.champion.champion import ChampionStore
from serving.web.problems import NotFoundError
from serving.web.remembered import Remembered

POOLED_LISTS: Final = 50
"""The newest lists that the pooled read-out looks at."""
_CHANGES: Final = ("dispositions.recorded", "subscriptions.recorded", "erasure.recorded", "list.made")
_DECIDED: Final = ("reason", "contact_date", "probability", "propensity", "cost_eur", "value_eur")
UCI: Final = "UCI "  # first word of the label of the public file


@dataclass(frozen=True, slots=True)
class ReadOuts:
    """What lists came to, as far as it is on record; remembered until the record changes."""

    ledger: Engine
    store: ChampionStore
    days: int
    not_reached_share: float  # of the cost of a call
    spontaneous_share: float  # of simulated subscribers, who need no call
    _remembered: Remembered[Any] = field(default_factory=lambda: Remembered(4 * POOLED_LISTS))

    @property
    def attribution(self) -> Attribution:
        """How subscriptions are counted now."""
        training = self.store.champion.decision.get("training", {}) if self.store.champion else {}
        is_simulated = not training.get("is_real", True) and self.spontaneous_share == 0.0
        is_uci = str(training.get("source", "")).startswith(UCI)
        until = feeds.subscriptions_until(self.ledger)
        return Attribution(self.days, None if until is None else np.datetime64(until), is_uci or is_simulated)

    def of(self, list_id: str) -> tuple[CampaignList, ReadOut | None]:
        """A list with its read-out, None if an earlier release made it without its rows; or a NotFoundError."""
        kept = campaigns.get_list(self.ledger, list_id)
        if kept is None:
            raise NotFoundError(f"call list: expected one on record, found none with id {list_id[:40]!r}.")
        return kept, self._found(kept)

    def lists(self) -> list[tuple[CampaignList, ReadOut]]:
        """The newest lists that were called, with their read-outs."""
        newest = [(kept, self._found(kept)) for kept in campaigns.lists(self.ledger, limit=POOLED_LISTS)]
        return [(kept, found) for kept, found in newest if found is not None and found.made.calls]

    def pooled(self, lists: Iterable[tuple[CampaignList, ReadOut]]) -> tuple[list[CampaignList], ReadOut | None]:
        """The lists among these that are measurable, and their joint read-out; None without one."""
        chosen = [kept for kept, found in lists if found.is_measurable]
        if not chosen:
            return [], None

        def read() -> ReadOut:
            return read_out(ListResults.joined([self._results(kept) for kept in chosen]), self.attribution)

        return chosen, self._remembered.get((*(one.id for one in chosen), self._state), read)

    def _found(self, kept: CampaignList) -> ReadOut | None:
        def read() -> ReadOut | None:
            results = self._results(kept)
            return read_out(results, self.attribution, _forecast(kept)) if len(results.person) else None

        found: ReadOut | None = self._remembered.get((kept.id, self._state), read)
        return found

    @property
    def _state(self) -> tuple[Any, ...]:
        latest = (events.latest(self.ledger, kind) for kind in _CHANGES)
        return (self.attribution.assumes_none, *(one.seq if one else 0 for one in latest))

    def _results(self, kept: CampaignList) -> ListResults:
        """The rows of a list with what became of them; without rows whose person was erased."""
        decided, contacts, customers = list_rows.columns_of(self.ledger, kept.id, _DECIDED)
        known = [(row, contact) for row, contact in enumerate(contacts) if contact is not None]
        columns = {name: np.asarray([decided[name][row] for row, _ in known]) for name in _DECIDED}
        ids = [contact for _, contact in known]
        persons = [customers[row] or contact for row, contact in known]
        dates = columns["contact_date"].astype("datetime64[D]")
        calls, spent, subscribed = self._calls(kept.id, dict(zip(ids, dates, strict=True)))
        if (attribution := self.attribution).covered_to is not None:
            subscribed = self._books(dates, attribution.days)
        by = persons if attribution.covered_to is not None else ids
        amounts = {name: columns[name].astype(np.float64) for name in _DECIDED[2:]}
        return ListResults(
            person=np.asarray([f"{kept.id} {one}" for one in persons], dtype=object),
            reason=columns["reason"].astype(np.str_),
            contact_date=dates,
            **amounts,
            holdout_share=np.full(len(ids), float(kept.request["holdout_share"])),
            is_called=np.asarray([calls[one] > 0 for one in ids], dtype=np.bool_),
            spent_eur=np.asarray([spent[one] for one in ids], dtype=np.float64) * amounts["cost_eur"],
            subscribed_on=np.asarray(
                [_first_from(subscribed.get(one, ()), day) for one, day in zip(by, dates, strict=True)],
                dtype="datetime64[D]",
            ),
        )

    def _calls(
        self, list_id: str, planned: Mapping[str, Any]
    ) -> tuple[Mapping[str, int], Mapping[str, float], Mapping[str, Sequence[Any]]]:
        """By contact: calls made, what they cost in calls that reached somebody, and days of subscriptions.

        The last report counts, as where models learn. A subscription before its planned day counts from that day.
        """
        calls, spent = defaultdict[str, int](int), defaultdict[str, float](float)
        days: dict[str, list[Any]] = {}
        for one in feeds.dispositions_of(self.ledger, list_id=list_id):
            if one.contact_id is None or one.contact_id not in planned:  # erased
                continue
            if one.disposition != CANCELLED:
                calls[one.contact_id] += 1
                spent[one.contact_id] += self.not_reached_share if one.disposition == NOT_REACHED else 1.0
            if one.disposition == SUBSCRIBED:
                days[one.contact_id] = [max(np.datetime64(one.called_at[:10]), planned[one.contact_id])]
            elif one.disposition in TEACHES:
                days.pop(one.contact_id, None)
        return calls, spent, days

    def _books(self, dates: Any, days: int) -> Mapping[str, Sequence[Any]]:
        """Days of subscriptions of all customers within any window of these planned days, less those cancelled."""
        found = defaultdict[str, list[Any]](list)
        if len(dates):
            last = str(dates.max() + np.timedelta64(days, "D"))
            for one in feeds.subscriptions_between(self.ledger, str(dates.min()), last):
                if one.customer_id is None:
                    continue
                if one.kind == CANCELLED:
                    del found[one.customer_id][-1:]
                else:
                    found[one.customer_id].append(np.datetime64(one.on_day))
        return found


def _first_from(days: Sequence[Any], first: Any) -> Any:
    return next((day for day in days if day >= first), np.datetime64("NaT"))


def _forecast(kept: CampaignList) -> Estimate | None:
    """The forecast profit of a list's calls; lists of the pipeline have none."""
    profit = kept.summary.get("forecast", {}).get("profit_eur")
    return None if profit is None else Estimate(profit["expected"], profit["low"], profit["high"])
