"""The resources of a deployment, built from its settings; their names equal the assets' arguments."""

from pathlib import Path
from typing import Any

import dagster as dg

from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.tracking import TrackingResource
from bank_assets.settings import Settings
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The tables of a deployment."""

    root: str
    home: str

    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        """The warehouse that assets get."""
        del context
        return Warehouse(self.root, Path(self.home))


class RegistryResource(dg.ConfigurableResource[Registry]):
    """The model registry of a deployment: MLflow URI, artifact root and folder of fetched bundles."""

    uri: str
    artifacts: str
    cache: str

    def create_resource(self, context: dg.InitResourceContext) -> Registry:
        """The registry that assets get; it connects on first use."""
        del context
        return Registry(self.uri, self.artifacts, Path(self.cache))


def deployment_resources(settings: Settings) -> dict[str, Any]:
    """Resources by name; building them connects to nothing."""
    registry = RegistryResource(
        uri=settings.mlflow_uri, artifacts=settings.mlflow_artifacts, cache=str(settings.home / "models")
    )
    return {
        "settings": settings,
        "warehouse": WarehouseResource(root=settings.tables, home=str(settings.warehouse)),
        "spark": SparkResource(home=str(settings.home), master=settings.spark_master, memory=settings.spark_memory),
        "ledger": LedgerResource(url=settings.ledger_url),
        "registry": registry,
        "mlflow": TrackingResource(registry=registry),
    }
