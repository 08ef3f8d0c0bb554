"""The pages of the demo home."""

import pytest

from bank_assets_tests.world.demo_home import fit_demo, make_home, open_pages


@pytest.fixture
def client(tmp_path):
    with open_pages(make_home(tmp_path / "bank", fit_demo())) as client:
        yield client
