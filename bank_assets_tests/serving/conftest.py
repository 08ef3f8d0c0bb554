"""Fixtures of the serving tests; their making, and helpers that tests import by name, are in the two worlds."""

from bank_assets_tests.world.app import (  # noqa: F401  pytest finds fixtures by their name here
    app,
    bundle_a,
    bundle_b,
    client,
    payload,
    published,
    registry,
    running,
    serving_settings,
)
from bank_assets_tests.world.pages import home, pages  # noqa: F401
