"""All sensors of the platform, one module per subject."""

import dagster as dg

from bank_assets.automation import follow_up_sensor
from bank_assets.sensors.alerts import alert_sensors
from bank_assets.sensors.deliveries import delivery_sensors
from bank_assets.sensors.orphaned_runs import orphaned_runs_sensor
from bank_assets.sensors.response import response_sensors
from bank_assets.settings import Settings


def all_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Every sensor of a deployment."""
    status = dg.DefaultSensorStatus.RUNNING if settings.sensors_running else dg.DefaultSensorStatus.STOPPED
    return [
        *delivery_sensors(settings, status),
        *response_sensors(settings, status),
        orphaned_runs_sensor(settings, status),
        follow_up_sensor(settings, status),
        *alert_sensors(settings, status),
    ]
