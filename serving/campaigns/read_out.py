"""Read-outs of call lists, assembled from their rows on record and from what came back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine

from bank_assets.contract.feeds import CANCELLED, NOT_REACHED, SUBSCRIBED, TEACHES, Held, held
from bank_assets.contract.values import iso_day
from bank_assets.core.campaigns.life import window_end
from bank_assets.core.economics.economics import BREAK_EVEN, Economics
from bank_assets.core.quality.intervals import Estimate
from bank_assets.core.quality.other_policies import OtherPolicy, other_policies
from bank_assets.core.quality.read_out import Attribution, ListResults, ReadOut, read_out
from bank_assets.ledger import campaigns, feeds, list_life, list_rows
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.read_out_state import states_of
from bank_assets.store.registry import RegistryError
from serving.campaigns.former_champion import FormerChampions
from serving.campaigns.lists import recorded_list
from serving.champion.champion import ChampionStore
from serving.web.remembered import Remembered

REPORT_DAYS: Final = 365
"""The report is about the lists that were made within so many days."""
REMEMBERED: Final = 1_000  # read-outs kept in memory, each of a few kilobytes
_DECIDED: Final = ("reason", "contact_date", "probability", "propensity", "cost_eur", "value_eur")
_BOOKED: Final = (SUBSCRIBED, CANCELLED)
UCI: Final = "UCI "  # first word of the label of the public file
NOT_YET, BROKEN, WITHDRAWN, REPLACED = (
    "not yet measurable",
    "with a broken draw",
    "withdrawn",
    "replaced by a later version",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What calling earned over the lists that were called.

    Attributes:
        lists: the lists with their read-outs, newest first.
        apart: why a list is not pooled, by its id.
        pooled: the joint read-out of the others, None without any.
    """

    lists: list[tuple[CampaignList, ReadOut]]
    apart: Mapping[str, str]
    pooled: ReadOut | None


