"""Schedules: the one that works every night.

What lives here: `daily_pipeline_schedule`. What must not: sensors, jobs. Called by `bank_assets.definitions`.
"""

from dataclasses import replace
from zoneinfo import ZoneInfo

import dagster as dg

from bank_assets.jobs import MAIN, NIGHTLY
from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.nightly import nightly_wanted
from bank_assets.settings import Settings

MIDNIGHT = "0 0 * * *"
REPEAT_FAILED_STEPS = {"dagster/retry_on_asset_or_op_failure": "true"}
"""A night is tried once more from where it failed. Other runs are not (dagster.yaml): sensors see what is left to do
and ask again, but what a night alone makes would wait for the next one, though the database was only restarted. A fault
of the data fails again, which costs seconds and is told once."""


def all_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Every schedule of the platform.

    Args:
        settings: deployment: time zone, whether to train every night, whether to start by itself.
    """
    running = settings.sensors_running
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name="daily_pipeline_schedule",
        job_name=MAIN if settings.train_nightly else NIGHTLY,
        cron_schedule=MIDNIGHT,
        execution_timezone=settings.timezone,
        default_status=status,
        description="Every midnight: new deliveries to tables, gate, drift, performance, state, ranked lists; training "
        "too if BANK_TRAIN_NIGHTLY says so, else when the loop asks for it.",
        tags={"bank/workflow": "nightly"},
    )
    def daily_pipeline_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Work through the months that have news and the newest one.

        Why months of data and not of the calendar: deliveries may come late, and the data may be of 2009. Why a run key
        of the local date: at a change of the clock midnight may come twice or not at all, and a night is one night.
        Unchanged months cost next to nothing, so a delivery that a sensor has already worked through is not redone.
        """
        night = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date()
        engine = open_ledger(settings.ledger_url)
        try:
            wanted = nightly_wanted(settings, engine)
        finally:
            engine.dispose()
        if not wanted:
            return dg.SkipReason(
                f"nothing was ever delivered: expected files in {settings.landing / 'contacts'}, found none registered."
            )
        repeated = [replace(work, tags={**work.tags, **REPEAT_FAILED_STEPS}) for work in wanted]
        return [work.request(run_key=f"{night.isoformat()}-{number}") for number, work in enumerate(repeated)]

    return [daily_pipeline_schedule]
