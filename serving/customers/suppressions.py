"""The suppression list in memory: who must not be called.

`read` queries the ledger; uploads, plans and call lists use it. `current` is the list as read last, because a query
would cost a single prediction more than its model. An objection taken by this process holds at once, one taken by
another process within `BANK_POLL_SECONDS`. Single predictions are refused when the list cannot be read.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.ledger import campaigns
from bank_assets.ledger.persons import objections_of
from serving.web.problems import LedgerUnavailableError

logger = logging.getLogger(__name__)

# A list is used until so many reads were missed, and at least this long: a database that fails over takes a while.
MISSED_READS: Final = 3
SHORTEST_LIFE_SECONDS: Final = 30.0


class Suppressions:
    """The suppression list of one app process."""

    def __init__(self, engine: Engine, poll_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._life_seconds = max(SHORTEST_LIFE_SECONDS, MISSED_READS * poll_seconds)
        self._clock = clock
        self._lock = threading.Lock()
        self._list = SuppressionList()
        self._edition: campaigns.Edition | None = None
        self._usable_until = float("-inf")

    @property
    def current(self) -> SuppressionList:
        """The list as read last.

        Raises:
            LedgerUnavailableError: that was too long ago, or never.
        """
        if self._clock() > self._usable_until:
            raise LedgerUnavailableError(
                f"suppression list: expected it to be read within the last {self._life_seconds:g} s, found that the "
                "ledger cannot be read; nobody who objected may be called, so nothing was decided. Try again soon."
            )
        return self._list

    def read(self) -> SuppressionList:
        """The list as the ledger has it now; call it in a thread."""
        with self._lock:
            read_at, edition = self._clock(), campaigns.suppressions_edition(self._engine)
            if edition != self._edition:
                self._list = SuppressionList.of(campaigns.suppressed(self._engine))
                # Read before the list: a person added in between is read twice, but never missed.
                self._edition = edition
            self._usable_until = read_at + self._life_seconds
            return self._list

    def add(self, customer_ids: Iterable[str], *, reason: str, actor: str) -> int:
        """Put people on the list; when it returns, no decision of this process calls them. Call it in a thread."""
        listed = self.read()
        wanted = sorted(one for one in customer_ids if not listed.covers(one))
        n_new = campaigns.suppress(self._engine, wanted, reason=reason, actor=actor) if wanted else 0
        self.read()
        return n_new

    def remove(self, customer_id: str, *, reason: str, actor: str) -> bool:
        """Take a person off the list, under every spelling; returns whether they were on it. Call it in a thread."""
        on_list = objections_of(self._engine, [customer_id])
        for one in on_list:
            campaigns.unsuppress(self._engine, one.customer_id, reason=reason, actor=actor)
        self.read()
        return bool(on_list)

    async def keep_current(self) -> None:
        """Read the list again and again until cancelled; a list that cannot be read is logged once."""
        is_failing = False
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await asyncio.to_thread(self.read)
                is_failing = False
            except SQLAlchemyError as error:
                if not is_failing:
                    logger.warning("suppression list not read", extra={"error": type(error).__name__})
                is_failing = True
