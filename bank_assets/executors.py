"""The executor of every run: one process, which holds the run's lock (`resources.run_lock`)."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from bank_assets.resources.run_lock import holding_run_lock

IN_PROCESS: Any = dg.in_process_executor


class LockedInProcessExecutor(dg.Executor):
    """Dagster's in-process executor, which holds the run's lock while it works.

    The executor takes the lock because the process of a run does not exist yet when the run is launched.
    """

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> Any:
        """As the inner executor."""
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        """As the inner executor."""
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Run the steps under the run's lock."""
        with holding_run_lock(plan_context.instance, plan_context.run_id):
            yield from self._inner.execute(plan_context, execution_plan)


@dg.executor(name="in_process", config_schema=IN_PROCESS.config_schema)
def locked_in_process_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """All steps in one process, which holds the run's lock.

    One process and one Spark session per run: starting a process per step costs 5 to 15 s each.
    """
    return LockedInProcessExecutor(IN_PROCESS.executor_creation_fn(context))
