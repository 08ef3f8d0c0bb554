"""The landing folder of a test."""

import pytest

from bank_assets_tests.landing.landing_home import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)
