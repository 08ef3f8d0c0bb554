"""The tables of the ledger, as SQLAlchemy Core tables that work alike on SQLite and PostgreSQL.

Those of campaigns (lists, objections, what came back) are in `campaign_models`.

Alembic migrations make them; a test compares both. Three choices look odd and are deliberate:

* Times are text, `YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC, and nested values are canonical JSON text. Both enter the hash
  chain, so the stored bytes must be those that were hashed; JSONB and timestamptz would rewrite them.
* `contact_id` and `customer_id` lie beside the payload, not in `decisions`: an erasure removes the person, not the
  decision. `customer_id` is NULL where the client named none: the contact id is the person then.
* `decisions` has few indexes, because each one costs page writes before an answer may leave. Times are searched by the
  id, whose first half is the time (`decisions.search`).
"""

from __future__ import annotations

import json
from typing import Any, Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()
# SQLite numbers rows automatically only for the exact type INTEGER.
ROW_ID: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no white space; raises `ValueError` for NaN and infinity."""
    return _encode(value)


class CanonicalJson(sa.TypeDecorator[Any]):
    """A nested value, stored as canonical JSON text; its statement fails with a `StatementError` if it is not JSON."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:  # noqa: ARG002  SQLAlchemy's signature
        """The text to store."""
        return canonical_json(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002  as above
        """The value of a stored text."""
        return None if value is None else json.loads(value)


def columns(kind: Any, *names: str) -> list[sa.Column[Any]]:
    """Columns of one type that are never NULL."""
    return [sa.Column(name, kind, nullable=False) for name in names]


def event_seq() -> sa.Column[Any]:
    """Number of the event that covers a row; NULL in rows that a release without events wrote."""
    return sa.Column("event_seq", sa.BigInteger)


def bound_person() -> list[sa.Column[Any]]:
    """What binds a row with personal data to its event: the ids and the salt can be erased, the salted hash stays."""
    return [sa.Column("salt", sa.String(32)), sa.Column("person_hash", sa.String(64)), event_seq()]


def personal(name: str, kind: Any = sa.Text, **settings: Any) -> sa.Column[Any]:
    """A column whose values name a person."""
    return sa.Column(name, kind, info={"personal": True}, **settings)


# One row, locked by every append: sequence number and hash of the last decision.
ledger_head: Final = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.CheckConstraint("id = 1", name="ledger_head_is_one_row"),
)

