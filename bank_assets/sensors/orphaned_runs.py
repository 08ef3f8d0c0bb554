"""Sensors: the list of them, and the one that looks after runs that no process works on.

What lives here: assembly of all sensors of the loop, `orphaned_runs_sensor`.
What must not: sensors of the landing folder (`sensors.deliveries`), of the response ladder (`sensors.response`), of
alerts. Called by `bank_assets.definitions`.
"""

import dagster as dg

from bank_assets.automation import follow_up_sensor
from bank_assets.resources.run_lock import reap_orphans
from bank_assets.sensors.alerts import alert_sensors
from bank_assets.sensors.deliveries import delivery_sensors
from bank_assets.sensors.response import response_sensors
from bank_assets.settings import Settings


def all_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Every sensor of the loop.

    Args:
        settings: deployment.
    """
    status = dg.DefaultSensorStatus.RUNNING if settings.sensors_running else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="orphaned_runs_sensor",
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Fails runs that no process works on (killed, crashed, restarted, database lost), so that nothing "
        "waits for them.",
        tags={"bank/workflow": "maintenance"},
    )
    def orphaned_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Fail what no process works on any more.

        Why here: the code server notices when a worker that it started dies, but not when it dies with it, nor while
        Dagster's database is away: its own look then fails and is not repeated. Each worker holds a lock while it
        works, which the kernel frees however it ends.
        """
        reaped = reap_orphans(context.instance)
        if reaped:
            return dg.SkipReason(f"failed {len(reaped)} run(s) that no process works on: {', '.join(reaped[:5])}.")
        return dg.SkipReason("every unfinished run has a living process.")

    return [
        *delivery_sensors(settings, status),
        *response_sensors(settings, status),
        orphaned_runs_sensor,
        follow_up_sensor(settings, status),
        *alert_sensors(settings, status),
    ]
