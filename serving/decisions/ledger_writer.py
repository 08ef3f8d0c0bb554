"""The ledger writer: a process that puts decisions on record, many requests per transaction.

`decisions.recorder` starts it and sends groups over a socket. The writer commits all groups that have arrived in one
transaction and answers how many they were. It ends with its socket, after the transaction that it is in. It is a
process because a thread gives up and waits for Python's lock at each of its six database calls; that cost more than
hashing, inserting and the sync to disk together (ADR 0022).
"""

from __future__ import annotations

import signal
import socket
import struct
import sys
import traceback
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bank_assets.ledger import decisions
from bank_assets.ledger.engine import open_ledger
from bank_assets.ledger.records import Draft

GROUP_ROWS: Final = 512  # most decisions of a transaction that joins groups: bounds the wait of the last one in it
BUFFER_BYTES: Final = 1 << 20
_LENGTH: Final = struct.Struct("<I")
_row: Final = attrgetter(*Draft.__dataclass_fields__)
_encode: Final = msgspec.msgpack.Encoder().encode


class Written(msgspec.Struct, array_like=True):
    """What became of the oldest groups that were waiting.

    Attributes:
        n_groups: how many it is about.
        error: kind of the error; None if all of them are on disk.
        trace: where it came from if nobody expected it, without its message, which could hold a customer's values.
    """

    n_groups: int
    error: str | None = None
    trace: str | None = None


def frame(content: Any) -> bytes:
    """A message with its length before it."""
    body = _encode(content)
    return _LENGTH.pack(len(body)) + body


def group_frame(drafts: Sequence[Draft]) -> bytes:
    """A group of decisions as a message."""
    return frame([_row(draft) for draft in drafts])


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete with this data, without their lengths."""
        held = self._bytes
        held += data
        found, at = [], 0
        while len(held) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(held, at)
            end = at + _LENGTH.size + length
            if end > len(held):
                break
            found.append(bytes(held[at + _LENGTH.size : end]))
            at = end
        del held[:at]
        return found


def write_all(connection: socket.socket) -> None:
    """Write groups until the other side closes the socket."""
    frames = Frames()
    arrived = _arrivals(connection, frames)
    first = next(arrived, [])
    if not first:
        return
    engine = open_ledger(msgspec.msgpack.decode(first[0], type=str), migrate=False)
    try:
        _write(connection, engine, first[1:])
        for messages in arrived:
            _write(connection, engine, messages)
    finally:
        engine.dispose()


def _arrivals(connection: socket.socket, frames: Frames) -> Iterator[list[bytes]]:
    while data := connection.recv(BUFFER_BYTES):
        if messages := frames.feed(data):
            yield messages


def _write(connection: socket.socket, engine: Engine, messages: Sequence[bytes]) -> None:
    groups = [[Draft(*row) for row in msgspec.msgpack.decode(message)] for message in messages]
    while groups:
        n, rows = 1, len(groups[0])
        while n < len(groups) and rows + len(groups[n]) <= GROUP_ROWS:
            rows += len(groups[n])
            n += 1
        joined, groups = groups[:n], groups[n:]
        connection.sendall(frame(_written(engine, joined)))


def _written(engine: Engine, groups: Sequence[Sequence[Draft]]) -> Written:
    try:
        decisions.append(engine, [draft for group in groups for draft in group])
    except (SQLAlchemyError, decisions.LedgerWriteError) as error:
        return Written(len(groups), type(error).__name__)
    except Exception as error:
        # Whatever it was, the clients must hear of it and the writer must live on.
        return Written(len(groups), type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return Written(len(groups))


def main() -> None:
    """Run until the app is gone."""
    # A stop is the app's to order: it finishes what was accepted, then closes the socket.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        try:
            write_all(connection)
        except (BrokenPipeError, ConnectionResetError):
            return  # the app was killed: nobody waits for the answer any more


if __name__ == "__main__":
    main()
