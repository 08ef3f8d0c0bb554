"""A client that keeps requesting predictions and records when another model or state answers.

It uses the standard library only, so that it measures the app and not itself.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

TIMEOUT_SECONDS: Final = 10.0
KEPT_FAILURES: Final = 20

CUSTOMER: Final[dict[str, Any]] = {
    "age": 41,
    "job": "management",
    "marital": "married",
    "education": "tertiary",
    "default": "no",
    "balance": 1200,
    "housing": "no",
    "loan": "no",
    "contact": "cellular",
    "campaign": 1,
    "pdays": -1,
    "previous": 0,
    "poutcome": "unknown",
}
"""A made-up customer without contact_id, so that performance does not count these decisions."""


@dataclass(frozen=True, slots=True)
class Change:
    """The first answer of another model version or as-of state (`as_of`, ISO), at `at` seconds since the epoch."""

    at: float
    version: str
    as_of: str


@dataclass(slots=True)
class AskingClient:
    """Requests a prediction several times a second until stopped.

    Attributes:
        failures: answers other than 201, and requests without an answer.
        reasons: the first failures, for people.
        changes: versions and states in the order in which they answered.
    """

    port: int
    per_second: float = 5.0
    requests: int = 0
    failures: int = 0
    reasons: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    contact_date: str | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send requests."""
        self._thread = threading.Thread(target=self._run, name="demo-client", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending requests; returns after the last answer."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_SECONDS + 1.0)

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        due = time.monotonic()
        while not self._stopping.is_set():
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
            try:
                self._ask(connection)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self._failed(f"{type(error).__name__}: {error}")
                connection.close()
                connection = None
            due = max(due + 1.0 / self.per_second, time.monotonic() - 1.0)  # no burst after a slow answer
            self._stopping.wait(max(0.0, due - time.monotonic()))
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        customer = CUSTOMER | ({"contact_date": self.contact_date} if self.contact_date else {})
        self.requests += 1
        connection.request(
            "POST", "/api/v1/predictions", json.dumps(customer).encode(), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.CREATED:
            self._failed(f"status {response.status}: {body[:200]!r}")
            return
        answer = json.loads(body)
        version, as_of = str(answer["model"]["version"]), str(answer["as_of"])
        last = self.changes[-1] if self.changes else None
        if last is None or (last.version, last.as_of) != (version, as_of):
            self.changes.append(Change(time.time(), version, as_of))

    def _failed(self, reason: str) -> None:
        self.failures += 1
        if len(self.reasons) < KEPT_FAILURES:
            self.reasons.append(reason)
