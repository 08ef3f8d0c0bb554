"""Opens a ledger: engine, pragmas, migrations and locks; all that differs between SQLite and PostgreSQL.

SQLite runs in WAL mode with `synchronous=FULL`: a commit is on disk before it returns, and readers never wait for the
writer. It serves one app process (`only_app_process`); other processes, such as the pipeline, may append to it.
Replicas of the app need PostgreSQL.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Executable, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from bank_assets.store.locks import try_lock

BUSY_SECONDS: Final = 30  # how long a SQLite writer waits for another one
# WAL pages (4 KiB) until a commit moves them into the database; SQLite's 1,000 cause more, shorter pauses.
CHECKPOINT_PAGES: Final = 4_000
_SHED_MS: Final = 1_000  # how long writers wait for readers while the log is emptied
_WRITE: Final = "bank_ledger_write"
_MIGRATION_LOCK: Final = 5_220_222  # key of the PostgreSQL advisory lock that lets one process migrate at a time
LOCK_SECONDS: Final = 2  # how long a migration may keep others waiting for a table before it gives up
LOCK_ATTEMPTS: Final = 10  # how often it tries, with growing pauses: 90 s in all
_EVENTS_SINCE: Final = "0004"  # the revision that began the chain of events
_LOCK_NOT_AVAILABLE: Final = "55P03"


class LedgerError(RuntimeError):
    """The ledger cannot be used; the message says what was expected, what was found and what to do."""


def utc_now() -> str:
    """The current time as the ledger writes it: UTC, microseconds, 27 characters, sortable as text."""
    # strftime would cost 10 us per decision.
    return f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def open_ledger(url: str, *, migrate: bool = True) -> Engine:
    """Open a ledger and, with `migrate`, create or upgrade its tables; dispose of the engine when done.

    The URL is `sqlite:///path` or `postgresql://user@host/database`; others raise `LedgerError`.
    """
    engine = _create(url)
    if migrate:
        upgrade(engine)
    return engine


def _create(url: str) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        psycopg, timeout = parsed.set(drivername="postgresql+psycopg"), {"connect_timeout": 5}
        # After a restart of PostgreSQL the pool holds dead connections; the pre-ping finds them in one round trip.
        pool = {"pool_pre_ping": True, "pool_size": 5, "max_overflow": 10}
        return create_engine(psycopg, hide_parameters=True, connect_args=timeout, **pool)
    if backend != "sqlite":
        raise LedgerError(f"ledger: expected a sqlite or postgresql URL, found {backend!r}; set BANK_LEDGER_URL.")
    if not parsed.database or parsed.database == ":memory:":
        raise LedgerError("ledger: expected a SQLite file, found an in-memory database; give sqlite:///path/ledger.db.")
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(dbapi_connection: Any, _record: object) -> None:
    # The driver would begin transactions late and DEFERRED; `_sqlite_begin` begins them instead.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    # secure_delete overwrites what is erased; many builds have it on anyway.
    pragmas = "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"
    for pragma in (*pragmas, f"wal_autocheckpoint={CHECKPOINT_PAGES}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A DEFERRED transaction that reads and then writes can fail at once with "database is locked", whatever the
    # timeout; IMMEDIATE takes the write lock first and so waits for other writers.
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def read(engine: Engine, query: Executable) -> Sequence[Any]:
    """Every row of a query, read in a transaction of its own."""
    with engine.connect() as connection:
        return connection.execute(query).all()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write; on SQLite it takes the write lock at its start, so that it waits for its turn."""
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        yield connection


def shed_log(engine: Engine) -> None:
    """Empty the write-ahead log of SQLite, in which erased rows would stay for a while, unless readers hold it."""
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            for pragma in (f"busy_timeout={_SHED_MS}", "wal_checkpoint(TRUNCATE)", f"busy_timeout={BUSY_SECONDS}000"):
                connection.cursor().execute(f"PRAGMA {pragma}")
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """Revisions of the tables before and after an upgrade; None if there were no tables."""

    before: str | None
    after: str


def upgrade(engine: Engine) -> SchemaChange:
    """Bring the tables to the newest revision; of several processes that call it at once, one does the work.

    Tables one revision ahead stay as they are: during a rolling update the old version still starts, and works on the
    new version's tables. Each migration only adds, and a test enforces that.

    Raises:
        LedgerError: the tables are newer than this code can know, or others kept them locked.
    """
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            return _upgrade(engine)
        except OperationalError as error:
            if attempt == LOCK_ATTEMPTS or getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            time.sleep(LOCK_SECONDS * attempt)
    raise AssertionError("the loop returns or raises")


def _upgrade(engine: Engine) -> SchemaChange:
    from bank_assets.ledger import migrations

    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        before = schema_revision(connection)
        if before is not None and before >= migrations.HEAD:
            _check_not_far_ahead(before, migrations.HEAD)
            return SchemaChange(before, before)
        if engine.dialect.name == "postgresql":
            # A table change waits for running transactions, and later ones wait for the change. So it gives up soon,
            # lets them through, and tries again.
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        migrations.run(connection)
        if before is not None and before < _EVENTS_SINCE:
            from bank_assets.ledger import events

            events.cover(connection, actor="migration", reason="recorded before the chain of events began")
        return SchemaChange(before, migrations.HEAD)


def require_current(engine: Engine) -> None:
    """Raise `LedgerError` if the tables are older than this code, missing, or more than one revision newer."""
    from bank_assets.ledger import migrations

    with engine.connect() as connection:
        found = schema_revision(connection)
    if found is None or found < migrations.HEAD:
        raise LedgerError(
            f"ledger: expected tables of revision {migrations.HEAD}, found {found or 'none'}; run `python -m serving "
            "migrate` with this version first (BANK_MIGRATE=no says that starting must not)."
        )
    _check_not_far_ahead(found, migrations.HEAD)


def _check_not_far_ahead(found: str, head: str) -> None:
    if int(found) > int(head) + 1:
        raise LedgerError(
            f"ledger: expected tables of revision {head} or one newer, found {found}; they were made by a version that "
            "no longer promises to work with this one. Start a newer version of the app."
        )


def schema_revision(connection: Connection) -> str | None:
    """Revision of the tables, None if there are none."""
    # Alembic would take 0.3 s to import at the app's start, and the tables are nearly always current.
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


@contextmanager
def only_app_process(engine: Engine) -> Iterator[None]:
    """Ensure that one app process serves a SQLite ledger, by an exclusive lock on a file beside it.

    The operating system frees the lock when the process ends. PostgreSQL needs no such lock.

    Raises:
        LedgerError: another app process holds the lock; the message has its process id.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    path = f"{engine.url.database}.app.lock"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        if not try_lock(file):
            raise LedgerError(
                f"ledger: expected to be the only app process on {engine.url.database}, found process "
                f"{file.read(20).strip() or 'unknown'} serving it; stop that one, or set BANK_LEDGER_URL to a "
                "PostgreSQL database, which several app processes can share."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def opened_ledger(url: str, *, migrate: bool = True) -> Iterator[Engine]:
    """A ledger, opened as by `open_ledger`, that is disposed of afterwards."""
    engine = open_ledger(url, migrate=migrate)
    try:
        yield engine
    finally:
        engine.dispose()
