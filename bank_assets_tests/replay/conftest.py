"""The history of the replay tests."""

import pytest

from bank_assets_tests.replay.histories import jump
from bank_assets_tests.world.contacts import made_contacts


@pytest.fixture(scope="session")
def contacts():
    return made_contacts(80, 20, change=jump)
