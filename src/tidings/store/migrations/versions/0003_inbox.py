"""The feed, and where a template came from."""

import sqlalchemy as sa
from alembic import op

from tidings.store.schema.types import Id, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_feed()
    _tell_where_templates_came_from()


def _create_feed() -> None:
    op.create_table(
        "feed",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime),
        sa.Column("read_at", UtcDateTime),
        sa.Column("archived_at", UtcDateTime),
    )
    columns, unread = (
        ["user_id", "created_at", "id"],
        sa.text("read_at IS NULL AND archived_at IS NULL"),
    )
    op.create_index("feed_user", "feed", columns)
    op.create_index("feed_unread", "feed", columns, sqlite_where=unread, postgresql_where=unread)


def _tell_where_templates_came_from() -> None:
    op.add_column(
        "templates", sa.Column("origin", sa.Text, nullable=False, server_default="folder")
    )
