"""One alert as a value, and when the same alert is sent again. The kinds of alerts are in `core.alerts.catalogue`.

An alert is sent once per episode. Its key comes from its content, never from a clock: two looks at the same record,
after a crash or from two processes, derive the same key, and the second alert is dropped. The key contains what opened
the episode (a run, a delivery, a day of data), so the same problem is reported again if it returns after its end.
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
LONGEST_TEXT: Final = 900
"""Characters of a text; a channel may cut a longer one in the middle of a word."""
MORE_ITEMS: Final = 5


class Tone(StrEnum):
    """How urgent an alert is."""

    BAD = "bad"
    """Something does not work until somebody acts."""
    WATCH = "watch"
    """Worth a look; the platform goes on by itself."""
    GOOD = "good"
    """Something was done, and nothing is left to do."""
    PLAIN = "plain"
    """For information."""


class DefaultChannel(StrEnum):
    """Where an alert goes besides the log and the pages."""

    PUSH = "push"
    """To every address of `BANK_ALERT_URLS`."""
    PAGES = "pages"
    """Nowhere else: nobody has to be interrupted for it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that people are told.

    Attributes:
        kind: what it is about.
        key: identity, from its content; an alert with a known key is not sent again.
        tone: how urgent it is.
        title: what is the case, in a few words.
        text: what happened and what it means in money, as sentences. No customer's values.
        action: what to do, as a sentence; "nothing" is an answer too.
        at: when it happened, ISO with zone.
        details: sentences for those who ask further, such as the checks that held.
        channel: where it goes besides the log and the pages.
        as_of: data time it rests on, ISO date, or None.
        page: path of the report or page in the web app, or "".
        run_id: Dagster run, or "".
    """

    kind: str
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

    def to_dict(self, public_url: str, ui_url: str) -> dict[str, Any]:
        """JSON-ready form; the two base addresses complete the links to the web app and to Dagster."""
        return {
            "schema_version": ALERT_SCHEMA_VERSION,
            **asdict(self),
            "page_url": f"{public_url.rstrip('/')}{self.page}" if self.page else "",
            "run_url": f"{ui_url.rstrip('/')}/runs/{self.run_id}" if self.run_id else "",
        }


def key_of(kind: str, *content: object) -> str:
    """Identity of an alert: its kind and what distinguishes it, such as the beginning of its episode; JSON-able."""
    text = json.dumps([kind, *content], sort_keys=True, default=str)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Episode:
    """A problem that lasts without a break.

    Attributes:
        since: what opened it; part of the key of each of its alerts.
        reported: what was reported already.
    """

    since: str
    reported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Episodes:
    """The open episodes by subject, such as a check's name; kept in the sensor's cursor."""

    open: Mapping[str, Episode] = field(default_factory=dict)

    def observe(self, subject: str, found: Iterable[str], since: str) -> tuple[Episodes, tuple[str, ...], str]:
        """Note what is wrong with a subject now.

        Args:
            subject: what is observed.
            found: what is wrong with it, as stable words; nothing ends the episode.
            since: what opens an episode, if this does.

        Returns:
            The episodes afterwards, what is new in this episode and thus to be reported, and what opened it.
        """
        words = tuple(dict.fromkeys(found))
        if not words:
            return Episodes({name: one for name, one in self.open.items() if name != subject}), (), ""
        episode = self.open.get(subject) or Episode(since)
        fresh = tuple(word for word in words if word not in episode.reported)
        reported = replace(episode, reported=(*episode.reported, *fresh))
        return Episodes({**self.open, subject: reported}), fresh, episode.since

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {name: {"since": one.since, "told": list(one.reported)} for name, one in self.open.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Episodes:
        """Read what `to_dict` wrote."""
        return cls({name: Episode(one["since"], tuple(one["told"])) for name, one in document.items()})


def few(items: Sequence[str]) -> str:
    """The first items, and how many more there are."""
    rest = len(items) - MORE_ITEMS
    return ", ".join(items[:MORE_ITEMS]) + (f" and {rest} more" if rest > 0 else "")


def shortened(text: str) -> str:
    """A text that no channel has to cut."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1].rsplit(" ", 1)[0] + " …"


def sentence(text: str) -> str:
    """A text with a capital first letter."""
    return f"{text[:1].upper()}{text[1:]}"


def sentences(texts: Iterable[str]) -> str:
    """Texts as sentences: capital first letter, a full stop each."""
    return " ".join(f"{sentence(text).rstrip('.')}." for text in texts if text)
