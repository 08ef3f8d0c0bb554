"""Dagster resources over the plain readers and writers of `bank_assets.store`; assets call `open()`."""

from pathlib import Path

import dagster as dg

from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse


class WarehouseResource(dg.ConfigurableResource[None]):
    """The Parquet tables of a deployment."""

    root: str

    def open(self) -> Warehouse:
        """The warehouse."""
        return Warehouse(Path(self.root))


class RegistryResource(dg.ConfigurableResource):
    """The model registry of a deployment: MLflow URI, artifact root and folder of fetched bundles."""

    uri: str
    artifacts: str
    cache: str

    def open(self) -> Registry:
        """The registry; it connects on first use."""
        return Registry(self.uri, self.artifacts, Path(self.cache))
