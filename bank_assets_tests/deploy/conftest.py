"""Fixtures of the deployment tests; bundles and home are those of the serving tests."""

import pytest

from bank_assets_tests.deploy.synthesized import templates, templates_folder  # noqa: F401
from bank_assets_tests.ledger.conftest import draft  # noqa: F401
from bank_assets_tests.world.app import bundle_a  # noqa: F401  pytest finds fixtures by their name here
from bank_assets_tests.world.postgres import create_database


@pytest.fixture
def new_database(postgres_server):
    """Make an empty database; returns its URL."""

    def make(name: str = "") -> str:
        return create_database(postgres_server, name)

    return make
