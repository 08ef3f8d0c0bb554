"""How runs are executed: in one process, marked with the process that carries them.

What lives here: `marked_in_process_executor`. What must not: what the marks mean (`resources.instance`).
Called by `bank_assets.definitions`: every run of the platform uses it, those in the web server's launchpad too.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from bank_assets.resources.instance import own_run_tags

CONFIG: Any = dg.in_process_executor.config_schema


class MarkedInProcessExecutor(dg.Executor):
    """Dagster's in-process executor, which first tags the run with this process.

    A run that the daemon launches has no marks of its own (its process does not exist yet when it is created), and a
    run without marks is never reaped.
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
        """Mark the run, then run its steps."""
        plan_context.instance.add_run_tags(plan_context.run_id, own_run_tags(plan_context.run_id))
        yield from self._inner.execute(plan_context, execution_plan)


@dg.executor(name="in_process", config_schema=CONFIG)
def marked_in_process_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """All steps in one process, which is on record as the run's own.

    One process and one Spark session per run: starting a process per step costs 5 to 15 s each.
    """
    create = dg.in_process_executor.executor_creation_fn
    assert create is not None
    return MarkedInProcessExecutor(create(context))
