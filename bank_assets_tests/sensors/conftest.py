"""Fixtures of the sensor tests; `alert_world` and `response_world` build them."""

import dagster as dg
import pytest

from bank_assets.settings import Settings
from bank_assets_tests.sensors.alert_world import world  # noqa: F401  pytest finds fixtures by their name here
from bank_assets_tests.sensors.response_world import january, make  # noqa: F401
from bank_assets_tests.world.contacts import made_contacts
from bank_assets_tests.world.daemon import InProcessDaemon


@pytest.fixture
def daemon(settings, tmp_path):
    quick = Settings(
        home=settings.home, ledger_url=settings.ledger_url, settle_seconds=0, mlflow_uri=settings.mlflow_uri
    )
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:
        yield InProcessDaemon(quick, instance)


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(75, 4)  # 2020-01-01 to 2020-03-15
