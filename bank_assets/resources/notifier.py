"""Sends the alerts of the log to the channels (apprise URLs: mail, Slack and more; `file:`; signed `webhooks:`).

Delivery is at least once: progress is stored after the channel confirms. A failing channel does not delay the others.
It is retried after 1, 2, 4 … 30 minutes, and an alert older than two days is dropped with an error in the log. URLs
contain secrets, so logs name a channel by its scheme and a digest, and apprise's own log, which names hosts, is off.
"""

import hashlib
import json
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from bank_assets.core.alerts.alert import AlertKind, Tone
from bank_assets.core.alerts.routing import SIGNED_SCHEMES, is_routed
from bank_assets.settings import Settings
from bank_assets.store.alert_log import CHANNELS, FILE_NAME, AlertLog, ChannelProgress, LoggedAlert, progress_of
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.locks import lock, locked_if_free
from bank_assets.store.standard_webhooks import SignatureError, signed

FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(minutes=30)
GIVE_UP_AFTER: Final = timedelta(days=2)
NEW_CHANNEL_LOOKS_BACK: Final = timedelta(days=1)
SEND_SECONDS: Final = 10.0
WEBHOOK_TYPES: Final[Mapping[str, str]] = {
    AlertKind.LIST_MADE: "list.made",
    AlertKind.LIST_CLOSED: "list.closed",
    AlertKind.PROMOTED: "champion.changed",
    AlertKind.OBJECTION: "objection.received",
}
logger = logging.getLogger("bank_assets.alerts")


