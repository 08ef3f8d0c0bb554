"""Artifact addresses of a home that was moved or restored to another path.

MLflow stores absolute addresses and would make the old folders again. So `relocate` replaces them before anything is
written; until then, readers find artifacts by `present_address`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

EXPERIMENT: Final = "bank-marketing"
_SCHEME: Final = "file://"
_ADDRESSES: Final = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
_log = logging.getLogger(__name__)


def database_file(uri: str) -> Path | None:
    """The SQLite file at a database address, or None for a server."""
    return Path(make_url(uri).database or "") if uri.startswith("sqlite:") else None


def present_address(address: str, before: str, root: str) -> str:
    """An artifact's address below `root` if it lies there now, else as it was stored below `before`."""
    moved = root + address.removeprefix(before)
    is_moved = address.startswith(f"{before}/") and before.startswith(_SCHEME) and root.startswith(_SCHEME)
    return moved if is_moved and Path(unquote(urlsplit(moved).path)).exists() else address


def relocate(uri: str, root: str) -> str | None:
    """Make `root` the artifact root of an MLflow database in a file, and replace the addresses of what lies there now.

    Returns the root before, or None if there was nothing to do. The process must be the only one that writes artifacts.
    """
    file = database_file(uri)
    if file is None or not file.is_file() or not root.startswith(_SCHEME):
        return None
    engine = create_engine(uri, poolclass=NullPool)
    with engine.begin() as connection:
        found = connection.scalar(
            text("SELECT artifact_location FROM experiments WHERE name = :name"), {"name": EXPERIMENT}
        )
        if found is None or found == root or not found.startswith(_SCHEME):
            return None
        for table, column in _ADDRESSES:
            for address in connection.scalars(text(f"SELECT DISTINCT {column} FROM {table}")).all():  # noqa: S608
                present = present_address(address or "", found, root)
                if present != address:
                    statement = text(f"UPDATE {table} SET {column} = :present WHERE {column} = :address")  # noqa: S608
                    connection.execute(statement, {"present": present, "address": address})
        connection.execute(
            text("UPDATE experiments SET artifact_location = :root WHERE name = :name"),
            {"root": root, "name": EXPERIMENT},
        )
    _log.warning("this home was moved: artifacts are now registered below %s, before below %s", root, found)
    return str(found)
