"""Fixtures of the deployment tests; the small bundles and the made-up world are those of the serving tests."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
for folder in ("serving", "ledger"):
    if str(TESTS / folder) not in sys.path:
        sys.path.insert(0, str(TESTS / folder))

from serving_world import bundle_a  # noqa: E402, F401  pytest finds fixtures by their name here

from bank_assets_tests.deploy.synthesized import templates, templates_folder  # noqa: E402, F401
from bank_assets_tests.ledger.conftest import draft  # noqa: E402, F401
from bank_assets_tests.postgres_server import create_database, running_postgres  # noqa: E402


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def new_database(postgres_server):
    """Make an empty database; returns its URL."""

    def make(name: str = "") -> str:
        return create_database(postgres_server, name)

    return make
