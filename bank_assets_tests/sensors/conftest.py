"""Fixtures of the alert tests; `alert_world` builds them."""

from bank_assets_tests.sensors.alert_world import world  # noqa: F401  pytest finds fixtures by their name here
