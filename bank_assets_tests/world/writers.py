"""Ledger writers as forks of one process that has imported them: 5 ms of processor time for a start instead of 300.

A writer is the real one, in a process of its own; only the start of Python and the imports are shared.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator


class ForkedWriter:
    """What the recorder uses of `Popen`, for a writer that is no child of this process."""

    def __init__(self, pid: int, ended: int) -> None:
        self.pid = pid
        self._ended = ended  # a pipe whose other end the writer holds

    def __del__(self) -> None:
        os.close(self._ended)

    def poll(self) -> int | None:
        return 0 if select.select([self._ended], [], [], 0)[0] else None

    def wait(self, timeout: float | None = None) -> None:
        if not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("writer", timeout)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


@contextlib.contextmanager
def forked_writers() -> Iterator[Callable[[socket.socket], ForkedWriter]]:
    """Start writers like `recorder._writer`; the process that forks them starts with the first one."""
    turn = threading.Lock()
    forks: list[tuple[socket.socket, subprocess.Popen]] = []

    def begin() -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            forks.append((ours, subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)))
        return ours

    def start(connection: socket.socket) -> ForkedWriter:
        ended, held = os.pipe()
        with turn:
            line = forks[0][0] if forks else begin()
            socket.send_fds(line, [b"."], [connection.fileno(), held])
            pid = int.from_bytes(line.recv(4))
        os.close(held)
        return ForkedWriter(pid, ended)

    yield start
    for line, process in forks:
        line.close()
        process.wait()


def fork_all(line: socket.socket) -> None:
    """Fork a writer for each socket that arrives, until the other side is gone."""
    from serving.decisions import ledger_writer

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the writers
    while given := socket.recv_fds(line, 1, 2)[1]:
        pid = os.fork()
        if pid == 0:
            line.close()
            sys.argv[1:] = [str(given[0])]
            ledger_writer.main()
            os._exit(0)
        for one in given:
            os.close(one)
        line.sendall(pid.to_bytes(4))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as line:
        fork_all(line)
