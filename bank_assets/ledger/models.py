"""The tables of the ledger, as SQLAlchemy Core tables that work alike on SQLite and PostgreSQL.

Alembic migrations make them; a test compares both. Three choices look odd and are deliberate:

* Times are text, `YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC, and nested values are canonical JSON text. Both enter the hash
  chain, so the stored bytes must be those that were hashed; JSONB and timestamptz would rewrite them.
* `contact_id` lies beside the payload, not in `decisions`: an erasure removes the person, not the decision.
* `decisions` has few indexes, because each one costs page writes before an answer may leave. Times are searched by the
  id, whose first half is the time (`decisions.search`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData()

_ROW_ID: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only for the exact type INTEGER."""

ledger_head: Final = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("id = 1", name="ledger_head_is_one_row"),
)
"""The single row that every group commit locks: sequence number and hash of the last decision."""

decisions: Final = Table(
    "decisions",
    metadata,
    Column("seq", _ROW_ID, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("decided_at", String(27), nullable=False),
    Column("actor", Text, nullable=False),
    Column("batch_id", String(36)),
    Column("contact_date", String(10), nullable=False),
    Column("payload_hash", String(64), nullable=False),
    Column("probability", Double, nullable=False),
    Column("probability_low", Double, nullable=False),
    Column("probability_high", Double, nullable=False),
    Column("prediction", String(3), nullable=False),
    Column("decision", String(11), nullable=False),
    Column("threshold", Double, nullable=False),
    Column("expected_profit_eur", Double, nullable=False),
    Column("economics", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_digest", Text, nullable=False),
    Column("mlflow_run_id", Text),
    Column("training_snapshot", Text),
    Column("as_of", String(10)),
    Column("as_of_features", Text, nullable=False),
    Column("stale_features", Boolean, nullable=False),
    Column("flags", Text, nullable=False),
    Column("contract_version", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("onnxruntime_version", Text, nullable=False),
    Column("cpu_architecture", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
"""One row per decision, in the order of the chain. Append-only."""

payloads: Final = Table(
    "payloads",
    metadata,
    Column("decision_id", String(36), primary_key=True),
    Column("contact_id", Text),
    Column("salt", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""The customer's data behind a decision. May be deleted (erasure, retention), never changed."""

erasures: Final = Table(
    "erasures",
    metadata,
    Column("decision_id", String(36), primary_key=True),
    Column("at", String(27), nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
"""Why a payload is gone: without a row here a missing payload is tampering. Append-only."""

outcomes: Final = Table(
    "outcomes",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("subject", Text, nullable=False),
    Column("decision_id", String(36), index=True),
    Column("contact_id", Text, index=True),
    Column("y", String(3), nullable=False),
    Column("duration", Integer),
    Column("arrived_at", String(27), nullable=False),
    Column("recorded_at", String(27), nullable=False),
    Column("actor", Text, nullable=False),
    UniqueConstraint("subject", "y", "arrived_at", name="outcomes_are_idempotent"),
)
"""What became of a contact, each report kept with its arrival time. Append-only; the last arrival counts."""

promotions: Final = Table(
    "promotions",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("at", String(27), nullable=False),
    Column("as_of", String(10)),
    Column("kind", Text, nullable=False),
    Column("from_version", Text),
    Column("to_version", Text),
    Column("decision", String(8), nullable=False),
    Column("reasons", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("actor", Text, nullable=False),
)
"""Every verdict of the promotion gate and every rollback. Append-only."""

responses: Final = Table(
    "responses",
    metadata,
    Column("seq", _ROW_ID, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
    Column("as_of", String(10), nullable=False),
    Column("rung", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("episode_id", Text, nullable=False),
    Column("run_key", Text, nullable=False),
    Column("is_recalibrated", Boolean, nullable=False),
    Column("is_alert", Boolean, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("shift", Double, nullable=False),
    Column("promotion_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
)
"""One row per day that the response policy judged, with the state it left. Append-only; the last row counts."""

as_of_states: Final = Table(
    "as_of_states",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("as_of", String(10), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("state", Text, nullable=False),
)
"""As-of features published by the pipeline for serving; the last published row counts."""

users: Final = Table(
    "users",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(8), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("disabled_at", String(27)),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", BigInteger, nullable=False, index=True),
    Column("created_at", String(27), nullable=False),
    Column("expires_at", String(27), nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("rate_per_minute", Integer, nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("revoked_at", String(27)),
)

suppressions: Final = Table(
    "suppressions",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", String(27), nullable=False),
    Column("actor", Text, nullable=False),
)
"""People who must not be called: an objection to direct marketing is absolute (GDPR Art. 21(2)-(3))."""

campaign_lists: Final = Table(
    "campaign_lists",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("created_at", String(27), nullable=False),
    Column("actor", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_digest", Text, nullable=False),
    Column("economics", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("content_path", Text),
)
"""Call lists made by analysts: what was asked, what came out, digest of the downloaded file."""

Index(
    "decisions_batch",
    decisions.c.batch_id,
    sqlite_where=decisions.c.batch_id.is_not(None),
    postgresql_where=decisions.c.batch_id.is_not(None),
)

Index(
    "payloads_contact",
    payloads.c.contact_id,
    sqlite_where=payloads.c.contact_id.is_not(None),
    postgresql_where=payloads.c.contact_id.is_not(None),
)

APPEND_ONLY: Final = ("decisions", "erasures", "outcomes", "promotions", "responses")
"""Tables whose rows the database itself refuses to update or delete."""
