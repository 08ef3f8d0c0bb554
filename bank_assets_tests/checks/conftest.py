"""The home and the warehouse of a check."""

import pytest

from bank_assets.settings import Settings
from bank_assets.store.warehouse import Warehouse


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def warehouse(home):
    return Warehouse(home.warehouse)
