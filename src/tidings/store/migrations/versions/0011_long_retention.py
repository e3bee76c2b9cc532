"""What is old in the feeds and the audit is found by an index."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("feed_created", "feed", ["created_at"])
    op.create_index("audit_at", "audit", ["at"])