@dataclass(frozen=True, slots=True)
class ReadOuts:
    """What lists came to, as far as it is on record; each is remembered until something changes that it depends on."""

    ledger: Engine
    store: ChampionStore
    former: FormerChampions
    days: int
    not_reached_share: float  # of the cost of a call
    spontaneous_share: float  # of simulated subscribers, who need no call
    _remembered: Remembered[Any] = field(default_factory=lambda: Remembered(REMEMBERED))

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
        kept, attribution = recorded_list(self.ledger, list_id), self.attribution
        return kept, self._found(kept, attribution, self._keys([kept], attribution)[kept.id])

    def policies_of(self, kept: CampaignList, found: ReadOut | None) -> tuple[OtherPolicy, ...]:
        """What other policies would have earned on a list; none until its subscriptions are known."""
        if found is None or found.everyone is None:
            return ()
        attribution, days = self.attribution, self.days

        def read(former: str = "") -> tuple[OtherPolicy, ...]:
            economics = _economics(self.ledger, kept)
            model = former or self.former.of(kept, economics)
            return other_policies(self._results(kept, attribution), days, economics, model)

        key = ("policies", self._keys([kept], attribution)[kept.id])
        try:
            policies: tuple[OtherPolicy, ...] = self._remembered.get(key, read)
        except (RegistryError, OSError) as error:  # it may be there again for the next reader
            return read(f"Out of reach now: {error}")
        return policies

    def report(self) -> Report:
        """The lists of the last year by which calls were reported, and the joint read-out of all that can be pooled."""
        since, attribution = datetime.now(UTC) - timedelta(days=REPORT_DAYS), self.attribution
        called = campaigns.called(self.ledger, since.isoformat())
        keys = self._keys(called, attribution)
        lists = [(one, found) for one in called if (found := self._found(one, attribution, keys[one.id]))]
        lists = [(one, found) for one, found in lists if found.made.calls]
        apart = self._apart(lists)
        chosen = [one for one, _ in lists if one.id not in apart]

        def read() -> ReadOut:
            return read_out(ListResults.joined([self._results(one, attribution) for one in chosen]), attribution)

        pooled = self._remembered.get(tuple(keys[one.id] for one in chosen), read) if chosen else None
        return Report(lists, apart, pooled)

    def _apart(self, lists: Sequence[tuple[CampaignList, ReadOut]]) -> dict[str, str]:
        """Lists that cannot be pooled, and why. Later versions draw the same customers, so only the last one counts."""
        ids = [one.id for one, _ in lists]
        with self.ledger.connect() as connection:
            before = list_life.versions_before(connection, ids)
            withdrawn = list_life.given_up(connection, ids)
        found = {one.id: BROKEN if out.ratio.is_broken else NOT_YET for one, out in lists if not out.is_measurable}
        found |= dict.fromkeys(set(ids) & withdrawn, WITHDRAWN)
        return found | dict.fromkeys(set(ids) & set().union(*before.values()), REPLACED)

    def _found(self, kept: CampaignList, attribution: Attribution, key: Hashable) -> ReadOut | None:
        def read() -> ReadOut | None:
            results = self._results(kept, attribution)
            return read_out(results, attribution, _forecast(kept)) if len(results.person) else None

        found: ReadOut | None = self._remembered.get(key, read)
        return found

    def _keys(self, lists: Sequence[CampaignList], attribution: Attribution) -> dict[str, Hashable]:
        """What the read-out of each list depends on; books beyond the window of a list change nothing for it."""
        windows = {one.id: _window(one, attribution.days) for one in lists}
        covered = "" if attribution.covered_to is None else str(attribution.covered_to)
        return {
            list_id: (list_id, state, attribution.assumes_none, min(covered, windows[list_id][1]))
            for list_id, state in states_of(self.ledger, windows).items()
        }

    def _results(self, kept: CampaignList, attribution: Attribution) -> ListResults:
        """The rows of a list with what became of them; without rows whose person was erased."""
        decided, contacts, customers = list_rows.columns_of(self.ledger, kept.id, _DECIDED)
        known = [(row, contact) for row, contact in enumerate(contacts) if contact is not None]
        columns = {name: [decided[name][row] for row, _ in known] for name in _DECIDED}
        ids, planned = [contact for _, contact in known], columns["contact_date"]
        persons = [customers[row] or contact for row, contact in known]
        reported = self._reported(kept.id, dict(zip(ids, planned, strict=True)))
        if attribution.covered_to is not None:
            books = self._books(kept.id, planned, attribution.days)
            spans = [held(books.get(one, ())) for one in persons]
        else:  # what a call brings before its planned day counts from that day
            told = [held((), reported.told.get(one, ())) for one in ids]
            spans = [[one._replace(day=max(one.day, day)) for one in of] for of, day in zip(told, planned, strict=True)]
        amounts = {name: np.asarray(columns[name], dtype=np.float64) for name in _DECIDED[2:]}
        return ListResults(
            person=np.asarray([f"{kept.id} {one}" for one in persons], dtype=object),
            reason=np.asarray(columns["reason"], dtype=np.str_),
            contact_date=np.asarray(planned, dtype="datetime64[D]"),
            **amounts,
            holdout_share=np.full(len(ids), float(kept.request["holdout_share"])),
            is_called=np.asarray([one in reported.spent for one in ids], dtype=np.bool_),
            spent_eur=np.asarray([reported.spent.get(one, 0.0) for one in ids]) * amounts["cost_eur"],
            has_outcome=np.asarray([one in reported.taught for one in ids], dtype=np.bool_),
            subscribed_on=np.asarray(
                [_subscribed_on(of, day, attribution.days) for of, day in zip(spans, planned, strict=True)],
                dtype="datetime64[D]",
            ),
        )

    def _reported(self, list_id: str, planned: Mapping[str, str]) -> _Reported:
        """What was reported of the calls; the last report counts, as where models learn."""
        found = _Reported()
        for one in feeds.dispositions_of(self.ledger, list_id=list_id):
            if one.contact_id is None or one.contact_id not in planned:  # erased
                continue
            if one.disposition != CANCELLED:
                found.spent[one.contact_id] += self.not_reached_share if one.disposition == NOT_REACHED else 1.0
            if one.disposition in TEACHES:
                found.taught.add(one.contact_id)
            if one.disposition != CANCELLED and one.disposition in TEACHES:
                found.told[one.contact_id].clear()
            if one.disposition in _BOOKED:
                found.told[one.contact_id].append((one.disposition, one.called_at[:10]))
        return found

    def _books(self, list_id: str, planned: Sequence[str], days: int) -> Mapping[str, Sequence[tuple[str, str]]]:
        """What the books tell of a list's customers within any window of these planned days, as (kind, day)."""
        found = defaultdict[str, list[tuple[str, str]]](list)
        if planned:
            last = window_end(date.fromisoformat(max(planned)), days)
            for one in feeds.subscriptions_between(self.ledger, min(planned), str(last), list_id):
                if one.customer_id is not None:
                    found[one.customer_id].append((one.kind, one.on_day))
        return found


@dataclass(frozen=True, slots=True)
class _Reported:
    """By contact: what its calls cost, in calls that reach somebody, and what they tell as (kind, day); who taught."""

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    told: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    taught: set[str] = field(default_factory=set)


def _subscribed_on(spans: Sequence[Held], planned: str, days: int) -> str:
    """Day of the first subscription from the planned day on that stands at the end of its window, or NaT."""
    if not spans:
        return "NaT"
    last = str(window_end(date.fromisoformat(planned), days))
    return next((one.day for one in spans if one.day >= planned and one.stands_on(last)), "NaT")


def _window(kept: CampaignList, days: int) -> tuple[str, str]:
    """First and last day whose subscriptions count; lists of earlier releases state no days."""
    first, last = (iso_day(kept.request.get(name, "")) for name in ("first_day", "last_day"))
    return ("", "9999") if first is None or last is None else (str(first), str(window_end(last, days)))


def _economics(ledger: Engine, kept: CampaignList) -> Economics:
    """The rule that decided a list, with its threshold; the amounts are in its rows."""
    rule = kept.economics.get("rule", BREAK_EVEN)
    facts = next(list_rows.blocks_of(ledger, kept.id)).facts
    return Economics(rule=rule).for_model({"thresholds": {"f1": facts["f1_threshold"]}})


def _forecast(kept: CampaignList) -> Estimate | None:
    """The forecast profit of a list's calls; lists of the pipeline have none."""
    profit = kept.summary.get("forecast", {}).get("profit_eur")
    return None if profit is None else Estimate(profit["expected"], profit["low"], profit["high"])
