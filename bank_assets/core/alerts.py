"""What people are told: the kinds of alerts, one alert as a value, and when the same thing is told again.

What lives here: `AlertKind`, `Alert` with its JSON form, content-derived keys, `Episodes`.
What must not: words (`core.operation_alerts`, `core.model_alerts`), reading what happened (`alert_sensors`),
sending (`resources.notifier`).
Called by the alert sensors, the notifier and the web app.

An alert is told once per episode. Its key comes from its content, never from a clock: whoever looks at the same record
twice, after a crash or from two processes, derives the same key, and the second is dropped. An episode begins with what
opened it (a run, a delivery, a day of data) and that beginning is in the key, so what comes back after it had ended is
told anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from bank_assets.contract.uci import UCI

ALERT_SCHEMA_VERSION: Final = 1
KEY_DIGITS: Final = 20


class AlertKind(StrEnum):
    """What an alert is about."""

    RUN_FAILED = "run_failed"
    GATE_FAILED = "gate_failed"
    ROWS_REJECTED = "rows_rejected"
    DRIFT = "drift"
    DECAY = "decay"
    """Both were written by earlier versions, from monthly statistics that nothing acted on; old lines stay readable."""
    RECALIBRATED = "recalibrated"
    PROMOTED = "promoted"
    REFUSED = "refused"
    RESPONSE = "response"
    SENSOR_FAILING = "sensor_failing"
    NOTHING_ARRIVED = "nothing_arrived"
    NIGHTLY_DIGEST = "nightly_digest"


class Tone(StrEnum):
    """How urgent it is."""

    BAD = "bad"
    """Something does not work until somebody acts."""
    WATCH = "watch"
    """Worth a look; the platform goes on by itself."""
    GOOD = "good"
    """Something was done, and nothing is left to do."""
    PLAIN = "plain"
    """For information."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that people are told.

    Attributes:
        kind: what it is about.
        key: identity of the thing told, from its content; the same key is told once.
        tone: how urgent.
        title: what is the case, in a few words.
        text: what happened, with the numbers, as sentences. No customer's values.
        action: what to do, as a sentence; "nothing" is an answer too.
        at: when it happened, ISO with zone.
        as_of: data time it rests on, ISO date, or None.
        page: path of the report or page in the web app, or "".
        run_id: Dagster run, or "".
    """

    kind: AlertKind
    key: str
    tone: Tone
    title: str
    text: str
    action: str
    at: str
    as_of: str | None = None
    page: str = ""
    run_id: str = ""

    def to_dict(self, public_url: str, ui_url: str) -> dict[str, Any]:
        """JSON-ready form with whole addresses.

        Args:
            public_url: where the web app is reached.
            ui_url: where Dagster's web server is reached.
        """
        return {
            "schema_version": ALERT_SCHEMA_VERSION,
            **{name: str(value) if isinstance(value, StrEnum) else value for name, value in asdict(self).items()},
            "page_url": f"{public_url.rstrip('/')}{self.page}" if self.page else "",
            "run_url": f"{ui_url.rstrip('/')}/runs/{self.run_id}" if self.run_id else "",
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Alert:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: another schema version, or an unknown kind or tone.
        """
        version = document.get("schema_version")
        if version != ALERT_SCHEMA_VERSION:
            raise ValueError(f"alert: expected schema_version {ALERT_SCHEMA_VERSION}, found {version!r}.")
        fields = {name: document[name] for name in cls.__slots__}
        return cls(**fields | {"kind": AlertKind(fields["kind"]), "tone": Tone(fields["tone"])})


def key_of(kind: AlertKind, *content: object) -> str:
    """Identity of what is told.

    Args:
        kind: what it is about.
        content: what makes it this very thing, such as the beginning of its episode; anything JSON can hold.
    """
    text = json.dumps([str(kind), *content], sort_keys=True, default=str)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Episode:
    """Something that is the case without a break.

    Attributes:
        since: what opened it; part of the key of each of its alerts.
        told: what people know of it already.
    """

    since: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Episodes:
    """The open episodes by subject; kept in the sensor's cursor.

    Attributes:
        open: episode by subject, such as `drift` or a check's name.
    """

    open: Mapping[str, Episode] = field(default_factory=dict)

    def observe(self, subject: str, found: Iterable[str], since: str) -> tuple[Episodes, tuple[str, ...], str]:
        """Note what is the case with a subject now.

        Args:
            subject: what is observed.
            found: what is wrong with it, as stable words; nothing ends the episode.
            since: what opens an episode, if this does.

        Returns:
            The episodes afterwards, what is new in this episode and thus to be told, and what opened it.
        """
        words = tuple(dict.fromkeys(found))
        if not words:
            return Episodes({name: one for name, one in self.open.items() if name != subject}), (), ""
        episode = self.open.get(subject) or Episode(since)
        fresh = tuple(word for word in words if word not in episode.told)
        told = replace(episode, told=(*episode.told, *fresh))
        return Episodes({**self.open, subject: told}), fresh, episode.since

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {name: {"since": one.since, "told": list(one.told)} for name, one in self.open.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Episodes:
        """Read what `to_dict` wrote."""
        return cls({name: Episode(one["since"], tuple(one["told"])) for name, one in document.items()})


LONGEST_TEXT: Final = 900
"""Characters of a text; a channel may cut a longer one in the middle of a word."""
MORE_ITEMS: Final = 5


def few(items: Sequence[str], sign: str = ", ") -> str:
    """The first items, and how many more there are."""
    rest = len(items) - MORE_ITEMS
    return sign.join(items[:MORE_ITEMS]) + (f" and {rest} more" if rest > 0 else "")


def shortened(text: str) -> str:
    """A text that no channel has to cut."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1].rsplit(" ", 1)[0] + " …"


def sentence(text: str) -> str:
    """A text that begins as a sentence; one that begins with a column's name says that it is one."""
    if text.split(" ", 1)[0] in UCI.by_source:
        return f"The column {text}"
    return f"{text[:1].upper()}{text[1:]}"


def sentences(texts: Sequence[str]) -> str:
    """Texts as sentences: capital first letter, a full stop each."""
    return " ".join(f"{sentence(text).rstrip('.')}." for text in texts if text)
