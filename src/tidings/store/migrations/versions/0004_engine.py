"""What the delivery engine keeps: cancel keys, policies, doubt, suppressions, dead letters."""

import sqlalchemy as sa
from alembic import op

from tidings.store.schema.types import Json, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _widen_events()
    _widen_deliveries()
    _widen_dead_letters()
    _create_suppressions()
    op.create_index("idempotency_created", "idempotency", ["created_at"])


def _widen_events() -> None:
    op.add_column("events", sa.Column("cancel_key", sa.Text))
    _partial_index("events_cancel_key", "events", ["cancel_key", "id"], "cancel_key IS NOT NULL")
    _partial_index("events_failed", "events", ["accepted_at", "id"], "state = 'failed'")
    columns = ["created_at", "id"]
    _partial_index("notifications_failed", "notifications", columns, "state = 'failed'")


def _widen_deliveries() -> None:
    op.add_column("deliveries", sa.Column("policy", Json))
    op.add_column("deliveries", sa.Column("expires_at", UtcDateTime))
    op.add_column("deliveries", sa.Column("cancelled_at", UtcDateTime))
    op.add_column(
        "deliveries", sa.Column("doubt", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column("deliveries", sa.Column("rule", sa.Text))
    op.add_column("attempts", sa.Column("route", sa.Text))
    _part_what_is_due()
    columns = ["updated_at", "id"]
    _partial_index("deliveries_failed", "deliveries", columns, "state IN ('failed', 'held')")


def _part_what_is_due() -> None:
    """What is in hand gets an index of its own, so that no backlog stands before the abandoned."""
    columns = ["channel", "lane", "due_at"]
    op.drop_index("deliveries_due", "deliveries")
    _partial_index("deliveries_due", "deliveries", columns, "state = 'pending'")
    _partial_index("deliveries_sending", "deliveries", columns, "state = 'sending'")


def _widen_dead_letters() -> None:
    op.add_column("dead_letters", sa.Column("replayed_at", UtcDateTime))
    op.create_index("dead_letters_created", "dead_letters", ["created_at", "id"])


def _create_suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("address_hash", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.add_column("addresses", sa.Column("suppression", sa.Text))
    columns = ["suppression"]
    _partial_index("addresses_suppression", "addresses", columns, "suppression IS NOT NULL")


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
