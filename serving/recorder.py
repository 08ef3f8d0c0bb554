"""The recorder: every decision is on disk before its answer leaves, many requests per transaction.

What lives here: the queue of decisions that wait for their commit, the one writer thread, back-pressure.
What must not: scoring, HTTP. Called by `services.deciding` and `services.batches`.

Group commit: while one transaction is being written (a few ms, most of it waiting for the disk), arrivals collect;
when it is done, all of them go into the next. So throughput grows with load while latency stays near two commits.

A decision counts as promised only when `record` returns. When the writer cannot commit, every waiting caller gets an
error and nothing is acknowledged; when too many wait, new ones are refused at once, which is kinder than a timeout.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bank_assets.ledger import decisions
from serving.errors import LedgerUnavailableError, RecorderBusyError

logger = logging.getLogger(__name__)

GROUP_ROWS: Final = 512
"""Most single decisions of one transaction: bounds the wait of the last one in it."""


CANNOT_WRITE: Final = (
    "ledger: expected to put the decision on record before answering, found that it cannot be written; nothing was "
    "acknowledged, try again in a moment."
)

Done = Callable[[Exception | None], None]
"""Called in the event loop: with None once the decisions are on disk, else with what to tell the client."""


@dataclass(slots=True)
class _Waiting:
    drafts: Sequence[decisions.Draft]
    done: Done


class Recorder:
    """Appends decisions to the ledger for one event loop."""

    def __init__(self, engine: Engine, *, max_waiting: int) -> None:
        """Prepare; `start` begins.

        Args:
            engine: an open ledger.
            max_waiting: decisions that may wait before new ones are refused.
        """
        self._engine = engine
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._n_waiting = 0
        self._is_writing = False
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._jobs: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
        self.groups = 0
        self.recorded = 0

    @property
    def n_waiting(self) -> int:
        """Decisions that wait for their commit."""
        return self._n_waiting

    def start(self) -> None:
        """Begin; call it inside the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def check(self, n: int = 1) -> None:
        """Refuse work that could not be recorded soon.

        Raises:
            RecorderBusyError: too many decisions wait, or the app is stopping.
        """
        if self._is_closed:
            raise RecorderBusyError("recorder: the app is stopping; send the request again, another process answers.")
        if self._n_waiting + n > self._max_waiting + decisions.MAX_APPEND * (n > 1):
            raise RecorderBusyError(
                f"recorder: expected at most {self._max_waiting} decisions waiting for their "
                f"commit, found {self._n_waiting}; nothing was recorded, try again in a moment."
            )

    def submit(self, drafts: Sequence[decisions.Draft], done: Done) -> None:
        """Queue decisions for their commit. Call it in the event loop.

        Args:
            drafts: 1 to `decisions.MAX_APPEND` decisions, kept together.
            done: told when they are on disk, or why they are not.
        """
        self._waiting.append(_Waiting(drafts, done))
        self._n_waiting += len(drafts)
        self._pump()

    async def record(self, drafts: Sequence[decisions.Draft]) -> None:
        """Put decisions on record; returns once they are on disk.

        Args:
            drafts: 1 to `decisions.MAX_APPEND` decisions, kept together.

        Raises:
            RecorderBusyError: too many wait; nothing was recorded.
            LedgerUnavailableError: the ledger cannot be written; nothing may be acknowledged.
        """
        self.check(len(drafts))
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if on_disk.done():
                return  # the client hung up; the decision is on record all the same
            if error is None:
                on_disk.set_result(None)
            else:
                on_disk.set_exception(error)

        self.submit(drafts, done)
        await on_disk

    def _pump(self) -> None:
        """Hand the next group to the writer if it is free. Runs in the event loop only."""
        if self._is_writing or not self._waiting:
            return
        group = [self._waiting.popleft()]
        rows = len(group[0].drafts)
        while self._waiting and rows + len(self._waiting[0].drafts) <= GROUP_ROWS:
            group.append(self._waiting.popleft())
            rows += len(group[-1].drafts)
        self._is_writing = True
        self._idle.clear()
        self._jobs.put(group)

    def _write_all(self) -> None:
        """The writer thread: one transaction per group."""
        assert self._loop is not None
        while (group := self._jobs.get()) is not None:
            error: Exception | None = None
            try:
                decisions.append(self._engine, [draft for item in group for draft in item.drafts])
            except Exception as caught:
                # Whatever it was, the callers must hear of it and the writer must live on.
                error = caught
            try:
                self._loop.call_soon_threadsafe(self._finish, group, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits for an answer any more

    def _finish(self, group: list[_Waiting], error: Exception | None) -> None:
        rows = sum(len(item.drafts) for item in group)
        self._n_waiting -= rows
        self._is_writing = False
        if error is None:
            self.groups += 1
            self.recorded += rows
        else:
            known = isinstance(error, SQLAlchemyError)
            logger.error(
                "ledger cannot be written",
                extra={"error": type(error).__name__, "decisions": rows},
                exc_info=None if known else error,
            )
        told = None if error is None else LedgerUnavailableError(CANNOT_WRITE)
        for item in group:
            item.done(told)
        self._pump()
        if not self._is_writing:
            self._idle.set()

    async def close(self) -> None:
        """Write what was accepted, then stop."""
        self._is_closed = True
        if self._loop is None:
            return
        await self._idle.wait()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, 5.0)
