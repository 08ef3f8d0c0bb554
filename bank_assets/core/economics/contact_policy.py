"""How often, how soon and at which hours a customer may be called, over all lists and channels.

Each rule becomes spans of days on which a person must not be called. They follow from what is on record: calls made and
planned, refusals, subscriptions and open lists. The planner and the export of a list exclude a contact whose day lies
in a span; the rule whose span ends last is the reason. `core.economics.calling_hours` has the hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.contract.errors import ContractError
from bank_assets.contract.names import LONGEST_LIST
from bank_assets.contract.yaml_tree import FileError, Node, Reader, file_text, parse_yaml, values_of
from bank_assets.core.arrays import SLICE_ROWS, DayArray, IntArray
from bank_assets.core.economics.calling_hours import CallingHours, read_hours

SUBSCRIBED_RECENTLY: Final = "subscribed_recently"
REFUSED_RECENTLY: Final = "refused_recently"
ON_ANOTHER_LIST: Final = "on_another_list"
CONTACTED_TOO_OFTEN: Final = "contacted_too_often"
NO_CALLING_HOURS: Final = "no_calling_hours"
POLICY_RULES: Final = (SUBSCRIBED_RECENTLY, REFUSED_RECENTLY, ON_ANOTHER_LIST, CONTACTED_TOO_OFTEN, NO_CALLING_HOURS)
MOST: Final = 10_000  # largest number of days or contacts of a rule
FOREVER: Final = np.datetime64("9999-12-31", "D")
_NEVER: Final = np.datetime64("0001-01-01", "D")
_NO_DAYS: Final = np.empty(0, dtype="datetime64[D]")
_STRIDE: Final = 1 << 23  # more days than datetime.date knows, so that (person, day) is one whole number
_UNKNOWN: Final = -1  # number of persons whose history is empty
_SHIFT: Final = 1 << 21  # makes days before 1970 positive


@dataclass(frozen=True, slots=True)
class PersonDays:
    """Days of persons, a sequence (n,); arrays are (n,). `until` is the end of a span, that day excluded."""

    person: Any = ()
    day: DayArray = field(default_factory=lambda: _NO_DAYS)
    until: DayArray | None = None

    @classmethod
    def of(cls, found: Sequence[tuple[Any, ...]]) -> PersonDays:
        """Rows of (person, ISO day) or (person, ISO day, ISO day of the end)."""
        if not found:
            return cls()
        columns = ([row[at] for row in found] for at in range(1, len(found[0])))
        return cls([row[0] for row in found], *map(_days, columns))


@dataclass(frozen=True, slots=True)
class ContactHistory:
    """What is on record about persons. Lists that the list in question outranks are left out by whoever reads it.

    Attributes:
        contacts: one row for each call, made or planned.
        refusals: calls that ended in a refusal.
        subscriptions: the end of a span is the day on which the subscription was cancelled.
        lists: open lists; the end of a span is the day after the last call that the list plans.
    """

    contacts: PersonDays = PersonDays()
    refusals: PersonDays = PersonDays()
    subscriptions: PersonDays = PersonDays()
    lists: PersonDays = PersonDays()


class Exclusions(NamedTuple):
    """Who must not be called on the day planned; arrays are (n,)."""

    rule: NDArray[Any]  # the rule that excludes, "" where none does
    until: DayArray  # first day on which no rule excludes, NaT where none does


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """The rules of a deployment; None is no limit.

    Attributes:
        at_most: most contacts of a customer in any `in_days` days, over all lists and channels.
        after_refusal: days without a call after a refusal, the day of the refusal included.
        after_subscription: days without a call after a subscription.
        one_open_list: whether a customer may be on one open list only: on none that opens before the other ends.
        priorities: names of campaigns, with `*` and `?`, the most important first. A list takes customers from lists
            of lower priority that nobody has exported yet; among equals, the list that was made first keeps them.
        hours: when customers may be called.
    """

    at_most: int | None = None
    in_days: int | None = None
    after_refusal: int | None = None
    after_subscription: int | None = None
    one_open_list: bool = True
    priorities: tuple[str, ...] = ()
    hours: CallingHours | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @property
    def needs_no_history(self) -> bool:
        """Whether nothing on record can exclude anybody."""
        limits = (self.at_most, self.after_refusal, self.after_subscription)
        return not self.one_open_list and all(limit is None for limit in limits)

    @property
    def windows(self) -> tuple[int, int, int]:
        """Days before a call in which calls matter, made or planned; refusals; and subscriptions."""
        return max(self.in_days or 0, LONGEST_LIST), self.after_refusal or 0, self.after_subscription or 0

    def priority(self, campaign: str) -> int:
        """Rank of a campaign, 0 for the most important; what the policy does not name comes last."""
        ranks = (rank for rank, name in enumerate(self.priorities) if fnmatchcase(campaign, name))
        return next(ranks, len(self.priorities))

    def check(self, persons: Sequence[Any] | NDArray[Any], days: ArrayLike, history: ContactHistory) -> Exclusions:
        """Who must not be called, given the persons and planned days of a list, each (n,).

        Several contacts of a person are taken in the order of their days, as all of them count.
        """
        days = np.asarray(days, dtype="datetime64[D]")
        # Who is not on record needs no number, unless the list's own contacts of a person count among themselves.
        of_history = (history.contacts, history.refusals, history.subscriptions, history.lists)
        concerned: Iterable[Any] = chain(*(_listed(one.person) for one in of_history))
        if self.at_most is not None:
            concerned = persons = _listed(persons)
        known = {person: code for code, person in enumerate(dict.fromkeys(concerned))}
        codes = np.fromiter((known.get(person, _UNKNOWN) for person in persons), np.int64, len(days))
        spans, opening = _Spans(self, history, known), np.append(days, FOREVER).min()
        found = Exclusions(np.full(len(days), "", dtype=object), np.full(len(days), np.datetime64("NaT"), days.dtype))
        for rows in _rounds(codes, days) if self.at_most is not None else _slices(len(days)):
            ends = spans.ends(codes[rows], days[rows], np.maximum(opening, days[rows] - LONGEST_LIST))
            is_free = (last := ends.max(axis=0)) == _NEVER
            excluded, until = rows[~is_free], last[~is_free]
            found.rule[excluded] = np.array(POLICY_RULES, dtype=object)[ends.argmax(axis=0)[~is_free]]
            while len(excluded):
                found.until[excluded] = until
                further = spans.ends(codes[excluded], until, until).max(axis=0)
                excluded, until = excluded[further > until], further[further > until]
            spans.add(codes[rows[is_free]], days[rows[is_free]])
        return found


NO_POLICY: Final = ContactPolicy()


def _slices(n_rows: int) -> Iterator[NDArray[np.intp]]:
    """All rows, some at a time."""
    return (np.arange(first, min(first + SLICE_ROWS, n_rows)) for first in range(0, n_rows, SLICE_ROWS))


def _rounds(codes: IntArray, days: DayArray) -> list[NDArray[np.intp]]:
    """Rows in rounds with one contact of each person, the earliest days first."""
    order = np.lexsort((days, codes))
    is_first = np.append(True, np.diff(codes[order]) != 0)[: len(order)]
    at = np.arange(len(order))
    turn = at - np.maximum.accumulate(np.where(is_first, at, 0))
    return [order[turn == number] for number in range(int(turn.max(initial=-1)) + 1)]


@dataclass(slots=True)
class _Spans:
    """The days on which persons must not be called."""

    policy: ContactPolicy
    history: ContactHistory
    known: Mapping[Any, int]  # number of each person
    _contacts: IntArray = field(init=False)  # sorted (person, day) of calls made or planned
    _fixed: list[tuple[IntArray, IntArray]] = field(init=False)

    def __post_init__(self) -> None:
        policy, history = self.policy, self.history
        subscribed, refused, lists = map(self._coded, (history.subscriptions, history.refusals, history.lists))
        self._fixed = [
            _pauses(subscribed, policy.after_subscription),
            _pauses(refused, policy.after_refusal),
            _merged(lists[0], np.zeros_like(lists[1]), lists[2]) if policy.one_open_list else _pauses(lists, None),
        ]
        contacts = self._coded(history.contacts)
        self._contacts = np.sort(contacts[0] * _STRIDE + contacts[1])

    def _coded(self, given: PersonDays) -> tuple[IntArray, IntArray, IntArray]:
        """Number, day and end of the persons that are known."""
        codes = np.array([self.known.get(person, -1) for person in _listed(given.person)], dtype=np.int64)
        until = given.until if given.until is not None else np.full(len(codes), FOREVER)
        numbers = codes, _numbers(given.day), _numbers(np.where(np.isnat(until), FOREVER, until))
        return tuple(column[codes >= 0] for column in numbers)  # type: ignore[return-value]

    def add(self, codes: IntArray, days: DayArray) -> None:
        """Count planned calls of the list itself."""
        if self.policy.at_most is not None:
            self._contacts = np.sort(np.append(self._contacts, codes * _STRIDE + _numbers(days)))

    def ends(self, codes: IntArray, days: DayArray, openings: DayArray) -> DayArray:
        """The end of the span in which a day lies, by rule, (n_rules, n); `_NEVER` where it lies in none.

        Of other lists, the day counts on which the list in question opens.
        """
        planned, opened = (codes * _STRIDE + _numbers(of) for of in (days, openings))
        subscribed, refused, lists = self._fixed
        asked = ((subscribed, planned), (refused, planned), (lists, opened), (self._too_often(), planned))
        ends = [_end_of(*spans, at) for spans, at in asked]
        if (hours := self.policy.hours) is not None:
            ends.append(np.where((free := hours.next_day(days)) > days, free, _NEVER))
        return np.stack(ends)

    def _too_often(self) -> tuple[IntArray, IntArray]:
        """Days on which one more contact would make too many: within a window of each `at_most` contacts."""
        n, width, contacts = self.policy.at_most, self.policy.in_days, self._contacts
        if n is None or width is None or len(contacts) < n:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        first, last = contacts[: len(contacts) - n + 1], contacts[n - 1 :]
        is_full = last - first < width  # of one person, as persons lie further apart
        return last[is_full] - width + 1, first[is_full] + width


def _days(texts: Sequence[str]) -> DayArray:
    """ISO days, of which few are distinct."""
    known = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    days: DayArray = np.array(list(known), dtype="datetime64[D]")[[known[text] for text in texts]]
    return days


def _listed(persons: Sequence[Any] | NDArray[Any]) -> list[Any]:
    return persons.tolist() if isinstance(persons, np.ndarray) else list(persons)


def _numbers(days: DayArray) -> IntArray:
    return days.astype("datetime64[D]").astype(np.int64) + _SHIFT


def _pauses(events: tuple[IntArray, IntArray, IntArray], days: int | None) -> tuple[IntArray, IntArray]:
    code, day, until = events
    if days is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return _merged(code, day, np.minimum(day + days, until))


def _merged(code: IntArray, first: IntArray, until: IntArray) -> tuple[IntArray, IntArray]:
    """Sorted first days of spans, and for each the latest end of the person's spans that begin no later."""
    order = np.lexsort((first, code))
    return (code * _STRIDE + first)[order], np.maximum.accumulate((code * _STRIDE + until)[order])