class Channel:
    """One notification channel: a URL that apprise understands, `file:///path`, or `webhooks://host/path#secret`."""

    def __init__(self, url: str) -> None:
        self._url = url
        # The text before the first colon may be a secret token; show it only if it looks like a scheme.
        scheme = url.split(":", 1)[0]
        self.scheme = scheme if scheme.isalnum() and "://" in url else "channel"
        # A channel whose keys are rotated stays the same.
        address = url.split("#")[0] if self.scheme in SIGNED_SCHEMES else url
        self.name = f"{self.scheme}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"

    def send(self, alert: dict[str, Any]) -> str:
        """Send one alert as it stands in the log; returns what went wrong, without the address, or ""."""
        try:
            if self.scheme in SIGNED_SCHEMES:
                return self._to_webhook(alert)
            return self._to_file(alert) if self._url.startswith("file:") else self._to_service(alert)
        except urllib.error.HTTPError as error:
            return f"the receiver answered {error.code}"
        except SignatureError as error:  # quotes no secret
            return str(error)
        except Exception as error:  # a channel of any kind must not stop the others
            return type(error).__name__

    def _to_file(self, alert: dict[str, Any]) -> str:
        path = Path(unquote(urlsplit(self._url).path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            lock(stream)
            stream.write(json.dumps(alert).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        return ""

    def _to_webhook(self, alert: dict[str, Any]) -> str:
        address, *secrets = self._url.split("#")
        body = json.dumps(message_of(alert)).encode()
        headers = {"content-type": "application/json", **signed(secrets or [""], alert["key"], int(time.time()), body)}
        url = SIGNED_SCHEMES[self.scheme] + address.removeprefix(self.scheme)
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310  http and https alone
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SEND_SECONDS):
            return ""

    def _to_service(self, alert: dict[str, Any]) -> str:
        import apprise  # 0.3 s, and only where there is a channel

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        sender = apprise.Apprise()
        if not sender.add(self._url):
            return "the address is not one that apprise understands; see docs/alerts.md"
        kinds = {
            Tone.BAD: apprise.NotifyType.FAILURE,
            Tone.WATCH: apprise.NotifyType.WARNING,
            Tone.GOOD: apprise.NotifyType.SUCCESS,
        }
        sent = sender.notify(
            title=alert["title"],
            body=body_of(alert),
            notify_type=kinds.get(alert["tone"], apprise.NotifyType.INFO),
            body_format=apprise.NotifyFormat.TEXT,
            timeout=SEND_SECONDS,
        )
        return "" if sent else "the service did not accept the alert"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed message goes where it was meant to go; a redirect is an error."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def message_of(alert: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a webhook, in the form that Standard Webhooks recommends."""
    names = ("title", "text", "action", "tone", "as_of", "page_url")
    kind = str(alert["kind"])
    return {
        "type": WEBHOOK_TYPES.get(kind, f"alert.{kind}"),
        "timestamp": alert["at"],
        "data": {"key": alert["key"], "subject": alert.get("subject", ""), **{n: alert.get(n) for n in names}},
    }


def body_of(alert: dict[str, Any]) -> str:
    """The message below the title, as plain text with its links."""
    links = [
        f"{name}: {alert[field]}" for name, field in (("Report", "page_url"), ("Run", "run_url")) if alert.get(field)
    ]
    as_of = [f"Data up to {alert['as_of']}."] if alert.get("as_of") else []
    return "\n\n".join(part for part in (alert["text"], alert["action"], " ".join(as_of), "\n".join(links)) if part)


class Notifier:
    """The log of alerts of a deployment, and its channels."""

    def __init__(self, settings: Settings) -> None:
        self.log = AlertLog(settings.reports / FILE_NAME, settings.public_url, settings.ui_url)
        self._state = settings.home / CHANNELS  # how far each channel has come
        self._routes = settings.alert_routes

    def deliver(self, urls: Sequence[str], *, now: datetime, seconds: float = 30.0) -> dict[str, ChannelProgress]:
        """Send to every channel the alerts that it has not received, for about `seconds` at most.

        Returns the progress by channel name; empty while another process delivers.
        """
        found: dict[str, ChannelProgress] = {}
        with locked_if_free(self._state / ".lock") as is_mine:
            if not is_mine:
                return {}
            until = time.monotonic() + seconds
            for url in urls:
                channel = Channel(url)
                found[channel.name] = self._catch_up(channel, now, until)
        return found

    def _catch_up(self, channel: Channel, now: datetime, until: float) -> ChannelProgress:
        progress = self._progress(channel, now)
        if progress.retry_at and now < datetime.fromisoformat(progress.retry_at):
            return progress
        for place, alert in self.log.read(progress.offset):
            if time.monotonic() > until:
                break
            try:
                at = LoggedAlert.of(alert).at
            except msgspec.ValidationError as error:  # it must not hold back those after it
                logger.warning("channel %s: skipped an unreadable alert (%s)", channel.name, error)
                progress = replace(progress, offset=place)
                self._keep(channel, progress)
                continue
            is_pushed = is_routed(alert, self._routes, (channel.scheme, channel.name))
            problem = channel.send(alert) if is_pushed else ""
            if not problem:
                sent = progress.sent + is_pushed
                progress = replace(progress, offset=place, failures=0, retry_at=None, sent=sent, problem="")
            elif now - at > GIVE_UP_AFTER:
                logger.error("channel %s: dropped alert %s (%s)", channel.name, alert["key"], problem)
                progress = replace(progress, offset=place, retry_at=None, given_up=progress.given_up + 1)
            else:
                pause = min(FIRST_PAUSE * 2 ** min(progress.failures, 10), LONGEST_PAUSE)
                failures = progress.failures + 1
                logger.warning(
                    "channel %s: alert %s not sent (%s), try %d, again in %.0f minutes",
                    channel.name, alert["key"], problem, failures, pause / timedelta(minutes=1),
                )  # fmt: skip
                retry_at = (now + pause).isoformat()
                progress = replace(progress, failures=failures, retry_at=retry_at, problem=problem)
            self._keep(channel, progress)
            if progress.retry_at:
                break
        return progress

    def _path(self, channel: Channel) -> Path:
        return self._state / f"{channel.name}.json"

    def _keep(self, channel: Channel, progress: ChannelProgress) -> None:
        write_atomic(self._path(channel), json.dumps(asdict(progress)).encode())

    def _progress(self, channel: Channel, now: datetime) -> ChannelProgress:
        kept = progress_of(self._path(channel))
        if kept is not None:
            return kept
        # A new channel starts with the alerts of the last day, not with the whole history.
        start = 0
        for place, alert in self.log.read():
            with suppress(msgspec.ValidationError):
                if now - LoggedAlert.of(alert).at <= NEW_CHANNEL_LOOKS_BACK:
                    break
            start = place
        progress = ChannelProgress(offset=start)
        self._keep(channel, progress)
        return progress
