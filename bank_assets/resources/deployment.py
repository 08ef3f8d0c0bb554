"""The resources of a deployment, built from its settings; their names equal the assets' arguments."""

from typing import Any

from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.notifier import NotifierResource
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.resources.tracking import TrackingResource
from bank_assets.settings import Settings


def deployment_resources(settings: Settings) -> dict[str, Any]:
    """Resources by name; building them connects to nothing."""
    registry = {
        "uri": settings.mlflow_uri,
        "artifacts": settings.mlflow_artifacts,
        "cache": str(settings.home / "models"),
    }
    return {
        "settings": settings,
        "warehouse": WarehouseResource(root=str(settings.warehouse)),
        "spark": SparkResource(home=str(settings.home), master=settings.spark_master, memory=settings.spark_memory),
        "ledger": LedgerResource(url=settings.ledger_url),
        "registry": RegistryResource(**registry),
        "mlflow": TrackingResource(**registry),
        "notifier": NotifierResource.of(settings),
    }
