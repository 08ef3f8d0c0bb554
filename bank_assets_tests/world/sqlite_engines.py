"""Dagster's SQLite storages with one engine for each file.

They make an engine for each connection, and SQLAlchemy compiles each statement anew for each engine: about a quarter of
the processor time of a run over a year.
"""

from collections.abc import Callable
from typing import Any

from dagster._core.storage.event_log.sqlite import consolidated_sqlite_event_log, sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sql import create_engine
from sqlalchemy import Engine

STORAGES = (sqlite_event_log, consolidated_sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
KEPT = 64
"""Each run has a file of its own, so engines of former runs are dropped."""


def keep_engines(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Let the storages of this process take the engine that a file had before; `replace` sets an attribute."""
    engines: dict[str, Engine] = {}

    def kept(url: str, **options: Any) -> Engine:
        if url not in engines:
            if len(engines) >= KEPT:
                engines.clear()
            engines[url] = create_engine(url, **options)
        return engines[url]

    for storage in STORAGES:
        replace(storage, "create_engine", kept)
