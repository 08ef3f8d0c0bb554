"""MLflow runs of trainings: one parent run per Dagster run, one child per candidate.

What lives here: `TrackingResource`, which holds dagster-mlflow's `mlflow_tracking` run context and closes it itself,
and `Tracking`, the few calls the assets need.
What must not: the model registry (`store.registry`), autolog (implicit, slow, hides what is logged).

dagster-mlflow's end-of-run hook marks the MLflow run finished after the first op (dagster #21872), so it is not used:
the parent is closed when the Dagster run's resources are torn down. The context is opened on first use, because
importing mlflow costs 5 to 10 s and an empty run would be left behind by a Dagster run that finds nothing to do.
"""

import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import dagster as dg
from pydantic import PrivateAttr

from bank_assets.store.registry import EXPERIMENT, Registry

ROLE_TAG: Final = "bank/role"


class Tracking:
    """Runs of one Dagster run."""

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
        """MLflow run that belongs to this Dagster run."""
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
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        """Log one finished child run.

        Args:
            name: run name.
            tags: tags.
            parameters: parameters.
            metrics: metrics, finite floats.
            files: contents by artifact path.

        Returns:
            Its run id.
        """
        from mlflow.entities import Metric, Param, RunTag

        mlf = self._open()
        client = mlf.tracking_client
        everything = {**tags, "mlflow.parentRunId": self.parent_run_id, "mlflow.runName": name, ROLE_TAG: "candidate"}
        run = client.create_run(self._experiment_id, run_name=name)
        now = int(time.time() * 1000)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in parameters.items()],
            tags=[RunTag(key, value) for key, value in everything.items()],
        )
        for path, content in (files or {}).items():
            self._log_bytes(run.info.run_id, path, content)
        client.set_terminated(run.info.run_id)
        return str(run.info.run_id)

    def _log_bytes(self, run_id: str, path: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / Path(path).name
            target.write_bytes(content)
            parent = str(Path(path).parent)
            self.client.log_artifact(run_id, str(target), None if parent == "." else parent)

    def log_parent(self, *, tags: Mapping[str, str], metrics: Mapping[str, float] | None = None) -> None:
        """Add tags and metrics to the parent run."""
        run_id = self.parent_run_id
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)
        for key, number in (metrics or {}).items():
            self.client.log_metric(run_id, key, float(number))

    def close(self, *, failed: bool) -> None:
        """Close the parent run, if one was opened."""
        if self._mlflow is None or self._generator is None:
            return
        import mlflow

        mlflow.end_run("FAILED" if failed else "FINISHED")
        for _ in self._generator:  # dagster-mlflow's own clean-up after its yield
            pass
        self._mlflow = None


class TrackingResource(dg.ConfigurableResource):
    """MLflow run context of training and evaluation, over `dagster_mlflow.mlflow_tracking`."""

    uri: str
    artifacts: str
    cache: str

    _tracking: Tracking = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["TrackingResource", None, None]:
        """Keep one run context for the whole Dagster run, and close it however the run ends."""
        self._tracking = Tracking(context, Registry(self.uri, self.artifacts, Path(self.cache)))
        try:
            yield self
        finally:
            self._tracking.close(failed=sys.exc_info()[0] is not None)

    def open(self) -> Tracking:
        """The run context; nothing is contacted before its first use."""
        return self._tracking
