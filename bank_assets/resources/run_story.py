"""What Dagster's record says about a finished run, and which sensors and schedules fail, as plain values.

Runs are read by their last change with an overlap, never by event id: on PostgreSQL a smaller id can become visible
after a larger one, and another machine's clock may be behind. The reader remembers which runs it has seen. No text of
an error is kept that could contain a customer's values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorType, TickStatus

FINISHED: Final = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
TAG_WILL_RETRY: Final = "dagster/will_retry"
TAG_SCHEDULE: Final = "dagster/schedule_name"
READ_EVENTS: Final = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
}
SENSOR_FAILURES: Final = 3
"""Failed evaluations in a row before a sensor counts as failing; one failure is retried within seconds."""
SCHEDULE_FAILURES: Final = 1
"""For a schedule one failure is enough: its next evaluation may be a day away."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The outcome of an asset check in a run.

    Attributes:
        description: the statement that the check tests.
        is_error: whether a failure counts as an error; otherwise it is a warning.
        found: what is wrong: months, file or column names.
    """

    asset: str
    name: str
    description: str
    is_passed: bool
    is_error: bool
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunStory:
    """A finished run.

    Attributes:
        ended_at: wall clock, ISO.
        failed_step: the first step that failed, or "".
        error: class name of the innermost error, or "".
        message: the platform's own message about the failure, or "".
        checks: the last outcome of each check.
        made: plain metadata of the last materialization of each asset.
    """

    run_id: str
    job: str
    is_success: bool
    tags: Mapping[str, str]
    ended_at: str
    seconds: float
    failed_step: str = ""
    error: str = ""
    message: str = ""
    checks: tuple[CheckOutcome, ...] = ()
    made: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def will_be_retried(self) -> bool:
        """Whether Dagster retries the run; then the retry is the one that counts."""
        return self.tags.get(TAG_WILL_RETRY, "").lower() == "true"

    @property
    def schedule(self) -> str:
        """Name of the schedule that requested the run, or ""."""
        return self.tags.get(TAG_SCHEDULE, "")


@dataclass(frozen=True, slots=True)
class Failing:
    """A sensor or schedule whose latest evaluations failed.

    Attributes:
        error: name of the error's class.
        failures: failures in a row, at most as many as were read.
        since: time of the first of them, ISO.
    """

    name: str
    kind: str
    error: str
    failures: int
    since: str


def finished_runs(instance: dg.DagsterInstance, after: datetime) -> list[dg.RunRecord]:
    """Runs that ended and changed after a moment, in the order of their last change."""
    filters = dg.RunsFilter(statuses=FINISHED, updated_after=after.astimezone(UTC))
    return list(instance.get_run_records(filters=filters, order_by="update_timestamp", ascending=True))


def changed_at(record: dg.RunRecord) -> datetime:
    """When a run changed last, UTC."""
    moment = record.update_timestamp
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def story_of(
    instance: dg.DagsterInstance, record: dg.RunRecord, descriptions: Mapping[tuple[str, str], str]
) -> RunStory:
    """Read what a run left."""
    run = record.dagster_run
    checks: dict[tuple[str, str], CheckOutcome] = {}
    made: dict[str, dict[str, Any]] = {}
    step, error, message = "", "", ""
    for event in _events(instance, run.run_id):
        if event.is_step_failure and not step:
            step = event.step_key or ""
            error, message = _failure(event.step_failure_data)
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            name = materialization.asset_key.to_user_string()
            made[name] = {key: plain(value) for key, value in materialization.metadata.items()}
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            outcome = _check(event.asset_check_evaluation_data, descriptions)
            checks[outcome.asset, outcome.name] = outcome
    ended = record.end_time or changed_at(record).timestamp()
    return RunStory(
        run_id=run.run_id,
        job=run.job_name,
        is_success=run.status is dg.DagsterRunStatus.SUCCESS,
        tags=dict(run.tags),
        ended_at=datetime.fromtimestamp(ended, UTC).isoformat(timespec="seconds"),
        seconds=max(ended - record.start_time, 0.0) if record.start_time else 0.0,
        failed_step=step,
        error=error,
        message=message,
        checks=tuple(checks.values()),
        made=made,
    )


def plain(value: dg.MetadataValue) -> Any:
    """A metadata value as a plain one."""
    return value.data if isinstance(value, dg.JsonMetadataValue) else value.value


def failing_automation(instance: dg.DagsterInstance, names: Sequence[str] | None = None) -> list[Failing]:
    """Sensors and schedules whose latest evaluations all failed; `names` limits the search."""
    found = []
    for state in instance.all_instigator_state():
        if not state.is_running or (names is not None and state.name not in names):
            continue
        kind = "schedule" if state.instigator_type is InstigatorType.SCHEDULE else "sensor"
        limit = SCHEDULE_FAILURES if kind == "schedule" else SENSOR_FAILURES
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=50)
        streak = []
        for tick in ticks:  # newest first
            if tick.status is TickStatus.STARTED:
                continue
            if tick.status is not TickStatus.FAILURE:
                break
            streak.append(tick)
        if len(streak) >= limit:
            cause = innermost(streak[0].error) if streak[0].error else None
            first = datetime.fromtimestamp(streak[-1].timestamp, UTC).isoformat(timespec="seconds")
            found.append(Failing(state.name, kind, (cause.cls_name or "") if cause else "", len(streak), first))
    return found


def innermost(error: Any) -> Any:
    """The first cause of an error as Dagster stores it."""
    while error.cause is not None:
        error = error.cause
    return error


def _events(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.DagsterEvent]:
    cursor = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=set(READ_EVENTS), limit=1_000)
        for record in page.records:
            if record.event_log_entry.dagster_event is not None:
                yield record.event_log_entry.dagster_event
        if not page.has_more:
            return
        cursor = page.cursor


def _failure(data: Any) -> tuple[str, str]:
    """Class of the error and, for `dg.Failure` only, its text; another error's text may quote a row."""
    if data.user_failure_data is not None:
        return "Failure", str(data.user_failure_data.description or "")
    return (innermost(data.error).cls_name or "") if data.error is not None else "", ""


def _check(data: Any, descriptions: Mapping[tuple[str, str], str]) -> CheckOutcome:
    asset, name = data.asset_key.to_user_string(), data.check_name
    values = [plain(value) for value in data.metadata.values()]
    found = [str(key) for value in values if isinstance(value, dict) for key in value]
    # An item is `name: reason`. Only the name is kept, because the reason may quote delivered values.
    found += [str(item).split(":", 1)[0] for value in values if isinstance(value, list) for item in value]
    return CheckOutcome(
        asset,
        name,
        descriptions.get((asset, name), ""),
        bool(data.passed),
        data.severity is dg.AssetCheckSeverity.ERROR,
        () if data.passed else tuple(dict.fromkeys(found)),
    )
