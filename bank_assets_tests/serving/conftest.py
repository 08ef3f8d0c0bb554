"""Fixtures of the serving tests; `world.app` and `world.pages` build them."""

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
from bank_assets_tests.world.pages import home, pages, shown  # noqa: F401
