"""The two feeds that come back from a campaign: dispositions of calls, and subscriptions in the bank's books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bank_assets.contract.columns import Column, ColumnKind, KnownWhen

SUBSCRIBED: Final = "subscribed"
REFUSED: Final = "refused"
NOT_REACHED: Final = "not_reached"
CALL_BACK: Final = "call_back"
OBJECTION: Final = "objection"
CANCELLED: Final = "cancelled"
DISPOSITIONS: Final = (SUBSCRIBED, REFUSED, NOT_REACHED, CALL_BACK, OBJECTION, CANCELLED)
OF_CALLS: Final = tuple(one for one in DISPOSITIONS if one != CANCELLED)  # the others are no call
TEACHES: Final = {SUBSCRIBED: "yes", REFUSED: "no", CANCELLED: "no"}
"""Dispositions that are an outcome of the contact, as the outcome that models learn; the others teach nothing."""
DISPOSITION: Final = "disposition"  # name of the column
OF_FEEDS: Final = frozenset({"dispositions", "not_reached_cost_share"})
"""Attributes of a contract that concern feeds alone, and so no row of a table."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """What a call came to. Times are text as the ledger writes them; days are those of the data."""

    contact_id: str
    disposition: str  # one of `DISPOSITIONS`
    called_at: str
    customer_id: str | None = None
    list_id: str | None = None  # list that called; None finds the last list with the contact
    arrived_at: str | None = None  # None: now
    line: int = field(default=0, compare=False)  # where it stood in what was sent, from 1

    @property
    def day(self) -> str:
        """Day of the call."""
        return self.called_at[:10]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A product that a customer holds or no longer holds, whoever was called."""

    customer_id: str
    on_day: str
    kind: str = SUBSCRIBED  # or `CANCELLED`
    arrived_at: str | None = None  # None: now
    line: int = field(default=0, compare=False)

    @property
    def day(self) -> str:
        """Day of the subscription or cancellation."""
        return self.on_day


class Held(NamedTuple):
    """A subscription of a customer, from its day until it was taken back. Days are ISO texts."""

    day: str
    until: str | None = None

    def stands_on(self, day: str) -> bool:
        """Whether it was not taken back by the end of a day."""
        return self.until is None or self.until > day


def held(booked: Sequence[tuple[str, str]], reported: Sequence[tuple[str, str]] = ()) -> list[Held]:
    """What a customer subscribed to, from (kind, day) in the bank's books and in reports of calls; oldest first.

    This is the one reading of cancellations. The feeds name no account, so a cancellation takes back the newest
    subscription up to its day that still stands. Both feeds may tell the same: a report gives way to the books if they
    tell of its kind from its day on.
    """
    if len(booked) + len(reported) <= 1:  # nearly everybody; the general case takes ten times as long
        return [Held(day) for kind, day in (*booked, *reported) if kind == SUBSCRIBED]
    told: dict[str, set[str]] = {SUBSCRIBED: set(), CANCELLED: set()}
    for kind, day in booked:
        told[kind].add(day)
    newest = {kind: max(days, default="") for kind, days in told.items()}
    for kind, day in reported:
        if day > newest[kind]:
            told[kind].add(day)
    until: dict[str, str | None] = dict.fromkeys(sorted(told[SUBSCRIBED]))
    for end in sorted(told[CANCELLED]):
        taken_back = max((day for day, at in until.items() if at is None and day <= end), default=None)
        if taken_back is not None:
            until[taken_back] = end
    return [Held(*one) for one in until.items()]


@dataclass(frozen=True, slots=True)
class Feed:
    """The rows of one feed: their columns, which of them a row may leave empty, and the column of its day."""

    name: str
    of: type[Disposition | Subscription]
    columns: tuple[Column, ...]
    optional: tuple[str, ...]
    day: str

    @property
    def names(self) -> tuple[str, ...]:
        """Header of a file, in any order."""
        return tuple(column.source for column in self.columns)


def _column(name: str, kind: ColumnKind, description: str, categories: tuple[str, ...] = ()) -> Column:
    is_id = kind is ColumnKind.STRING
    known = KnownWhen.IDENTIFIER if is_id else KnownWhen.POST_CONTACT
    return Column(name, name, kind, known, description, categories=categories)


_CUSTOMER: Final = _column("customer_id", ColumnKind.STRING, "Person behind the contact.")
_ARRIVED: Final = _column("arrived_at", ColumnKind.DATE, "When the report arrived (data time); default: now.")
DISPOSITION_FEED: Final = Feed(
    "dispositions",
    Disposition,
    (
        _column("contact_id", ColumnKind.STRING, "Contact that was called."),
        _column(DISPOSITION, ColumnKind.CATEGORY, "What the call came to.", DISPOSITIONS),
        _column("called_at", ColumnKind.DATE, "Day or time of the call."),
        _CUSTOMER,
        _column("list_id", ColumnKind.STRING, "Call list; default: the last list that holds the contact."),
        _ARRIVED,
    ),
    ("customer_id", "list_id", "arrived_at"),
    "called_at",
)
SUBSCRIPTION_FEED: Final = Feed(
    "subscriptions",
    Subscription,
    (
        _CUSTOMER,
        _column("on_day", ColumnKind.DATE, "Day of the subscription or of its cancellation."),
        _column("kind", ColumnKind.CATEGORY, f"{SUBSCRIBED} (default) or {CANCELLED}.", (SUBSCRIBED, CANCELLED)),
        _ARRIVED,
    ),
    ("kind", "arrived_at"),
    "on_day",
)
FEEDS: Final = {feed.name: feed for feed in (DISPOSITION_FEED, SUBSCRIPTION_FEED)}
FEED_COLUMNS: Final = frozenset(name for feed in FEEDS.values() for name in feed.names)
