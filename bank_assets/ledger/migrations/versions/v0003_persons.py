"""Third revision: the person behind a decision.

Only adds a column that may stay empty, so the app of the second revision goes on working beside it. The index holds
the rows that name a person, so a bank whose contacts are its persons pays nothing for it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("payloads", sa.Column("customer_id", sa.Text))
    known = sa.text("customer_id IS NOT NULL")
    op.create_index("payloads_customer", "payloads", ["customer_id"], sqlite_where=known, postgresql_where=known)
