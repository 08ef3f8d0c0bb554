"""What Dagster's record says about a finished run, and which sensors and schedules fail, as plain values.

Runs are read by their last change with an overlap, never by event id: on PostgreSQL a smaller id can become visible
after a larger one, and another machine's clock may be behind. The reader remembers which runs it has seen. No text of
an error is kept that could contain a customer's values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Final

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorType, TickStatus

from bank_assets.core.alerts.alert import Alert, Occurrence
from bank_assets.core.alerts.catalogue import sensor_failing

FINISHED: Final = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
READ_EVENTS: Final = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
}
# Failed evaluations in a row before a sensor counts as failing; one failure is retried within seconds.
SENSOR_FAILURES: Final = 3
# For a schedule one failure is enough: its next evaluation may be a day away.
SCHEDULE_FAILURES: Final = 1


@dataclass(frozen=True, slots=True)
class RunStory:
    """A finished run.

    Attributes:
        will_be_retried: whether Dagster retries the run; then the retry is the one that counts.
        schedule: name of the schedule that requested the run, or "".
        ended_at: wall clock, ISO.
        failed_step: the first step that failed, or "".
        error: class name of the innermost error, or "".
        message: the platform's own message about the failure, or "".
        checks: what fails of each check of severity ERROR, by asset and check; empty if it passed.
        made: plain metadata of the last materialization of each asset.
    """

    run_id: str
    job: str
    is_success: bool
    will_be_retried: bool
    schedule: str
    ended_at: str
    seconds: float
    failed_step: str = ""
    error: str = ""
    message: str = ""
    checks: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    made: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def finished_runs(instance: dg.DagsterInstance, after: datetime) -> list[dg.RunRecord]:
    """Runs that ended and changed after a moment, in the order of their last change."""
    filters = dg.RunsFilter(statuses=FINISHED, updated_after=after.astimezone(UTC))
    return list(instance.get_run_records(filters=filters, order_by="update_timestamp", ascending=True))


def changed_at(record: dg.RunRecord) -> datetime:
    """When a run changed last, UTC."""
    moment = record.update_timestamp
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def story_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunStory:
    """Read what a run left."""
    run = record.dagster_run
    checks: dict[tuple[str, str], tuple[str, ...]] = {}
    made: dict[str, dict[str, Any]] = {}
    step, error, message = "", "", ""
    for event in [entry.get_dagster_event() for entry in instance.all_logs(run.run_id, of_type=READ_EVENTS)]:
        if event.is_step_failure and not step:
            step = event.step_key or ""
            error, message = _failure(event.step_failure_data)
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            name = materialization.asset_key.to_user_string()
            made[name] = {key: plain(value) for key, value in materialization.metadata.items()}
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.severity is dg.AssetCheckSeverity.ERROR:
                checks[check.asset_key.to_user_string(), check.check_name] = _what_fails(check)
    ended = record.end_time or changed_at(record).timestamp()
    return RunStory(
        run_id=run.run_id,
        job=run.job_name,
        is_success=run.status is dg.DagsterRunStatus.SUCCESS,
        will_be_retried=run.tags.get("dagster/will_retry", "").lower() == "true",
        schedule=run.tags.get("dagster/schedule_name", ""),
        ended_at=datetime.fromtimestamp(ended, UTC).isoformat(timespec="seconds"),
        seconds=max(ended - record.start_time, 0.0) if record.start_time else 0.0,
        failed_step=step,
        error=error,
        message=message,
        checks=checks,
        made=made,
    )


def plain(value: dg.MetadataValue) -> Any:
    """A metadata value as a plain one."""
    return value.data if isinstance(value, dg.JsonMetadataValue) else value.value


def failing_automation(
    instance: dg.DagsterInstance, now: datetime, is_watched: Callable[[str], bool]
) -> dict[str, Alert]:
    """Alerts about the sensors and schedules, among those watched, whose latest evaluations all failed; by name."""
    found: dict[str, Alert] = {}
    for state in instance.all_instigator_state():
        if not (state.is_running and is_watched(state.name)):
            continue
        kind = "schedule" if state.instigator_type is InstigatorType.SCHEDULE else "sensor"
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=50)  # newest first
        ended = [tick for tick in ticks if tick.status is not TickStatus.STARTED]
        streak = list(takewhile(lambda tick: tick.status is TickStatus.FAILURE, ended))
        if len(streak) >= (SCHEDULE_FAILURES if kind == "schedule" else SENSOR_FAILURES):
            since = datetime.fromtimestamp(streak[-1].timestamp, UTC).isoformat(timespec="seconds")
            what = (state.name, kind, _class_of(streak[0].error), len(streak), since)
            found[state.name] = sensor_failing(Occurrence(now.isoformat(timespec="seconds")), *what)
    return found


def innermost(error: Any) -> Any:
    """The first cause of an error as Dagster stores it."""
    while error.cause is not None:
        error = error.cause
    return error


def _class_of(error: Any) -> str:
    return (innermost(error).cls_name or "") if error is not None else ""


def _failure(data: Any) -> tuple[str, str]:
    """Class of the error and, for `dg.Failure` only, its text; another error's text may quote a row."""
    if data.user_failure_data is not None:
        return "Failure", str(data.user_failure_data.description or "")
    return _class_of(data.error), ""


def _what_fails(check: Any) -> tuple[str, ...]:
    """What fails by name, or the check itself; a mapping has the reasons as values, which may quote a row."""
    values = () if check.passed else [plain(value) for value in check.metadata.values()]
    names = [str(name) for value in values if isinstance(value, dict | list) for name in value]
    return () if check.passed else tuple(dict.fromkeys(names)) or (check.check_name,)
