"""Alembic migrations of the ledger, run from code on an open connection; there is no alembic.ini.

What lives here: the newest revision's name and the runner. Each file in `versions/` is one revision.
Called by `engine.upgrade` only. To add one: copy the newest file, change `revision` and `down_revision`, set `HEAD`;
a test compares the tables it builds with `models.metadata`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

HEAD: Final = "0002"
"""The revision that `models` describes."""


def run(connection: Connection, revision: str = "head") -> None:
    """Upgrade to a revision inside the caller's transaction.

    Args:
        connection: a connection in a write transaction.
        revision: where to stop; `head` for the newest.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
