"""The log of alerts, `$BANK_HOME/reports/alerts.jsonl`: one JSON line each, append-only, one line per key.

The file is also the outbox: a channel that failed continues from the line where it stopped. A kernel lock keeps two
writers from mixing their lines, and is freed if its holder dies.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec

from bank_assets.core.alerts.alert import Alert, Tone
from bank_assets.store.home_json import UNREADABLE, read_derived, shown_json
from bank_assets.store.locks import lock

FILE_NAME: Final = "alerts.jsonl"
CHANNELS: Final = "alerts"  # folder of the home with the progress of each channel
LEVELS: Final = {Tone.BAD: logging.ERROR, Tone.WATCH: logging.WARNING}
logger = logging.getLogger("bank_assets.alerts")


class LoggedAlert(msgspec.Struct, frozen=True):
    """What every line must tell of an alert; earlier releases had other kinds, and no details."""

    kind: str
    key: str
    tone: str
    title: str
    text: str
    action: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    details: tuple[str, ...] = ()
    page: str = ""
    run_url: str = ""
    channel: str = ""

    def __post_init__(self) -> None:
        if not MINYEAR < self.at.year < MAXYEAR:
            raise ValueError("expected a time that every time zone has")

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> LoggedAlert:
        """Read a line's document; raise `msgspec.ValidationError` if something is missing."""
        return msgspec.convert(document, cls)


@dataclass(frozen=True, slots=True)
class ChannelProgress:
    """How far a channel has read the log of alerts.

    Attributes:
        offset: byte of the log at which the next alert begins.
        failures: failed attempts in a row.
        retry_at: earliest time of the next attempt, ISO.
        sent: alerts sent so far.
        given_up: alerts dropped because they were too old.
        problem: why the last attempt failed, without the address; "" if it did not.
    """

    offset: int = 0
    failures: int = 0
    retry_at: str | None = None
    sent: int = 0
    given_up: int = 0
    problem: str = ""


def channels_of(folder: Path) -> dict[str, ChannelProgress]:
    """The progress of each channel that alerts were delivered to, by its name, which holds no address."""
    found = {path.stem: progress_of(path) for path in sorted(folder.glob("*.json"))}
    return {name: progress for name, progress in found.items() if progress is not None}


def progress_of(path: Path) -> ChannelProgress | None:
    """The progress of one channel; None if it has none that can be read."""
    return read_derived(path, lambda found: msgspec.convert(found, ChannelProgress))


@dataclass(frozen=True, slots=True)
class AlertLog:
    """The alerts of one home; the file need not exist."""

    path: Path
    public_url: str  # base of links to the web app
    ui_url: str  # base of links to runs

    def append(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Write the alerts whose keys are new, and return those; they are on disk when this returns.

        Raises `OSError` if the disk is full or not writable; nothing of the failed line counts, so the caller can
        retry.
        """
        wanted = {alert.key: alert for alert in alerts}
        if not wanted:
            return []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as stream:
            lock(stream)
            stream.seek(0)
            known = {str(document.get("key")) for _, document in _lines(stream)}
            fresh = [alert for key, alert in wanted.items() if key not in known]
            if fresh:
                text = "".join(json.dumps(alert.to_dict(self.public_url, self.ui_url)) + "\n" for alert in fresh)
                if stream.seek(0, os.SEEK_END):
                    stream.seek(-1, os.SEEK_END)
                    if stream.read(1) != b"\n":  # its writer died; the torn line must not spoil the next one
                        text = "\n" + text
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
        for alert in fresh:
            logger.log(LEVELS.get(alert.tone, logging.INFO), "%s: %s %s", alert.title, alert.text, alert.action)
        return fresh

    def read(self, offset: int = 0) -> list[tuple[int, dict[str, Any]]]:
        """Alerts from the line that begins at a byte offset: the offset after each line and its document.

        Incomplete lines and lines that are not JSON are skipped.
        """
        try:
            with self.path.open("rb") as stream:
                stream.seek(offset)
                return list(_lines(stream))
        except FileNotFoundError:
            return []

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def _lines(stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    place = stream.tell()
    for line in stream:
        place += len(line)
        if not line.endswith(b"\n"):
            return  # being written, or torn by a crash; the next writer completes it
        with suppress(*UNREADABLE):
            yield place, msgspec.convert(shown_json(line), dict[str, Any])
