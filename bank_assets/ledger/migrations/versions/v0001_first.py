"""First revision: decisions with their chain, payloads, outcomes, promotions, states, accounts, campaigns.

Frozen: a later change is a later revision. The database itself refuses changes to append-only tables, by triggers, so
that no program, ours included, can rewrite history by mistake.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY = ("decisions", "erasures", "outcomes", "promotions")
_NEVER_UPDATED = ("payloads",)


def _columns(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Create every table, the head row and the triggers."""
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    _decisions(row_id)
    _outcomes_and_promotions(row_id)
    _accounts(row_id)
    _campaigns()
    op.execute(sa.text("INSERT INTO ledger_head (id, seq, hash) VALUES (1, 0, :genesis)").bindparams(genesis="0" * 64))
    if op.get_bind().dialect.name == "postgresql":
        _postgresql_triggers()
    else:
        _sqlite_triggers()


def _decisions(row_id: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.CheckConstraint("id = 1", name="ledger_head_is_one_row"),
    )
    op.create_table(
        "decisions",
        sa.Column("seq", row_id, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("decided_at", sa.String(27), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("batch_id", sa.String(36)),
        sa.Column("contact_date", sa.String(10), nullable=False),
        sa.Column("payload_hash", sa.String(64), nullable=False),
        *_columns(sa.Double, "probability", "probability_low", "probability_high"),
        sa.Column("prediction", sa.String(3), nullable=False),
        sa.Column("decision", sa.String(11), nullable=False),
        *_columns(sa.Double, "threshold", "expected_profit_eur"),
        *_columns(sa.Text, "economics", "model_name", "model_version", "model_digest"),
        sa.Column("mlflow_run_id", sa.Text),
        sa.Column("training_snapshot", sa.Text),
        sa.Column("as_of", sa.String(10)),
        sa.Column("as_of_features", sa.Text, nullable=False),
        sa.Column("stale_features", sa.Boolean, nullable=False),
        *_columns(sa.Text, "flags", "contract_version", "code_version", "onnxruntime_version", "cpu_architecture"),
        *_columns(sa.String(64), "previous_hash", "hash"),
    )
    present = sa.text("batch_id IS NOT NULL")
    op.create_index("decisions_batch", "decisions", ["batch_id"], sqlite_where=present, postgresql_where=present)
    op.create_table(
        "payloads",
        sa.Column("decision_id", sa.String(36), primary_key=True),
        sa.Column("contact_id", sa.Text),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    known = sa.text("contact_id IS NOT NULL")
    op.create_index("payloads_contact", "payloads", ["contact_id"], sqlite_where=known, postgresql_where=known)
    op.create_table(
        "erasures",
        sa.Column("decision_id", sa.String(36), primary_key=True),
        sa.Column("at", sa.String(27), nullable=False),
        *_columns(sa.Text, "actor", "reason"),
    )


def _outcomes_and_promotions(row_id: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "outcomes",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("decision_id", sa.String(36), index=True),
        sa.Column("contact_id", sa.Text, index=True),
        sa.Column("y", sa.String(3), nullable=False),
        sa.Column("duration", sa.Integer),
        *_columns(sa.String(27), "arrived_at", "recorded_at"),
        sa.Column("actor", sa.Text, nullable=False),
        sa.UniqueConstraint("subject", "y", "arrived_at", name="outcomes_are_idempotent"),
    )
    op.create_table(
        "promotions",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("as_of", sa.String(10)),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("from_version", sa.Text),
        sa.Column("to_version", sa.Text),
        sa.Column("decision", sa.String(8), nullable=False),
        *_columns(sa.Text, "reasons", "evidence", "actor"),
    )
    op.create_table(
        "as_of_states",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("as_of", sa.String(10), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )


def _accounts(row_id: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "users",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("disabled_at", sa.String(27)),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
        *_columns(sa.String(27), "created_at", "expires_at"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("rate_per_minute", sa.Integer, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("revoked_at", sa.String(27)),
    )


def _campaigns() -> None:
    op.create_table(
        "suppressions",
        sa.Column("contact_id", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
    )
    op.create_table(
        "campaign_lists",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        *_columns(sa.Text, "actor", "name", "model_version", "model_digest", "economics", "request", "summary"),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.Column("content_path", sa.Text),
    )


def _sqlite_triggers() -> None:
    for table, operations in _refusals().items():
        for operation in operations:
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{operation.lower()} BEFORE {operation} ON {table} BEGIN "
                f"SELECT RAISE(ABORT, '{table} is append-only: {operation} is refused'); END"
            )
    # INSERT OR REPLACE deletes without firing delete triggers (recursive_triggers is off by default).
    op.execute(
        "CREATE TRIGGER decisions_refuse_replace BEFORE INSERT ON decisions "
        "WHEN EXISTS (SELECT 1 FROM decisions WHERE seq = NEW.seq OR id = NEW.id) BEGIN "
        "SELECT RAISE(ABORT, 'decisions is append-only: REPLACE is refused'); END"
    )


def _postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION bank_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP; END $$"
    )
    for table, operations in _refusals().items():
        op.execute(
            f"CREATE TRIGGER {table}_refuses_change BEFORE {' OR '.join(operations)} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION bank_refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuses_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION bank_refuse_change()"
        )


def _refusals() -> dict[str, tuple[str, ...]]:
    return {**dict.fromkeys(_APPEND_ONLY, ("UPDATE", "DELETE")), **dict.fromkeys(_NEVER_UPDATED, ("UPDATE",))}
