"""The suppression list as the app holds it: who must not be called, at every door.

What lives here: the list in memory and when it is read again. What must not: HTTP, SQL, what follows for a decision.
Read by `decisions.deciding`, `decisions.batches`, the predict page, plans and call lists; written by the campaign page.

Two ways to read it. `read` looks into the ledger first, which costs nothing beside an upload, a plan or a list.
`current` is what was read last, since a query would cost a single prediction more than its model. So an objection that
this process takes holds from the moment it is acknowledged, and one that another process takes holds within
`BANK_POLL_SECONDS`. If the list cannot be read again, single predictions are refused rather than answered by an old
list: then the ledger could hardly have recorded them either.
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
from serving.web.problems import LedgerUnavailableError

logger = logging.getLogger(__name__)

MISSED_READS: Final = 3
SHORTEST_LIFE_SECONDS: Final = 30.0
"""A list is used until so many reads were missed, and at least this long: a database that fails over takes a while."""


class Suppressions:
    """The suppression list of one app process."""

    def __init__(self, engine: Engine, poll_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare; nothing is read yet.

        Args:
            engine: the ledger.
            poll_seconds: pause between the reads of `keep_current`.
            clock: seconds that only grow.
        """
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
        """The list as the ledger has it now; call it in a thread.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the ledger cannot be read.
        """
        with self._lock:
            read_at, edition = self._clock(), campaigns.suppressions_edition(self._engine)
            if edition != self._edition:
                self._list = SuppressionList.of(campaigns.suppressed(self._engine))
                # Taken before the list: whoever was added in between is read twice, and never missed.
                self._edition = edition
            self._usable_until = read_at + self._life_seconds
            return self._list

    def add(self, contact_ids: Iterable[str], *, reason: str, actor: str) -> int:
        """Put contacts on the list; when it returns, no decision of this process calls them. Call it in a thread.

        Returns:
            How many are new.
        """
        n_new = campaigns.suppress(self._engine, sorted(contact_ids), reason=reason, actor=actor)
        self.read()
        return n_new

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
