"""The decision ledger as a Dagster resource; the queries are in `bank_assets.ledger`."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field, PrivateAttr
from sqlalchemy import Engine

from bank_assets.ledger.engine import open_ledger


class LedgerResource(dg.ConfigurableResource):
    """The decision ledger of this deployment; opened on first use, closed when the run ends."""

    url: str = Field(description="SQLAlchemy URL, SQLite or PostgreSQL.")
    _engine: Engine | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["LedgerResource", None, None]:
        """Close the ledger when the run ends."""
        del context
        try:
            yield self
        finally:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @property
    def engine(self) -> Engine:
        """The open ledger."""
        if self._engine is None:
            self._engine = open_ledger(self.url)
        return self._engine
