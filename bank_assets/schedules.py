"""The nightly schedule, and that of a database source."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import dagster as dg

from bank_assets.jobs import DATA, MAIN, NIGHTLY
from bank_assets.ledger.engine import opened_ledger
from bank_assets.loop.deliveries import nightly_wanted
from bank_assets.settings import Settings
from bank_assets.sources.database import is_database, pull
from bank_assets.sources.source import claim_landing, resolve_source

MIDNIGHT = "0 0 * * *"
# The nightly run is retried once from its failed step. Other runs are not retried (dagster.yaml): sensors request
# whatever is left to do, but the nightly run's own work would wait a day although the database was only restarted. A
# fault in the data fails again, which costs seconds and causes one alert.
REPEAT_FAILED_STEPS = {"dagster/retry_on_asset_or_op_failure": "true"}


def nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule of a deployment."""

    @dg.schedule(
        name="daily_pipeline_schedule",
        job_name=MAIN if settings.train_nightly else NIGHTLY,
        cron_schedule=MIDNIGHT,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING
        if settings.sensors_running
        else dg.DefaultScheduleStatus.STOPPED,
        description="Every midnight: new deliveries to tables, gate, drift, performance, state, ranked lists; and "
        "training if BANK_TRAIN_NIGHTLY is set, which otherwise runs when the loop requests it.",
        tags={"bank/workflow": "nightly"},
    )
    def daily_pipeline_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Process the months with new data and the newest month.

        Months are those of the data, not of the calendar: deliveries may be late, and the data may be from 2009. The
        run key is the local date, because midnight may occur twice or never when the clock changes. Unchanged months
        cost almost nothing.
        """
        night = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date()
        with opened_ledger(settings.ledger_url) as engine:
            wanted = nightly_wanted(settings, engine)
        if not wanted:
            return dg.SkipReason(
                f"nothing has been delivered: expected files in {settings.landing / 'contacts'}, found none registered."
            )
        repeated = [replace(work, tags={**work.tags, **REPEAT_FAILED_STEPS}) for work in wanted]
        return [work.request(run_key=f"{night.isoformat()}-{number}") for number, work in enumerate(repeated)]

    return daily_pipeline_schedule


def all_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedules of a deployment; only a database source is pulled."""
    return [nightly_schedule(settings), *([pull_schedule(settings)] if is_database(settings.source) else [])]


def pull_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that delivers what is new in the database; the sensor of contacts takes it from there."""

    @dg.schedule(
        name="pull_schedule",
        job_name=DATA,
        cron_schedule=settings.pull_cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING
        if settings.sensors_running
        else dg.DefaultScheduleStatus.STOPPED,
        description="New rows of the database that BANK_SOURCE names, as a delivery in the landing folder.",
        tags={"bank/workflow": "pull"},
    )
    def pull_new_rows(_context: dg.ScheduleEvaluationContext) -> dg.SkipReason:
        """Pull once; a database that does not answer fails the tick, and the next one pulls again."""
        claim_landing(resolve_source(settings), settings.landing)
        pulled = pull(settings)
        return dg.SkipReason(f"{pulled.rows:,} new rows{f' in {pulled.path.name}' if pulled.path else ''}.")

    return pull_new_rows
