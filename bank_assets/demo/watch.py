"""Observes the loop through its Dagster instance and its ledger while other processes write them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from bank_assets.loop.requests import in_flight

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

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with the time until it started and the share of it that is not the assets' own work."""
        whole = self.ended - self.created
        return {
            **asdict(self),
            "starting_seconds": round(self.started - self.created, 2),
            "dagster_share": round(1.0 - self.work / whole, 3) if whole > 0 else 0.0,
        }


def runs_since(instance: dg.DagsterInstance, epoch: float) -> list[dg.RunRecord]:
    """Runs created after a moment, oldest first."""
    records = instance.get_run_records(limit=MANY)
    return [record for record in reversed(records) if record.create_timestamp.timestamp() > epoch]


def waiting_for(instance: dg.DagsterInstance, epoch: float) -> list[str]:
    """What the loop still waits for after a delivery, in words; empty when it is idle.

    Idle means that no run is unfinished and that every running sensor has ticked after the delivery and after the last
    run's end without requesting anything.
    """
    if in_flight(instance):
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
    spans = instance.get_run_step_stats(run.run_id)
    steps = {one.step_key: round(one.end_time - one.start_time, 2) for one in spans if one.start_time and one.end_time}
    work: dict[str, float] = {}
    for event in instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records:
        entry = event.event_log_entry
        made, step = entry.asset_materialization, entry.step_key or ""
        seconds = made.metadata.get("seconds") if made else None
        if seconds is not None and isinstance(seconds.value, float | int):
            # A step reports the same seconds for each asset and month that it makes.
            work[step] = max(work.get(step, 0.0), float(seconds.value))
    requested = run.tags.get("dagster/sensor_name") or run.tags.get("dagster/schedule_name") or ""
    created = record.create_timestamp.timestamp()
    started = record.start_time or created
    ended = record.end_time or started
    total = round(sum(work.values()), 2)
    return RunParts(run.run_id, run.job_name, run.status.value, requested, created, started, ended, steps, total)
