"""The tables of campaigns: objections, call lists with their rows, what came back from calls, saved plans.

The rows of a list are decisions, recorded in blocks: an event holds the Merkle root of each block, `block_rows` its
content, and `list_rows` is the index by contact and customer. A row's decision id is `<list id>.<row>`.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from bank_assets.ledger.models import ROW_ID, CanonicalJson, bound_person, columns, event_seq, metadata, personal

# People who must not be called: an objection to direct marketing is absolute (GDPR Art. 21(2)-(3)).
suppressions: Final = sa.Table(
    "suppressions",
    metadata,
    personal("contact_id", key="customer_id", primary_key=True),  # the name of the first release
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.String(27), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    *bound_person(),
)

# Call lists of analysts: request, result, and digest of the downloaded file. Append-only.
campaign_lists: Final = sa.Table(
    "campaign_lists",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("created_at", sa.String(27), nullable=False),
    *columns(sa.Text, "actor", "name", "model_version", "model_digest"),
    *columns(CanonicalJson, "economics", "request", "summary"),
    sa.Column("content_digest", sa.String(64), nullable=False),
    sa.Column("content_path", sa.Text),
    sa.Column("revises", sa.String(36)),  # the version before, NULL for a first one
    event_seq(),
)

# Blocks of decisions about the rows of a list. Append-only.
list_blocks: Final = sa.Table(
    "list_blocks",
    metadata,
    sa.Column("list_id", sa.String(36), primary_key=True),
    sa.Column("block", sa.Integer, primary_key=True, autoincrement=False),
    *columns(sa.Integer, "first_row", "n_rows"),
    sa.Column("merkle_root", sa.String(64), nullable=False),
    sa.Column(
        "facts", CanonicalJson, nullable=False
    ),  # what the rows share: model, economics, versions, as-of features
    event_seq(),
)

# The rows of a block with persons, salts and payloads: compressed columns, rewritten by an erasure.
block_rows: Final = sa.Table(
    "block_rows",
    metadata,
    sa.Column("list_id", sa.String(36), primary_key=True),
    sa.Column("block", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

# Who is on which list. The ids can be erased.
list_rows: Final = sa.Table(
    "list_rows",
    metadata,
    sa.Column("list_id", sa.String(36), primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    personal("contact_id"),
    personal("customer_id"),
    sa.Column("contact_date", sa.String(10), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("is_called", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# Why a row of a list was erased, as `erasures` says it of single decisions. Append-only.
list_erasures: Final = sa.Table(
    "list_erasures",
    metadata,
    sa.Column("list_id", sa.String(36), primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(27), nullable=False),
    *columns(sa.Text, "actor", "reason"),
    event_seq(),
)

# What became of a call. Append-only, except that its person can be erased.
dispositions: Final = sa.Table(
    "dispositions",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("list_id", sa.String(36), index=True),
    personal("contact_id"),
    personal("customer_id"),
    sa.Column("disposition", sa.String(16), nullable=False),
    *columns(sa.String(32), "called_at", "arrived_at"),  # data time, as written
    sa.Column("recorded_at", sa.String(27), nullable=False),
    *columns(sa.Text, "actor", "source"),
    *bound_person(),
    sa.UniqueConstraint("contact_id", "disposition", "called_at", name="dispositions_are_idempotent"),
)

# Subscriptions from the bank's books, whoever was called. Append-only, except that its person can be erased.
subscriptions: Final = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    personal("customer_id"),
    sa.Column("kind", sa.String(10), nullable=False),  # `subscribed` or `cancelled`
    sa.Column("on_day", sa.String(10), nullable=False, index=True),
    sa.Column("arrived_at", sa.String(32), nullable=False),
    sa.Column("recorded_at", sa.String(27), nullable=False),
    *columns(sa.Text, "actor", "source"),
    *bound_person(),
    sa.UniqueConstraint("customer_id", "kind", "on_day", name="subscriptions_are_idempotent"),
)

# Plans that an analyst saved.
plans: Final = sa.Table(
    "plans",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", sa.String(27), nullable=False),
    *columns(sa.Text, "actor", "list_key"),
    *columns(CanonicalJson, "settings", "summary"),
    sa.Column("digest", sa.String(64), nullable=False),
    event_seq(),
)

for _name, _column in (
    ("suppressions_event", suppressions.c.event_seq),
    ("list_erasures_event", list_erasures.c.event_seq),
    ("list_rows_contact", list_rows.c.contact_id),
    ("list_rows_customer", list_rows.c.customer_id),
    ("dispositions_event", dispositions.c.event_seq),
    ("dispositions_customer", dispositions.c.customer_id),
    ("subscriptions_event", subscriptions.c.event_seq),
):
    _is_given = _column.is_not(None)
    sa.Index(_name, _column, sqlite_where=_is_given, postgresql_where=_is_given)
