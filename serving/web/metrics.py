"""Prometheus metrics of the web app."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# Set at each scrape.
GAUGES: Final = {
    "decisions_recorded": "Decisions put on record by this process.",
    "ledger_transactions": "Group commits by this process.",
    "decisions_waiting": "Decisions waiting for their commit.",
    "is_ready": "1 if the app can decide.",
    "is_registry_reachable": "1 if the last look at the registry worked.",
    "champion_swaps": "Champions swapped in since the start.",
}


class Metrics:
    """Instruments of one app; each app has its own registry, so tests do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "bank_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "bank_http_request_seconds",
            "Time to answer, s.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._gauges = {name: Gauge(f"bank_{name}", text, registry=self.registry) for name, text in GAUGES.items()}
        self.champion = Gauge(
            "bank_champion_version", "1 for the champion.", ["version", "digest"], registry=self.registry
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (method, route, status)
        children = self._known.get(key)
        if children is None:
            children = (self._requests.labels(method, route, str(status)), self._seconds.labels(method, route))
            self._known[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def set(self, **values: float) -> None:
        """Set gauges by name."""
        for name, value in values.items():
            self._gauges[name].set(value)

    def render(self) -> bytes:
        """The text form for a scrape."""
        return generate_latest(self.registry)