def _end_of(first: IntArray, until: IntArray, at: IntArray) -> DayArray:
    """End of the span in which each (person, day) lies, or `_NEVER`."""
    if not len(first):
        return np.full(len(at), _NEVER)
    end = until[np.searchsorted(first, at, side="right") - 1]  # before the first span, the last one's person is another
    is_inside = (end > at) & (end // _STRIDE == at // _STRIDE)
    return np.where(is_inside, (end % _STRIDE - _SHIFT).astype("datetime64[D]"), _NEVER)


def _limit(node: Node) -> int:
    if not 1 <= (limit := node.whole()) <= MOST:
        raise FileError(node.line, f"expected a whole number from 1 to {MOST:,}, found {limit}; correct it.")
    return limit


def _limits(*keys: str, is_whole: bool) -> Reader:
    known = {key: (key, _limit) for key in keys}
    return lambda node: values_of(node.entries(), node.line, known, (), keys if is_whole else ())


_POLICY: Final[dict[str, tuple[str, Reader]]] = {
    "contacts": ("contacts", _limits("at_most", "in_days", is_whole=True)),
    "pause_days": ("pauses", _limits("after_refusal", "after_subscription", is_whole=False)),
    "one_open_list": ("one_open_list", Node.flag),
    "priorities": ("priorities", lambda node: tuple(node.texts())),
    "calling_hours": ("hours", read_hours),
}


def load_policy(path: str) -> ContactPolicy:
    """The policy of a setting: the path of a file, or "" for none; raises as `parse_policy` does."""
    return parse_policy(file_text(path), path) if path else NO_POLICY


def parse_policy(text: str, name: str) -> ContactPolicy:
    """Read the text of a policy file, whose name is used in messages.

    Raises:
        ContractError: the text is no policy; the message names file and line.
    """
    try:
        root = parse_yaml(text)
        found = values_of(root.entries(), root.line, _POLICY)
        for part in ("contacts", "pauses"):
            found |= found.pop(part, {})
        return ContactPolicy(**found)
    except FileError as fault:
        raise ContractError(f"{name}, line {fault.line}: {fault}") from None
