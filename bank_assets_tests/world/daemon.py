"""A daemon in this process: evaluates the real sensors and executes their requests, one run after the other.

Without a process per run (5 to 10 s each), a fault can be placed between two steps. `e2e/test_loop.py` uses the real
daemon.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from bank_assets.definitions import build_defs
from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.status import LoopStatus, look
from bank_assets.resources.deployment import deployment_resources
from bank_assets.settings import Settings

SENSORS = (
    "orphaned_runs_sensor",
    "new_contacts_sensor",
    "drift_retrain_sensor",
    "performance_retrain_sensor",
    "campaign_sensor",
)


@contextmanager
def stored_instance() -> Iterator[dg.DagsterInstance]:
    """An instance that keeps ticks and evaluations, as an ephemeral one does not; in memory if there is such a folder.

    All events lie in one database: a new one for each run takes longer than the run.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        events = {
            "module": "dagster._core.storage.event_log",
            "class": "ConsolidatedSqliteEventLogStorage",
            "config": {"base_dir": folder},
        }
        overrides = {"telemetry": {"enabled": False}, "event_log_storage": events}
        with dg.DagsterInstance.local_temp(folder, overrides=overrides) as instance:
            yield instance


@dataclass
class InProcessDaemon:
    """Sensors with their cursors, and the runs they led to."""

    settings: Settings
    instance: dg.DagsterInstance
    overrides: dict[str, Any] = field(default_factory=dict)
    runs: list[dg.ExecuteInProcessResult] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.defs = build_defs(settings=self.settings, resource_overrides=self.overrides)
        self.repository = self.defs.get_repository_def()
        self.cursors: dict[str, str | None] = {}

    def look(self, sensor: str) -> list[dg.RunRequest]:
        """One evaluation; returns its requests, not yet executed."""
        definition = self.repository.get_sensor_def(sensor)
        given = deployment_resources(self.settings) | self.overrides
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor),
            repository_def=self.repository,
            sensor_name=sensor,
            resources={name: given[name] for name in definition.required_resource_keys},
        ) as context:
            tick = definition.evaluate_tick(context)
        self.cursors[sensor] = tick.cursor if tick.cursor is not None else self.cursors.get(sensor)
        self.said[sensor] = tick.skip_message or f"{len(tick.run_requests or [])} run(s) asked for"
        return list(tick.run_requests or [])

    def carry_out(self, sensor: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult | None:
        """Execute a request; None if its key was used before, as in Dagster."""
        origin = {"dagster/sensor_name": sensor, "dagster/run_key": request.run_key or ""}
        if self.instance.get_runs_count(dg.RunsFilter(tags=origin)):
            return None
        job = self.defs.resolve_job_def(request.job_name or "")
        result = job.execute_in_process(
            instance=self.instance,
            run_config=request.run_config or None,
            tags={**request.tags, **origin},
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            raise_on_error=False,
        )
        self.runs.append(result)
        return result

    def round(self) -> int:
        """Evaluate every sensor once; returns the number of runs."""
        before = len(self.runs)
        for sensor in SENSORS:
            for request in self.look(sensor):
                self.carry_out(sensor, request)
        return len(self.runs) - before

    def settle(self, rounds: int = 40) -> None:
        """Rounds until nothing is requested."""
        for _ in range(rounds):
            if not self.round():
                return
        raise AssertionError(f"the loop did not come to rest in {rounds} rounds: {self.said}")

    def status(self) -> LoopStatus:
        """What is left to do."""
        engine = open_ledger(self.settings.ledger_url)
        try:
            return look(self.settings, engine, self.instance)
        finally:
            engine.dispose()
