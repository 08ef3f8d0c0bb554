"""Dagster resources over the plain readers and writers of `bank_assets.store`; assets call `open()`."""

from pathlib import Path

import dagster as dg

from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse


class WarehouseResource(dg.ConfigurableResource[None]):
    """The Parquet tables of a deployment.

    Attributes:
        root: folder of the tables (`Settings.warehouse`).
    """

    root: str

    def open(self) -> Warehouse:
        """The warehouse; opening costs nothing."""
        return Warehouse(Path(self.root))


class RegistryResource(dg.ConfigurableResource):
    """The model registry of a deployment.

    Attributes:
        uri: MLflow tracking and registry URI.
        artifacts: root of the artifacts.
        cache: folder of fetched bundles.
    """

    uri: str
    artifacts: str
    cache: str

    def open(self) -> Registry:
        """A plain `Registry`; nothing is contacted before its first use."""
        return Registry(self.uri, self.artifacts, Path(self.cache))