# One row per decision, in the order of the chain. Append-only.
decisions: Final = sa.Table(
    "decisions",
    metadata,
    sa.Column("seq", ROW_ID, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("decided_at", sa.String(27), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("batch_id", sa.String(36)),
    sa.Column("contact_date", sa.String(10), nullable=False),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    *columns(sa.Double, "probability", "probability_low", "probability_high"),
    sa.Column("prediction", sa.String(3), nullable=False),
    sa.Column("decision", sa.String(11), nullable=False),
    *columns(sa.Double, "threshold", "expected_profit_eur"),
    *columns(sa.Text, "economics", "model_name", "model_version", "model_digest"),
    sa.Column("mlflow_run_id", sa.Text),
    sa.Column("training_snapshot", sa.Text),
    sa.Column("as_of", sa.String(10)),
    sa.Column("as_of_features", sa.Text, nullable=False),
    sa.Column("stale_features", sa.Boolean, nullable=False),
    *columns(sa.Text, "flags", "contract_version", "code_version", "onnxruntime_version", "cpu_architecture"),
    *columns(sa.String(64), "previous_hash", "hash"),
)

# The customer's data behind a decision. May be deleted (erasure, retention), never changed.
payloads: Final = sa.Table(
    "payloads",
    metadata,
    sa.Column("decision_id", sa.String(36), primary_key=True),
    sa.Column("contact_id", sa.Text),
    sa.Column("salt", sa.String(32), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text),
    sqlite_with_rowid=False,
)

# Why a payload was erased; a missing payload without a row here means tampering. Append-only.
erasures: Final = sa.Table(
    "erasures",
    metadata,
    sa.Column("decision_id", sa.String(36), primary_key=True),
    sa.Column("at", sa.String(27), nullable=False),
    *columns(sa.Text, "actor", "reason"),
    event_seq(),
)

# Every report of an outcome with its arrival time. Append-only; the last arrival counts.
outcomes: Final = sa.Table(
    "outcomes",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    personal("subject", nullable=False),
    sa.Column("decision_id", sa.String(36), index=True),
    personal("contact_id", index=True),
    sa.Column("y", sa.String(3), nullable=False),
    sa.Column("duration", sa.Integer),
    *columns(sa.String(27), "arrived_at", "recorded_at"),
    sa.Column("actor", sa.Text, nullable=False),
    *bound_person(),
    sa.UniqueConstraint("subject", "y", "arrived_at", name="outcomes_are_idempotent"),
)

# Every verdict of the promotion gate and every rollback. Append-only.
promotions: Final = sa.Table(
    "promotions",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(27), nullable=False),
    sa.Column("as_of", sa.String(10)),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("from_version", sa.Text),
    sa.Column("to_version", sa.Text),
    sa.Column("decision", sa.String(8), nullable=False),
    *columns(CanonicalJson, "reasons", "evidence"),
    sa.Column("actor", sa.Text, nullable=False),
    event_seq(),
)

# One row per day that the response policy assessed, with the state it left. Append-only; the last row counts.
responses: Final = sa.Table(
    "responses",
    metadata,
    sa.Column("seq", ROW_ID, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(27), nullable=False),
    sa.Column("as_of", sa.String(10), nullable=False),
    sa.Column("rung", sa.Text, key="action", nullable=False),  # the name of the first release
    sa.Column("kinds", CanonicalJson, nullable=False),
    *columns(sa.Text, "episode_id", "run_key"),
    *columns(sa.Boolean, "is_recalibrated", "is_alert"),
    *columns(CanonicalJson, "reasons", "evidence"),
    sa.Column("shift", sa.Double, nullable=False),
    sa.Column("promotion_id", sa.BigInteger, nullable=False),
    *columns(sa.Text, "state", "actor"),
)

# As-of features published by the pipeline for serving; the last published row counts.
as_of_states: Final = sa.Table(
    "as_of_states",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("as_of", sa.String(10), nullable=False),
    sa.Column("created_at", sa.String(27), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("state", CanonicalJson, nullable=False),
)

users: Final = sa.Table(
    "users",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.String(8), nullable=False),
    sa.Column("created_at", sa.String(27), nullable=False),
    sa.Column("disabled_at", sa.String(27)),
    event_seq(),
)

sessions: Final = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    *columns(sa.String(27), "created_at", "expires_at"),
)

api_keys: Final = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("rate_per_minute", sa.Integer, nullable=False),
    sa.Column("created_at", sa.String(27), nullable=False),
    sa.Column("revoked_at", sa.String(27)),
    event_seq(),
)

# One row, locked by every append of an event: sequence number and hash of the last one. The salt belongs to rows older
# than the chain of events, which have none of their own.
event_head: Final = sa.Table(
    "event_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("salt", sa.String(32), nullable=False),
    sa.CheckConstraint("id = 1", name="event_head_is_one_row"),
)

# Whatever else than a decision was recorded, in the order of its own chain. No personal data. Append-only.
events: Final = sa.Table(
    "events",
    metadata,
    sa.Column("seq", ROW_ID, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(27), nullable=False),
    *columns(sa.Text, "actor", "kind", "subject"),
    sa.Column("content", CanonicalJson, nullable=False),
    sa.Column("decisions_seq", sa.BigInteger, nullable=False),
    *columns(sa.String(64), "decisions_hash", "previous_hash", "hash"),
    sa.Index("events_subject", "subject", "seq"),
    sa.Index("events_kind", "kind", "seq"),
)

# Answers to requests with an `Idempotency-Key`, for a repetition; removed after some time.
idempotency_keys: Final = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("actor", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer),  # NULL while the first request is being answered
    sa.Column("answer", CanonicalJson),  # headers and body
    sa.Column("created_at", sa.String(27), nullable=False, index=True),
)

for _name, _column in (
    ("decisions_batch", decisions.c.batch_id),
    ("erasures_event", erasures.c.event_seq),
    ("outcomes_event", outcomes.c.event_seq),
    ("payloads_contact", payloads.c.contact_id),
    ("payloads_customer", payloads.c.customer_id),
):
    _is_given = _column.is_not(None)
    sa.Index(_name, _column, sqlite_where=_is_given, postgresql_where=_is_given)
