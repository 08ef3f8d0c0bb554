"""Makes call lists on the app's pages, as a person without scripts does: upload, look at the plan, make, download."""

from __future__ import annotations

import csv
import http.client
import io
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from bank_assets.contract.values import plain_identifier
from bank_assets.core.economics.call_plan import EXPLORATION
from bank_assets.demo.processes import LOOPBACK, DemoError

TIMEOUT_SECONDS: Final = 120.0
MAKE: Final = "/campaign/lists"


@dataclass(frozen=True, slots=True)
class MadeList:
    """A call list on record, and the contacts that its downloaded files name: those to call with their days, ISO."""

    id: str
    name: str
    called: dict[str, str]
    explored: frozenset[str]
    held_out: frozenset[str]


@dataclass
class CampaignPages:
    """A person at the campaign pages of the app on a loopback port."""

    port: int
    _opener: OpenerDirector = field(default_factory=lambda: build_opener(HTTPCookieProcessor()))

    def make_list(self, name: str, content: bytes, holdout_pct: float) -> MadeList:
        """Upload customers, plan them with a hold-out group, make the list of the shown plan and download it.

        Raises:
            DemoError: a page did not answer as expected.
        """
        token = self._form("/campaign", "/campaign/upload")["_csrf_token"]
        at, _ = self._send("/campaign/upload", *_multipart({"_csrf_token": token}, name, content))
        chosen = {"list": parse_qs(urlsplit(at).query)["list"][0], "holdout_pct": f"{holdout_pct:g}"}
        form = urlencode(self._form(f"/campaign?{urlencode(chosen)}", MAKE))
        at, _ = self._send(MAKE, form.encode(), "application/x-www-form-urlencoded")
        path = urlsplit(at).path
        calls = self._rows(f"{path}/calls.csv")
        called = {row["contact_id"]: row["contact_date"] for row in calls}
        explored = frozenset(row["contact_id"] for row in calls if row["reason"] == EXPLORATION)
        held_out = frozenset(row["contact_id"] for row in self._rows(f"{path}/holdout.csv"))
        return MadeList(path.removeprefix(f"{MAKE}/"), name, called, explored, held_out)

    def url(self, made: MadeList) -> str:
        """Address of a list's page."""
        return f"http://{LOOPBACK}:{self.port}{MAKE}/{made.id}"

    def read_out(self, made: MadeList) -> dict[str, Any]:
        """What a list came to, with its name and address, from the API; its page shows the same."""
        found = json.loads(self._send(f"/api/v1/lists/{made.id}/read-out")[1])
        return {"name": made.name, "url": self.url(made), **found}

    def _form(self, path: str, action: str) -> dict[str, str]:
        """The hidden fields of a form on a page."""
        form = _HiddenFields(action)
        form.feed(self._send(path)[1].decode())
        if not form.values:
            raise DemoError(f"{path}: expected a form for {action}, found none; see the page.")
        return form.values

    def _rows(self, path: str) -> list[dict[str, str]]:
        rows = list(csv.DictReader(io.StringIO(self._send(path)[1].decode(), newline="")))
        for row in rows:
            row["contact_id"] = plain_identifier(row["contact_id"])
        return rows

    def _send(self, path: str, body: bytes | None = None, kind: str = "") -> tuple[str, bytes]:
        """The address of the page that answers, after redirects, and its content."""
        headers = {"Accept": "text/html", **({"Content-Type": kind} if body is not None else {})}
        try:
            url, status, content = self._answered(path, body, headers)
        except (HTTPException, OSError) as error:
            raise DemoError(f"the app: expected a page at {path}, found {type(error).__name__}: {error}") from error
        if status >= http.client.BAD_REQUEST:
            found = f"status {status}: {content[:300].decode(errors='replace')}"
            raise DemoError(f"the app: expected a page at {path}, found {found}")
        return url, content

    def _answered(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[str, int, bytes]:
        request = Request(f"http://{LOOPBACK}:{self.port}{path}", body, dict(headers))
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.url, answer.status, answer.read()
        except HTTPError as refused:
            return refused.url, refused.code, refused.read()


class _HiddenFields(HTMLParser):
    """The hidden fields of the form with an action."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self._action, self._is_inside = action, False
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Mapping[str, Any] = dict(attrs)
        if tag == "form":
            self._is_inside = given.get("action") == self._action
        elif tag == "input" and self._is_inside and given.get("type") == "hidden":
            self.values[given["name"]] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "form"


def _multipart(fields: Mapping[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    """Body and content type of a form with a file."""
    boundary = uuid.uuid4().hex
    parts = [f'name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()]
    parts.append(f'name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'.encode() + content + b"\r\n")
    lines = [f"--{boundary}\r\nContent-Disposition: form-data; ".encode() + part for part in parts]
    return b"".join(lines) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
