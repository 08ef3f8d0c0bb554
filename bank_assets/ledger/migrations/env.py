"""Alembic's entry point: runs the migrations on the connection that `migrations.run` passes in."""

from __future__ import annotations

from alembic import context

from bank_assets.ledger.models import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
