"""A home whose alert sensors are evaluated as the daemon does it, on real runs."""

import dagster as dg
import pytest

from bank_assets.ledger.engine import upgrade
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.notifier import NotifierResource
from bank_assets.resources.store import WarehouseResource
from bank_assets.sensors.alerts import alert_sensors
from bank_assets.settings import Settings
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.daemon import stored_instance


class World:
    """A home with its Dagster instance, and both sensors as the daemon evaluates them."""

    def __init__(self, home, instance, **settings):
        self.home, self.instance = home, instance
        self.settings = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}", **settings)
        self.ledger = LedgerResource(url=self.settings.ledger_url)
        upgrade(self.ledger.engine)
        self.notifier = NotifierResource.of(self.settings)
        self.warehouse = Warehouse(self.settings.warehouse)
        self.alerting, self.delivering = alert_sensors(self.settings, dg.DefaultSensorStatus.RUNNING)
        self.cursors, self.ticks = {}, 0

    def look(self, sensor=None):
        """Evaluate a sensor once; returns the new alerts."""
        sensor = sensor or self.alerting
        before = len(self.reported())
        resources = {
            "ledger": LedgerResource(url=self.settings.ledger_url),
            "notifier": self.notifier,
            "warehouse": WarehouseResource(root=str(self.settings.warehouse)),
            "settings": self.settings,
        }
        cursor = self.cursors.get(sensor.name)
        with dg.build_sensor_context(instance=self.instance, cursor=cursor, resources=resources) as context:
            result = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = result.cursor
        self.skip_message = result.skip_message
        return self.reported()[before:]

    def reported(self):
        return [document for _, document in self.notifier.log.read()]

    def run(self, *assets, job="data_job", tags=None, checks=()):
        """Run assets as a job of that name, for real."""
        defs = dg.Definitions(
            assets=list(assets), asset_checks=list(checks), jobs=[dg.define_asset_job(job, dg.AssetSelection.all())]
        )
        return defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, tags=tags or {}
        )

    def report(self, name, metadata, **options):
        """Run an asset of that name that reports the given metadata."""

        @dg.asset(name=name)
        def asset():
            return dg.MaterializeResult(metadata=metadata)

        return self.run(asset, **options)


@pytest.fixture
def world(tmp_path):
    with stored_instance() as instance:
        yield World(tmp_path, instance, public_url="http://bank.example", ui_url="http://ui.example")


def kinds(alerts):
    return [alert["kind"] for alert in alerts]


def failing(error):
    @dg.asset
    def contacts():
        raise error

    return contacts
