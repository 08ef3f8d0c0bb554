"""All sensors of the platform: what each is for, and the function that evaluates it."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from bank_assets.automation import follow_up_sensor
from bank_assets.jobs import DATA, PERFORMANCE, REFIT, SCORING, SEARCH, all_jobs
from bank_assets.resources.run_lock import reap_orphans
from bank_assets.sensors.alerts import alert_delivery_sensor, alert_sensor
from bank_assets.sensors.deliveries import campaign_sensor, new_contacts_sensor
from bank_assets.sensors.response import drift_retrain_sensor, performance_retrain_sensor
from bank_assets.settings import Settings


def all_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Every sensor of a deployment."""
    status = dg.DefaultSensorStatus.RUNNING if settings.sensors_running else dg.DefaultSensorStatus.STOPPED

    def sensor(evaluate: Callable[..., Any], tags: dict[str, str], description: str, **of: Any) -> dg.SensorDefinition:
        decorate = dg.sensor(
            minimum_interval_seconds=settings.sensor_seconds,
            default_status=status,
            description=description,
            tags=tags,
            **of,
        )
        return decorate(evaluate)

    delivery, alerts = {"bank/workflow": "delivery"}, {"bank/workflow": "alerts"}
    return [
        sensor(
            new_contacts_sensor,
            delivery,
            "New contacts or outcomes, also late ones for past months: makes the affected months.",
            job_name=DATA,
        ),
        sensor(
            campaign_sensor,
            delivery,
            "A new or changed campaign file: scores and ranks its customers.",
            job_name=SCORING,
        ),
        sensor(
            drift_retrain_sensor,
            {"bank/workflow": "response", "bank/evidence": "covariates"},
            "The mix of the customers moved away from what the champion learned from: refits its recipe, or searches.",
            jobs=[job for job in all_jobs() if job.name in (REFIT, SEARCH)],
        ),
        sensor(
            performance_retrain_sensor,
            {"bank/workflow": "response", "bank/evidence": "outcomes"},
            "Outcomes matured: publishes the recalibrated state; refits, searches or stops on decay.",
            jobs=[job for job in all_jobs() if job.name in (PERFORMANCE, REFIT, SEARCH, SCORING)],
        ),
        sensor(
            orphaned_runs_sensor,
            {"bank/workflow": "maintenance"},
            "Fails runs that no process works on (killed, crashed, restarted, database lost): nothing waits for them.",
        ),
        follow_up_sensor(settings, status),
        sensor(
            alert_sensor,
            alerts,
            "Alerts people: failed runs and gates, rejected rows, responses of the loop, recalibrations, verdicts on "
            "models, lists made and closed, objections, failing sensors, missing deliveries, the nightly digest. "
            "Writes reports/alerts.jsonl.",
        ),
        sensor(
            alert_delivery_sensor,
            alerts,
            "Delivers reports/alerts.jsonl to every channel of BANK_ALERT_URLS; a failing channel is retried within "
            "limits and delays no other. Also reports when the alert sensor itself fails.",
        ),
    ]


def orphaned_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Fail runs that no process works on any more.

    The code server notices when a worker dies, but not when it dies together with the worker or while Dagster's
    database is down: that check fails and is not repeated. The run lock shows orphaned runs in both cases.
    """
    reaped = reap_orphans(context.instance)
    if reaped:
        return dg.SkipReason(f"failed {len(reaped)} run(s) that no process works on: {', '.join(reaped[:5])}.")
    return dg.SkipReason("every unfinished run has a living process.")
