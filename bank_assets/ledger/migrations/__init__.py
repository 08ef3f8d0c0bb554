"""Alembic migrations of the ledger, run from code on an open connection; there is no alembic.ini.

Each file in `versions/` is one revision. To add one, copy the newest file, change `revision` and `down_revision`, and
set `HEAD`; a test compares the tables it builds with `models.metadata`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

HEAD: Final = "0005"  # the revision that `models` describes


def run(connection: Connection, revision: str = "head") -> None:
    """Upgrade to a revision inside the caller's write transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
