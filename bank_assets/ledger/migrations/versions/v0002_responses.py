"""Second revision: the days that the response policy judged.

Only adds a table, so the app of the first revision goes on working beside it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _columns(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Create the table and the triggers that refuse changes to it."""
    op.create_table(
        "responses",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("as_of", sa.String(10), nullable=False),
        *_columns(sa.Text, "rung", "kinds", "episode_id", "run_key"),
        *_columns(sa.Boolean, "is_recalibrated", "is_alert"),
        *_columns(sa.Text, "reasons", "evidence"),
        sa.Column("shift", sa.Double, nullable=False),
        sa.Column("promotion_id", sa.BigInteger, nullable=False),
        *_columns(sa.Text, "state", "actor"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER responses_refuses_change BEFORE UPDATE OR DELETE ON responses "
            "FOR EACH ROW EXECUTE FUNCTION bank_refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER responses_refuses_truncate BEFORE TRUNCATE ON responses "
            "FOR EACH STATEMENT EXECUTE FUNCTION bank_refuse_change()"
        )
        return
    for operation in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER responses_refuses_{operation.lower()} BEFORE {operation} ON responses BEGIN "
            f"SELECT RAISE(ABORT, 'responses is append-only: {operation} is refused'); END"
        )
