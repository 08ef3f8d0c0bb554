"""The sensor that fails orphaned runs."""

import dagster as dg

from bank_assets.resources.run_lock import reap_orphans
from bank_assets.settings import Settings


def orphaned_runs_sensor(settings: Settings, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Fail runs that no process works on any more.

    The code server notices when a worker dies, but not when it dies together with the worker or while Dagster's
    database
    is down: that check fails and is not repeated. The run lock shows orphaned runs in both cases.
    """

    @dg.sensor(
        name="orphaned_runs_sensor",
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Fails runs that no process works on (killed, crashed, restarted, database lost), so that nothing "
        "waits for them.",
        tags={"bank/workflow": "maintenance"},
    )
    def orphaned_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        reaped = reap_orphans(context.instance)
        if reaped:
            return dg.SkipReason(f"failed {len(reaped)} run(s) that no process works on: {', '.join(reaped[:5])}.")
        return dg.SkipReason("every unfinished run has a living process.")

    return orphaned_runs_sensor
