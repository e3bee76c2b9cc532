"""The first schema, and the one row that says who this installation is."""

import secrets
import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from tidings.store.schema.types import Id, Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_installation()
    _create_users()
    _create_templates()
    _create_workflows()
    _create_events()
    _create_notifications()
    _create_deliveries()
    _create_attempts()
    _create_figures()
    _create_outbox()
    _create_dead_letters()
    _vacuum_queues_early()


def _create_installation() -> None:
    installation = op.create_table(
        "installation",
        sa.Column("id", Id, primary_key=True),
        sa.Column("address_key", sa.LargeBinary, nullable=False),
        sa.Column("definitions", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    row = {
        "id": str(uuid.uuid4()),
        "address_key": secrets.token_bytes(32),
        "definitions": 0,
        "created_at": datetime.now(UTC),
    }
    op.bulk_insert(installation, [row])


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("locale", sa.Text),
        sa.Column("consent_version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("registered_at", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "addresses",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, nullable=False, server_default="active"),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("addresses_address", "addresses", ["channel", "address"])
    op.create_table(
        "preferences",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("workflow", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )


def _create_templates() -> None:
    op.create_table(
        "templates",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False, server_default=""),
        sa.Column("parts", Json, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    _create_partial_index(
        "templates_published",
        "templates",
        ["key", "channel", "locale"],
        "status = 'published'",
        unique=True,
    )


def _create_workflows() -> None:
    op.create_table(
        "workflows",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("content", Json, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    _create_partial_index(
        "workflows_published", "workflows", ["key"], "status = 'published'", unique=True
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", Id, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("bus_channel", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("tenant", sa.Text),
        sa.Column("data", Json, nullable=False),
        sa.Column("time", UtcDateTime, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", UtcDateTime),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text),
        sa.Column("accepted_at", UtcDateTime, nullable=False),
    )
    _create_partial_index("events_due", "events", ["lane", "due_at"], "state = 'due'")
    op.create_index("events_accepted", "events", ["accepted_at"])
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )


def _create_notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", Id, primary_key=True),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("workflow_version", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("once", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("due_at", UtcDateTime),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text),
        sa.Column("decisions", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    once = "once AND state != 'skipped'" if _on_postgresql() else "once = 1 AND state != 'skipped'"
    _create_partial_index(
        "notifications_once", "notifications", ["workflow", "user_id"], once, unique=True
    )
    _create_partial_index(
        "notifications_due", "notifications", ["lane", "due_at"], "state = 'waiting'"
    )
    op.create_index("notifications_event", "notifications", ["event_id"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", Id, primary_key=True),
        sa.Column("notification_id", Id, nullable=False),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("template_version", sa.Text, nullable=False),
        sa.Column("locale", sa.Text),
        sa.Column("consent_version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("lapses", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("due_at", UtcDateTime),
        sa.Column("claimed_at", UtcDateTime),
        sa.Column("provider", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    _create_partial_index(
        "deliveries_due",
        "deliveries",
        ["channel", "lane", "due_at"],
        "state IN ('pending', 'sending')",
    )
    op.create_index("deliveries_notification", "deliveries", ["notification_id"])


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("delivery_id", Id, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("fenced", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("error", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
    )


def _create_figures() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "figure_deltas",
        sa.Column("id", number, sa.Identity(), primary_key=True),
        sa.Column("minute", UtcDateTime, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "figures",
        sa.Column("minute", UtcDateTime, primary_key=True),
        sa.Column("workflow", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("outcome", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", Id, primary_key=True),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("recipient_name", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("html", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", Id, primary_key=True),
        sa.Column("bus_channel", sa.Text, nullable=False),
        sa.Column("entry_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("entry", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )


def _vacuum_queues_early() -> None:
    # Every row of a queue is updated several times: at the usual fifth of the table, what is due
    # would be looked for among a million dead entries of its index.
    if _on_postgresql():
        for table in ("events", "notifications", "deliveries"):
            op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01)")


def _create_partial_index(
    name: str, table: str, columns: list[str], where: str, *, unique: bool = False
) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
