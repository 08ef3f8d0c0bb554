"""Fifth revision: reported outcomes lose their ids in an erasure, which their trigger allows, and nothing else.

Subscriptions are also found by day. No column changes, so the app of the fourth revision goes on working beside it.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FACTS = ("id", "decision_id", "y", "duration", "arrived_at", "recorded_at", "actor", "event_seq")


def upgrade() -> None:
    """Replace the triggers that refuse every update of `outcomes`, and add an index."""
    op.create_index("ix_subscriptions_on_day", "subscriptions", ["on_day"])
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    differs = "IS DISTINCT FROM" if is_postgresql else "IS NOT"
    # A row of the first releases has neither salt nor hash until it is erased.
    hashed = f"OLD.person_hash IS NOT NULL AND NEW.person_hash {differs} OLD.person_hash"
    changed = [f"NEW.{name} {differs} OLD.{name}" for name in _FACTS]
    kept = ["NEW.contact_id IS NOT NULL", "NEW.salt IS NOT NULL", f"NEW.subject {differs} 'erased:' || OLD.id"]
    condition = " OR ".join([*kept, *changed, f"({hashed})", "NEW.person_hash IS NULL"])
    if not is_postgresql:
        op.execute("DROP TRIGGER outcomes_refuses_update")
        op.execute(
            f"CREATE TRIGGER outcomes_refuses_update BEFORE UPDATE ON outcomes WHEN {condition} BEGIN "
            "SELECT RAISE(ABORT, 'outcomes is append-only: UPDATE is refused'); END"
        )
        return
    op.execute("DROP TRIGGER outcomes_refuses_change ON outcomes")
    for operation, when in (("DELETE", ""), ("UPDATE", f"WHEN ({condition})")):
        op.execute(
            f"CREATE TRIGGER outcomes_refuses_{operation.lower()} BEFORE {operation} ON outcomes FOR EACH ROW {when} "
            "EXECUTE FUNCTION bank_refuse_change()"
        )
