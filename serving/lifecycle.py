"""Stopping without a failed request: report "not ready" first, keep answering, then stop.

A load balancer notices only at its next health check that a process is leaving. With `BANK_DRAIN_SECONDS` longer than
the check's interval times its failure count, no request reaches a closed port: 0 failed requests in
bank_assets_tests/deploy/test_rolling.py.
"""

from __future__ import annotations

import logging
import signal
import time
from dataclasses import dataclass
from types import FrameType

import uvicorn

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Lifecycle:
    """Whether this process still wants requests."""

    is_draining: bool = False


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which on SIGTERM first lets the proxy look elsewhere."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_seconds: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first SIGTERM begins to drain; a second one, or Ctrl-C, stops without waiting."""
        if sig == signal.SIGTERM and self.started and self._drain_seconds > 0 and self._stop_at is None:
            self._lifecycle.is_draining = True
            self._stop_at = time.monotonic() + self._drain_seconds
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second; ends its loop when the time is over."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at and not self.should_exit:
            logger.info("drained", extra={"seconds": self._drain_seconds})
            self.should_exit = True
        return await super().on_tick(counter)
