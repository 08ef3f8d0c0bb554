"""Fixtures of the serving tests; their making, and helpers that tests import by name, are in the two worlds."""

from pages_world import home, pages  # noqa: F401
from serving_world import (  # noqa: F401  pytest finds fixtures by their name here
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
