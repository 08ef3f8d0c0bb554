"""Alembic's entry point: runs the migrations on the connection that `migrations.run` hands over.

What must not be here: engine creation, logging set-up, offline mode. Called by Alembic only.
"""

from __future__ import annotations

from alembic import context

from bank_assets.ledger.models import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
