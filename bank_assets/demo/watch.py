"""Observes the loop through its Dagster instance and its ledger while other processes write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus
from sqlalchemy import Engine

from bank_assets.ledger import promotions

UNFINISHED: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
STEP_EVENTS: Final = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
}
MANY: Final = 10_000


@dataclass(frozen=True, slots=True)
class RunParts:
    """Where the time of one run went; moments in seconds since the epoch, spans in seconds.

    Attributes:
        requested_by: sensor or schedule that requested it, or "".
        created: the request was stored.
        started: the run's process had loaded the code.
        steps: seconds by step, checks included.
        work: seconds that the assets themselves measured (their `seconds` metadata).
    """

    run_id: str
    job: str
    status: str
    requested_by: str
    created: float
    started: float
    ended: float
    steps: dict[str, float]
    work: float

    @property
    def starting_seconds(self) -> float:
        """From the request to the start of the run: queue, process, imports."""
        return self.started - self.created

    @property
    def dagster_share(self) -> float:
        """Share of the whole run that is not the assets' own work."""
        whole = self.ended - self.created
        return 1.0 - self.work / whole if whole > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            **asdict(self),
            "starting_seconds": round(self.starting_seconds, 2),
            "dagster_share": round(self.dagster_share, 3),
        }


def runs_since(instance: dg.DagsterInstance, epoch: float) -> list[dg.RunRecord]:
    """Runs created after a moment, oldest first."""
    records = instance.get_run_records(limit=MANY)
    return [record for record in reversed(records) if record.create_timestamp.timestamp() > epoch]


def is_busy(instance: dg.DagsterInstance) -> bool:
    """Whether a run is queued, starting or running."""
    return bool(instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED), limit=1))


def waiting_for(instance: dg.DagsterInstance, epoch: float) -> list[str]:
    """What the loop still waits for after a delivery, in words; empty when it is idle.

    Idle means that no run is unfinished and that every running sensor has ticked after the delivery and after the last
    run's end without requesting anything.
    """
    if is_busy(instance):
        return ["a run"]
    ends = [record.end_time for record in runs_since(instance, epoch) if record.end_time]
    quiet_since = max([epoch, *ends])
    awaited = []
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.status is InstigatorStatus.STOPPED:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if not ticks or ticks[0].timestamp <= quiet_since or ticks[0].status is TickStatus.STARTED:
            awaited.append(state.instigator_name)
        elif ticks[0].run_ids:  # it requested a run, which ends after the tick began
            awaited.append(f"{state.instigator_name}'s run")
    return awaited


def failed_ticks(instance: dg.DagsterInstance, epoch: float) -> list[str]:
    """Sensors and schedules that failed after a moment, with the first line of the error."""
    found = []
    for state in instance.all_instigator_state():
        for tick in instance.get_ticks(
            state.instigator_origin_id, state.selector_id, after=epoch, statuses=[TickStatus.FAILURE]
        ):
            error = tick.error.message.strip().splitlines()[0] if tick.error else "no message"
            found.append(f"{state.instigator_name}: {error}")
    return found


def parts_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunParts:
    """Where the time of a run went, from its event log."""
    run = record.dagster_run
    starts: dict[str, float] = {}
    steps: dict[str, float] = {}
    kinds = STEP_EVENTS | {dg.DagsterEventType.ASSET_MATERIALIZATION}
    work: dict[str, float] = {}
    for event in instance.get_records_for_run(run.run_id, of_type=kinds).records:
        entry = event.event_log_entry
        step = entry.step_key or ""
        if entry.dagster_event_type is dg.DagsterEventType.STEP_START:
            starts[step] = entry.timestamp
        elif entry.dagster_event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            made = entry.asset_materialization
            seconds = made.metadata.get("seconds") if made else None
            if seconds is not None and isinstance(seconds.value, float | int):
                # A step reports the same seconds for each asset and month that it makes.
                work[step] = max(work.get(step, 0.0), float(seconds.value))
        elif step in starts:
            steps[step] = round(entry.timestamp - starts[step], 2)
    requested = run.tags.get("dagster/sensor_name") or run.tags.get("dagster/schedule_name") or ""
    created = record.create_timestamp.timestamp()
    started = record.start_time or created
    ended = record.end_time or started
    total = round(sum(work.values()), 2)
    return RunParts(run.run_id, run.job_name, run.status.value, requested, created, started, ended, steps, total)


def verdicts_since(engine: Engine, last_id: int) -> list[promotions.Promotion]:
    """Verdicts of the gates and recalibrations after a row of the ledger, oldest first."""
    return [row for row in reversed(promotions.history(engine, limit=MANY)) if row.id > last_id]


@dataclass(slots=True)
class NewAlerts:
    """Reads the alerts appended to a JSON-lines file, which need not exist yet."""

    path: Path
    _offset: int = 0

    @classmethod
    def from_now(cls, path: Path) -> NewAlerts:
        """Skip the alerts that are already there."""
        return cls(path, path.stat().st_size if path.is_file() else 0)

    def new(self) -> Sequence[dict[str, Any]]:
        """Alerts written since the last call; an incomplete line waits for the next call."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as stream:
            stream.seek(self._offset)
            content = stream.read()
        complete, newline, _ = content.rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        return [json.loads(line) for line in complete.splitlines() if line.strip()]
