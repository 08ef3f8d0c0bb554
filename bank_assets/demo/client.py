"""A client that keeps requesting predictions and records when another model or state answers.

It uses the standard library only, so that it measures the app and not itself.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TIMEOUT_SECONDS: Final = 10.0
KEPT_FAILURES: Final = 20


@dataclass(frozen=True, slots=True)
class Change:
    """The first answer of another model version or as-of state (`as_of`, ISO), at `at` seconds since the epoch."""

    at: float
    version: str
    as_of: str


@dataclass
class AskingClient:
    """Requests a prediction several times a second until stopped.

    Attributes:
        customer: the request; without a contact_id, so that performance does not count these decisions.
        failures: answers other than 201, and requests without an answer.
        reasons: the first failures, for people.
        changes: versions and states in the order in which they answered.
    """

    port: int
    customer: Mapping[str, Any]
    per_second: float = 5.0
    requests: int = 0
    failures: int = 0
    reasons: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    contact_date: str | None = None

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-client", daemon=True)

    def start(self) -> None:
        """Begin to send requests."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sending requests; returns after the last answer."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_SECONDS + 1.0)

    def _run(self) -> None:
        # The connection opens itself again after it was closed.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        due = time.monotonic()
        while not self._stopping.is_set():
            try:
                self._ask(connection)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self._failed(f"{type(error).__name__}: {error}")
                connection.close()
            due = max(due + 1.0 / self.per_second, time.monotonic() - 1.0)  # no burst after a slow answer
            self._stopping.wait(max(0.0, due - time.monotonic()))
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        customer = {**self.customer, **({"contact_date": self.contact_date} if self.contact_date else {})}
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
        found = Change(time.time(), str(answer["model"]["version"]), str(answer["as_of"]))
        if [(one.version, one.as_of) for one in self.changes[-1:]] != [(found.version, found.as_of)]:
            self.changes.append(found)

    def _failed(self, reason: str) -> None:
        self.failures += 1
        if len(self.reasons) < KEPT_FAILURES:
            self.reasons.append(reason)
