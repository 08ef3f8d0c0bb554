"""Fourth revision: the chain of events, rows of lists as decisions, what came back from calls, saved plans.

Only adds, so the app of the third revision goes on working beside it; rows that it writes meanwhile have no event. The
ids of dispositions and subscriptions may be erased, which their triggers allow, and nothing else.
"""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("events", "campaign_lists", "list_blocks", "list_erasures")
_ERASABLE = {
    "dispositions": (
        ("contact_id", "customer_id", "salt"),
        ("id", "list_id", "disposition", "called_at", "arrived_at", "recorded_at", "actor", "source", "person_hash"),
    ),
    "subscriptions": (
        ("customer_id", "salt"),
        ("id", "kind", "on_day", "arrived_at", "recorded_at", "actor", "source", "person_hash"),
    ),
}


def _columns(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _person(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text) for name in names]


def _bound_person() -> list[sa.Column[Any]]:
    return [
        sa.Column("salt", sa.String(32)),
        sa.Column("person_hash", sa.String(64)),
        sa.Column("event_seq", sa.BigInteger),
    ]


def upgrade() -> None:
    """Add tables, columns, indexes, the head row and the triggers."""
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    _columns_of_existing_tables()
    _events(row_id)
    _rows_of_lists()
    _feeds(row_id)
    _plans_and_keys()
    for table, column in (
        *((t, "event_seq") for t in ("erasures", "outcomes", "suppressions", "list_erasures")),
        *((t, "event_seq") for t in _ERASABLE),
        ("list_rows", "contact_id"),
        ("list_rows", "customer_id"),
        ("dispositions", "customer_id"),
    ):
        known = sa.text(f"{column} IS NOT NULL")
        name = f"{table}_{column.removesuffix('_id').removesuffix('_seq')}"
        op.create_index(name, table, [column], sqlite_where=known, postgresql_where=known)
    head = sa.text("INSERT INTO event_head (id, seq, hash, salt) VALUES (1, 0, :genesis, :salt)")
    op.execute(head.bindparams(genesis="0" * 64, salt=os.urandom(16).hex()))
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    (_postgresql_triggers if is_postgresql else _sqlite_triggers)()


def _columns_of_existing_tables() -> None:
    for table in ("erasures", "promotions", "users", "api_keys", "campaign_lists"):
        op.add_column(table, sa.Column("event_seq", sa.BigInteger))
    op.add_column("campaign_lists", sa.Column("revises", sa.String(36)))
    for table in ("outcomes", "suppressions"):
        for column in _bound_person():
            op.add_column(table, column)


def _events(row_id: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "event_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.CheckConstraint("id = 1", name="event_head_is_one_row"),
    )
    op.create_table(
        "events",
        sa.Column("seq", row_id, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        *_columns(sa.Text, "actor", "kind", "subject", "content"),
        sa.Column("decisions_seq", sa.BigInteger, nullable=False),
        *_columns(sa.String(64), "decisions_hash", "previous_hash", "hash"),
    )
    op.create_index("events_subject", "events", ["subject", "seq"])
    op.create_index("events_kind", "events", ["kind", "seq"])


def _rows_of_lists() -> None:
    def key(number: str) -> list[sa.Column[Any]]:
        return [
            sa.Column("list_id", sa.String(36), primary_key=True),
            sa.Column(number, sa.Integer, primary_key=True, autoincrement=False),
        ]

    op.create_table(
        "list_blocks",
        *key("block"),
        *_columns(sa.Integer, "first_row", "n_rows"),
        sa.Column("merkle_root", sa.String(64), nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("event_seq", sa.BigInteger),
    )
    op.create_table("block_rows", *key("block"), sa.Column("content", sa.LargeBinary, nullable=False))
    op.create_table(
        "list_rows",
        *key("row"),
        *_person("contact_id", "customer_id"),
        sa.Column("contact_date", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("is_called", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "list_erasures",
        *key("row"),
        sa.Column("at", sa.String(27), nullable=False),
        *_columns(sa.Text, "actor", "reason"),
        sa.Column("event_seq", sa.BigInteger),
    )


def _feeds(row_id: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "dispositions",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("list_id", sa.String(36), index=True),
        *_person("contact_id", "customer_id"),
        sa.Column("disposition", sa.String(16), nullable=False),
        *_columns(sa.String(32), "called_at", "arrived_at"),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        *_columns(sa.Text, "actor", "source"),
        *_bound_person(),
        sa.UniqueConstraint("contact_id", "disposition", "called_at", name="dispositions_are_idempotent"),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        *_person("customer_id"),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("on_day", sa.String(10), nullable=False),
        sa.Column("arrived_at", sa.String(32), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        *_columns(sa.Text, "actor", "source"),
        *_bound_person(),
        sa.UniqueConstraint("customer_id", "kind", "on_day", name="subscriptions_are_idempotent"),
    )


def _plans_and_keys() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        *_columns(sa.Text, "actor", "list_key", "settings", "summary"),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("event_seq", sa.BigInteger),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
        sa.Column("created_at", sa.String(27), nullable=False, index=True),
    )


def _other_change(table: str, differs: str) -> str:
    """The condition under which an update does more than erase a person."""
    ids, facts = _ERASABLE[table]
    kept = [f"NEW.{name} IS NOT NULL" for name in ids]
    return " OR ".join([*kept, *(f"NEW.{name} {differs} OLD.{name}" for name in (*facts, "event_seq"))])


def _sqlite_triggers() -> None:
    conditions = {
        **{(table, operation): "" for table in _APPEND_ONLY for operation in ("UPDATE", "DELETE")},
        **{(table, "DELETE"): "" for table in _ERASABLE},
        **{(table, "UPDATE"): f"WHEN {_other_change(table, 'IS NOT')}" for table in _ERASABLE},
    }
    for (table, operation), condition in conditions.items():
        op.execute(
            f"CREATE TRIGGER {table}_refuses_{operation.lower()} BEFORE {operation} ON {table} {condition} BEGIN "
            f"SELECT RAISE(ABORT, '{table} is append-only: {operation} is refused'); END"
        )
    # INSERT OR REPLACE deletes without firing delete triggers (recursive_triggers is off by default).
    op.execute(
        "CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events "
        "WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq) BEGIN "
        "SELECT RAISE(ABORT, 'events is append-only: REPLACE is refused'); END"
    )


def _postgresql_triggers() -> None:
    for table in (*_APPEND_ONLY, *_ERASABLE):
        refused = {"change": "DELETE OR UPDATE"}
        if table in _ERASABLE:
            refused = {"delete": "DELETE", "update": "UPDATE"}
        for name, operations in refused.items():
            condition = f"WHEN ({_other_change(table, 'IS DISTINCT FROM')})" if name == "update" else ""
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{name} BEFORE {operations} ON {table} FOR EACH ROW {condition} "
                "EXECUTE FUNCTION bank_refuse_change()"
            )
        op.execute(
            f"CREATE TRIGGER {table}_refuses_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION bank_refuse_change()"
        )
