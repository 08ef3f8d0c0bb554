"""MLflow runs of trainings: one parent run per Dagster run, one child run per candidate.

dagster-mlflow's end-of-run hook marks the MLflow run finished after the first op (dagster #21872). We use its
`mlflow_tracking` context without the hook and close the parent run when the Dagster run's resources are torn down.
The context opens on first use: importing mlflow costs 5 to 10 s, and a run with nothing to do should leave no MLflow
run behind. Autolog is off, because it is slow and hides what is logged.
"""

import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from bank_assets.store.registry import Registry
from bank_assets.store.relocation import EXPERIMENT

ROLE_TAG: Final = "bank/role"


class Tracking:
    """The MLflow runs of one Dagster run."""

    def __init__(self, context: dg.InitResourceContext, registry: Registry) -> None:
        self._context = context
        self._registry = registry
        self._generator: Generator[Any, None, None] | None = None
        self._mlflow: Any = None
        self._experiment_id = ""

    @property
    def client(self) -> Any:
        """The MLflow client of the run context."""
        return self._open().tracking_client

    @property
    def parent_run_id(self) -> str:
        """The MLflow run of this Dagster run."""
        return str(self._open().active_run().info.run_id)

    def _open(self) -> Any:
        if self._mlflow is None:
            from dagster_mlflow import mlflow_tracking

            self._experiment_id = self._registry.experiment_id()  # creates it with our artifact root first
            config = {
                "experiment_name": EXPERIMENT,
                "mlflow_tracking_uri": self._registry.uri,
                "env": {},
                "env_to_tag": None,
                "extra_tags": {ROLE_TAG: "parent"},
                "parent_run_id": None,
                "mlflow_run_id": None,
            }
            resource_function: Any = mlflow_tracking.resource_fn
            self._generator = resource_function(self._context.replace_config(config))
            self._mlflow = next(self._generator)
        return self._mlflow

    def child(
        self,
        name: str,
        *,
        tags: Mapping[str, str],
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        files: Mapping[str, str],
    ) -> str:
        """Log one finished child run with finite metrics and `files` by artifact path; returns its run id."""
        run = self.client.create_run(self._experiment_id, run_name=name)
        everything = {**tags, "mlflow.parentRunId": self.parent_run_id, "mlflow.runName": name, ROLE_TAG: "candidate"}
        self._log(run.info.run_id, everything, metrics, parameters)
        for path, content in files.items():
            self.client.log_text(run.info.run_id, content, path)
        self.client.set_terminated(run.info.run_id)
        return str(run.info.run_id)

    def log_parent(self, *, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Add tags and metrics to the parent run."""
        self._log(self.parent_run_id, tags, metrics, {})

    def _log(
        self, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float], parameters: Mapping[str, Any]
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in parameters.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )

    def close(self, *, failed: bool) -> None:
        """Close the parent run, if one was opened."""
        if self._mlflow is None or self._generator is None:
            return
        import mlflow

        mlflow.end_run("FAILED" if failed else "FINISHED")
        for _ in self._generator:  # dagster-mlflow's own clean-up after its yield
            pass
        self._mlflow = None


class TrackingResource(dg.ConfigurableResource[Tracking]):
    """The MLflow run context of training and evaluation, over `dagster_mlflow.mlflow_tracking`."""

    registry: dg.ResourceDependency[Registry]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Tracking, None, None]:
        """Close the run context at the end of the Dagster run, whether it succeeded or failed."""
        tracking = Tracking(context, self.registry)
        try:
            yield tracking
        finally:
            tracking.close(failed=sys.exc_info()[0] is not None)
