"""The recorder: every decision is on disk before its answer leaves, many requests per transaction.

While the writer commits one transaction (a few ms), arrivals collect in its socket; all of them go into the next one.
Throughput grows with load while latency stays near two commits. When the writer fails or dies, every waiting caller
gets an error and the writer is replaced; when too many wait, new requests are refused at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Engine

from bank_assets.ledger import decisions
from bank_assets.ledger.records import Draft
from serving.decisions.ledger_writer import Frames, Written, frame, group_frame
from serving.web.futures import settle
from serving.web.problems import LedgerUnavailableError, RecorderBusyError

logger = logging.getLogger(__name__)

# Wait before a dead writer is replaced, after the first death and at most; it doubles until one has written.
RESTART_SECONDS: Final = (0.1, 5.0)
STOP_SECONDS: Final = 5.0

CANNOT_WRITE: Final = (
    "ledger: expected to put the decision on record before answering, found that it cannot be written; nothing was "
    "acknowledged, try again in a moment."
)

# Called in the event loop: with None once the decisions are on disk, else with the error for the client.
Done = Callable[[Exception | None], None]


@dataclass(slots=True)
class _Group:
    n: int
    message: bytes
    done: Done


class _Line(asyncio.Protocol):
    """One connection to one writer process."""

    def __init__(self, written: Callable[[Written], None], lost: Callable[[], None]) -> None:
        self._written = written
        self._lost = lost
        self._frames = Frames()
        self._decode = msgspec.msgpack.Decoder(Written).decode

    def data_received(self, data: bytes) -> None:
        """Pass on the messages of the writer."""
        for message in self._frames.feed(data):
            self._written(self._decode(message))

    def connection_lost(self, _exc: Exception | None) -> None:
        """The writer is gone."""
        self._lost()


class Recorder:
    """Appends decisions to the ledger for one event loop."""

    def __init__(self, engine: Engine, *, max_waiting: int) -> None:
        self._url = engine.url.render_as_string(hide_password=False)
        self._max_waiting = max_waiting
        self._sent: deque[_Group] = deque()
        self._unsent: deque[_Group] = deque()
        self.n_waiting = 0  # decisions that wait for their commit
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._restart_seconds = RESTART_SECONDS[0]
        self._opening: asyncio.Task[None] | None = None
        self.groups = 0
        self.recorded = 0

    @property
    def writer_pid(self) -> int | None:
        """Process id of the writer, None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Begin; call it inside the running event loop. Decisions may be submitted before the writer is up."""
        self._opening = asyncio.get_running_loop().create_task(self._open(0.0))

    async def _open(self, seconds: float) -> None:
        """Start a writer after some seconds, again until one starts, and send it what waits."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(seconds)
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    self._process = await asyncio.to_thread(_writer, theirs)
            except OSError as error:  # no memory, no file handles: the machine may recover
                ours.close()
                logger.critical("ledger writer does not start", extra={"error": type(error).__name__})
                unsent, self._unsent = list(self._unsent), deque()
                self._settle(unsent, is_on_disk=False)
                seconds = self._pause()
                continue
            transport, _ = await loop.create_connection(lambda: _Line(self._written, self._lost), sock=ours)
            # The URL goes through the socket: command lines are for everybody to read, and it may hold a password.
            transport.write(frame(self._url))
            self._transport = transport
            while self._unsent:
                self._send(transport, self._unsent.popleft())
            return

    def _pause(self) -> float:
        """Seconds until the next start of a writer."""
        seconds = self._restart_seconds
        self._restart_seconds = min(2 * seconds, RESTART_SECONDS[1])
        return seconds

    def check(self, n: int = 1) -> None:
        """Refuse work that could not be recorded soon.

        Raises:
            RecorderBusyError: too many decisions wait, or the app is stopping.
        """
        if self._is_closed:
            raise RecorderBusyError("recorder: the app is stopping; send the request again, another process answers.")
        if self.n_waiting + n > self._max_waiting + decisions.MAX_APPEND * (n > 1):
            raise RecorderBusyError(
                f"recorder: expected at most {self._max_waiting} decisions waiting for their "
                f"commit, found {self.n_waiting}; nothing was recorded, try again in a moment."
            )

    def submit(self, drafts: Sequence[Draft], done: Done) -> None:
        """Queue decisions for their commit. Call it in the event loop."""
        group = _Group(len(drafts), group_frame(drafts), done)
        self.n_waiting += group.n
        self._idle.clear()
        if self._transport is None:
            self._unsent.append(group)
        else:
            self._send(self._transport, group)

    async def record(self, drafts: Sequence[Draft]) -> None:
        """Put decisions on record; returns once they are on disk.

        Raises:
            RecorderBusyError: too many wait; nothing was recorded.
            LedgerUnavailableError: the ledger cannot be written; nothing may be acknowledged.
        """
        self.check(len(drafts))
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        self.submit(drafts, lambda error: settle(on_disk, None, error))
        await on_disk

    def _send(self, transport: asyncio.Transport, group: _Group) -> None:
        self._sent.append(group)
        transport.write(group.message)
        group.message = b""  # a group of an upload is megabytes

    def _written(self, result: Written) -> None:
        """The writer has finished a transaction, well or not."""
        groups = [self._sent.popleft() for _ in range(result.n_groups)]
        n = sum(group.n for group in groups)
        if result.error is None:
            self.groups += 1
            self.recorded += n
            self._restart_seconds = RESTART_SECONDS[0]
        else:
            found = {"error": result.error, "decisions": n} | ({"trace": result.trace} if result.trace else {})
            logger.error("ledger cannot be written", extra=found)
        self._settle(groups, is_on_disk=result.error is None)

    def _lost(self) -> None:
        """The writer is gone: whether its last transaction is on disk is not known, so nothing is acknowledged."""
        self._transport = None
        if self._is_closed and not self._sent:
            return
        groups = list(self._sent)
        self._sent.clear()
        logger.error(
            "ledger writer ended, another one starts",
            extra={"decisions": sum(group.n for group in groups), "seconds": self._restart_seconds},
        )
        self._opening = asyncio.get_running_loop().create_task(self._reopen())
        self._settle(groups, is_on_disk=False)

    async def _reopen(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(_reap, process)
        await self._open(self._pause())

    def _settle(self, groups: Sequence[_Group], *, is_on_disk: bool) -> None:
        self.n_waiting -= sum(group.n for group in groups)
        described = None if is_on_disk else LedgerUnavailableError(CANNOT_WRITE)
        for group in groups:
            group.done(described)
        if not self._sent and not self._unsent:
            self._idle.set()

    async def close(self) -> None:
        """Write what was accepted, then stop."""
        self._is_closed = True
        if self._opening is None:
            return
        await self._idle.wait()
        await self._opening
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            self._process.kill()  # all that it was sent is on disk; it may be importing still
            await asyncio.to_thread(_reap, self._process)


def _writer(connection: socket.socket) -> subprocess.Popen[bytes]:
    """A writer process at the other end of a socket."""
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]  # it finds what this process finds
    # A session of its own: an interrupt from the keyboard reaches the app alone, which then stops in order.
    return subprocess.Popen(  # noqa: S603  this interpreter, our own module
        [sys.executable, "-m", "serving.decisions.ledger_writer", str(connection.fileno())],
        pass_fds=[connection.fileno()],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
    )


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for a writer whose socket is closed; it has nothing left to write."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
