"""Fixtures of the sensor tests; `alert_world` and `response_world` build them."""

from bank_assets_tests.sensors.alert_world import world  # noqa: F401  pytest finds fixtures by their name here
from bank_assets_tests.sensors.response_world import january, make  # noqa: F401
