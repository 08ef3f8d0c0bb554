"""Fixtures of the alert tests; their making is in `alert_world`."""

from bank_assets_tests.sensors.alert_world import world  # noqa: F401  pytest finds fixtures by their name here
