"""One alert as a value, and when it is sent again. `core.alerts.catalogue` makes them.

An alert is sent once per episode. Its key is derived from its content and from what opened the episode (a run, a
delivery, a day of data), never from a clock, so a crash or a second process cannot send it twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

ALERT_SCHEMA_VERSION: Final = 1
KEY_DIGITS: Final = 20
LONGEST_TEXT: Final = 900  # characters; some channels cut a longer text in the middle of a word
MORE_ITEMS: Final = 5


class AlertKind(StrEnum):
    """What an alert is about; docs/alerts.md lists the kinds."""

    RUN_FAILED = "run_failed"
    GATE_FAILED = "gate_failed"
    ROWS_REJECTED = "rows_rejected"
    SENSOR_FAILING = "sensor_failing"
    NOTHING_ARRIVED = "nothing_arrived"
    NIGHTLY_DIGEST = "nightly_digest"
    RESPONSE = "response"
    PROMOTED = "promoted"
    REFUSED = "refused"
    RECALIBRATED = "recalibrated"
    LIST_MADE = "list_made"
    LIST_CLOSED = "list_closed"
    HOLDOUT_CALLED = "holdout_called"
    OBJECTION = "objection"
    TEST = "test"


class Tone(StrEnum):
    """How urgent an alert is."""

    BAD = "bad"  # does not work until somebody acts
    WATCH = "watch"  # worth a look; the platform continues by itself
    GOOD = "good"  # done, with nothing left to do
    PLAIN = "plain"  # for information


class DefaultChannel(StrEnum):
    """Where an alert goes besides the log and the pages."""

    PUSH = "push"  # every address in `BANK_ALERT_URLS`
    PAGES = "pages"  # nowhere else: nobody needs to be interrupted for it
    SIGNED = "signed"  # signed webhooks alone: programs follow it


@dataclass(frozen=True, slots=True)
class Alert:
    """One message to the people who run the platform. It never contains a customer's values.

    Attributes:
        key: identity; an alert with a known key is not sent again.
        text: what happened and what it means in money, as sentences.
        action: what to do, as a sentence.
        at: when it happened, ISO with zone.
        details: further sentences that a page folds away, such as the checks that held.
        as_of: data time, ISO date.
        page: path in the web app, or "".
        subject: id of what it is about, for programs: a list's, a model's version; or "".
    """

    kind: AlertKind
    key: str
    tone: Tone
    title: str
    text: str
    action: str
    at: str
    details: tuple[str, ...] = ()
    channel: DefaultChannel = DefaultChannel.PUSH
    as_of: str | None = None
    page: str = ""
    run_id: str = ""
    subject: str = ""

    def to_dict(self, public_url: str, ui_url: str) -> dict[str, Any]:
        """JSON form; the two base addresses complete the links to the web app and to Dagster."""
        return {
            "schema_version": ALERT_SCHEMA_VERSION,
            **asdict(self),
            "page_url": f"{public_url.rstrip('/')}{self.page}" if self.page else "",
            "run_url": f"{ui_url.rstrip('/')}/runs/{self.run_id}" if self.run_id else "",
        }


def key_of(kind: str, *content: object) -> str:
    """Identity of an alert: its kind and JSON-able content, such as what opened its episode."""
    text = json.dumps([kind, *content], sort_keys=True, default=str)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """When something happened (ISO with zone), in which run, and as of which day of data (ISO date)."""

    at: str
    run_id: str = ""
    as_of: str | None = None

    def alert(
        self,
        kind: AlertKind,
        identity: Sequence[object],
        tone: Tone,
        title: str,
        text: str,
        action: str,
        *,
        details: Sequence[str] = (),
        channel: DefaultChannel = DefaultChannel.PUSH,
        page: str = "/monitoring",
        subject: str = "",
    ) -> Alert:
        """An alert about it; never change an `identity`: an alert is found again by it."""
        folded = tuple(_sendable(sentences([one])) for one in details)
        what = (kind, key_of(kind, *identity), tone, _sendable(title), _sendable(shortened(text)), _sendable(action))
        return Alert(*what, self.at, folded, channel, self.as_of, page, self.run_id, subject)


@dataclass(frozen=True, slots=True)
class Episode:
    """A problem that lasts without a break: what opened it, and which of its findings were reported."""

    since: str
    reported: tuple[str, ...] = ()


@dataclass(slots=True)
class Episodes:
    """The open episodes by subject, such as a check's name; kept in the sensor's cursor."""

    open: dict[str, Episode] = field(default_factory=dict)

    def observe(self, subject: str, found: Iterable[str], since: str) -> tuple[tuple[str, ...], str]:
        """Record what is wrong with a subject now; finding nothing ends its episode.

        `found` holds stable words, and `since` is what opens an episode if none is open.

        Returns:
            The findings that were not reported yet, and what opened the episode.
        """
        words = tuple(dict.fromkeys(found))
        if not words:
            self.open.pop(subject, None)
            return (), ""
        episode = self.open.get(subject) or Episode(since)
        fresh = tuple(word for word in words if word not in episode.reported)
        self.open[subject] = replace(episode, reported=(*episode.reported, *fresh))
        return fresh, episode.since

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {name: {"since": one.since, "told": list(one.reported)} for name, one in self.open.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Episodes:
        """Read what `to_dict` wrote."""
        return cls({name: Episode(one["since"], tuple(one["told"])) for name, one in document.items()})


def few(items: Sequence[str]) -> str:
    """The first items, and the number of the others."""
    rest = len(items) - MORE_ITEMS
    return ", ".join(items[:MORE_ITEMS]) + (f" and {rest} more" if rest > 0 else "")


def _sendable(text: str) -> str:
    r"""A text in UTF-8: errors may quote a file name that is not, whose bytes become escapes such as `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def shortened(text: str) -> str:
    """A text that no channel has to cut."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1].rsplit(" ", 1)[0] + " …"


def sentence(text: str) -> str:
    """A text with a capital first letter."""
    return f"{text[:1].upper()}{text[1:]}"


def sentences(texts: Iterable[str]) -> str:
    """Texts as sentences: capital first letter, a full stop each."""
    return " ".join(f"{sentence(text).rstrip('.')}." for text in texts if text)
